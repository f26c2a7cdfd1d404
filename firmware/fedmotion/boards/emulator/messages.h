/* SPDX-License-Identifier: Apache-2.0
 * Linked with libsimavr or libunicorn, the program is under the GNU GPL as a whole: docs/licences.md. */

/* Both pipes to the program that started this one; any of these ends the process where it cannot be done. */

#ifndef FM_MESSAGES_H
#define FM_MESSAGES_H

#include <stddef.h>

/* Take standard output for the messages; what is printed from now on goes to standard error. Call once, first. */
void fm_messages_open(void);

void fm_give(const void *bytes, size_t n);
void fm_take(void *bytes, size_t n);

/* Say what is wrong with `what`, by errno if it is set, and end. */
void fm_fail(const char *what);

/* Say in a sentence what the program that runs here does and must not, and end. */
void fm_refuse(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

#endif
