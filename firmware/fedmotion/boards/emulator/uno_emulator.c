/* SPDX-License-Identifier: Apache-2.0
 * Linked with libsimavr, the program is under the GNU GPL 3 or later as a whole: docs/licences.md. */

/* An Arduino Uno with an MPU6050 on I2C and its INT pin on D2, running a real ELF in simavr, for the program
 * that started it: fedmotion.boards.emulated_uno, which describes the messages on both pipes.
 *
 *     uno_emulator ELF|- EEPROM_FILE|-
 *
 * Time is CPU cycles since the first power on; it passes while this program is told to run and never goes
 * back. It ends with its input. */

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "avr_extint.h"
#include "avr_ioport.h"
#include "eeprom_file.h"
#include "messages.h"
#include "mpu6050.h"
#include "sim_avr.h"
#include "sim_elf.h"
#include "twi_bus.h"
#include "uart_line.h"

static const char MCU[] = "atmega328p";
static const char NONE[] = "-";

enum {
    FREQUENCY_HZ = 16000000,
    CYCLES_PER_US = FREQUENCY_HZ / 1000000,
    INT_PIN = 2, /* D2 is PD2 */
    FIRST_RAM_ADDRESS = 0x100,
    RAM_AT_POWER_ON = 0xA5, /* anything but the zeros that a program might count on */
    /* Instructions run between two looks at the timers; interrupts and register writes end it sooner. */
    RUN_CYCLES = 200,
};

enum { RESET_POWER_ON = 0, RESET_PIN = 1, RESET_BROWN_OUT = 3 };

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

typedef struct {
    uint64_t start_cycle, sample_cycle;
} burst_t;

