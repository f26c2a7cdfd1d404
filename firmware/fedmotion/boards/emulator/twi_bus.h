/* SPDX-License-Identifier: Apache-2.0
 * Linked with libsimavr, the program is under the GNU GPL 3 or later as a whole: docs/licences.md. */

/* An ATmega328P's TWI as the master of a bus with one device, in the time that the bus clock takes.
 *
 * It takes the place of simavr 1.6's own module, where a byte takes 9 us at any clock, nothing can hold the
 * bus, and an address that nobody answers is called a data byte's NACK. "DS" is the ATmega328P data sheet
 * DS40002061B, chapter 22. */

#ifndef FM_TWI_BUS_H
#define FM_TWI_BUS_H

#include <stdbool.h>
#include <stdint.h>

#include "avr_twi.h"
#include "sim_avr.h"

#define FM_TWI_HELD_FOR_EVER UINT32_MAX

/* The one device; each function is given `context`. */
typedef struct {
    void *context;
    /* Whether it answers to this address byte, address << 1 | read. */
    bool (*address)(void *context, uint8_t address_byte);
    /* Take a byte; whether it is acknowledged. */
    bool (*write)(void *context, uint8_t byte);
    uint8_t (*read)(void *context);
} fm_twi_device_t;

typedef enum { FM_TWI_IDLE, FM_TWI_ADDRESS, FM_TWI_TRANSMIT, FM_TWI_RECEIVE } fm_twi_phase_t;

typedef enum { FM_TWI_NOTHING, FM_TWI_START, FM_TWI_STOP, FM_TWI_BYTE } fm_twi_action_t;

typedef struct {
    avr_t *avr;
    avr_twi_t *registers; /* simavr's module: where the registers and the interrupt are */
    fm_twi_device_t device;
    fm_twi_phase_t phase;
    fm_twi_action_t action; /* under way */
    uint8_t next_status;
    bool is_owner;   /* between START and STOP */
    bool is_waiting; /* for lines that are held */
    bool is_scl_held;
    bool is_scl_low;          /* by the program, as a pin */
    uint32_t sda_held_clocks; /* SDA stays low until so many clocks of SCL; 0: it is not held */
    uint32_t n_address_nacks; /* faults that wait: so many addresses are not answered */
    uint32_t n_data_nacks;
    avr_cycle_count_t start_cycle; /* when the last START, not a repeated one, began */
} fm_twi_bus_t;

/* Take the registers over; false where this MCU has no TWI. Call once after avr_init. */
bool fm_twi_init(fm_twi_bus_t *bus, avr_t *avr, fm_twi_device_t device);

/* Forget what was under way: the MCU was reset. Faults stay. */
void fm_twi_reset(fm_twi_bus_t *bus);

/* Hold SDA low until so many clocks, FM_TWI_HELD_FOR_EVER, or 0 for no longer. */
void fm_twi_hold_sda(fm_twi_bus_t *bus, uint32_t n_clocks);

void fm_twi_hold_scl(fm_twi_bus_t *bus, bool is_held);

#endif
