/* SPDX-License-Identifier: Apache-2.0
 * Linked with libsimavr or libunicorn, the program is under the GNU GPL as a whole: docs/licences.md. */

#include "messages.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int out;

void fm_messages_open(void)
{
    out = dup(STDOUT_FILENO);
    if (out < 0 || dup2(STDERR_FILENO, STDOUT_FILENO) < 0) {
        fm_fail("output");
    }
}

void fm_give(const void *bytes, size_t n)
{
    const uint8_t *from = bytes;
    while (n > 0) {
        const ssize_t n_written = write(out, from, n);
        if (n_written <= 0) {
            exit(0); /* nobody listens any more */
        }
        from += n_written;
        n -= (size_t)n_written;
    }
}

void fm_take(void *bytes, size_t n)
{
    uint8_t *to = bytes;
    while (n > 0) {
        const ssize_t n_read = read(STDIN_FILENO, to, n);
        if (n_read <= 0) {
            exit(0);
        }
        to += n_read;
        n -= (size_t)n_read;
    }
}

void fm_fail(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, errno ? strerror(errno) : "not usable");
    exit(1);
}

void fm_refuse(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(1);
}
