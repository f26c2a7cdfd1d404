/* SPDX-License-Identifier: Apache-2.0
 * Linked with libunicorn, the program is under the GNU GPL 2 as a whole: docs/licences.md. */

/* A DA14580's clocks, power, pads and watchdog, as firmware/ports/da14580/fm_da14580_registers.h cites them. What a
 * program must not do, or does without what it needs, ends the emulator with a sentence. */

#ifndef FM_DA_SYSTEM_H
#define FM_DA_SYSTEM_H

#include <stdbool.h>
#include <stdint.h>

#include "m0_core.h"

typedef enum { FM_DA_UART = 7, FM_DA_I2C = 5 } fm_da_part_t; /* its bit in CLK_PER_REG */

typedef enum { FM_DA_SCL_PIN = 2, FM_DA_SDA_PIN = 3, FM_DA_TX_PIN = 4, FM_DA_RX_PIN = 5 } fm_da_pin_t;

enum { FM_DA_N_PINS = 8 };

/* What the two wires are held at by others, and who hears of SCL as a pin. */
typedef struct {
    void *context;
    bool (*is_high)(void *context, fm_da_pin_t pin);
    void (*on_scl_rise)(void *context);
} fm_da_wires_t;

typedef struct {
    fm_m0_t *m0;
    fm_da_wires_t wires;
    uint16_t clk_amba, clk_per, clk_ctrl, pmu_ctrl, sys_ctrl;
    uint64_t crystal_cycle; /* when it has settled */
    uint64_t power_cycle;   /* when the peripherals have power; never: they have none */
    uint16_t modes[FM_DA_N_PINS];
    uint16_t outputs;
    bool is_watchdog_frozen;
    uint16_t watchdog_ctrl;
    int32_t watchdog_value;  /* at watchdog_cycle */
    uint64_t watchdog_cycle; /* when it was loaded or began to run again */
    bool is_reset_wanted;    /* by the program */
    bool has_bitten;         /* the watchdog wants a reset */
} fm_da_system_t;

void fm_da_system_init(fm_da_system_t *system, fm_m0_t *m0, fm_da_wires_t wires);

/* As a reset leaves it and the boot ROM hands it over; SYS_CTRL_REG stays where only the program asked for it. */
void fm_da_system_reset(fm_da_system_t *system, bool is_by_program);

/* CRG at 50000000, pads at 50003000, watchdog at 50003100, freezing at 50003300: true where it is one of them. */
bool fm_da_system_read(fm_da_system_t *system, uint32_t address, uint16_t *value);
bool fm_da_system_write(fm_da_system_t *system, uint32_t address, uint16_t value);

/* Ends the emulator unless this part has power, its clock and an exact one. */
void fm_da_need(const fm_da_system_t *system, fm_da_part_t part, const char *name);

/* Whether a pad is given to this function (PID). */
bool fm_da_is_pad(const fm_da_system_t *system, fm_da_pin_t pin, uint8_t function);

/* Let the watchdog bite where it is time. */
void fm_da_system_follow(fm_da_system_t *system);

#endif
