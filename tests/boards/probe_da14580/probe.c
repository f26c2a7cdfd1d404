/* A program for the emulated DA14580 that does one thing right or wrong, by WANTED. It answers with bytes at
 * 500000 baud, where it comes so far. */
#include <stdint.h>

#include "fm_da14580_registers.h"

enum {
    RIGHT,
    NO_UART_CLOCK,
    NO_POWER,
    NO_PAD,
    LATCHED_PADS,
    RC_CLOCK,
    EARLY_CRYSTAL,
    FULL_FIFO,
    NO_DIVISOR,
    NO_I2C_PADS,
    NO_I2C_CLOCK,
    I2C_WHILE_DISABLED,
    I2C_SET_WHILE_ENABLED,
    I2C_TOO_MANY,
    I2C_EMPTY,
    WIDE_ACCESS,
    UNKNOWN_REGISTER,
    REMAPPED,
    WATCHDOG_NMI,
    WATCHDOG_DEAF,
    WATCHDOG_FILTER,
    UNALIGNED
};

extern uint32_t fm_stack_top[];
extern uint32_t fm_bss_end[];
void fm_reset(void);

/* Where no start-up code comes. */
static volatile uint32_t n_starts __attribute__((section(".noinit")));

static void say(uint8_t byte)
{
    while (!(UART_USR_REG & UART_USR_TRANSMIT_NOT_FULL)) {
    }
    UART_RBR_THR_DLL_REG = byte;
}

static void wait(uint32_t turns)
{
    while (turns-- > 0) {
        __asm__ volatile("nop");
    }
}

static void nmi(void)
{
    say('N');
    while (WANTED == WATCHDOG_DEAF) {
    }
    wait(1000); /* the byte goes out */
    SYS_CTRL_REG = (uint16_t)(SYS_CTRL_REG | SYS_CTRL_SW_RESET);
    for (;;) {
    }
}

static void hard_fault(void)
{
    say('F');
    for (;;) {
    }
}

static void start_clocks(void)
{
    if (WANTED != EARLY_CRYSTAL) {
        while (!(SYS_STAT_REG & SYS_STAT_XTAL16_SETTLED)) {
        }
    }
    if (WANTED != RC_CLOCK) {
        CLK_CTRL_REG = 0;
    }
    CLK_AMBA_REG = 0;
    if (WANTED != NO_POWER) {
        PMU_CTRL_REG = 0x04;
        while (!(SYS_STAT_REG & SYS_STAT_PER_IS_UP)) {
        }
    }
    CLK_PER_REG = (uint16_t)((WANTED == NO_UART_CLOCK ? 0 : CLK_PER_UART1_ENABLE) |
                             (WANTED == NO_I2C_CLOCK ? 0 : CLK_PER_I2C_ENABLE));
    if (WANTED == LATCHED_PADS) {
        SYS_CTRL_REG = SYS_CTRL_REMAP_SYSRAM;
    }
}

static void start_uart(void)
{
    UART_LCR_REG = UART_LCR_DLAB | UART_LCR_8N1;
    UART_RBR_THR_DLL_REG = WANTED == NO_DIVISOR ? 0 : 2;
    UART_IER_DLH_REG = 0;
    UART_LCR_REG = UART_LCR_8N1;
    UART_IIR_FCR_REG = UART_FCR_ENABLE_AND_CLEAR;
    if (WANTED != NO_PAD) {
        P0_MODE_REG(4) = PAD_OUTPUT | PAD_UART1_TX;
    }
}

static void use_i2c(void)
{
    I2C_ENABLE_REG = 0;
    I2C_CON_REG = I2C_CON_FAST_MASTER;
    if (WANTED == I2C_WHILE_DISABLED) {
        I2C_DATA_CMD_REG = 0x75;
    }
    I2C_TAR_REG = 0x68;
    if (WANTED != NO_I2C_PADS) {
        P0_MODE_REG(2) = PAD_INPUT_PULL_UP | PAD_I2C_SCL;
        P0_MODE_REG(3) = PAD_INPUT_PULL_UP | PAD_I2C_SDA;
    }
    I2C_ENABLE_REG = 1;
    if (WANTED == I2C_SET_WHILE_ENABLED) {
        I2C_TAR_REG = 0x69;
    }
    if (WANTED == I2C_EMPTY) {
        say((uint8_t)I2C_DATA_CMD_REG);
    }
    I2C_DATA_CMD_REG = 0x75;
    for (int i = 0; i < (WANTED == I2C_TOO_MANY ? 8 : 1); i++) {
        I2C_DATA_CMD_REG = I2C_DATA_CMD_READ;
    }
    while (!(I2C_STATUS_REG & I2C_STATUS_RECEIVED)) {
    }
    say((uint8_t)I2C_DATA_CMD_REG);
}

void fm_reset(void)
{
    n_starts++;
    start_clocks();
    start_uart();
    say((uint8_t)('0' + (n_starts & 7)));
    switch (WANTED) {
    case FULL_FIFO:
        for (int i = 0; i < 20; i++) {
            UART_RBR_THR_DLL_REG = 'x';
        }
        break;
    case WIDE_ACCESS:
        FM_REG32(0x50000000u) = 0;
        break;
    case UNKNOWN_REGISTER:
        FM_REG16(0x50003400u) = 0;
        break;
    case REMAPPED:
        SYS_CTRL_REG = 0;
        break;
    case WATCHDOG_NMI:
    case WATCHDOG_DEAF:
        WATCHDOG_REG = 10;
        for (;;) {
        }
    case WATCHDOG_FILTER:
        WATCHDOG_REG = 10;
        for (;;) {
            WATCHDOG_REG = 0x0200 | 100; /* is not taken: bits 15:9 have to be 0 */
        }
    case UNALIGNED: {
        uint32_t value; /* the compiler would load it by bytes */
        __asm__ volatile("ldr %0, [%1]" : "=r"(value) : "r"((uintptr_t)fm_bss_end | 1u));
        break;
    }
    default:
        break;
    }
    use_i2c();
    for (;;) {
        WATCHDOG_REG = 0xFF;
    }
}

typedef union {
    uint32_t *stack;
    void (*run)(void);
} vector;

__attribute__((section(".vectors"), used)) static const vector vectors[16] = {
    [0] = {.stack = fm_stack_top},
    [1] = {.run = fm_reset},
    [2] = {.run = nmi},
    [3] = {.run = hard_fault},
};
