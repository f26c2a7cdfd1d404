/* SPDX-License-Identifier: Apache-2.0
 * Linked with libunicorn, the program is under the GNU GPL 2 as a whole: docs/licences.md. */

#include "da_uart.h"

#include "messages.h"

enum {
    RBR_THR_DLL = 0x00,
    IER_DLH = 0x04,
    IIR_FCR = 0x08,
    LCR = 0x0C,
    MCR = 0x10,
    LSR = 0x14,
    USR = 0x7C,
    TFL = 0x80,
    RFL = 0x84,
    SRR = 0x88,
    DLAB = 0x80,
    EIGHT_BITS = 0x03,
    CLOCK_HZ = 16000000,
    BITS_PER_BYTE = 10,
    PID_RX = 1,
    PID_TX = 2,
};

static uint32_t divisor(const fm_da_uart_t *uart)
{
    return uart->divisor_low | (uint32_t)uart->divisor_high << 8;
}

static uint64_t byte_cycles(const fm_da_uart_t *uart)
{
    return (uint64_t)BITS_PER_BYTE * 16 * divisor(uart);
}

static void put(fm_da_fifo_t *fifo, uint8_t byte)
{
    fifo->bytes[(fifo->start + fifo->n++) % FM_DA_UART_FIFO_BYTES] = byte;
}

static uint8_t take(fm_da_fifo_t *fifo)
{
    const uint8_t byte = fifo->bytes[fifo->start];
    fifo->start = (uint8_t)((fifo->start + 1) % FM_DA_UART_FIFO_BYTES);
    fifo->n--;
    return byte;
}

static bool is_ready(const fm_da_uart_t *uart)
{
    return divisor(uart) != 0 && uart->line_control == EIGHT_BITS;
}

/* A byte leaves the FIFO when the one before it has been shifted out. */
static void follow_transmitter(fm_da_uart_t *uart, uint64_t now)
{
    while (uart->transmit.n > 0 && uart->sent_cycle <= now) {
        const uint8_t byte = take(&uart->transmit);
        fm_bytes_append(&uart->to_host, &byte, 1);
        uart->sent_cycle += byte_cycles(uart);
    }
}

static void follow_receiver(fm_da_uart_t *uart, uint64_t now)
{
    while (uart->n_received < uart->to_board.n) {
        const bool is_heard = is_ready(uart) && fm_da_is_pad(uart->system, FM_DA_RX_PIN, PID_RX);
        const uint64_t byte_time = is_ready(uart) ? byte_cycles(uart) : (uint64_t)BITS_PER_BYTE * 32;
        if (uart->received_cycle == 0) {
            uart->received_cycle = now + byte_time;
        }
        if (uart->received_cycle > now) {
            return;
        }
        const uint8_t byte = uart->to_board.bytes[uart->n_received++];
        if (is_heard && uart->receive.n < FM_DA_UART_FIFO_BYTES) {
            put(&uart->receive, byte);
        } else if (is_heard) {
            uart->n_overruns++;
        }
        uart->received_cycle += byte_time;
    }
    uart->n_received = uart->to_board.n = 0;
    uart->received_cycle = 0;
}

void fm_da_uart_follow(fm_da_uart_t *uart)
{
    follow_transmitter(uart, uart->system->m0->cycle);
    follow_receiver(uart, uart->system->m0->cycle);
}

void fm_da_uart_init(fm_da_uart_t *uart, const fm_da_system_t *system)
{
    *uart = (fm_da_uart_t){.system = system};
}

void fm_da_uart_reset(fm_da_uart_t *uart, bool is_cut)
{
    fm_da_uart_follow(uart);
    uart->divisor_low = uart->divisor_high = uart->line_control = 0;
    uart->transmit.n = uart->receive.n = 0;
    uart->sent_cycle = 0;
    if (is_cut) {
        uart->n_received = uart->to_board.n = 0;
        uart->received_cycle = 0;
    }
}

void fm_da_uart_send(fm_da_uart_t *uart, const uint8_t *bytes, size_t n)
{
    fm_da_uart_follow(uart);
    fm_bytes_append(&uart->to_board, bytes, n);
    fm_da_uart_follow(uart);
}

uint32_t fm_da_uart_baud(const fm_da_uart_t *uart)
{
    const bool is_on = is_ready(uart) && fm_da_is_pad(uart->system, FM_DA_TX_PIN, PID_TX);
    return is_on ? CLOCK_HZ / (16 * divisor(uart)) : 0;
}

