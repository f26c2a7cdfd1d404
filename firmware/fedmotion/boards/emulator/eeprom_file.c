/* SPDX-License-Identifier: Apache-2.0
 * Linked with libsimavr, the program is under the GNU GPL 3 or later as a whole: docs/licences.md. */

#include "eeprom_file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "avr_eeprom.h"
#include "messages.h"

void fm_eeprom_load(fm_eeprom_file_t *file, avr_t *avr, const char *path)
{
    file->avr = avr;
    file->path = path;
    memset(file->kept, 0xFF, sizeof file->kept);
    FILE *opened = path ? fopen(path, "rb") : NULL;
    if (!opened) {
        return; /* a new board's */
    }
    if (fread(file->kept, 1, FM_EEPROM_BYTES, opened) != FM_EEPROM_BYTES) {
        errno = 0;
        fm_fail(path);
    }
    fclose(opened);
    avr_eeprom_desc_t kept = {.ee = file->kept, .offset = 0, .size = FM_EEPROM_BYTES};
    avr_ioctl(avr, AVR_IOCTL_EEPROM_SET, &kept);
}

void fm_eeprom_keep(fm_eeprom_file_t *file)
{
    avr_eeprom_desc_t now = {.ee = NULL, .offset = 0, .size = FM_EEPROM_BYTES};
    if (!file->path) {
        return;
    }
    avr_ioctl(file->avr, AVR_IOCTL_EEPROM_GET, &now); /* it returns the same for success and failure */
    if (!now.ee || memcmp(file->kept, now.ee, FM_EEPROM_BYTES) == 0) {
        return;
    }
    memcpy(file->kept, now.ee, FM_EEPROM_BYTES);
    FILE *opened = fopen(file->path, "wb");
    if (!opened || fwrite(file->kept, FM_EEPROM_BYTES, 1, opened) != 1 || fclose(opened) != 0) {
        fm_fail(file->path);
    }
}
