/* SPDX-License-Identifier: Apache-2.0
 * Linked with libunicorn, the program is under the GNU GPL 2 as a whole: docs/licences.md. */

#include "da_system.h"

#include "messages.h"

enum {
    CLK_AMBA = 0x50000000,
    CLK_PER = 0x50000004,
    CLK_CTRL = 0x5000000A,
    PMU_CTRL = 0x50000010,
    SYS_CTRL = 0x50000012,
    SYS_STAT = 0x50000014,
    P0_DATA = 0x50003000,
    P0_SET_DATA = 0x50003002,
    P0_RESET_DATA = 0x50003004,
    P0_MODE = 0x50003006,
    P0_MODE_END = P0_MODE + 2 * FM_DA_N_PINS,
    WATCHDOG = 0x50003100,
    WATCHDOG_CTRL = 0x50003102,
    SET_FREEZE = 0x50003300,
    RESET_FREEZE = 0x50003302,
};

enum {
    SYS_CLK_SEL = 0x03,
    RC16M = 0x01,
    XTAL16M_DISABLE = 0x04,
    RUNNING_AT_RC16M = 0x40,
    RUNNING_AT_XTAL16M = 0x80,
    PERIPH_SLEEP = 0x02,
    RADIO_SLEEP = 0x04,
    REMAP_ADR0 = 0x03,
    REMAP_SYSRAM = 0x02,
    PAD_LATCH_EN = 0x20,
    SW_RESET = 0x8000,
    PER_IS_DOWN = 0x04,
    PER_IS_UP = 0x08,
    XTAL16_SETTLED = 0x80,
    PID = 0x1F,
    PUPD = 0x300,
    OUTPUT = 0x300,
    FRZ_WDOG = 0x08,
    NMI_RST = 0x01,
};

/* P: "more than 2 ms"; how long power takes is not said. */
enum { CRYSTAL_CYCLES = 2200 * 16, POWER_CYCLES = 100 * 16, WATCHDOG_CYCLES = 10240 * 16 };

/* At 0 an NMI, at -16 a reset (P). */
enum { WATCHDOG_FULL = 0xFF, WATCHDOG_RESET_AT = -16 };

static int32_t watchdog_now(const fm_da_system_t *system)
{
    const uint64_t passed = system->is_watchdog_frozen ? 0 : system->m0->cycle - system->watchdog_cycle;
    return system->watchdog_value - (int32_t)(passed / WATCHDOG_CYCLES);
}

/* When it will next be at `value`. */
static uint64_t watchdog_at(const fm_da_system_t *system, int32_t value)
{
    return system->watchdog_cycle + (uint64_t)(system->watchdog_value - value) * WATCHDOG_CYCLES;
}

static void set_alarm(fm_da_system_t *system)
{
    fm_m0_t *m0 = system->m0;
    const bool is_nmi_next = system->watchdog_value > 0 && !(system->watchdog_ctrl & NMI_RST);
    m0->alarm_cycle = system->is_watchdog_frozen ? FM_M0_NEVER
                      : is_nmi_next              ? watchdog_at(system, 0)
                      : watchdog_at(system, system->watchdog_ctrl & NMI_RST ? 0 : WATCHDOG_RESET_AT);
    if (m0->alarm_cycle < m0->stop_cycle) {
        fm_m0_look_again(m0);
    }
}

static void load_watchdog(fm_da_system_t *system, int32_t value)
{
    system->watchdog_value = value;
    system->watchdog_cycle = system->m0->cycle;
    set_alarm(system);
}

void fm_da_system_follow(fm_da_system_t *system)
{
    if (system->is_watchdog_frozen || system->m0->cycle < system->m0->alarm_cycle) {
        return;
    }
    if (system->watchdog_value > 0 && !(system->watchdog_ctrl & NMI_RST)) {
        system->watchdog_cycle = watchdog_at(system, 0);
        system->watchdog_value = 0;
        system->m0->is_nmi_pending = true;
        set_alarm(system);
    } else {
        system->has_bitten = true;
    }
}

void fm_da_system_init(fm_da_system_t *system, fm_m0_t *m0, fm_da_wires_t wires)
{
    *system = (fm_da_system_t){.m0 = m0, .wires = wires};
}

