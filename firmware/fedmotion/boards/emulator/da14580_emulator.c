/* SPDX-License-Identifier: Apache-2.0
 * Linked with libunicorn, the program is under the GNU GPL 2 as a whole: docs/licences.md. */

/* A DA14580 with an MPU6050 on I2C, running a real program in libunicorn, for the program that started it:
 * fedmotion.boards.emulated_da14580, with the messages of the emulated Uno (docs/emulator.md).
 *
 * Time is cycles of its 16 MHz since the first power on; it passes while this program is told to run and never goes
 * back. The program in SysRAM is what a memory chip beside it keeps: after each reset the boot ROM has loaded it
 * again. It ends with its input. */

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "da_i2c.h"
#include "da_system.h"
#include "da_uart.h"
#include "messages.h"
#include "mpu6050.h"

enum { CYCLES_PER_US = 16, RAM_AT_POWER_ON = 0xA5, RESET_POWER_ON = 0 };
enum { REGISTERS_ADDRESS = 0x50000000, REGISTERS_BYTES = 0x4000 };

/* BoardFault of fedmotion.boards.emulated_processor. */
enum {
    FAULT_UNPLUG = 0,
    FAULT_PLUG = 1,
    FAULT_ADDRESS_NACKS = 2,
    FAULT_DATA_NACKS = 3,
    FAULT_HOLD_SDA = 4,
    FAULT_HOLD_SCL = 5,
    FAULT_WHO_AM_I = 6,
    FAULT_SENSOR_CLOCK = 7,
    FAULT_LITTER_FIFO = 8,
    FAULT_HANG = 9,
    FAULT_TRIM = 10,
};

static struct {
    fm_m0_t m0;
    fm_da_system_t system;
    fm_da_uart_t uart;
    fm_da_i2c_t i2c;
    fm_mpu_t mpu;
    uint8_t image[FM_M0_RAM_BYTES];
    uint32_t n_image;
} board;

/* The reading's request: 'S', full scales, pushed axes, n and the instants; the answer is n times 7 i16. */
static void feel(void *context, uint16_t n, const uint64_t *cycles, uint8_t accel_g, uint16_t gyro_dps,
                 int16_t values[][FM_MPU_N_VALUES])
{
    uint8_t head[7] = {'S', accel_g};
    (void)context;
    memcpy(head + 2, &gyro_dps, sizeof gyro_dps);
    head[4] = fm_mpu_pushed(&board.mpu);
    memcpy(head + 5, &n, sizeof n);
    fm_give(head, sizeof head);
    fm_give(cycles, n * sizeof *cycles);
    fm_take(values, n * sizeof *values);
}

static void check_access(uint32_t address, unsigned size)
{
    const bool is_block = address >= FM_DA_UART_ADDRESS && address < FM_DA_I2C_ADDRESS + 0x100;
    if ((size != 2 && !(is_block && size == 4)) || address % size != 0) {
        fm_refuse("%08x is accessed with %u bytes, its registers have 2", address, size);
    }
}

static uint64_t read_register(uc_engine *uc, uint64_t offset, unsigned size, void *context)
{
    const uint32_t address = REGISTERS_ADDRESS + (uint32_t)offset;
    uint16_t value = 0;
    (void)uc;
    (void)context;
    check_access(address, size);
    if (address >= FM_DA_UART_ADDRESS && address < FM_DA_UART_ADDRESS + 0x100) {
        return fm_da_uart_read(&board.uart, address);
    }
    if (address >= FM_DA_I2C_ADDRESS && address < FM_DA_I2C_ADDRESS + 0x100) {
        return fm_da_i2c_read(&board.i2c, address);
    }
    if (!fm_da_system_read(&board.system, address, &value)) {
        fm_refuse("the emulated DA14580 has no register to read at %08x", address);
    }
    return value;
}

static void write_register(uc_engine *uc, uint64_t offset, unsigned size, uint64_t value, void *context)
{
    const uint32_t address = REGISTERS_ADDRESS + (uint32_t)offset;
    (void)uc;
    (void)context;
    check_access(address, size);
    if (address >= FM_DA_UART_ADDRESS && address < FM_DA_UART_ADDRESS + 0x100) {
        fm_da_uart_write(&board.uart, address, (uint16_t)value);
    } else if (address >= FM_DA_I2C_ADDRESS && address < FM_DA_I2C_ADDRESS + 0x100) {
        fm_da_i2c_write(&board.i2c, address, (uint16_t)value);
    } else if (!fm_da_system_write(&board.system, address, (uint16_t)value)) {
        fm_refuse("the emulated DA14580 has no register to write at %08x", address);
    }
}

/* `is_by_program`: only the processor and the registers; else the boot ROM has loaded the image again. */
static void reset(bool is_by_program, bool is_line_cut)
{
    fm_da_uart_reset(&board.uart, is_line_cut);
    fm_da_i2c_reset(&board.i2c);
    if (!is_by_program) {
        memcpy(board.m0.ram, board.image, board.n_image);
    }
    fm_m0_reset(&board.m0);
    fm_da_system_reset(&board.system, is_by_program);
}

static void reset_from_outside(uint8_t cause)
{
    if (cause == RESET_POWER_ON) {
        memset(board.m0.ram, RAM_AT_POWER_ON, FM_M0_RAM_BYTES);
        fm_mpu_power_on(&board.mpu, board.m0.cycle);
    }
    reset(false, true);
}

