#include "fm_arduino_api.h"

static const uint32_t BUS_HZ = 400000;
// One transfer of 16 bytes takes 0.5 ms at 400 kHz, and a core's Wire some more.
static const uint16_t MIN_PERIOD_US = 2000;
static const uint8_t N_RECOVERY_CLOCKS = 9; // UM10204, 3.1.16
// Several times the longest transfer. Without a limit AVR boards wait for ever for a bus that is held low.
static const uint32_t BUS_TIMEOUT_US = 3000;
// Half a clock of the slowest bus, 100 kHz.
static const uint8_t HALF_CLOCK_US = 5;
static const uint32_t UNTOLD_ROOM_MS = 100;
static const uint8_t UNTOLD_ROOM_BYTES = 16;
static const uint8_t STORE_BYTES = 32;

static Stream *line;
static TwoWire *wire;
static int sda_pin;
static int scl_pin;

// Two full frames: indices wrap by themselves, one place stays empty. A core's own buffer may be smaller than
// a frame, which has to go whole or not at all.
static uint8_t ring[256];
static uint8_t head;
static uint8_t tail;
static bool has_told_room;
static uint32_t waits_since_ms;

// What an EEPROM would keep: the API has none that every board has.
static uint8_t store[STORE_BYTES];

static uint32_t now_us(void *)
{
    return micros();
}

static bool line_write(void *, const uint8_t *bytes, uint8_t n)
{
    if (static_cast<uint8_t>(tail - head - 1u) < n) {
        return false;
    }
    if (head == tail) {
        waits_since_ms = millis();
    }
    for (uint8_t i = 0; i < n; i++) {
        ring[head++] = bytes[i];
    }
    return true;
}

static int16_t line_read(void *)
{
    return static_cast<int16_t>(line->read());
}

static uint8_t store_read(void *, uint8_t address)
{
    return store[address % STORE_BYTES];
}

static bool store_write(void *, uint8_t address, uint8_t byte)
{
    store[address % STORE_BYTES] = byte;
    return true;
}

// endTransmission(): 2 and 3 are refused bytes, 4 another error, 5 a timeout.
static fm_bus_result result_of(uint8_t end)
{
    if (end == 0) {
        return FM_BUS_OK;
    }
    return end == 2 || end == 3 ? FM_BUS_NACK : FM_BUS_STUCK;
}

static fm_bus_result bus_write(void *, uint8_t address, uint8_t reg, uint8_t value)
{
    wire->beginTransmission(address);
    wire->write(reg);
    wire->write(value);
    return result_of(wire->endTransmission());
}

static fm_bus_result bus_read(void *, uint8_t address, uint8_t first_reg, uint8_t *bytes, uint8_t n)
{
    wire->beginTransmission(address);
    wire->write(first_reg);
    const fm_bus_result result = result_of(wire->endTransmission(false));
    if (result != FM_BUS_OK) {
        return result;
    }
    if (wire->requestFrom(address, n) != n) {
        return FM_BUS_NACK;
    }
    for (uint8_t i = 0; i < n; i++) {
        bytes[i] = static_cast<uint8_t>(wire->read());
    }
    return FM_BUS_OK;
}

// An open drain: low, or left to its pull-up.
static void release(int pin)
{
    pinMode(pin, INPUT_PULLUP);
    delayMicroseconds(HALF_CLOCK_US);
}

static void pull(int pin)
{
    pinMode(pin, OUTPUT);
    digitalWrite(pin, LOW);
    delayMicroseconds(HALF_CLOCK_US);
}

// Some cores have a limit and some none, and not all that have one say so.
template <typename Wire> static auto limit_waits(Wire &of, int) -> decltype(of.setWireTimeout(0, true))
{
    of.setWireTimeout(BUS_TIMEOUT_US, true);
}

template <typename Wire> static void limit_waits(Wire &, long)
{
}

static fm_bus_result bus_recover(void *)
{
    if (sda_pin < 0 || scl_pin < 0) {
        return FM_BUS_OK; // the next transfer tells
    }
    wire->end();
    release(sda_pin);
    release(scl_pin);
    for (uint8_t i = 0; i < N_RECOVERY_CLOCKS && digitalRead(sda_pin) == LOW; i++) {
        pull(scl_pin);
        release(scl_pin);
    }
    // START and STOP: whoever was in a transfer is in none.
    pull(sda_pin);
    release(sda_pin);
    const bool is_free = digitalRead(sda_pin) == HIGH && digitalRead(scl_pin) == HIGH;
    wire->begin();
    wire->setClock(BUS_HZ);
    limit_waits(*wire, 0);
    return is_free ? FM_BUS_OK : FM_BUS_STUCK;
}

void fm_arduino_api_begin(fm_port *port, Stream &to_host, TwoWire &to_sensor, const char *board, int sda,
                          int scl)
{
    line = &to_host;
    wire = &to_sensor;
    sda_pin = sda;
    scl_pin = scl;
    for (uint8_t i = 0; i < STORE_BYTES; i++) {
        store[i] = 0xFF;
    }
    limit_waits(*wire, 0);
    *port = fm_port();
    port->now_us = now_us;
    port->line_write = line_write;
    port->line_read = line_read;
    port->store_read = store_read;
    port->store_write = store_write;
    port->bus.write = bus_write;
    port->bus.read = bus_read;
    port->bus.recover = bus_recover;
    port->board = board;
    port->min_period_us = MIN_PERIOD_US;
}

// Some cores never say how much they would take at once: then a little at a time is written, and may wait.
static uint8_t room()
{
    const int told = line->availableForWrite();
    if (told > 0) {
        has_told_room = true;
        return told > UINT8_MAX ? UINT8_MAX : static_cast<uint8_t>(told);
    }
    return has_told_room || millis() - waits_since_ms < UNTOLD_ROOM_MS ? 0 : UNTOLD_ROOM_BYTES;
}

void fm_arduino_api_poll()
{
    while (head != tail) {
        const uint8_t up_to_wrap = head > tail ? head - tail : static_cast<uint8_t>(256u - tail);
        const uint8_t n_room = room();
        const uint8_t n = n_room < up_to_wrap ? n_room : up_to_wrap;
        if (n == 0) {
            return;
        }
        const size_t n_written = line->write(ring + tail, n);
        tail = static_cast<uint8_t>(tail + n_written);
        if (n_written != n || !has_told_room) {
            return;
        }
    }
}
