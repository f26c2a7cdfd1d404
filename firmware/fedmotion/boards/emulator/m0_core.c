/* SPDX-License-Identifier: Apache-2.0
 * Linked with libunicorn, the program is under the GNU GPL 2 as a whole: docs/licences.md. */

#include "m0_core.h"

#include <string.h>

#include "messages.h"

/* ARM DDI 0419, B3.3 and B3.2.4. */
enum {
    PRIVATE_ADDRESS = 0xE000E000,
    PRIVATE_BYTES = 0x1000,
    SYST_CSR = 0x10,
    SYST_RVR = 0x14,
    SYST_CVR = 0x18,
    CSR_ENABLE = 0x01,
    CSR_TICKINT = 0x02,
    CSR_CLKSOURCE = 0x04,
    CSR_COUNTFLAG = 1 << 16,
};

/* B1.5.6: returns to a handler or to the program, both on the main stack. */
static const uint32_t RETURNS = 0xFFFFFFF0, TO_HANDLER = 0xFFFFFFF1, TO_PROGRAM = 0xFFFFFFF9;
/* Memory that answers there, so that libunicorn does not translate each return anew and keep it for ever. */
static const uint32_t RETURNS_PAGE = 0xFFFFF000, PAGE_BYTES = 0x1000;
static const uint32_t THUMB = 1u << 24, WAS_ALIGNED = 1u << 9;

static uint32_t get(const fm_m0_t *m0, int reg)
{
    uint32_t value = 0;
    uc_reg_read(m0->uc, reg, &value);
    return value;
}

static void set(fm_m0_t *m0, int reg, uint32_t value)
{
    uc_reg_write(m0->uc, reg, &value);
}

static bool is_masked(const fm_m0_t *m0)
{
    return get(m0, UC_ARM_REG_PRIMASK) & 1;
}

static uint8_t active(const fm_m0_t *m0)
{
    return m0->n_exceptions ? m0->exceptions[m0->n_exceptions - 1] : 0;
}

/* B1.5.4: NMI before HardFault before the rest. */
static bool can_interrupt(const fm_m0_t *m0, uint8_t number)
{
    const uint8_t now = active(m0);
    return now == 0 || (number < now && now != FM_M0_NMI);
}

static bool is_tick_due(const fm_m0_t *m0)
{
    return m0->systick.is_pending && can_interrupt(m0, FM_M0_SYSTICK) && !is_masked(m0);
}

static uint64_t tick_cycles(const fm_m0_t *m0)
{
    return ((uint64_t)m0->systick.reload + 1) << m0->clock_shift;
}

static void follow_systick(fm_m0_t *m0)
{
    while (m0->systick.is_on && m0->systick.next_cycle <= m0->cycle) {
        m0->systick.next_cycle += tick_cycles(m0);
        m0->systick.has_counted = true;
        m0->systick.is_pending |= m0->systick.has_interrupt;
    }
}

void fm_m0_look_again(fm_m0_t *m0)
{
    m0->stop_cycle = m0->cycle;
}

uint64_t fm_m0_now(const fm_m0_t *m0)
{
    const uint64_t next = m0->systick.next_cycle;
    const uint64_t tick = m0->systick.is_pending ? next - tick_cycles(m0) : next;
    const bool is_due = m0->systick.is_on && m0->systick.has_interrupt && m0->cycle >= tick;
    return is_due && can_interrupt(m0, FM_M0_SYSTICK) && !is_masked(m0) ? tick - 1 : m0->cycle;
}

static uint64_t read_private(uc_engine *uc, uint64_t offset, unsigned size, void *context)
{
    fm_m0_t *m0 = context;
    (void)uc;
    (void)size;
    switch (offset) {
    case SYST_CSR: {
        follow_systick(m0);
        const bool has_counted = m0->systick.has_counted;
        m0->systick.has_counted = false;
        return (m0->systick.is_on ? CSR_ENABLE : 0u) | (m0->systick.has_interrupt ? CSR_TICKINT : 0u) | CSR_CLKSOURCE |
               (has_counted ? CSR_COUNTFLAG : 0u);
    }
    case SYST_RVR:
        return m0->systick.reload;
    case SYST_CVR: {
        const uint64_t passed = (fm_m0_now(m0) - m0->systick.start) % tick_cycles(m0);
        return m0->systick.is_on ? m0->systick.reload - (uint32_t)(passed >> m0->clock_shift) : 0;
    }
    default:
        return 0;
    }
}

