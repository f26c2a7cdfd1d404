/*
 * Chapter "2-wire Serial Interface" of the ATmega328P's data sheet; the ATmega2560 and 32U4 have the same
 * registers.
 *
 * A byte takes 23 us at 400 kHz, so waiting for it beats an interrupt each; the UART's interrupts go on
 * meanwhile. No wait is longer than N_TURNS turns of a loop, which is some ten bytes' time, whatever holds
 * the wires.
 */
#include "fm_twi.h"

#include <avr/io.h>
#include <stdbool.h>
#include <util/delay.h>
#include <util/twi.h>

#define SCL_HZ 400000UL
#define N_TURNS 400u
#define HALF_CLOCK_US 5 /* 100 kHz while freeing the bus: what the slowest slave follows */
#define N_FREEING_CLOCKS 9u

#if defined(__AVR_ATmega328P__)
#define WIRES_PIN PINC
#define WIRES_PORT PORTC
#define WIRES_DDR DDRC
#define SDA_MASK _BV(4)
#define SCL_MASK _BV(5)
#elif defined(__AVR_ATmega2560__) || defined(__AVR_ATmega32U4__)
#define WIRES_PIN PIND
#define WIRES_PORT PORTD
#define WIRES_DDR DDRD
#define SDA_MASK _BV(1)
#define SCL_MASK _BV(0)
#else
#error "fm_twi.c knows the wires of the ATmega328P, 2560 and 32U4"
#endif

static bool is_free(void)
{
    return (WIRES_PIN & (SDA_MASK | SCL_MASK)) == (SDA_MASK | SCL_MASK);
}

/* Starts what control says and waits for it; false where it does not end. */
static bool act(uint8_t control)
{
    TWCR = (uint8_t)(_BV(TWINT) | _BV(TWEN) | control);
    for (uint16_t turn = 0; turn < N_TURNS; turn++) {
        if (TWCR & _BV(TWINT)) {
            return true;
        }
    }
    return false;
}

static bool put(uint8_t byte)
{
    TWDR = byte;
    return act(0);
}

/* Ends the transfer. A STOP that does not end is found by the next is_free or START. */
static fm_bus_result stop(fm_bus_result result)
{
    if (result == FM_BUS_STUCK) {
        TWCR = 0; /* lets go of both wires */
        TWCR = _BV(TWEN);
        return result;
    }
    TWCR = _BV(TWINT) | _BV(TWEN) | _BV(TWSTO);
    for (uint16_t turn = 0; turn < N_TURNS; turn++) {
        /* A wire that stays low has made zeros of the last bytes. */
        if (!(TWCR & _BV(TWSTO)) && is_free()) {
            return result;
        }
    }
    TWCR = 0;
    TWCR = _BV(TWEN);
    return FM_BUS_STUCK;
}

/* START, address and register number. */
static fm_bus_result address_register(uint8_t address, uint8_t reg)
{
    if (!is_free() || !act(_BV(TWSTA)) || TW_STATUS != TW_START) {
        return FM_BUS_STUCK;
    }
    if (!put((uint8_t)(address << 1) | TW_WRITE)) {
        return FM_BUS_STUCK;
    }
    if (TW_STATUS != TW_MT_SLA_ACK) {
        return TW_STATUS == TW_MT_SLA_NACK ? FM_BUS_NACK : FM_BUS_STUCK;
    }
    if (!put(reg)) {
        return FM_BUS_STUCK;
    }
    return TW_STATUS == TW_MT_DATA_ACK ? FM_BUS_OK : FM_BUS_NACK;
}

void fm_twi_begin(void)
{
    WIRES_DDR = (uint8_t)(WIRES_DDR & ~(SDA_MASK | SCL_MASK));
    WIRES_PORT |= SDA_MASK | SCL_MASK; /* pull-ups, for a board that has none */
    TWSR = 0;
    TWBR = (uint8_t)((F_CPU / SCL_HZ - 16) / 2);
    TWCR = _BV(TWEN);
    _delay_us(HALF_CLOCK_US); /* the pull-ups charge the wires */
}

fm_bus_result fm_twi_write(void *context, uint8_t address, uint8_t reg, uint8_t value)
{
    (void)context;
    fm_bus_result result = address_register(address, reg);
    if (result == FM_BUS_OK) {
        if (!put(value)) {
            result = FM_BUS_STUCK;
        } else if (TW_STATUS != TW_MT_DATA_ACK) {
            result = FM_BUS_NACK;
        }
    }
    return stop(result);
}

fm_bus_result fm_twi_read(void *context, uint8_t address, uint8_t first_reg, uint8_t *bytes, uint8_t n)
{
    (void)context;
    fm_bus_result result = address_register(address, first_reg);
    if (result != FM_BUS_OK) {
        return stop(result);
    }
    if (!act(_BV(TWSTA)) || TW_STATUS != TW_REP_START || !put((uint8_t)(address << 1) | TW_READ)) {
        return stop(FM_BUS_STUCK);
    }
    if (TW_STATUS != TW_MR_SLA_ACK) {
        return stop(TW_STATUS == TW_MR_SLA_NACK ? FM_BUS_NACK : FM_BUS_STUCK);
    }
    for (uint8_t i = 0; i < n; i++) {
        const bool is_last = i + 1 == n;
        if (!act(is_last ? 0 : _BV(TWEA)) || TW_STATUS != (is_last ? TW_MR_DATA_NACK : TW_MR_DATA_ACK)) {
            return stop(FM_BUS_STUCK);
        }
        bytes[i] = TWDR;
    }
    return stop(FM_BUS_OK);
}

/* As an open drain: low by direction, high by the pull-up. */
static void pull(uint8_t mask)
{
    WIRES_PORT = (uint8_t)(WIRES_PORT & ~mask);
    WIRES_DDR |= mask;
    _delay_us(HALF_CLOCK_US);
}

static void release(uint8_t mask)
{
    WIRES_DDR = (uint8_t)(WIRES_DDR & ~mask);
    WIRES_PORT |= mask;
    _delay_us(HALF_CLOCK_US);
}

fm_bus_result fm_twi_recover(void *context)
{
    (void)context;
    TWCR = 0;
    release(SDA_MASK);
    release(SCL_MASK);
    if (WIRES_PIN & SCL_MASK) {
        for (uint8_t i = 0; i < N_FREEING_CLOCKS && !(WIRES_PIN & SDA_MASK); i++) {
            pull(SCL_MASK);
            release(SCL_MASK);
        }
        /* STOP: SDA rises while SCL is high. */
        pull(SCL_MASK);
        pull(SDA_MASK);
        release(SCL_MASK);
        release(SDA_MASK);
    }
    const bool is_freed = is_free();
    fm_twi_begin();
    return is_freed ? FM_BUS_OK : FM_BUS_STUCK;
}