uint16_t fm_da_uart_read(fm_da_uart_t *uart, uint32_t address)
{
    fm_da_need(uart->system, FM_DA_UART, "UART 1");
    fm_da_uart_follow(uart);
    const bool is_shifting = uart->sent_cycle > uart->system->m0->cycle;
    switch (address - FM_DA_UART_ADDRESS) {
    case RBR_THR_DLL:
        if (uart->line_control & DLAB) {
            return uart->divisor_low;
        }
        return uart->receive.n > 0 ? take(&uart->receive) : 0;
    case IER_DLH:
        return uart->line_control & DLAB ? uart->divisor_high : 0;
    case IIR_FCR:
        return 0xC1; /* FIFOs on, no interrupt */
    case LCR:
        return uart->line_control;
    case MCR:
        return 0;
    case LSR:
        return (uint16_t)((uart->receive.n > 0 ? 0x01 : 0) | (uart->transmit.n == 0 ? 0x20 : 0) |
                          (uart->transmit.n == 0 && !is_shifting ? 0x40 : 0));
    case USR:
        return (uint16_t)((is_shifting ? 0x01 : 0) | (uart->transmit.n < FM_DA_UART_FIFO_BYTES ? 0x02 : 0) |
                          (uart->transmit.n == 0 ? 0x04 : 0) | (uart->receive.n > 0 ? 0x08 : 0) |
                          (uart->receive.n == FM_DA_UART_FIFO_BYTES ? 0x10 : 0));
    case TFL:
        return uart->transmit.n;
    case RFL:
        return uart->receive.n;
    default:
        fm_refuse("the emulated UART 1 has no register to read at %08x", address);
    }
}

static void transmit(fm_da_uart_t *uart, uint8_t byte)
{
    const uint64_t now = uart->system->m0->cycle;
    if (!is_ready(uart)) {
        fm_refuse("UART 1 sends with divisor %u and LCR %02x: it needs a divisor and 8 bits without parity, 03",
                  divisor(uart), uart->line_control);
    }
    if (!fm_da_is_pad(uart->system, FM_DA_TX_PIN, PID_TX) || (uart->system->modes[FM_DA_TX_PIN] & 0x300) != 0x300) {
        fm_refuse("UART 1 sends and P0_4 is not its output: P04_MODE_REG is %04x, 0302 is, and SYS_CTRL_REG %04x needs "
                  "PAD_LATCH_EN",
                  uart->system->modes[FM_DA_TX_PIN], uart->system->sys_ctrl);
    }
    if (uart->transmit.n == FM_DA_UART_FIFO_BYTES) {
        fm_refuse("UART 1's FIFO is full and a byte is written into it: look at USR's TFNF first");
    }
    if (uart->sent_cycle < now) {
        uart->sent_cycle = now; /* the line was idle */
    }
    put(&uart->transmit, byte);
    follow_transmitter(uart, now);
}

void fm_da_uart_write(fm_da_uart_t *uart, uint32_t address, uint16_t value)
{
    fm_da_need(uart->system, FM_DA_UART, "UART 1");
    fm_da_uart_follow(uart);
    switch (address - FM_DA_UART_ADDRESS) {
    case RBR_THR_DLL:
        if (uart->line_control & DLAB) {
            uart->divisor_low = (uint8_t)value;
        } else {
            transmit(uart, (uint8_t)value);
        }
        return;
    case IER_DLH:
        if (uart->line_control & DLAB) {
            uart->divisor_high = (uint8_t)value;
        } else if (value != 0) {
            fm_refuse("UART 1's interrupts are not modelled: IER becomes %04x", value);
        }
        return;
    case IIR_FCR:
        if (!(value & 0x01)) {
            fm_refuse("UART 1 without its FIFOs is not modelled: FCR becomes %04x", value);
        }
        uart->receive.n = value & 0x02 ? 0 : uart->receive.n;
        uart->transmit.n = value & 0x04 ? 0 : uart->transmit.n;
        return;
    case LCR:
        uart->line_control = (uint8_t)value;
        return;
    case MCR:
        return;
    case SRR:
        uart->receive.n = value & 0x03 ? 0 : uart->receive.n;
        uart->transmit.n = value & 0x05 ? 0 : uart->transmit.n;
        return;
    default:
        fm_refuse("the emulated UART 1 has no register to write at %08x", address);
    }
}