static void write_private(uc_engine *uc, uint64_t offset, unsigned size, uint64_t value, void *context)
{
    fm_m0_t *m0 = context;
    (void)uc;
    (void)size;
    switch (offset) {
    case SYST_CSR:
        if (!(value & CSR_CLKSOURCE)) {
            fm_refuse("SysTick counts the processor's clock here: write CLKSOURCE 1 into SYST_CSR");
        }
        if ((value & CSR_ENABLE) && m0->systick.reload == 0) {
            fm_refuse("SysTick is started with SYST_RVR 0, which never ticks");
        }
        m0->systick.is_on = value & CSR_ENABLE;
        m0->systick.has_interrupt = value & CSR_TICKINT;
        break;
    case SYST_RVR:
        m0->systick.reload = value & 0xFFFFFF;
        return;
    case SYST_CVR:
        m0->systick.has_counted = false;
        break;
    default:
        return;
    }
    m0->systick.start = m0->cycle;
    m0->systick.next_cycle = m0->cycle + tick_cycles(m0);
    fm_m0_look_again(m0);
}

static void on_block(uc_engine *uc, uint64_t address, uint32_t n_bytes, void *context)
{
    fm_m0_t *m0 = context;
    if (m0->fall_through != 0 && m0->fall_through != address) {
        m0->cycle += (uint64_t)FM_M0_TAKEN_CYCLES << m0->clock_shift;
    }
    m0->fall_through = 0;
    if (m0->cycle >= m0->stop_cycle || address >= RETURNS) {
        m0->has_stopped_for_time = true;
        uc_emu_stop(uc);
        return;
    }
    const uint32_t offset = (uint32_t)address & 0xFFFF;
    if (offset + n_bytes > FM_M0_RAM_BYTES) {
        return;
    }
    fm_m0_block_t *block = &m0->blocks[offset / 2];
    if (block->n_bytes != n_bytes) {
        *block = fm_m0_block(m0->ram + offset, n_bytes);
    }
    m0->cycle += (uint64_t)block->cycles << m0->clock_shift;
    if (block->ends_in_condition) {
        m0->fall_through = (uint32_t)address + n_bytes;
    }
}

bool fm_m0_init(fm_m0_t *m0)
{
    uc_hook block;
    memset(m0, 0, sizeof *m0);
    m0->alarm_cycle = FM_M0_NEVER;
    return uc_open(UC_ARCH_ARM, UC_MODE_THUMB, &m0->uc) == UC_ERR_OK &&
           uc_ctl_set_cpu_model(m0->uc, UC_CPU_ARM_CORTEX_M0) == UC_ERR_OK &&
           uc_mem_map_ptr(m0->uc, FM_M0_RAM_ADDRESS, FM_M0_RAM_PAGES_BYTES, UC_PROT_ALL, m0->ram) == UC_ERR_OK &&
           uc_mem_map_ptr(m0->uc, 0, FM_M0_RAM_PAGES_BYTES, UC_PROT_ALL, m0->ram) == UC_ERR_OK &&
           uc_mem_map(m0->uc, RETURNS_PAGE, PAGE_BYTES, UC_PROT_ALL) == UC_ERR_OK &&
           uc_mmio_map(m0->uc, PRIVATE_ADDRESS, PRIVATE_BYTES, read_private, m0, write_private, m0) == UC_ERR_OK &&
           uc_hook_add(m0->uc, &block, UC_HOOK_BLOCK, (void *)on_block, m0, 1, 0) == UC_ERR_OK;
}

static uint32_t word(const fm_m0_t *m0, uint32_t address)
{
    uint32_t value = 0;
    uc_mem_read(m0->uc, address, &value, sizeof value);
    return value;
}

void fm_m0_reset(fm_m0_t *m0)
{
    memset(m0->blocks, 0, sizeof m0->blocks);
    uc_ctl_flush_tb(m0->uc);
    memset(&m0->systick, 0, sizeof m0->systick);
    m0->n_exceptions = 0;
    m0->clock_shift = 0;
    m0->is_sleeping = m0->is_hung = m0->is_locked = m0->is_nmi_pending = false;
    m0->alarm_cycle = FM_M0_NEVER;
    m0->fall_through = 0;
    set(m0, UC_ARM_REG_PRIMASK, 0);
    set(m0, UC_ARM_REG_XPSR, THUMB);
    set(m0, UC_ARM_REG_SP, word(m0, 0));
    set(m0, UC_ARM_REG_LR, UINT32_MAX);
    m0->pc = word(m0, 4) & ~1u;
    fm_m0_look_again(m0);
}

/* What the processor stacks, in ascending order (B1.5.6). */
static const int stacked[8] = {UC_ARM_REG_R0, UC_ARM_REG_R1, UC_ARM_REG_R2, UC_ARM_REG_R3,
                               UC_ARM_REG_R12, UC_ARM_REG_LR, 0, 0};