void fm_da_system_reset(fm_da_system_t *system, bool is_by_program)
{
    system->clk_amba = 0x22;
    system->clk_per = 0;
    system->clk_ctrl = RC16M;
    system->pmu_ctrl = PERIPH_SLEEP | RADIO_SLEEP;
    if (!is_by_program) {
        /* The boot ROM has loaded SysRAM and put it at 0. */
        system->sys_ctrl = PAD_LATCH_EN | REMAP_SYSRAM;
    }
    system->crystal_cycle = system->m0->cycle + CRYSTAL_CYCLES;
    system->power_cycle = FM_M0_NEVER;
    for (int pin = 0; pin < FM_DA_N_PINS; pin++) {
        system->modes[pin] = 0x200; /* pulled down (P) */
    }
    system->outputs = 0;
    system->is_watchdog_frozen = false;
    system->watchdog_ctrl = 0;
    system->is_reset_wanted = system->has_bitten = false;
    system->m0->clock_shift = system->clk_amba & 3;
    load_watchdog(system, WATCHDOG_FULL);
}

bool fm_da_is_pad(const fm_da_system_t *system, fm_da_pin_t pin, uint8_t function)
{
    return (system->sys_ctrl & PAD_LATCH_EN) && (system->modes[pin] & PID) == function;
}

static bool is_running_at_crystal(const fm_da_system_t *system)
{
    return (system->clk_ctrl & SYS_CLK_SEL) == 0;
}

void fm_da_need(const fm_da_system_t *system, fm_da_part_t part, const char *name)
{
    if (system->m0->cycle < system->power_cycle) {
        fm_refuse("%s is used without power: PMU_CTRL_REG is %04x, and SYS_STAT_REG does not say PER_IS_UP", name,
                  system->pmu_ctrl);
    }
    if (!(system->clk_per & 1u << part)) {
        fm_refuse("%s is used without its clock: CLK_PER_REG is %04x, bit %d has to be 1", name, system->clk_per,
                  part);
    }
    if (!is_running_at_crystal(system)) {
        fm_refuse("%s is used while the clock is the RC oscillator, which is not exact: CLK_CTRL_REG is %04x", name,
                  system->clk_ctrl);
    }
}

static bool is_driven_low(const fm_da_system_t *system, int pin)
{
    return (system->modes[pin] & PUPD) == OUTPUT && (system->modes[pin] & PID) == 0 &&
           !(system->outputs & 1u << pin);
}

static uint16_t levels(const fm_da_system_t *system)
{
    uint16_t value = 0;
    for (int pin = 0; pin < FM_DA_N_PINS; pin++) {
        const bool is_wire = pin == FM_DA_SCL_PIN || pin == FM_DA_SDA_PIN;
        const bool is_high = is_wire ? system->wires.is_high(system->wires.context, (fm_da_pin_t)pin)
                                     : (system->modes[pin] & PUPD) != 0x200;
        value |= (uint16_t)(is_high && !is_driven_low(system, pin) ? 1u << pin : 0);
    }
    return value;
}

/* A pad's mode or level changes: SCL may rise. */
static void drive(fm_da_system_t *system, uint16_t *what, uint16_t value)
{
    const bool was_low = is_driven_low(system, FM_DA_SCL_PIN);
    *what = value;
    if (was_low && !is_driven_low(system, FM_DA_SCL_PIN)) {
        system->wires.on_scl_rise(system->wires.context);
    }
}

bool fm_da_system_read(fm_da_system_t *system, uint32_t address, uint16_t *value)
{
    const uint64_t now = system->m0->cycle;
    switch (address) {
    case CLK_AMBA:
        *value = system->clk_amba;
        return true;
    case CLK_PER:
        *value = system->clk_per;
        return true;
    case CLK_CTRL:
        *value = (uint16_t)(system->clk_ctrl |
                            (is_running_at_crystal(system) ? RUNNING_AT_XTAL16M : RUNNING_AT_RC16M));
        return true;
    case PMU_CTRL:
        *value = system->pmu_ctrl;
        return true;
    case SYS_CTRL:
        *value = system->sys_ctrl;
        return true;
    case SYS_STAT:
        *value = (uint16_t)((now >= system->power_cycle ? PER_IS_UP : PER_IS_DOWN) |
                            (now >= system->crystal_cycle ? XTAL16_SETTLED : 0));
        return true;
    case P0_DATA:
        *value = levels(system);
        return true;
    case WATCHDOG:
        *value = (uint16_t)(watchdog_now(system) & 0x1FF);
        return true;
    case WATCHDOG_CTRL:
        *value = system->watchdog_ctrl;
        return true;
    default:
        if (address >= P0_MODE && address < P0_MODE_END) {
            *value = system->modes[(address - P0_MODE) / 2];
            return true;
        }
        return false;
    }
}

