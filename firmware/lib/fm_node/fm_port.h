/*
 * What a target gives to the node: clock, line, sensor bus, store. All calls return soon: none waits longer
 * than a fraction of a millisecond, whatever hangs on its wires.
 */
#ifndef FM_PORT_H
#define FM_PORT_H

#include <stdbool.h>
#include <stdint.h>

#include "fm_bus.h"

struct fm_self_test;

typedef struct {
    void *context;

    /* Microseconds since the node started; wraps at 2^32. */
    uint32_t (*now_us)(void *context);

    /* Takes all n bytes, or none of them and returns false where they find no room. Never waits. */
    bool (*line_write)(void *context, const uint8_t *bytes, uint8_t n);
    /* Returns the next received byte, or -1. */
    int16_t (*line_read)(void *context);

    /* One byte of what outlives a restart; addresses from 0, an erased byte is FF. */
    uint8_t (*store_read)(void *context, uint8_t address);
    /* Begins to write one byte; returns false, and does nothing, while the last one is being written. */
    bool (*store_write)(void *context, uint8_t address, uint8_t byte);

    fm_bus bus;

    /* fm_self_test_step; NULL where a target has no room for the sensor's self-test. */
    bool (*self_test)(struct fm_self_test *test, uint32_t now_us);

    /* At most 16 printable ASCII characters. */
    const char *board;
    /* As HELLO has it. */
    uint8_t reset_cause;
    /* The shortest period that this target keeps up with. */
    uint16_t min_period_us;
} fm_port;

#endif
