/* SPDX-License-Identifier: Apache-2.0
 * Linked with libsimavr, the program is under the GNU GPL 3 or later as a whole: docs/licences.md. */

#include "twi_bus.h"

#include <string.h>

#include "avr_ioport.h"

/* DS 22.9.2, TWCR. */
enum { TWIE = 0x01, TWEN = 0x04, TWSTO = 0x10, TWSTA = 0x20, TWEA = 0x40, TWINT = 0x80 };

/* DS tables 22-2 and 22-3. */
enum {
    STARTED = 0x08,
    STARTED_AGAIN = 0x10,
    ADDRESS_WRITE_ACK = 0x18,
    ADDRESS_WRITE_NACK = 0x20,
    DATA_WRITE_ACK = 0x28,
    DATA_WRITE_NACK = 0x30,
    ARBITRATION_LOST = 0x38,
    ADDRESS_READ_ACK = 0x40,
    ADDRESS_READ_NACK = 0x48,
    DATA_READ_ACK = 0x50,
    DATA_READ_NACK = 0x58,
    NO_STATE = 0xF8,
};

/* SDA is PC4 and SCL PC5 (DS figure 1-1). */
enum { SDA_PIN = 4, SCL_PIN = 5, PINC_ADDRESS = 0x26, DDRC_ADDRESS = 0x27, PORTC_ADDRESS = 0x28 };

enum { BITS_PER_BYTE = 9 }; /* with the acknowledge bit */

static uint8_t *control_of(const fm_twi_bus_t *bus)
{
    return &bus->avr->data[bus->registers->r_twcr];
}

static void set_status(fm_twi_bus_t *bus, uint8_t status)
{
    uint8_t *twsr = &bus->avr->data[bus->registers->r_twsr];
    *twsr = (uint8_t)(status | (*twsr & 0x03)); /* the two lowest bits are the prescaler */
}

/* DS 22.5.2: SCL = CPU clock / (16 + 2 TWBR 4^TWPS). */
static avr_cycle_count_t cycles_per_bit(const fm_twi_bus_t *bus)
{
    const uint8_t prescaler = bus->avr->data[bus->registers->r_twsr] & 0x03;
    return 16 + (2 * (avr_cycle_count_t)bus->avr->data[bus->registers->r_twbr] << (2 * prescaler));
}

static bool are_lines_free(const fm_twi_bus_t *bus)
{
    return bus->sda_held_clocks == 0 && !bus->is_scl_held;
}

static void finish(fm_twi_bus_t *bus);

static avr_cycle_count_t on_time(avr_t *avr, avr_cycle_count_t when, void *param)
{
    (void)avr;
    (void)when;
    finish(param);
    return 0;
}

static void begin(fm_twi_bus_t *bus, fm_twi_action_t action)
{
    const avr_cycle_count_t n_bits = action == FM_TWI_BYTE ? BITS_PER_BYTE : 1;
    bus->action = action;
    bus->is_waiting = false;
    if (action == FM_TWI_START) {
        if (!bus->is_owner) {
            /* DS 22.6: a master waits until the bus is free. */
            if (!are_lines_free(bus)) {
                bus->is_waiting = true;
                return;
            }
            bus->start_cycle = bus->avr->cycle;
        }
        bus->next_status = bus->is_owner ? STARTED_AGAIN : STARTED;
    }
    avr_cycle_timer_register(bus->avr, n_bits * cycles_per_bit(bus), on_time, bus);
}

static uint8_t send_address(fm_twi_bus_t *bus, uint8_t byte)
{
    const bool is_read = byte & 1;
    bool is_ack = bus->n_address_nacks == 0;
    if (is_ack) {
        is_ack = bus->device.address(bus->device.context, byte);
    } else {
        bus->n_address_nacks--;
    }
    bus->phase = is_read ? FM_TWI_RECEIVE : FM_TWI_TRANSMIT;
    if (is_read) {
        return is_ack ? ADDRESS_READ_ACK : ADDRESS_READ_NACK;
    }
    return is_ack ? ADDRESS_WRITE_ACK : ADDRESS_WRITE_NACK;
}

static uint8_t send_data(fm_twi_bus_t *bus, uint8_t byte)
{
    if (bus->n_data_nacks > 0) {
        bus->n_data_nacks--;
        return DATA_WRITE_NACK;
    }
    return bus->device.write(bus->device.context, byte) ? DATA_WRITE_ACK : DATA_WRITE_NACK;
}

