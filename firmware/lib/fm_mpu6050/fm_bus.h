/* A two-wire bus with this node as its only master. Each call is bounded in time. */
#ifndef FM_BUS_H
#define FM_BUS_H

#include <stdint.h>

typedef enum {
    FM_BUS_OK = 0,
    FM_BUS_NACK = -1, /* nobody answered at that address, or it refused a byte */
    FM_BUS_STUCK = -2 /* a wire is held low, or the transfer did not end in its time */
} fm_bus_result;

typedef struct {
    void *context;
    fm_bus_result (*write)(void *context, uint8_t address, uint8_t reg, uint8_t value);
    /* Reads n registers from first_reg on. Where it fails, bytes has no meaning. */
    fm_bus_result (*read)(void *context, uint8_t address, uint8_t first_reg, uint8_t *bytes, uint8_t n);
    /* Frees a bus whose data line a slave holds: up to nine clocks and a STOP (UM10204, 3.1.16). */
    fm_bus_result (*recover)(void *context);
} fm_bus;

#endif
