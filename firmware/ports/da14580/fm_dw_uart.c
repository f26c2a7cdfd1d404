#include "fm_dw_uart.h"

#include "fm_da14580_registers.h"

#define CLOCK_HZ 16000000u
#define BAUD 500000u
#define DIVISOR (CLOCK_HZ / (16u * BAUD))
enum { TX_PIN = 4, RX_PIN = 5 };

/* 256 bytes, so that indices wrap by themselves: two full SAMPLES frames. One place stays empty. */
static volatile uint8_t transmitted[256];
static volatile uint8_t transmit_head;
static volatile uint8_t transmit_tail;

/* 5 ms of the line: longer than any piece of the node's work. */
static volatile uint8_t received[256];
static volatile uint8_t receive_head;
static volatile uint8_t receive_tail;

/* DW_apb_uart ignores LCR while a byte comes in: a host that sends meanwhile is cut until it is taken. */
static void set_line_control(uint8_t value)
{
    do {
        UART_SRR_REG = UART_SRR_RESET_ALL;
        UART_IIR_FCR_REG = UART_FCR_ENABLE_AND_CLEAR;
        UART_LCR_REG = value;
    } while ((UART_LCR_REG & 0xFFu) != value);
}

void fm_line_begin(void)
{
    set_line_control(UART_LCR_DLAB | UART_LCR_8N1);
    UART_RBR_THR_DLL_REG = DIVISOR & 0xFFu;
    UART_IER_DLH_REG = DIVISOR >> 8;
    UART_LCR_REG = UART_LCR_8N1;
    UART_IER_DLH_REG = 0;
    UART_MCR_REG = 0;
    UART_IIR_FCR_REG = UART_FCR_ENABLE_AND_CLEAR;
    P0_MODE_REG(TX_PIN) = PAD_OUTPUT | PAD_UART1_TX;
    P0_MODE_REG(RX_PIN) = PAD_INPUT_PULL_UP | PAD_UART1_RX;
}

bool fm_line_write(void *context, const uint8_t *bytes, uint8_t n)
{
    (void)context;
    uint8_t head = transmit_head;
    if ((uint8_t)(transmit_tail - head - 1u) < n) {
        return false;
    }
    for (uint8_t i = 0; i < n; i++) {
        transmitted[head++] = bytes[i];
    }
    transmit_head = head;
    return true;
}

int16_t fm_line_read(void *context)
{
    (void)context;
    const uint8_t tail = receive_tail;
    if (tail == receive_head) {
        return -1;
    }
    const uint8_t byte = received[tail];
    receive_tail = (uint8_t)(tail + 1u);
    return byte;
}

void fm_line_pump(void)
{
    while (UART_USR_REG & UART_USR_RECEIVED) {
        const uint8_t byte = (uint8_t)UART_RBR_THR_DLL_REG;
        const uint8_t next = (uint8_t)(receive_head + 1u);
        if (next != receive_tail) { /* else the CRC tells that a byte is missing */
            received[receive_head] = byte;
            receive_head = next;
        }
    }
    uint8_t tail = transmit_tail;
    while (tail != transmit_head && (UART_USR_REG & UART_USR_TRANSMIT_NOT_FULL)) {
        UART_RBR_THR_DLL_REG = transmitted[tail++];
    }
    transmit_tail = tail;
}
