/* SPDX-License-Identifier: Apache-2.0
 * Linked with libsimavr or libunicorn, the program is under the GNU GPL as a whole: docs/licences.md. */

/* Bytes that come in pieces. */

#ifndef FM_BYTE_BUFFER_H
#define FM_BYTE_BUFFER_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
    uint8_t *bytes;
    size_t n, size;
} fm_bytes_t;

/* Ends the process where there is no memory. */
void fm_bytes_append(fm_bytes_t *to, const void *bytes, size_t n);

#endif
