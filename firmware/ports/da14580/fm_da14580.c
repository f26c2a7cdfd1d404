/*
 * Clocks, power, watchdog, time and what is kept over a reset.
 *
 * One interrupt: SysTick's, each 200 us. It counts the time and moves the UART's bytes: at 500000 baud ten
 * come meanwhile, and its FIFO holds sixteen. So nothing here rests on the numbers of interrupts, in which
 * the sources differ.
 */
#include "fm_da14580.h"

#include <stdbool.h>

#include "fm_da14580_registers.h"
#include "fm_dw_i2c.h"
#include "fm_dw_uart.h"

#define CYCLES_PER_US 16u
#define TICK_US 200u
#define TICK_CYCLES (TICK_US * CYCLES_PER_US)

/* Half a second; a round of the loop takes some 3 ms at most. */
#define WATCHDOG_COUNTS 50u

#define MIN_PERIOD_US 1000u

/* HELLO's reset causes. */
enum { POWER_ON = 0, FROM_OUTSIDE = 1, WATCHDOG = 2 };

#define STORE_BYTES 32u
#define ERASED 0xFFu

/*
 * The chip has no store that can be written again and again and no register that tells why it was reset: both
 * are in RAM that no start-up code touches, so they last as long as the power does.
 */
static struct {
    uint32_t marks[2];
    uint8_t bytes[STORE_BYTES];
    uint8_t has_bitten;
} kept __attribute__((section(".noinit")));

/* What RAM has at power on is not this. */
static const uint32_t marks[2] = {0x464D4B45u, ~0x464D4B45u};

static volatile uint32_t ticked_us;

static uint32_t now_us(void *context)
{
    uint32_t ticked;
    uint32_t left;
    (void)context;
    do {
        ticked = ticked_us;
        left = SYST_CVR;
    } while (ticked != ticked_us);
    return ticked + (TICK_CYCLES - 1u - left) / CYCLES_PER_US;
}

static uint8_t store_read(void *context, uint8_t address)
{
    (void)context;
    return address < STORE_BYTES ? kept.bytes[address] : ERASED;
}

static bool store_write(void *context, uint8_t address, uint8_t byte)
{
    (void)context;
    if (address < STORE_BYTES) {
        kept.bytes[address] = byte;
    }
    return true;
}

/* Why the processor started, asked once. */
static uint8_t reset_cause(void)
{
    const bool is_kept = kept.marks[0] == marks[0] && kept.marks[1] == marks[1];
    const bool has_bitten = is_kept && kept.has_bitten != 0;
    kept.has_bitten = 0;
    if (!is_kept) {
        for (uint8_t i = 0; i < STORE_BYTES; i++) {
            kept.bytes[i] = ERASED;
        }
        kept.marks[0] = marks[0];
        kept.marks[1] = marks[1];
        return POWER_ON;
    }
    return has_bitten ? WATCHDOG : FROM_OUTSIDE;
}

/* A crystal that does not start, or no power, is the watchdog's. */
static void start_clocks(void)
{
    CLK_CTRL_REG = (uint16_t)(CLK_CTRL_REG & ~CLK_CTRL_XTAL16M_DISABLE);
    while (!(SYS_STAT_REG & SYS_STAT_XTAL16_SETTLED)) {
    }
    CLK_CTRL_REG = (uint16_t)(CLK_CTRL_REG & ~CLK_CTRL_SYS_CLK_SEL);
    while (!(CLK_CTRL_REG & CLK_CTRL_RUNNING_AT_XTAL16M)) {
    }
    CLK_AMBA_REG = CLK_AMBA_UNDIVIDED;
    PMU_CTRL_REG = (uint16_t)(PMU_CTRL_REG & ~PMU_CTRL_PERIPH_SLEEP);
    while (!(SYS_STAT_REG & SYS_STAT_PER_IS_UP)) {
    }
    CLK_PER_REG = CLK_PER_UART1_ENABLE | CLK_PER_I2C_ENABLE;
    SYS_CTRL_REG = (uint16_t)(SYS_CTRL_REG | SYS_CTRL_PAD_LATCH_EN | SYS_CTRL_DEBUGGER_ENABLE);
}

void fm_da14580_feed_watchdog(void)
{
    WATCHDOG_REG = WATCHDOG_COUNTS;
}

void fm_da14580_rest(void)
{
    __asm__ volatile("wfi");
}

void fm_da14580_bitten(void)
{
    kept.has_bitten = 1;
    SYS_CTRL_REG =
        (uint16_t)((SYS_CTRL_REG & ~SYS_CTRL_REMAP_ADR0) | SYS_CTRL_REMAP_SYSRAM | SYS_CTRL_SW_RESET);
    for (;;) {
    }
}

void fm_da14580_tick(void)
{
    ticked_us += TICK_US;
    fm_line_pump();
}

static const fm_port board = {
    .now_us = now_us,
    .line_write = fm_line_write,
    .line_read = fm_line_read,
    .store_read = store_read,
    .store_write = store_write,
    .bus = {.write = fm_i2c_write, .read = fm_i2c_read, .recover = fm_i2c_recover},
    .board = "da14580",
    .min_period_us = MIN_PERIOD_US,
};

void fm_da14580_begin(fm_port *port)
{
    WATCHDOG_CTRL_REG = WATCHDOG_NMI_THEN_RESET;
    fm_da14580_feed_watchdog();
    RESET_FREEZE_REG = FREEZE_WATCHDOG;
    *port = board;
    port->reset_cause = reset_cause();
    start_clocks();
    fm_line_begin();
    SYST_RVR = TICK_CYCLES - 1u;
    SYST_CVR = 0;
    SYST_CSR = SYST_ENABLE_INTERRUPT_CORE_CLOCK;
    fm_i2c_begin(now_us);
}
