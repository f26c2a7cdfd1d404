#include "fm_arduino.h"

#include <Arduino.h>
#include <avr/eeprom.h>
#include <avr/wdt.h>

#include "fm_line_port.h"
#include "fm_twi.h"

#if defined(ARDUINO_AVR_UNO)
#define BOARD "uno"
#elif defined(ARDUINO_AVR_NANO)
#define BOARD "nano"
#elif defined(ARDUINO_AVR_MEGA2560)
#define BOARD "mega2560"
#elif defined(ARDUINO_AVR_LEONARDO)
#define BOARD "leonardo"
#else
#define BOARD "arduino"
#endif

/* HELLO's reset causes. */
enum { POWER_ON = 0, FROM_OUTSIDE = 1, WATCHDOG = 2, BROWN_OUT = 3 };

/* Where the record begins: the last bytes, for sketches that use the EEPROM from its start. */
#define RECORD_AT ((uint16_t)(E2END + 1u - 32u))

#define MIN_PERIOD_US 1000u

static uint8_t reset_flags __attribute__((section(".noinit")));

/* Before anything else: a watchdog that bit goes on biting, and the flags add up until they are cleared. */
__attribute__((naked, used, section(".init3"))) static void keep_reset_flags(void)
{
    reset_flags = MCUSR;
    MCUSR = 0;
    wdt_disable();
}

static uint8_t reset_cause(void)
{
    /* A boot loader may have cleared them: then it is not known, which is 0 as well. */
    if (reset_flags & _BV(PORF)) {
        return POWER_ON;
    }
    if (reset_flags & _BV(BORF)) {
        return BROWN_OUT;
    }
    if (reset_flags & _BV(WDRF)) {
        return WATCHDOG;
    }
    return reset_flags & _BV(EXTRF) ? FROM_OUTSIDE : POWER_ON;
}

static uint32_t now_us(void *context)
{
    (void)context;
    return micros();
}

static uint8_t *record(uint8_t address)
{
    return (uint8_t *)(RECORD_AT + address);
}

static uint8_t store_read(void *context, uint8_t address)
{
    (void)context;
    return eeprom_read_byte(record(address));
}

static bool store_write(void *context, uint8_t address, uint8_t byte)
{
    (void)context;
    if (!eeprom_is_ready()) {
        return false;
    }
    eeprom_write_byte(record(address), byte);
    return true;
}

/*
 * Half a second: a round of the loop takes some 3 ms at most. The 32U4's core uses the watchdog itself, to
 * start its boot loader: there it is left alone.
 */
static void start_watchdog(void)
{
#if !defined(USBCON)
    wdt_enable(WDTO_500MS);
#endif
}

static void feed_watchdog(void)
{
#if !defined(USBCON)
    wdt_reset();
#endif
}

void fm_arduino_begin(fm_port *port)
{
    start_watchdog();
    fm_line_begin();
    fm_twi_begin();
    *port = (fm_port){
        .now_us = now_us,
        .line_write = fm_line_write,
        .line_read = fm_line_read,
        .store_read = store_read,
        .store_write = store_write,
        .bus = {.write = fm_twi_write, .read = fm_twi_read, .recover = fm_twi_recover},
        .board = BOARD,
        .reset_cause = reset_cause(),
        .min_period_us = MIN_PERIOD_US,
    };
}

void fm_arduino_poll(void)
{
    feed_watchdog();
    fm_line_poll();
}
