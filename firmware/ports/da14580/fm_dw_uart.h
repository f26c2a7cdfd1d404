/* UART 1 as the line to the host: 500000 baud, which 16 MHz / 16 / 2 is exactly; P0_4 sends, P0_5 receives.
 */
#ifndef FM_DW_UART_H
#define FM_DW_UART_H

#include <stdbool.h>
#include <stdint.h>

void fm_line_begin(void);
bool fm_line_write(void *context, const uint8_t *bytes, uint8_t n);
int16_t fm_line_read(void *context);

/* Moves bytes between the FIFOs and the rings; from the tick's interrupt alone, at least each 300 us. */
void fm_line_pump(void);

#endif
