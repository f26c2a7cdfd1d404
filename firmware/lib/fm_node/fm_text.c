#include "fm_text.h"

#include <stdbool.h>

#define N_POWERS 5u

static const char names[6][2] = {{'a', 'x'}, {'a', 'y'}, {'a', 'z'}, {'g', 'x'}, {'g', 'y'}, {'g', 'z'}};

/* By subtraction: an AVR divides in software. */
static char *decimal(char *at, int16_t value)
{
    static const uint16_t powers[N_POWERS] = {10000, 1000, 100, 10, 1};
    uint16_t left = (uint16_t)value;
    bool is_leading = true;
    if (value < 0) {
        *at++ = '-';
        left = (uint16_t)(0u - left);
    }
    for (uint8_t power = 0; power < N_POWERS; power++) {
        char digit = '0';
        while (left >= powers[power]) {
            left = (uint16_t)(left - powers[power]);
            digit++;
        }
        is_leading = is_leading && digit == '0' && power + 1u < N_POWERS;
        if (!is_leading) {
            *at++ = digit;
        }
    }
    return at;
}

uint8_t fm_text_line(char *line, const int16_t *counts)
{
    char *at = line;
    for (uint8_t axis = 0; axis < 6; axis++) {
        *at++ = names[axis][0];
        *at++ = names[axis][1];
        *at++ = ':';
        at = decimal(at, counts[axis]);
        *at++ = ',';
    }
    at[-1] = '\r';
    *at++ = '\n';
    return (uint8_t)(at - line);
}
