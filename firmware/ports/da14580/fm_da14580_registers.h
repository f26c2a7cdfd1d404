/*
 * The registers of a DA14580 that the node needs, each as two public sources have it. Nothing here was seen
 * on silicon yet: docs/da14580.md says what that leaves open.
 *
 * P  da14580-pac 0.2.0 (docs.rs), generated from the vendor's description of the chip, with its reset values
 * H  datasheet.h 1.21 of 2013, the header of the vendor's first kits, as public repositories have it
 * L  Linux: drivers/i2c/busses/i2c-designware-core.h and include/uapi/linux/serial_reg.h, for the two blocks
 *    that are Synopsys': DW_apb_i2c and DW_apb_uart
 * A  ARM DDI 0419, the ARMv6-M reference, and CMSIS' core_cm0.h, for what is ARM's
 */
#ifndef FM_DA14580_REGISTERS_H
#define FM_DA14580_REGISTERS_H

#include <stdint.h>

#define FM_REG16(address) (*(volatile uint16_t *)(address))
#define FM_REG32(address) (*(volatile uint32_t *)(address))

/* Clocks, power and reset: P crg580_nl01, H "memory map CRG". */
#define CLK_AMBA_REG                                                                                         \
    FM_REG16(0x50000000u) /* HCLK_DIV 1:0 and PCLK_DIV 5:4; reset value 22: a quarter each                   \
                           */
#define CLK_PER_REG FM_REG16(0x50000004u)
#define CLK_CTRL_REG FM_REG16(0x5000000Au)
#define PMU_CTRL_REG FM_REG16(0x50000010u) /* reset value 06: radio and peripherals have no power */
#define SYS_CTRL_REG FM_REG16(0x50000012u)
#define SYS_STAT_REG FM_REG16(0x50000014u)
enum {
    CLK_AMBA_UNDIVIDED = 0,
    CLK_PER_I2C_ENABLE = 1 << 5,
    CLK_PER_UART1_ENABLE = 1 << 7,
    CLK_CTRL_SYS_CLK_SEL = 0x03, /* 0: the crystal, 1: the RC oscillator, 2 and 3: 32 kHz */
    CLK_CTRL_XTAL16M_DISABLE = 1 << 2,
    CLK_CTRL_RUNNING_AT_XTAL16M = 1 << 7,
    PMU_CTRL_PERIPH_SLEEP = 1 << 1,
    SYS_CTRL_REMAP_ADR0 = 0x03, /* what is at address 0, 2: SysRAM */
    SYS_CTRL_REMAP_SYSRAM = 0x02,
    SYS_CTRL_PAD_LATCH_EN = 1 << 5,    /* 1: pads follow their registers */
    SYS_CTRL_DEBUGGER_ENABLE = 1 << 7, /* else SWDIO and SW_CLK are pins */
    SYS_CTRL_SW_RESET = 1 << 15,       /* resets all but this register and the crystal's trimming (P) */
    SYS_STAT_PER_IS_UP = 1 << 3,
    SYS_STAT_XTAL16_SETTLED = 1 << 7
};

/* Pads of port 0: P gpio580_ports_nl01, H "memory map GPIO". */
#define P0_DATA_REG FM_REG16(0x50003000u) /* reading tells the pads' levels */
#define P0_RESET_DATA_REG FM_REG16(0x50003004u)
#define P0_MODE_REG(pin) FM_REG16(0x50003006u + 2u * (pin))
enum {
    PAD_INPUT_PULL_UP = 1 << 8, /* PUPD 9:8: 0 input, 1 pulled up, 2 pulled down, 3 output */
    PAD_OUTPUT = 3 << 8,
    PAD_GPIO = 0, /* PID 4:0 */
    PAD_UART1_RX = 1,
    PAD_UART1_TX = 2,
    PAD_I2C_SCL = 9,
    PAD_I2C_SDA = 10
};

/* Watchdog: P riscutil580_wdog_nl00, H "memory map WDOG". Counts down each 10.24 ms, by itself from power on.
 */
#define WATCHDOG_REG FM_REG16(0x50003100u) /* reset value FF; is loaded only where bits 15:9 are 0 */
#define WATCHDOG_CTRL_REG FM_REG16(0x50003102u)
#define SET_FREEZE_REG FM_REG16(0x50003300u)
#define RESET_FREEZE_REG FM_REG16(0x50003302u)
enum {
    WATCHDOG_NMI_THEN_RESET = 0, /* NMI at 0, and a reset at -16 */
    FREEZE_WATCHDOG = 1 << 3
};

/* UART 1: P uart1, H "memory map UART", L serial_reg.h; SRR and USR: P, H, and L in 8250_dw.c. */
#define UART_RBR_THR_DLL_REG FM_REG16(0x50001000u)
#define UART_IER_DLH_REG FM_REG16(0x50001004u)
#define UART_IIR_FCR_REG FM_REG16(0x50001008u)
#define UART_LCR_REG FM_REG16(0x5000100Cu)
#define UART_MCR_REG FM_REG16(0x50001010u)
#define UART_USR_REG FM_REG16(0x5000107Cu)
#define UART_SRR_REG FM_REG16(0x50001088u)
enum {
    UART_FCR_ENABLE_AND_CLEAR = 0x07, /* both FIFOs of 16 bytes */
    UART_LCR_8N1 = 0x03,
    UART_LCR_DLAB = 1 << 7,
    UART_USR_TRANSMIT_NOT_FULL = 1 << 1,
    UART_USR_RECEIVED = 1 << 3,
    UART_SRR_RESET_ALL = 0x07
};

/* I2C: P i2c580_nl00, H "memory map I2C", L i2c-designware-core.h. */
#define I2C_CON_REG FM_REG16(0x50001300u)
#define I2C_TAR_REG FM_REG16(0x50001304u)
#define I2C_DATA_CMD_REG FM_REG16(0x50001310u)
#define I2C_FS_SCL_HCNT_REG FM_REG16(0x5000131Cu)
#define I2C_FS_SCL_LCNT_REG FM_REG16(0x50001320u)
#define I2C_INTR_MASK_REG FM_REG16(0x50001330u)
#define I2C_RAW_INTR_STAT_REG FM_REG16(0x50001334u)
#define I2C_CLR_TX_ABRT_REG FM_REG16(0x50001354u)
#define I2C_CLR_STOP_DET_REG FM_REG16(0x50001360u)
#define I2C_ENABLE_REG FM_REG16(0x5000136Cu)
#define I2C_STATUS_REG FM_REG16(0x50001370u)
#define I2C_TX_ABRT_SOURCE_REG FM_REG16(0x50001380u)
#define I2C_ENABLE_STATUS_REG FM_REG16(0x5000139Cu)
enum {
    I2C_CON_FAST_MASTER = 0x65, /* master, 400 kHz, 7 bits, repeated START, no slave */
    I2C_DATA_CMD_READ = 1 << 8,
    I2C_INTR_TX_ABRT = 1 << 6,
    I2C_INTR_STOP_DET = 1 << 9,
    I2C_STATUS_TRANSMIT_NOT_FULL = 1 << 1,
    I2C_STATUS_RECEIVED = 1 << 3,
    I2C_ABRT_LOST = 1 << 12
};

/* SysTick: A B3.3. */
#define SYST_CSR FM_REG32(0xE000E010u)
#define SYST_RVR FM_REG32(0xE000E014u)
#define SYST_CVR FM_REG32(0xE000E018u)
enum { SYST_ENABLE_INTERRUPT_CORE_CLOCK = 0x07 };

#endif