static struct {
    avr_t *avr;
    avr_io_t io; /* to hear of resets */
    bool was_reset;
    bool is_hung; /* its next instruction was made a jump to itself */
    avr_flashaddr_t hung_pc;
    uint8_t hung_bytes[2];
    fm_twi_bus_t bus;
    fm_mpu_t mpu;
    fm_uart_t uart;
    fm_bytes_t bursts;
    fm_eeprom_file_t eeprom;
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

static avr_irq_t *interrupt_pin(void)
{
    return avr_io_getirq(board.avr, AVR_IOCTL_IOPORT_GETIRQ('D'), INT_PIN);
}

static avr_cycle_count_t end_interrupt(avr_t *avr, avr_cycle_count_t when, void *param)
{
    (void)avr;
    (void)when;
    (void)param;
    avr_raise_irq(interrupt_pin(), fm_mpu_is_interrupt_active_low(&board.mpu));
    return 0;
}

static avr_cycle_count_t raise_interrupt(avr_t *avr, avr_cycle_count_t when, void *param)
{
    (void)param;
    avr_raise_irq(interrupt_pin(), !fm_mpu_is_interrupt_active_low(&board.mpu));
    if (fm_mpu_pulse_cycles(&board.mpu) > 0) {
        avr_cycle_timer_register(avr, fm_mpu_pulse_cycles(&board.mpu), end_interrupt, NULL);
    }
    return fm_mpu_next_interrupt(&board.mpu, when);
}

/* Call when the sensor's settings may have changed, or its status was read. */
static void follow_interrupt(void)
{
    const uint64_t next = fm_mpu_next_interrupt(&board.mpu, board.avr->cycle);
    if (next == 0) {
        avr_cycle_timer_cancel(board.avr, raise_interrupt, NULL);
    } else if (avr_cycle_timer_status(board.avr, raise_interrupt, NULL) != next - board.avr->cycle + 1) {
        avr_cycle_timer_register(board.avr, next - board.avr->cycle, raise_interrupt, NULL);
    }
}

static bool on_address(void *context, uint8_t address_byte)
{
    (void)context;
    const bool is_ack = fm_mpu_address(&board.mpu, address_byte, board.avr->cycle);
    if (is_ack && (address_byte & 1) && fm_mpu_is_burst(&board.mpu)) {
        const burst_t burst = {board.bus.start_cycle, board.mpu.latched_cycle};
        fm_bytes_append(&board.bursts, &burst, sizeof burst);
    }
    return is_ack;
}

static bool on_write(void *context, uint8_t byte)
{
    (void)context;
    const bool is_ack = fm_mpu_write(&board.mpu, byte, board.avr->cycle);
    follow_interrupt();
    return is_ack;
}

static uint8_t on_read(void *context)
{
    (void)context;
    const bool is_status = board.mpu.pointer == 0x3A;
    const uint8_t byte = fm_mpu_read(&board.mpu, board.avr->cycle);
    if (is_status && fm_mpu_pulse_cycles(&board.mpu) == 0) {
        avr_raise_irq(interrupt_pin(), fm_mpu_is_interrupt_active_low(&board.mpu));
    }
    return byte;
}

static void on_reset(avr_io_t *io)
{
    (void)io;
    board.was_reset = true;
}

/* An instruction that jumps to itself: interrupts come and go, and the program goes nowhere. */
static void hang(void)
{
    static const uint8_t jump_to_itself[2] = {0xFF, 0xCF};
    if (!board.is_hung) {
        board.is_hung = true;
        board.hung_pc = board.avr->pc;
        memcpy(board.hung_bytes, board.avr->flash + board.hung_pc, sizeof board.hung_bytes);
        memcpy(board.avr->flash + board.hung_pc, jump_to_itself, sizeof jump_to_itself);
    }
}

/* After any reset of the MCU: simavr has forgotten all timers, ours as well. */
static void follow_reset(bool is_line_cut)
{
    board.was_reset = false;
    if (board.is_hung) {
        board.is_hung = false;
        memcpy(board.avr->flash + board.hung_pc, board.hung_bytes, sizeof board.hung_bytes);
    }
    board.avr->run_cycle_limit = RUN_CYCLES;
    /* As it comes, a low INT0 in its reset mode takes a timer at each pulse and gives none back. */
    avr_extint_set_strict_lvl_trig(board.avr, EXTINT_IRQ_OUT_INT0, 0);
    fm_twi_reset(&board.bus);
    fm_uart_reset(&board.uart, is_line_cut);
    follow_interrupt();
}

static void reset(uint8_t cause)
{
    avr_t *avr = board.avr;
    if (cause == RESET_POWER_ON) {
        memset(avr->data + FIRST_RAM_ADDRESS, RAM_AT_POWER_ON, avr->ramend + 1u - FIRST_RAM_ADDRESS);
        fm_mpu_power_on(&board.mpu, avr->cycle);
    }
    if (avr->cycle > 0) {
        avr_reset(avr);
    }
    avr_regbit_clear(avr, avr->reset_flags.porf);
    avr_regbit_set(avr, cause == RESET_POWER_ON    ? avr->reset_flags.porf
                        : cause == RESET_BROWN_OUT ? avr->reset_flags.borf
                                                   : avr->reset_flags.extrf);
    follow_reset(true);
}

static void set_fault(uint8_t fault, uint32_t argument)
{
    switch (fault) {
    case FAULT_UNPLUG:
        board.mpu.is_plugged = false;
        break;
    case FAULT_PLUG:
        board.mpu.is_plugged = true;
        fm_mpu_power_on(&board.mpu, board.avr->cycle);
        break;
    case FAULT_ADDRESS_NACKS:
        board.bus.n_address_nacks = argument;
        break;
    case FAULT_DATA_NACKS:
        board.bus.n_data_nacks = argument;
        break;
    case FAULT_HOLD_SDA:
        fm_twi_hold_sda(&board.bus, argument);
        break;
    case FAULT_HOLD_SCL:
        fm_twi_hold_scl(&board.bus, argument != 0);
        break;
    case FAULT_WHO_AM_I:
        board.mpu.who_am_i = (uint8_t)argument;
        break;
    case FAULT_SENSOR_CLOCK:
        fm_mpu_set_clock_error(&board.mpu, (int32_t)argument, board.avr->cycle);
        break;
    case FAULT_LITTER_FIFO:
        fm_mpu_litter_fifo(&board.mpu, argument);
        break;
    case FAULT_HANG:
        hang();
        break;
    case FAULT_TRIM:
        fm_mpu_set_trim(&board.mpu, (const uint8_t *)&argument);
        break;
    default:
        fprintf(stderr, "no fault has the number %d\n", fault);
        exit(1);
    }
    follow_interrupt();
}

/* 'D', how the program is, then the bytes for the host and the bursts since the last answer. */
static void answer(bool has_stopped)
{
    struct {
        uint64_t cycle;
        uint32_t baud, n_overruns, n_bytes, n_bursts;
    } state = {
        board.avr->cycle,
        fm_uart_baud(&board.uart),
        board.uart.n_overruns,
        (uint32_t)board.uart.to_host.n,
        (uint32_t)(board.bursts.n / sizeof(burst_t)),
    };
    const uint8_t head[2] = {'D', has_stopped};
    fm_give(head, sizeof head);
    fm_give(&state, sizeof state);
    fm_give(board.uart.to_host.bytes, board.uart.to_host.n);
    fm_give(board.bursts.bytes, board.bursts.n);
    board.uart.to_host.n = board.bursts.n = 0;
}

static void run_until(uint64_t cycle)
{
    avr_t *avr = board.avr;
    int state = avr->state;
    while (avr->cycle < cycle && state != cpu_Done && state != cpu_Crashed) {
        state = avr_run(avr);
        if (board.was_reset) {
            follow_reset(false);
        }
    }
    const bool has_stopped = avr->cycle < cycle;
    if (has_stopped) {
        avr->cycle = cycle; /* time goes on over a program that has ended */
    }
    fm_eeprom_keep(&board.eeprom);
    answer(has_stopped);
}

/* Bytes of the flash, before the first run or between two; where they are a boot loader, resets start there. */
static void load_flash(uint32_t address, const uint8_t *bytes, uint16_t n, bool is_boot_loader)
{
    avr_t *avr = board.avr;
    if (address > avr->flashend || n > avr->flashend + 1 - address) {
        fprintf(stderr, "the flash ends at %x, %u bytes at %x go beyond\n", avr->flashend, n, address);
        exit(1);
    }
    memcpy(avr->flash + address, bytes, n);
    avr->codeend = avr->flashend;
    if (is_boot_loader) {
        avr->reset_pc = address; /* the fuse BOOTRST (DS40002061B, 27.4) */
    }
    if (avr->cycle == 0) {
        avr->pc = avr->reset_pc;
    }
}

static uint8_t *ram(uint32_t address, uint32_t n)
{
    if (address < FIRST_RAM_ADDRESS || address + n > board.avr->ramend + 1u) {
        fm_refuse("%u bytes at %x are not in RAM", n, address);
    }
    return board.avr->data + address;
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
        fm_uart_send(&board.uart, bytes, order.n_bytes);
        run_until(order.cycle);
        break;
    case 'L':
        load_flash(order.argument, bytes, order.n_bytes, order.detail != 0);
        break;
    case 'P':
        memcpy(ram(order.argument, order.n_bytes), bytes, order.n_bytes);
        break;
    case 'Q':
        fm_give(ram(order.argument, order.detail), order.detail);
        break;
    case 'X':
        reset(order.detail);
        break;
    case 'F':
        set_fault(order.detail, order.argument);
        break;
    default:
        fprintf(stderr, "no order has the number %d\n", order.kind);
        exit(1);
    }
}