/* What the byte that was under way did; returns the status that says so. */
static uint8_t transfer(fm_twi_bus_t *bus)
{
    uint8_t *twdr = &bus->avr->data[bus->registers->r_twdr];
    const bool is_ack_wanted = *control_of(bus) & TWEA;
    if (bus->sda_held_clocks != 0) {
        /* Who sends a one and sees a zero has lost (DS 22.8); a byte of zeros alone would pass. */
        bus->phase = FM_TWI_IDLE;
        bus->is_owner = false;
        return ARBITRATION_LOST;
    }
    switch (bus->phase) {
    case FM_TWI_ADDRESS:
        return send_address(bus, *twdr);
    case FM_TWI_TRANSMIT:
        return send_data(bus, *twdr);
    default:
        *twdr = bus->device.read(bus->device.context);
        return is_ack_wanted ? DATA_READ_ACK : DATA_READ_NACK;
    }
}

static void finish(fm_twi_bus_t *bus)
{
    const fm_twi_action_t action = bus->action;
    if (bus->is_scl_held || (action == FM_TWI_STOP && bus->sda_held_clocks != 0)) {
        bus->is_waiting = true; /* a held clock stretches whatever is under way, and STOP is a rise of SDA */
        return;
    }
    bus->action = FM_TWI_NOTHING;
    if (action == FM_TWI_STOP) {
        bus->is_owner = false;
        bus->phase = FM_TWI_IDLE;
        *control_of(bus) &= (uint8_t)~TWSTO;
        set_status(bus, NO_STATE);
        if (*control_of(bus) & TWSTA) {
            begin(bus, FM_TWI_START);
        }
        return; /* STOP raises no interrupt */
    }
    if (action == FM_TWI_START) {
        bus->is_owner = true;
        bus->phase = FM_TWI_ADDRESS;
        set_status(bus, bus->next_status);
    } else {
        set_status(bus, transfer(bus));
    }
    avr_raise_interrupt(bus->avr, &bus->registers->twi);
}

static void go_on(fm_twi_bus_t *bus)
{
    if (!bus->is_waiting || bus->is_scl_held) {
        return;
    }
    if (bus->action == FM_TWI_START && !bus->is_owner) {
        begin(bus, FM_TWI_START);
    } else {
        bus->is_waiting = false;
        finish(bus);
    }
}

static void clear_flag(fm_twi_bus_t *bus)
{
    avr_clear_interrupt(bus->avr, &bus->registers->twi);
    *control_of(bus) &= (uint8_t)~TWINT; /* simavr leaves a sticky flag as it is */
}

static void on_control_written(avr_t *avr, avr_io_addr_t address, uint8_t value, void *param)
{
    fm_twi_bus_t *bus = param;
    const uint8_t before = avr->data[address];
    const bool had_flag = before & TWINT;
    avr_core_watch_write(avr, address, (uint8_t)((value & ~TWINT) | (before & TWINT)));
    if (!(value & TWEN)) {
        /* DS 22.9.2: all transmissions end, whatever is under way. */
        fm_twi_reset(bus);
        clear_flag(bus);
        *control_of(bus) = value & (TWEA | TWIE);
        return;
    }
    if (!(value & TWINT)) {
        if (had_flag && (value & TWIE) && !(before & TWIE)) {
            avr_raise_interrupt(avr, &bus->registers->twi);
        }
        return;
    }
    if (had_flag) {
        clear_flag(bus);
    } else if (bus->action != FM_TWI_NOTHING) {
        return;
    }
    if (value & TWSTO) {
        begin(bus, FM_TWI_STOP);
    } else if (value & TWSTA) {
        begin(bus, FM_TWI_START);
    } else if (bus->phase != FM_TWI_IDLE) {
        begin(bus, FM_TWI_BYTE);
    }
}

static void on_status_written(avr_t *avr, avr_io_addr_t address, uint8_t value, void *param)
{
    (void)param;
    avr_core_watch_write(avr, address, (uint8_t)((avr->data[address] & 0xF8) | (value & 0x03)));
}

