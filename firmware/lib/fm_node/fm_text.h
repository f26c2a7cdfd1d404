/* Text mode: one line a sample, for people with no host (protocol/serial.md). */
#ifndef FM_TEXT_H
#define FM_TEXT_H

#include <stdint.h>

/* Six times `ax:-32768`, five commas, CR LF. */
#define FM_TEXT_BYTES (6u * 9u + 5u + 2u)

/* Writes a line of at most FM_TEXT_BYTES without a terminating zero; returns its length. */
uint8_t fm_text_line(char *line, const int16_t *counts);

#endif
