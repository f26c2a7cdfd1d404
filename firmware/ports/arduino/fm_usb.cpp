// The Leonardo's USB serial line. The core's write waits up to 250 ms for a host that does not read, so a
// ring stands before it and only what USB takes at once goes on.
#include <Arduino.h>

#include "fm_line_port.h"

#if defined(USBCON)

static uint8_t ring[256];
static uint8_t head;
static uint8_t tail;

void fm_line_begin(void)
{
    Serial.begin(FM_BAUD);
}

bool fm_line_write(void *, const uint8_t *bytes, uint8_t n)
{
    if (!Serial.dtr()) { // nobody has opened the port: as a UART, say it to nobody
        tail = head;
        return true;
    }
    if (static_cast<uint8_t>(tail - head - 1u) < n) {
        return false;
    }
    for (uint8_t i = 0; i < n; i++) {
        ring[head++] = bytes[i];
    }
    return true;
}

int16_t fm_line_read(void *)
{
    return static_cast<int16_t>(Serial.read());
}

void fm_line_poll(void)
{
    // The bank is sent, also half full, with the next frame of USB (1 ms).
    while (head != tail) {
        const uint8_t up_to_wrap = head > tail ? head - tail : static_cast<uint8_t>(256u - tail);
        const int room = Serial.availableForWrite();
        if (room <= 0) {
            return;
        }
        const uint8_t n = room < up_to_wrap ? static_cast<uint8_t>(room) : up_to_wrap;
        const size_t n_written = Serial.write(ring + tail, n);
        tail = static_cast<uint8_t>(tail + n_written);
        if (n_written != n) {
            return;
        }
    }
}

#endif
