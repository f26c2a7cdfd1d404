/* SPDX-License-Identifier: Apache-2.0
 * Linked with libsimavr, the program is under the GNU GPL 3 or later as a whole: docs/licences.md. */

#include "uart_line.h"

#include <string.h>

DEFINE_FIFO(uint16_t, uart_fifo);

enum { BITS_PER_BYTE = 10, CHIP_BUFFER_BYTES = 3 };

/* DS 20.3.1: baud = CPU clock / (16 or 8 with U2X) / (UBRR + 1). */
static uint32_t cycles_per_bit(const fm_uart_t *uart)
{
    const avr_uart_t *registers = uart->registers;
    const uint32_t ubrr = avr_regbit_get(uart->avr, registers->ubrrl) |
                          (uint32_t)avr_regbit_get(uart->avr, registers->ubrrh) << 8;
    return (avr_regbit_get(uart->avr, registers->u2x) ? 8 : 16) * (ubrr + 1);
}

static void on_output(struct avr_irq_t *irq, uint32_t value, void *param)
{
    fm_uart_t *uart = param;
    const uint8_t byte = (uint8_t)value;
    (void)irq;
    /* Called before simavr sets its timer for this byte. */
    uart->registers->cycles_per_byte = BITS_PER_BYTE * cycles_per_bit(uart);
    fm_bytes_append(&uart->to_host, &byte, 1);
}

static avr_cycle_count_t on_byte_time(avr_t *avr, avr_cycle_count_t when, void *param)
{
    fm_uart_t *uart = param;
    avr_uart_t *registers = uart->registers;
    const uint8_t byte = uart->to_board.bytes[uart->n_received++];
    if (avr_regbit_get(avr, registers->rxen)) {
        if (uart_fifo_get_read_size(&registers->input) >= CHIP_BUFFER_BYTES) {
            uart->n_overruns++;
            avr_regbit_set(avr, registers->dor);
        } else {
            registers->cycles_per_byte = BITS_PER_BYTE * cycles_per_bit(uart);
            avr_raise_irq(avr_io_getirq(avr, AVR_IOCTL_UART_GETIRQ('0'), UART_IRQ_INPUT), byte);
        }
    }
    if (uart->n_received < uart->to_board.n) {
        return when + BITS_PER_BYTE * cycles_per_bit(uart);
    }
    uart->n_received = uart->to_board.n = 0;
    return 0;
}

bool fm_uart_init(fm_uart_t *uart, avr_t *avr)
{
    avr_io_t *module = avr->io_port;
    while (module && strcmp(module->kind, "uart") != 0) {
        module = module->next;
    }
    if (!module) {
        return false;
    }
    *uart = (fm_uart_t){.avr = avr, .registers = (avr_uart_t *)module};
    uart->registers->flags = 0; /* no copy on our output, no sleep while the program polls */
    avr_irq_register_notify(avr_io_getirq(avr, AVR_IOCTL_UART_GETIRQ('0'), UART_IRQ_OUTPUT), on_output, uart);
    return true;
}

static void start_timer(fm_uart_t *uart)
{
    if (uart->to_board.n > 0 && avr_cycle_timer_status(uart->avr, on_byte_time, uart) == 0) {
        avr_cycle_timer_register(uart->avr, BITS_PER_BYTE * cycles_per_bit(uart), on_byte_time, uart);
    }
}

void fm_uart_send(fm_uart_t *uart, const uint8_t *bytes, size_t n)
{
    fm_bytes_append(&uart->to_board, bytes, n);
    start_timer(uart);
}

void fm_uart_reset(fm_uart_t *uart, bool is_cut)
{
    if (is_cut) {
        uart->n_received = uart->to_board.n = 0;
    }
    avr_cycle_timer_cancel(uart->avr, on_byte_time, uart);
    start_timer(uart);
}

uint32_t fm_uart_baud(const fm_uart_t *uart)
{
    const bool is_on = avr_regbit_get(uart->avr, uart->registers->txen);
    return is_on ? uart->avr->frequency / cycles_per_bit(uart) : 0;
}
