/* SPDX-License-Identifier: Apache-2.0
 * Linked with libunicorn, the program is under the GNU GPL 2 as a whole: docs/licences.md. */

#include "m0_cycles.h"

static unsigned n_ones(unsigned bits)
{
    return (unsigned)__builtin_popcount(bits);
}

/* Of a 16 bit instruction, by the encodings of ARM DDI 0419, A5.2. */
static unsigned cycles_of(uint16_t code)
{
    if ((code & 0xFF87) == 0x4487 || (code & 0xFF87) == 0x4687) {
        return 3; /* ADD and MOV to PC */
    }
    if ((code & 0xFF00) == 0x4700) {
        return 3; /* BX, BLX */
    }
    if ((code & 0xF800) == 0x4800 || (code & 0xF000) == 0x5000 || (code & 0xE000) == 0x6000 ||
        (code & 0xF000) == 0x8000 || (code & 0xF000) == 0x9000) {
        return 2; /* a load or a store */
    }
    if ((code & 0xF000) == 0xC000) {
        return 1 + n_ones(code & 0xFF); /* LDM, STM */
    }
    if ((code & 0xFE00) == 0xB400) {
        return 1 + n_ones(code & 0x1FF); /* PUSH */
    }
    if ((code & 0xFE00) == 0xBC00) {
        return (code & 0x100 ? 4 : 1) + n_ones(code & 0xFF); /* POP, with PC it branches */
    }
    if (code == 0xBF30) {
        return 2; /* WFI */
    }
    if ((code & 0xF800) == 0xE000) {
        return 3; /* B */
    }
    return 1;
}

fm_m0_block_t fm_m0_block(const uint8_t *code, uint32_t n_bytes)
{
    fm_m0_block_t block = {.n_bytes = (uint16_t)n_bytes};
    uint32_t at = 0;
    while (at + 2 <= n_bytes) {
        const uint16_t half = (uint16_t)(code[at] | code[at + 1] << 8);
        block.ends_in_condition = (half & 0xF000) == 0xD000 && (half & 0x0E00) != 0x0E00;
        if ((half & 0xF800) == 0xF000) {
            block.cycles = (uint16_t)(block.cycles + 4); /* BL, MRS, MSR and barriers: 32 bits */
            at += 4;
        } else {
            block.cycles = (uint16_t)(block.cycles + cycles_of(half));
            at += 2;
        }
    }
    return block;
}
