#include "fm_text.h"

static const char names[6][2] = {{'a', 'x'}, {'a', 'y'}, {'a', 'z'}, {'g', 'x'}, {'g', 'y'}, {'g', 'z'}};

/* By subtraction: an AVR divides in software. */
static char *decimal(char *at, int16_t value)
{
    static const uint16_t powers[] = {10000, 1000, 100, 10, 1};
    uint16_t left = (uint16_t)value;
    uint8_t power = 0;
    if (value < 0) {
        *at++ = '-';
        left = (uint16_t)(0u - left);
    }
    while (power < 4 && left < powers[power]) {
        power++;
    }
    for (; power < 5; power++) {
        char digit = '0';
        while (left >= powers[power]) {
            left = (uint16_t)(left - powers[power]);
            digit++;
        }
        *at++ = digit;
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
