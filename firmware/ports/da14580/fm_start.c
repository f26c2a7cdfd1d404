/*
 * The first thing that runs: vectors, memory, main. The program is in RAM already, with the initial values of
 * its data behind its code, so a reset without a new load finds them again.
 */
#include <stddef.h>
#include <stdint.h>

#include "fm_da14580.h"

extern uint32_t fm_stack_top[];
extern const uint32_t fm_data_load[];
extern uint32_t fm_data_start[];
extern uint32_t fm_data_end[];
extern uint32_t fm_bss_start[];
extern uint32_t fm_bss_end[];

int main(void);
void fm_reset(void);
void *memcpy(void *restrict to, const void *restrict from, size_t n);
void *memset(void *to, int value, size_t n);

/* A program that has gone astray stays here until the watchdog bites. */
static void stop(void)
{
    for (;;) {
    }
}

void fm_reset(void)
{
    const uint32_t *from = fm_data_load;
    for (uint32_t *to = fm_data_start; to < fm_data_end; to++) {
        *to = *from++;
    }
    for (uint32_t *to = fm_bss_start; to < fm_bss_end; to++) {
        *to = 0;
    }
    (void)main();
    stop();
}

/* The exceptions of ARMv6-M (ARM DDI 0419, B1.5.2) by number; none of the chip's interrupts is used. */
typedef union {
    uint32_t *stack;
    void (*run)(void);
} vector;

__attribute__((section(".vectors"), used)) static const vector vectors[16] = {
    [0] = {.stack = fm_stack_top},
    [1] = {.run = fm_reset},
    [2] = {.run = fm_da14580_bitten}, /* NMI is the watchdog's */
    [3] = {.run = stop},              /* HardFault */
    [11] = {.run = stop},             /* SVCall */
    [14] = {.run = stop},             /* PendSV */
    [15] = {.run = fm_da14580_tick},  /* SysTick */
};

/* GCC calls these two for structures, also where there is no C library. */
void *memcpy(void *restrict to, const void *restrict from, size_t n)
{
    uint8_t *out = to;
    const uint8_t *in = from;
    while (n-- > 0) {
        *out++ = *in++;
    }
    return to;
}

void *memset(void *to, int value, size_t n)
{
    uint8_t *out = to;
    while (n-- > 0) {
        *out++ = (uint8_t)value;
    }
    return to;
}
