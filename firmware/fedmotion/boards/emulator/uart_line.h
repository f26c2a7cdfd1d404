/* SPDX-License-Identifier: Apache-2.0
 * Linked with libsimavr, the program is under the GNU GPL 3 or later as a whole: docs/licences.md. */

/* The line at an ATmega328P's UART: bytes to the board at the line's pace, bytes from it in a buffer.
 *
 * simavr 1.6 takes 11 bit times a byte and buffers 64 received ones; a byte is 10 bits and the chip holds
 * two and the one that arrives (DS40002061B, 20.7). */

#ifndef FM_UART_LINE_H
#define FM_UART_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "avr_uart.h"
#include "byte_buffer.h"
#include "sim_avr.h"

typedef struct {
    avr_t *avr;
    avr_uart_t *registers;
    fm_bytes_t to_host;
    fm_bytes_t to_board;
    size_t n_received; /* of to_board */
    uint32_t n_overruns;
} fm_uart_t;

/* Connect; false where this MCU has no UART. Call once after avr_init. */
bool fm_uart_init(fm_uart_t *uart, avr_t *avr);

/* Send bytes to the board, after those that still wait. */
void fm_uart_send(fm_uart_t *uart, const uint8_t *bytes, size_t n);

/* The MCU was reset: its timers are gone. `is_cut` takes what waits as well. */
void fm_uart_reset(fm_uart_t *uart, bool is_cut);

/* What the program has set, 0 while its transmitter is off. */
uint32_t fm_uart_baud(const fm_uart_t *uart);

#endif
