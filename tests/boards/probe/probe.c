/* SPDX-License-Identifier: Apache-2.0 */

/* A program for the emulated Uno that does to the hardware what a test asks for in lines of text, at 500000
 * baud and a 400 kHz bus, and answers each with one line. Numbers are hexadecimal.
 *
 *     boot           at start: the reset flags and the first byte of RAM that no start-up code sets
 *     r AA NN        read NN registers from AA: the bytes, then how long it took in half microseconds
 *     w AA VV        write a register
 *     b VV           set the bus clock, TWBR
 *     s PPPP         from now on read 14 registers from 3B every PPPP microseconds; 0 ends it
 *     i              how often INT0 came since it was last asked
 *     l              SDA's and SCL's levels as pins
 *     c NN           give SCL as a pin NN clocks
 *     e AA VV        write EEPROM
 *     d AA           read EEPROM
 *     z              sleep with interrupts off
 *     k              let the watchdog bite
 * A failed transfer answers "! SS", the TWI's status, or "! --" where it does not end within 2 ms. */

#include <avr/eeprom.h>
#include <avr/interrupt.h>
#include <avr/io.h>
#include <avr/sleep.h>
#include <avr/wdt.h>
#include <stdint.h>
#include <stdlib.h>

#define SENSOR 0x68
#define TIMED_OUT 0xFF

static volatile uint16_t n_wraps;
static volatile uint8_t n_interrupts;
static uint8_t never_set __attribute__((section(".noinit")));
static uint16_t stream_us;
static uint32_t next_ticks;

ISR(TIMER1_OVF_vect)
{
    n_wraps++;
}

ISR(INT0_vect)
{
    n_interrupts++;
}

/* Half microseconds since the start. */
static uint32_t now(void)
{
    const uint8_t flags = SREG;
    cli();
    uint16_t low = TCNT1;
    uint16_t high = n_wraps;
    if ((TIFR1 & (1 << TOV1)) && low < 0x8000) {
        high++;
    }
    SREG = flags;
    return (uint32_t)high << 16 | low;
}

static void put(char byte)
{
    while (!(UCSR0A & (1 << UDRE0))) {
    }
    UDR0 = byte;
}

static void put_hex(uint8_t value)
{
    put("0123456789abcdef"[value >> 4]);
    put("0123456789abcdef"[value & 15]);
}

static void put_ticks(uint32_t value)
{
    put('@');
    for (int8_t shift = 24; shift >= 0; shift -= 8) {
        put_hex((uint8_t)(value >> shift));
    }
}

static uint8_t twi(uint8_t control)
{
    const uint32_t start = now();
    TWCR = (1 << TWINT) | (1 << TWEN) | control;
    while (!(TWCR & (1 << TWINT))) {
        if (now() - start > 4000) {
            TWCR = 0;
            return TIMED_OUT;
        }
    }
    return TWSR & 0xF8;
}

static uint8_t send(uint8_t byte)
{
    TWDR = byte;
    return twi(0);
}

static void stop(void)
{
    const uint32_t start = now();
    TWCR = (1 << TWINT) | (1 << TWEN) | (1 << TWSTO);
    while ((TWCR & (1 << TWSTO)) && now() - start < 4000) {
    }
}

static uint8_t point(uint8_t address)
{
    uint8_t status = twi(1 << TWSTA);
    if (status == 0x08) {
        status = send(SENSOR << 1);
    }
    if (status == 0x18) {
        status = send(address);
    }
    return status;
}

/* 0, or the status that should not be. */
static uint8_t write_register(uint8_t address, uint8_t value)
{
    uint8_t status = point(address);
    if (status == 0x28) {
        status = send(value);
    }
    stop();
    return status == 0x28 ? 0 : status;
}

static uint8_t read_registers(uint8_t address, uint8_t *to, uint8_t n)
{
    uint8_t status = point(address);
    if (status == 0x28) {
        status = twi(1 << TWSTA);
    }
    if (status == 0x10) {
        status = send(SENSOR << 1 | 1);
    }
    for (uint8_t i = 0; i < n && (status == 0x40 || status == 0x50); i++) {
        status = twi(i + 1 < n ? 1 << TWEA : 0);
        to[i] = TWDR;
    }
    if (status != TIMED_OUT) {
        stop();
    }
    return status == 0x58 ? 0 : status;
}

