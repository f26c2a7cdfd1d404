/* SPDX-License-Identifier: Apache-2.0
 * Linked with libsimavr, the program is under the GNU GPL 3 or later as a whole: docs/licences.md. */

/* The EEPROM of an ATmega328P in a file. */

#ifndef FM_EEPROM_FILE_H
#define FM_EEPROM_FILE_H

#include <stdint.h>

#include "sim_avr.h"

enum { FM_EEPROM_BYTES = 1024 };

typedef struct {
    avr_t *avr;
    const char *path; /* NULL: it lives as long as the board */
    uint8_t kept[FM_EEPROM_BYTES];
} fm_eeprom_file_t;

/* Fill the EEPROM from the file, if there is one; ends the program where the file is another size. */
void fm_eeprom_load(fm_eeprom_file_t *file, avr_t *avr, const char *path);

/* Write the file if the program has changed the EEPROM. */
void fm_eeprom_keep(fm_eeprom_file_t *file);

#endif