static void write_clock(fm_da_system_t *system, uint16_t value)
{
    if ((value & SYS_CLK_SEL) > RC16M) {
        fm_refuse("the clock is set to 32 kHz: CLK_CTRL_REG becomes %04x", value);
    }
    if ((value & SYS_CLK_SEL) == 0 && system->m0->cycle < system->crystal_cycle) {
        fm_refuse("the clock is set to the crystal before SYS_STAT_REG says XTAL16_SETTLED");
    }
    if ((value & XTAL16M_DISABLE) && (value & SYS_CLK_SEL) == 0) {
        fm_refuse("the crystal is disabled while it is the clock: CLK_CTRL_REG becomes %04x", value);
    }
    if ((system->clk_ctrl & XTAL16M_DISABLE) && !(value & XTAL16M_DISABLE)) {
        system->crystal_cycle = system->m0->cycle + CRYSTAL_CYCLES;
    }
    system->clk_ctrl = value & (SYS_CLK_SEL | XTAL16M_DISABLE | 0x08);
}

static void write_system(fm_da_system_t *system, uint16_t value)
{
    if ((value & REMAP_ADR0) != REMAP_SYSRAM) {
        fm_refuse("what is at address 0 changes under the running program: SYS_CTRL_REG becomes %04x", value);
    }
    system->sys_ctrl = value & (uint16_t)~SW_RESET;
    if (value & SW_RESET) {
        system->is_reset_wanted = true;
        system->m0->alarm_cycle = system->m0->cycle;
        fm_m0_look_again(system->m0);
    }
}

static void freeze_watchdog(fm_da_system_t *system, bool is_frozen)
{
    const int32_t value = watchdog_now(system);
    system->is_watchdog_frozen = is_frozen;
    load_watchdog(system, value);
}

bool fm_da_system_write(fm_da_system_t *system, uint32_t address, uint16_t value)
{
    switch (address) {
    case CLK_AMBA:
        system->clk_amba = value & 0xB3;
        system->m0->clock_shift = value & 3;
        return true;
    case CLK_PER:
        system->clk_per = value;
        return true;
    case CLK_CTRL:
        write_clock(system, value);
        return true;
    case PMU_CTRL:
        if ((value ^ system->pmu_ctrl) & PERIPH_SLEEP) {
            system->power_cycle = value & PERIPH_SLEEP ? FM_M0_NEVER : system->m0->cycle + POWER_CYCLES;
        }
        system->pmu_ctrl = value;
        return true;
    case SYS_CTRL:
        write_system(system, value);
        return true;
    case P0_DATA:
        drive(system, &system->outputs, value);
        return true;
    case P0_SET_DATA:
        drive(system, &system->outputs, system->outputs | value);
        return true;
    case P0_RESET_DATA:
        drive(system, &system->outputs, (uint16_t)(system->outputs & ~value));
        return true;
    case WATCHDOG:
        if ((value & 0xFE00) == 0) { /* else it is not loaded (P) */
            load_watchdog(system, value & 0xFF);
        }
        return true;
    case WATCHDOG_CTRL:
        system->watchdog_ctrl |= value & NMI_RST; /* only a reset takes it back (P) */
        set_alarm(system);
        return true;
    case SET_FREEZE:
    case RESET_FREEZE:
        if (value & FRZ_WDOG) {
            freeze_watchdog(system, address == SET_FREEZE);
        }
        return true;
    default:
        if (address >= P0_MODE && address < P0_MODE_END) {
            drive(system, &system->modes[(address - P0_MODE) / 2], value & (PID | PUPD));
            return true;
        }
        return false;
    }
}
