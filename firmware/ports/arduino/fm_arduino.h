/* An Arduino with an ATmega328P, 2560 or 32U4 at 16 MHz as the node's port. */
#ifndef FM_ARDUINO_H
#define FM_ARDUINO_H

#include "fm_port.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Starts line and bus, and fills the caller's port. */
void fm_arduino_begin(fm_port *port);

/* To be called as often as the node is polled. */
void fm_arduino_poll(void);

#ifdef __cplusplus
}
#endif

#endif