static void put_failure(uint8_t status)
{
    put('!');
    put(' ');
    if (status == TIMED_OUT) {
        put('-');
        put('-');
    } else {
        put_hex(status);
    }
}

static void answer_read(uint8_t address, uint8_t n)
{
    uint8_t bytes[64];
    const uint32_t start = now();
    const uint8_t status = read_registers(address, bytes, n > sizeof bytes ? sizeof bytes : n);
    const uint32_t ticks = now() - start;
    if (status) {
        put_failure(status);
        return;
    }
    for (uint8_t i = 0; i < n; i++) {
        put_hex(bytes[i]);
    }
    put(' ');
    put_ticks(ticks);
}

static void stream(void)
{
    uint8_t bytes[14];
    if (!stream_us || (int32_t)(now() - next_ticks) < 0) {
        return;
    }
    const uint32_t at = now();
    next_ticks += 2UL * stream_us;
    if (read_registers(0x3B, bytes, sizeof bytes)) {
        return;
    }
    for (uint8_t i = 0; i < sizeof bytes; i++) {
        put_hex(bytes[i]);
    }
    put(' ');
    put_ticks(at);
    put('\n');
}

static void give_clocks(uint8_t n)
{
    TWCR = 0;
    PORTC &= (uint8_t)~(1 << PC5);
    while (n--) {
        DDRC |= 1 << PC5;
        DDRC &= (uint8_t)~(1 << PC5);
    }
}

static void obey(char *line)
{
    char *rest = line + 1;
    const uint16_t first = (uint16_t)strtoul(rest, &rest, 16);
    const uint8_t second = (uint8_t)strtoul(rest, &rest, 16);
    switch (line[0]) {
    case 'r':
        answer_read((uint8_t)first, second);
        break;
    case 'w': {
        const uint8_t status = write_register((uint8_t)first, second);
        if (status) {
            put_failure(status);
        }
        break;
    }
    case 'b':
        TWBR = (uint8_t)first;
        break;
    case 's':
        stream_us = first;
        next_ticks = now();
        break;
    case 'i':
        put_hex(n_interrupts);
        n_interrupts = 0;
        break;
    case 'l':
        put_hex(PINC >> PC4 & 3);
        break;
    case 'c':
        give_clocks((uint8_t)first);
        break;
    case 'e':
        eeprom_update_byte((uint8_t *)first, second);
        eeprom_busy_wait();
        break;
    case 'd':
        put_hex(eeprom_read_byte((const uint8_t *)first));
        break;
    case 'z':
        cli();
        sleep_enable();
        sleep_cpu();
        break;
    case 'k':
        wdt_enable(WDTO_15MS);
        for (;;) {
        }
    default:
        put('?');
    }
    put('\n');
}

int main(void)
{
    static char line[16];
    uint8_t n = 0;
    const uint8_t cause = MCUSR;
    MCUSR = 0;
    wdt_disable();
    UBRR0 = 1; /* 500000 baud at 16 MHz */
    UCSR0B = (1 << RXEN0) | (1 << TXEN0);
    TWBR = 12; /* 400 kHz */
    TCCR1B = 1 << CS11;
    TIMSK1 = 1 << TOIE1;
    EICRA = (1 << ISC01) | (1 << ISC00);
    EIMSK = 1 << INT0;
    sei();
    for (const char *name = "boot "; *name; name++) {
        put(*name);
    }
    put_hex(cause);
    put(' ');
    put_hex(never_set);
    put('\n');
    never_set = 0x11;
    for (;;) {
        stream();
        if (!(UCSR0A & (1 << RXC0))) {
            continue;
        }
        const char byte = UDR0;
        if (byte == '\n') {
            line[n] = 0;
            n = 0;
            obey(line);
        } else if (n + 1 < (uint8_t)sizeof line) {
            line[n++] = byte;
        }
    }
}
