/* SPDX-License-Identifier: Apache-2.0
 * Linked with libunicorn, the program is under the GNU GPL 2 as a whole: docs/licences.md. */

/* A Cortex-M0 in libunicorn, which executes instructions and no more: time, exceptions, sleep and SysTick are
 * here. Time is cycles of the undivided 16 MHz since the first power on. */

#ifndef FM_M0_CORE_H
#define FM_M0_CORE_H

#include <stdbool.h>
#include <stdint.h>
#include <unicorn/unicorn.h>

#include "m0_cycles.h"

enum { FM_M0_RAM_ADDRESS = 0x20000000, FM_M0_RAM_BYTES = 0xA800, FM_M0_RAM_PAGES_BYTES = 0xB000 };
enum { FM_M0_NMI = 2, FM_M0_HARD_FAULT = 3, FM_M0_SYSTICK = 15 };

#define FM_M0_NEVER UINT64_MAX

typedef struct {
    uc_engine *uc;
    uint8_t ram[FM_M0_RAM_PAGES_BYTES] __attribute__((aligned(0x1000)));
    uint64_t cycle;
    uint64_t stop_cycle;  /* of the instructions that run now */
    uint64_t alarm_cycle; /* the chip's next event that the processor has to see, or never */
    uint8_t clock_shift;  /* the processor's clock is the 16 MHz divided by 2^this */
    uint32_t pc;
    uint8_t exceptions[8]; /* that are under way, the innermost last */
    uint8_t n_exceptions;
    bool is_sleeping;
    bool is_hung;   /* it does nothing until an NMI */
    bool is_locked; /* a fault within a fault: until a reset */
    bool is_nmi_pending;
    bool has_stopped_for_time;
    struct {
        bool is_on, has_interrupt, is_pending, has_counted;
        uint32_t reload;
        uint64_t start; /* when the counter was loaded; it is 0 each reload + 1 clocks later */
        uint64_t next_cycle;
    } systick;
    uint32_t fault_pc; /* of the last HardFault, 0: there was none */
    uint32_t fall_through; /* address behind a conditional branch that ended the last block, else 0 */
    fm_m0_block_t blocks[FM_M0_RAM_BYTES / 2];
} fm_m0_t;

/* False where libunicorn cannot. */
bool fm_m0_init(fm_m0_t *m0);

/* Start at the vectors at address 0, which are RAM's. */
void fm_m0_reset(fm_m0_t *m0);

/* Run until `cycle` or alarm_cycle, whichever is first, or a few cycles longer. */
void fm_m0_run(fm_m0_t *m0, uint64_t cycle);

/* From within a register's access: let the instructions end soon, since an event may be nearer now. */
void fm_m0_look_again(fm_m0_t *m0);

/* The time of a register's access: never beyond a tick that the program has not been told of. */
uint64_t fm_m0_now(const fm_m0_t *m0);

#endif