/* Show the lines' levels on the pins, for programs that read and clock them as pins. */
static void show_lines(fm_twi_bus_t *bus)
{
    const uint8_t sda = bus->sda_held_clocks == 0;
    const uint8_t scl = !bus->is_scl_held;
    avr_ioport_external_t pulled = {
        .name = 'C',
        .mask = 1 << SDA_PIN | 1 << SCL_PIN,
        .value = (uint8_t)(sda << SDA_PIN | scl << SCL_PIN),
    };
    avr_ioctl(bus->avr, AVR_IOCTL_IOPORT_SET_EXTERNAL('C'), &pulled);
    avr_raise_irq(avr_io_getirq(bus->avr, AVR_IOCTL_IOPORT_GETIRQ('C'), SDA_PIN), sda);
    avr_raise_irq(avr_io_getirq(bus->avr, AVR_IOCTL_IOPORT_GETIRQ('C'), SCL_PIN), scl);
    /* A level that has not changed is not told again, but a reset has cleared the register. */
    bus->avr->data[PINC_ADDRESS] = (uint8_t)((bus->avr->data[PINC_ADDRESS] & ~pulled.mask) | pulled.value);
}

static void follow_clock(fm_twi_bus_t *bus, uint8_t direction, uint8_t port)
{
    const bool is_low = (direction & ~port) & (1 << SCL_PIN);
    const bool is_rising = bus->is_scl_low && !is_low;
    bus->is_scl_low = is_low;
    if (is_rising && !bus->is_scl_held && bus->sda_held_clocks != 0 &&
        bus->sda_held_clocks != FM_TWI_HELD_FOR_EVER) {
        fm_twi_hold_sda(bus, bus->sda_held_clocks - 1);
    }
}

static void on_direction(struct avr_irq_t *irq, uint32_t value, void *param)
{
    fm_twi_bus_t *bus = param;
    (void)irq;
    follow_clock(bus, (uint8_t)value, bus->avr->data[PORTC_ADDRESS]);
}

static void on_port(struct avr_irq_t *irq, uint32_t value, void *param)
{
    fm_twi_bus_t *bus = param;
    (void)irq;
    follow_clock(bus, bus->avr->data[DDRC_ADDRESS], (uint8_t)value);
}

bool fm_twi_init(fm_twi_bus_t *bus, avr_t *avr, fm_twi_device_t device)
{
    avr_io_t *module = avr->io_port;
    while (module && strcmp(module->kind, "twi") != 0) {
        module = module->next;
    }
    if (!module) {
        return false;
    }
    *bus = (fm_twi_bus_t){.avr = avr, .registers = (avr_twi_t *)module, .device = device};
    /* Set, not registered: simavr would call its own functions as well. */
    avr->io[AVR_DATA_TO_IO(bus->registers->r_twcr)].w.c = on_control_written;
    avr->io[AVR_DATA_TO_IO(bus->registers->r_twcr)].w.param = bus;
    avr->io[AVR_DATA_TO_IO(bus->registers->r_twsr)].w.c = on_status_written;
    avr->io[AVR_DATA_TO_IO(bus->registers->r_twsr)].w.param = bus;
    avr->io[AVR_DATA_TO_IO(bus->registers->r_twdr)].w.c = NULL;
    avr->io[AVR_DATA_TO_IO(bus->registers->r_twdr)].r.c = NULL;
    avr_irq_register_notify(avr_io_getirq(avr, AVR_IOCTL_IOPORT_GETIRQ('C'), IOPORT_IRQ_DIRECTION_ALL),
                            on_direction, bus);
    avr_irq_register_notify(avr_io_getirq(avr, AVR_IOCTL_IOPORT_GETIRQ('C'), IOPORT_IRQ_REG_PORT), on_port,
                            bus);
    fm_twi_reset(bus);
    return true;
}

void fm_twi_reset(fm_twi_bus_t *bus)
{
    avr_cycle_timer_cancel(bus->avr, on_time, bus);
    bus->phase = FM_TWI_IDLE;
    bus->action = FM_TWI_NOTHING;
    bus->is_owner = false;
    bus->is_waiting = false;
    set_status(bus, NO_STATE);
    show_lines(bus);
}

void fm_twi_hold_sda(fm_twi_bus_t *bus, uint32_t n_clocks)
{
    bus->sda_held_clocks = n_clocks;
    show_lines(bus);
    go_on(bus);
}

void fm_twi_hold_scl(fm_twi_bus_t *bus, bool is_held)
{
    bus->is_scl_held = is_held;
    show_lines(bus);
    go_on(bus);
}
