// Any board with an Arduino core as the node's port: through Stream, TwoWire, micros() and pins alone.
#ifndef FM_ARDUINO_API_H
#define FM_ARDUINO_API_H

#include <Arduino.h>
#include <Wire.h>

extern "C" {
#include "fm_port.h"
}

// Fills the caller's port, which then uses line and wire; both have begun, and wire is a master of 400 kHz.
// board is at most 16 printable characters and stays the caller's. sda and scl are the pins that wire is on,
// -1 where they are not to be touched: a sensor that holds the bus is then not clocked free.
void fm_arduino_api_begin(fm_port *port, Stream &line, TwoWire &wire, const char *board, int sda, int scl);

// To be called as often as the node is polled.
void fm_arduino_api_poll();

#endif
