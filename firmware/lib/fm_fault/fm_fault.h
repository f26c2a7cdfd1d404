/* STATUS' faults, which latch until the node starts anew, and its counters, which stay at their end. */
#ifndef FM_FAULT_H
#define FM_FAULT_H

#include <stdint.h>

enum {
    FM_FAULT_SENSOR_ABSENT = 1 << 0,
    FM_FAULT_SENSOR_WRONG = 1 << 1,
    FM_FAULT_BUS_STUCK = 1 << 2,
    FM_FAULT_FIFO_OVERFLOW = 1 << 3,
    FM_FAULT_SAMPLES_LATE = 1 << 4,
    FM_FAULT_SETTINGS_LOST = 1 << 5,
    FM_FAULT_TRANSMIT_STALLED = 1 << 6
};

typedef struct {
    uint16_t latched;
    uint16_t n_sensor_errors;
    uint16_t n_bad_commands;
    uint16_t n_transmit_stalls;
} fm_faults;

static inline void fm_fault_latch(fm_faults *faults, uint16_t bits)
{
    faults->latched = (uint16_t)(faults->latched | bits);
}

/* Adds n to a counter that stays at 65535. */
static inline void fm_fault_count(uint16_t *counter, uint16_t n)
{
    *counter = (uint16_t)(n > UINT16_MAX - *counter ? UINT16_MAX : *counter + n);
}

#endif
