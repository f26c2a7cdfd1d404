/* SPDX-License-Identifier: Apache-2.0
 * Linked with libunicorn, the program is under the GNU GPL 2 as a whole: docs/licences.md. */

/* The DA14580's I2C, a DW_apb_i2c, as the master of a bus with one device, in the time that the bus clock takes.
 * FIFOs are taken to hold eight: what the program may count on. */

#ifndef FM_DA_I2C_H
#define FM_DA_I2C_H

#include <stdbool.h>
#include <stdint.h>

#include "byte_buffer.h"
#include "da_system.h"
#include "mpu6050.h"

enum { FM_DA_I2C_ADDRESS = 0x50001300, FM_DA_I2C_FIFO_ENTRIES = 8 };

#define FM_DA_HELD_FOR_EVER UINT32_MAX

typedef enum { FM_DA_I2C_IDLE, FM_DA_I2C_STARTING, FM_DA_I2C_ADDRESSING, FM_DA_I2C_BYTE, FM_DA_I2C_STOPPING } fm_da_phase_t;

/* A reading: when the bus' START began, and the sensor's instant. */
typedef struct {
    uint64_t start_cycle, sample_cycle;
} fm_da_burst_t;

typedef struct {
    const fm_da_system_t *system;
    fm_mpu_t *mpu;
    uint16_t con, tar, scl_high, scl_low, raw, abort_source;
    bool is_enabled, is_ending; /* ending: told to stop, which it does between bytes */
    uint16_t commands[FM_DA_I2C_FIFO_ENTRIES];
    uint8_t commands_start, n_commands;
    uint8_t received[FM_DA_I2C_FIFO_ENTRIES];
    uint8_t received_start, n_received;
    fm_da_phase_t phase;
    uint64_t next_cycle; /* when what is under way ends */
    uint64_t start_cycle;
    uint16_t command; /* the byte that is under way */
    bool is_reading, is_aborted;
    bool is_scl_held;
    uint32_t sda_held_clocks; /* SDA stays low until so many clocks of SCL; 0: it is not held */
    uint32_t n_address_nacks, n_data_nacks; /* faults that wait */
    fm_bytes_t bursts;
} fm_da_i2c_t;

void fm_da_i2c_init(fm_da_i2c_t *i2c, const fm_da_system_t *system, fm_mpu_t *mpu);

/* The chip was reset. Faults stay. */
void fm_da_i2c_reset(fm_da_i2c_t *i2c);

uint16_t fm_da_i2c_read(fm_da_i2c_t *i2c, uint32_t address);
void fm_da_i2c_write(fm_da_i2c_t *i2c, uint32_t address, uint16_t value);

void fm_da_i2c_follow(fm_da_i2c_t *i2c);

void fm_da_i2c_hold_sda(fm_da_i2c_t *i2c, uint32_t n_clocks);
void fm_da_i2c_hold_scl(fm_da_i2c_t *i2c, bool is_held);

/* The wires as pins see them. */
bool fm_da_i2c_is_high(void *i2c, fm_da_pin_t pin);
void fm_da_i2c_on_scl_rise(void *i2c);

#endif
