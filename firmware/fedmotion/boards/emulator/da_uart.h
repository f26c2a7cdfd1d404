/* SPDX-License-Identifier: Apache-2.0
 * Linked with libunicorn, the program is under the GNU GPL 2 as a whole: docs/licences.md. */

/* UART 1, a DW_apb_uart with FIFOs of 16 bytes, in its line's time. What passes is worked out when the program
 * looks, or the emulator's turn ends. */

#ifndef FM_DA_UART_H
#define FM_DA_UART_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "byte_buffer.h"
#include "da_system.h"

enum { FM_DA_UART_ADDRESS = 0x50001000, FM_DA_UART_FIFO_BYTES = 16 };

typedef struct {
    uint8_t bytes[FM_DA_UART_FIFO_BYTES];
    uint8_t start, n;
} fm_da_fifo_t;

typedef struct {
    const fm_da_system_t *system;
    uint8_t divisor_low, divisor_high, line_control;
    fm_da_fifo_t transmit, receive;
    uint64_t sent_cycle;     /* when the byte that is being shifted out ends; the past: none is */
    uint64_t received_cycle; /* when the next byte of to_board has come */
    fm_bytes_t to_host, to_board;
    size_t n_received; /* of to_board */
    uint32_t n_overruns;
} fm_da_uart_t;

void fm_da_uart_init(fm_da_uart_t *uart, const fm_da_system_t *system);

/* The chip was reset; `is_cut`: what waits on the line is gone, too. */
void fm_da_uart_reset(fm_da_uart_t *uart, bool is_cut);

uint16_t fm_da_uart_read(fm_da_uart_t *uart, uint32_t address);
void fm_da_uart_write(fm_da_uart_t *uart, uint32_t address, uint16_t value);

/* Send bytes to the board, after those that still wait. */
void fm_da_uart_send(fm_da_uart_t *uart, const uint8_t *bytes, size_t n);

void fm_da_uart_follow(fm_da_uart_t *uart);

/* What the program has set, 0 while no pad carries it. */
uint32_t fm_da_uart_baud(const fm_da_uart_t *uart);

#endif
