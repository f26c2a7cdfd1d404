/* The line to the host: a UART, or the ATmega32U4's own USB. */
#ifndef FM_LINE_PORT_H
#define FM_LINE_PORT_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define FM_BAUD 500000UL

void fm_line_begin(void);
bool fm_line_write(void *context, const uint8_t *bytes, uint8_t n);
int16_t fm_line_read(void *context);

/* To be called often: moves what an interrupt does not move. */
void fm_line_poll(void);

#ifdef __cplusplus
}
#endif

#endif
