/* SPDX-License-Identifier: Apache-2.0
 * Linked with libunicorn, the program is under the GNU GPL 2 as a whole: docs/licences.md. */

/* How long a Cortex-M0's instructions take: ARM DDI 0432C, table 3-1, with memory that never waits and the fast
 * multiplier. */

#ifndef FM_M0_CYCLES_H
#define FM_M0_CYCLES_H

#include <stdbool.h>
#include <stdint.h>

typedef struct {
    uint16_t n_bytes;
    uint16_t cycles;
    bool ends_in_condition; /* a branch that is taken takes FM_M0_TAKEN_CYCLES more */
} fm_m0_block_t;

enum { FM_M0_TAKEN_CYCLES = 2, FM_M0_ENTRY_CYCLES = 16, FM_M0_RETURN_CYCLES = 12 };

/* The instructions of n_bytes at `code`. */
fm_m0_block_t fm_m0_block(const uint8_t *code, uint32_t n_bytes);

#endif