static void set_fault(uint8_t fault, uint32_t argument)
{
    const uint64_t now = board.m0.cycle;
    fm_da_i2c_follow(&board.i2c);
    switch (fault) {
    case FAULT_UNPLUG:
        board.mpu.is_plugged = false;
        break;
    case FAULT_PLUG:
        board.mpu.is_plugged = true;
        fm_mpu_power_on(&board.mpu, now);
        break;
    case FAULT_ADDRESS_NACKS:
        board.i2c.n_address_nacks = argument;
        break;
    case FAULT_DATA_NACKS:
        board.i2c.n_data_nacks = argument;
        break;
    case FAULT_HOLD_SDA:
        fm_da_i2c_hold_sda(&board.i2c, argument);
        break;
    case FAULT_HOLD_SCL:
        fm_da_i2c_hold_scl(&board.i2c, argument != 0);
        break;
    case FAULT_WHO_AM_I:
        board.mpu.who_am_i = (uint8_t)argument;
        break;
    case FAULT_SENSOR_CLOCK:
        fm_mpu_set_clock_error(&board.mpu, (int32_t)argument, now);
        break;
    case FAULT_LITTER_FIFO:
        fm_mpu_litter_fifo(&board.mpu, argument);
        break;
    case FAULT_HANG:
        board.m0.is_hung = true;
        break;
    case FAULT_TRIM:
        fm_mpu_set_trim(&board.mpu, (const uint8_t *)&argument);
        break;
    default:
        fm_refuse("no fault has the number %d", fault);
    }
}

/* 'D', how the program is, then the bytes for the host and the bursts since the last answer. */
static void answer(void)
{
    fm_bytes_t *bytes = &board.uart.to_host, *bursts = &board.i2c.bursts;
    struct {
        uint64_t cycle;
        uint32_t baud, n_overruns, n_bytes, n_bursts;
    } state = {
        board.m0.cycle,
        fm_da_uart_baud(&board.uart),
        board.uart.n_overruns,
        (uint32_t)bytes->n,
        (uint32_t)(bursts->n / sizeof(fm_da_burst_t)),
    };
    const uint8_t head[2] = {'D', board.m0.is_locked};
    fm_give(head, sizeof head);
    fm_give(&state, sizeof state);
    fm_give(bytes->bytes, bytes->n);
    fm_give(bursts->bytes, bursts->n);
    bytes->n = bursts->n = 0;
}

static void run_until(uint64_t cycle)
{
    while (board.m0.cycle < cycle) {
        fm_m0_run(&board.m0, cycle);
        fm_da_system_follow(&board.system);
        if (board.system.is_reset_wanted) {
            reset(true, false);
        } else if (board.system.has_bitten) {
            reset(false, false);
        }
    }
    fm_da_i2c_follow(&board.i2c);
    fm_da_uart_follow(&board.uart);
    answer();
}

/* Where these bytes are in RAM. */
static uint32_t ram_offset(uint32_t address, uint32_t n)
{
    const uint32_t offset = address - FM_M0_RAM_ADDRESS;
    if (address < FM_M0_RAM_ADDRESS || offset > FM_M0_RAM_BYTES || n > FM_M0_RAM_BYTES - offset) {
        fm_refuse("SysRAM is from %08x on and has %u bytes, %u bytes at %08x are not in it", FM_M0_RAM_ADDRESS,
                  FM_M0_RAM_BYTES, n, address);
    }
    return offset;
}

/* A piece of the image, where a loader puts it. */
static void load(uint32_t address, const uint8_t *bytes, uint16_t n)
{
    const uint32_t offset = ram_offset(address, n);
    memcpy(board.image + offset, bytes, n);
    if (board.n_image < offset + n) {
        board.n_image = offset + n;
    }
    reset_from_outside(RESET_POWER_ON);
}

static void obey(void)
{
    struct {
        uint8_t kind, detail;
        uint16_t n_bytes;
        uint32_t argument;
        uint64_t cycle;
    } order;
    static uint8_t bytes[UINT16_MAX];
    fm_take(&order, sizeof order);
    fm_take(bytes, order.n_bytes);
    switch (order.kind) {
    case 'R':
        fm_da_uart_send(&board.uart, bytes, order.n_bytes);
        run_until(order.cycle);
        break;
    case 'L':
        load(order.argument, bytes, order.n_bytes);
        break;
    case 'P':
        memcpy(board.m0.ram + ram_offset(order.argument, order.n_bytes), bytes, order.n_bytes);
        break;
    case 'Q':
        fm_give(board.m0.ram + ram_offset(order.argument, order.detail), order.detail);
        break;
    case 'X':
        reset_from_outside(order.detail);
        break;
    case 'F':
        set_fault(order.detail, order.argument);
        break;
    default:
        fm_refuse("no order has the number %d", order.kind);
    }
}

int main(void)
{
    /* Ctrl-C at a terminal reaches both processes: the other one decides, and closes our input. */
    signal(SIGINT, SIG_IGN);
    fm_messages_open();
    if (!fm_m0_init(&board.m0) || uc_mmio_map(board.m0.uc, REGISTERS_ADDRESS, REGISTERS_BYTES, read_register, NULL,
                                              write_register, NULL) != UC_ERR_OK) {
        errno = 0;
        fm_fail("libunicorn's Cortex-M0");
    }
    const fm_da_wires_t wires = {&board.i2c, fm_da_i2c_is_high, fm_da_i2c_on_scl_rise};
    fm_mpu_init(&board.mpu, CYCLES_PER_US, feel, NULL);
    fm_da_system_init(&board.system, &board.m0, wires);
    fm_da_uart_init(&board.uart, &board.system);
    fm_da_i2c_init(&board.i2c, &board.system, &board.mpu);
    reset_from_outside(RESET_POWER_ON);
    const uint8_t ready = 'U';
    fm_give(&ready, 1);
    for (;;) {
        obey();
    }
}
