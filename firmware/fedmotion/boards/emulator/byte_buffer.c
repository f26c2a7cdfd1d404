/* SPDX-License-Identifier: Apache-2.0
 * Linked with libsimavr or libunicorn, the program is under the GNU GPL as a whole: docs/licences.md. */

#include "byte_buffer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void fm_bytes_append(fm_bytes_t *to, const void *bytes, size_t n)
{
    if (to->n + n > to->size) {
        to->size = 2 * (to->n + n);
        to->bytes = realloc(to->bytes, to->size);
        if (!to->bytes) {
            fputs("no memory\n", stderr);
            exit(1);
        }
    }
    if (n > 0) {
        memcpy(to->bytes + to->n, bytes, n);
    }
    to->n += n;
}