static void enter(fm_m0_t *m0, uint8_t number)
{
    const uint32_t old = get(m0, UC_ARM_REG_SP);
    const uint32_t sp = (old - 32) & ~7u;
    const uint32_t flags = get(m0, UC_ARM_REG_XPSR) & 0xF0000000;
    uint32_t frame[8];
    for (int i = 0; i < 6; i++) {
        frame[i] = get(m0, stacked[i]);
    }
    frame[6] = m0->pc;
    frame[7] = flags | THUMB | active(m0) | ((old & 4) ? WAS_ALIGNED : 0);
    if (uc_mem_write(m0->uc, sp, frame, sizeof frame) != UC_ERR_OK) {
        m0->is_locked = true;
        return;
    }
    set(m0, UC_ARM_REG_SP, sp);
    set(m0, UC_ARM_REG_LR, m0->n_exceptions ? TO_HANDLER : TO_PROGRAM);
    m0->exceptions[m0->n_exceptions++] = number;
    set(m0, UC_ARM_REG_XPSR, flags | THUMB | number);
    m0->pc = word(m0, 4u * number) & ~1u;
    m0->fall_through = 0;
    m0->cycle += (uint64_t)FM_M0_ENTRY_CYCLES << m0->clock_shift;
}

static void leave(fm_m0_t *m0)
{
    const uint32_t sp = get(m0, UC_ARM_REG_SP);
    uint32_t frame[8];
    if (m0->n_exceptions == 0 || uc_mem_read(m0->uc, sp, frame, sizeof frame) != UC_ERR_OK) {
        m0->is_locked = true;
        return;
    }
    m0->n_exceptions--;
    for (int i = 0; i < 6; i++) {
        set(m0, stacked[i], frame[i]);
    }
    m0->pc = frame[6] & ~1u;
    set(m0, UC_ARM_REG_XPSR, frame[7] & (0xF0000000 | THUMB | 0x3F));
    set(m0, UC_ARM_REG_SP, (sp + 32) | ((frame[7] & WAS_ALIGNED) ? 4 : 0));
    m0->fall_through = 0;
    m0->cycle += (uint64_t)FM_M0_RETURN_CYCLES << m0->clock_shift;
}

static void fault(fm_m0_t *m0)
{
    m0->fault_pc = m0->pc;
    if (can_interrupt(m0, FM_M0_HARD_FAULT)) {
        enter(m0, FM_M0_HARD_FAULT);
    } else {
        m0->is_locked = true;
    }
}

static void execute(fm_m0_t *m0)
{
    m0->has_stopped_for_time = false;
    const uc_err error = uc_emu_start(m0->uc, m0->pc | 1, RETURNS_PAGE, 0, 0);
    m0->pc = get(m0, UC_ARM_REG_PC) & ~1u;
    if (m0->pc >= RETURNS) {
        leave(m0);
    } else if (error != UC_ERR_OK) {
        fault(m0);
    } else if (!m0->has_stopped_for_time) {
        m0->is_sleeping = true; /* WFI, with PC behind it */
    }
}

void fm_m0_run(fm_m0_t *m0, uint64_t cycle)
{
    const uint64_t end = cycle < m0->alarm_cycle ? cycle : m0->alarm_cycle;
    while (m0->cycle < end || m0->is_nmi_pending) {
        follow_systick(m0);
        if (m0->is_nmi_pending && can_interrupt(m0, FM_M0_NMI)) {
            m0->is_nmi_pending = m0->is_sleeping = m0->is_hung = false;
            enter(m0, FM_M0_NMI);
        } else if (!m0->is_hung && !m0->is_locked && is_tick_due(m0)) {
            m0->systick.is_pending = m0->is_sleeping = false;
            enter(m0, FM_M0_SYSTICK);
        }
        m0->is_nmi_pending = false;
        m0->is_sleeping = m0->is_sleeping && !m0->systick.is_pending;
        m0->stop_cycle = m0->systick.is_on && m0->systick.next_cycle < end ? m0->systick.next_cycle : end;
        if (m0->systick.is_pending && m0->cycle < m0->stop_cycle) {
            m0->stop_cycle = m0->cycle + 1; /* it comes as soon as interrupts are on again: look after each block */
        }
        if (m0->is_hung || m0->is_locked) {
            m0->cycle = end > m0->cycle ? end : m0->cycle;
        } else if (m0->is_sleeping) {
            m0->cycle = m0->stop_cycle > m0->cycle ? m0->stop_cycle : m0->cycle;
        } else {
            execute(m0);
        }
        if (m0->alarm_cycle < end) {
            return; /* an event has come nearer */
        }
    }
}
