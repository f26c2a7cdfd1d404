/* USART 0 at 500000 baud, which 16 MHz / 8 divides exactly. Both directions by interrupt through rings. */
#include <avr/interrupt.h>
#include <avr/io.h>
#include <util/atomic.h>

#include "fm_line_port.h"

#if defined(UBRR0)

#if defined(USART_UDRE_vect)
#define TRANSMIT_vect USART_UDRE_vect
#define RECEIVE_vect USART_RX_vect
#else
#define TRANSMIT_vect USART0_UDRE_vect
#define RECEIVE_vect USART0_RX_vect
#endif

/* 256 bytes, so that indices wrap by themselves: two full SAMPLES frames. One place stays empty. */
static volatile uint8_t transmitted[256];
static volatile uint8_t transmit_head;
static volatile uint8_t transmit_tail;

/* 2.5 ms of the line: longer than any piece of the node's work. */
#define RECEIVE_BYTES 128u
static volatile uint8_t received[RECEIVE_BYTES];
static volatile uint8_t receive_head;
static volatile uint8_t receive_tail;

ISR(TRANSMIT_vect)
{
    const uint8_t tail = transmit_tail;
    UDR0 = transmitted[tail];
    transmit_tail = (uint8_t)(tail + 1u);
    if ((uint8_t)(tail + 1u) == transmit_head) {
        UCSR0B = (uint8_t)(UCSR0B & ~_BV(UDRIE0));
    }
}

ISR(RECEIVE_vect)
{
    const uint8_t byte = UDR0;
    const uint8_t next = (uint8_t)(receive_head + 1u) % RECEIVE_BYTES;
    if (next != receive_tail) { /* else the CRC tells that a byte is missing */
        received[receive_head] = byte;
        receive_head = next;
    }
}

void fm_line_begin(void)
{
    UCSR0A = _BV(U2X0);
    UBRR0 = (uint16_t)(F_CPU / (8 * FM_BAUD) - 1);
    UCSR0C = _BV(UCSZ01) | _BV(UCSZ00);
    UCSR0B = _BV(RXEN0) | _BV(TXEN0) | _BV(RXCIE0);
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
    ATOMIC_BLOCK(ATOMIC_FORCEON)
    {
        UCSR0B |= _BV(UDRIE0);
    }
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
    receive_tail = (uint8_t)(tail + 1u) % RECEIVE_BYTES;
    return byte;
}

void fm_line_poll(void)
{
}

#endif