static void do_not_sleep(avr_t *avr, avr_cycle_count_t n_cycles)
{
    (void)avr;
    (void)n_cycles;
}

static void load_elf(const char *path)
{
    elf_firmware_t firmware = {0};
    if (elf_read_firmware(path, &firmware) != 0 || firmware.flashsize == 0 ||
        firmware.flashbase + firmware.flashsize > board.avr->flashend + 1) {
        errno = 0;
        fm_fail(path);
    }
    firmware.frequency = FREQUENCY_HZ;
    avr_load_firmware(board.avr, &firmware);
}

static void power_up(const char *elf_path, const char *eeprom_path)
{
    board.avr = avr_make_mcu_by_name(MCU);
    if (!board.avr || avr_init(board.avr) != 0) {
        errno = 0;
        fm_fail(MCU);
    }
    board.avr->frequency = FREQUENCY_HZ;
    if (elf_path) {
        load_elf(elf_path);
    }
    board.avr->sleep = do_not_sleep;
    board.avr->log = LOG_ERROR;
    board.io = (avr_io_t){.kind = "emulator", .reset = on_reset};
    avr_register_io(board.avr, &board.io);
    const fm_twi_device_t sensor = {.address = on_address, .write = on_write, .read = on_read};
    fm_mpu_init(&board.mpu, CYCLES_PER_US, feel, NULL);
    if (!fm_twi_init(&board.bus, board.avr, sensor) || !fm_uart_init(&board.uart, board.avr)) {
        errno = 0;
        fm_fail(MCU);
    }
    fm_eeprom_load(&board.eeprom, board.avr, eeprom_path);
    reset(RESET_POWER_ON);
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fputs("uno_emulator ELF|- EEPROM_FILE|-\n", stderr);
        return 2;
    }
    /* Ctrl-C at a terminal reaches both processes: the other one decides, and closes our input. */
    signal(SIGINT, SIG_IGN);
    /* simavr prints on our output, which belongs to the messages. */
    fm_messages_open();
    power_up(strcmp(argv[1], NONE) == 0 ? NULL : argv[1], strcmp(argv[2], NONE) == 0 ? NULL : argv[2]);
    const uint8_t ready = 'U';
    fm_give(&ready, 1);
    for (;;) {
        obey();
    }
}
