/*
 * The MPU6050 and its relatives, by their registers (RM-MPU-6000A-00, "RM"; PS-MPU-6000A-00, "PS").
 *
 * The sensor converts at 1 kHz by its own clock. Below that rate the node reads the newest reading at
 * instants of its own, so a reading is at most 1 ms old. Each read begins with INT_STATUS: a reading that the
 * sensor has not made anew since the last one is refused. So a sensor that lost its power for a moment,
 * answers again and is asleep yields no zeros.
 *
 * At 1 kHz the sensor keeps all conversions in its FIFO until the node has read them. What was read counts
 * only where the sensor afterwards still has its settings and its FIFO has not run over.
 *
 * Nothing here waits: fm_mpu6050_step does what is due and returns.
 */
#ifndef FM_MPU6050_H
#define FM_MPU6050_H

#include <stdbool.h>
#include <stdint.h>

#include "fm_bus.h"

#define FM_N_AXES 6u
/* The sensor's own conversion rate, at which the FIFO is used. */
#define FM_FIFO_PERIOD_US 1000u
/* Samples in one transfer: 1.3 ms at 400 kHz. */
#define FM_FIFO_BURST 4u

typedef enum {
    FM_SENSOR_LOST,      /* to be looked for when its pause ends */
    FM_SENSOR_RESETTING, /* told to reset */
    FM_SENSOR_WAKING,    /* told to wake; its gyroscope starts */
    FM_SENSOR_SETTLING,  /* configured; its filter fills */
    FM_SENSOR_RUNNING
} fm_sensor_state;

typedef enum {
    FM_SENSOR_OK = 0,
    FM_SENSOR_NOT_DUE = 1,  /* nothing done: it is being looked for, and what is wrong has been said */
    FM_SENSOR_ABSENT = -1,  /* does not answer, or forgot what it was told */
    FM_SENSOR_WRONG = -2,   /* WHO_AM_I is of another sensor */
    FM_SENSOR_STUCK = -3,   /* the bus is held low */
    FM_SENSOR_STALE = -4,   /* answers, but with no new reading */
    FM_SENSOR_OVERFLOW = -5 /* its FIFO ran over, or held parts of samples; it was emptied */
} fm_sensor_result;

typedef struct {
    /* ax ay az gx gy gz, unscaled. */
    int16_t counts[FM_N_AXES];
    int16_t temperature_lsb;
} fm_reading;

typedef struct {
    uint16_t period_us;
    uint16_t gyro_full_scale_dps;
    uint8_t accel_full_scale_g;
} fm_sensor_settings;

typedef struct {
    const fm_bus *bus;
    const fm_sensor_settings *settings;
    uint32_t since_us;
    uint32_t pause_us;
    uint8_t state;
    uint8_t address;
    uint8_t who_am_i; /* what the sensor last said, 0 before */
    uint8_t n_failures;
    uint8_t n_uneven; /* looks at the FIFO, one after the other, that found part of a sample */
    bool is_bus_stuck;
} fm_mpu6050;

bool fm_mpu6050_is_accel_full_scale(uint8_t full_scale_g);
bool fm_mpu6050_is_gyro_full_scale(uint16_t full_scale_dps);

/*
 * DLPF_CFG of the widest filter whose band ends below half the sampling rate; at 1 kHz the widest with which
 * the gyroscope, too, is converted at 1 kHz.
 */
uint8_t fm_mpu6050_filter(uint16_t period_us);

/* Begins to look for the sensor at once. bus and settings are the caller's and stay. */
void fm_mpu6050_begin(fm_mpu6050 *sensor, const fm_bus *bus, const fm_sensor_settings *settings,
                      uint32_t now_us);

/*
 * Writes n registers, at most 4, from first_reg on and reads them back: FM_BUS_NACK where one is another. A
 * scale that did not arrive would turn every reading into a wrong one.
 */
fm_bus_result fm_mpu6050_set_checked(const fm_mpu6050 *sensor, uint8_t first_reg, const uint8_t *wanted,
                                     uint8_t n);

/* Has a configured sensor's settings written anew with the next step; else they come in their turn. */
void fm_mpu6050_reconfigure(fm_mpu6050 *sensor, uint32_t now_us);

/* Does the next thing that is due to bring the sensor to FM_SENSOR_RUNNING: at most 30 bytes on the bus. */
fm_sensor_result fm_mpu6050_step(fm_mpu6050 *sensor, uint32_t now_us);

/*
 * Reads the newest reading: one transfer of 16 bytes, begun at once. Fills reading, and only then, where it
 * returns FM_SENSOR_OK. After failures that a further read will not mend it looks for the sensor anew.
 */
fm_sensor_result fm_mpu6050_read(fm_mpu6050 *sensor, fm_reading *reading, uint32_t now_us);

/* Whether the sensor, as it is now set and running, fills its FIFO. */
bool fm_mpu6050_has_fifo(const fm_mpu6050 *sensor);

/*
 * How many whole samples wait in the FIFO; begun at once, and the count is that of 5/8 of the call's time.
 * FM_SENSOR_NOT_DUE: a sample was just being written, look again.
 */
fm_sensor_result fm_mpu6050_count(fm_mpu6050 *sensor, uint8_t *n_waiting, uint32_t now_us);

/*
 * Takes the n oldest samples, at most FM_FIFO_BURST and n_waiting, out of the FIFO. They are valid where it
 * returns FM_SENSOR_OK; else the FIFO is empty or the sensor lost.
 */
fm_sensor_result fm_mpu6050_drain(fm_mpu6050 *sensor, int16_t (*counts)[FM_N_AXES], uint8_t n,
                                  uint32_t now_us);

/* Gives a running sensor up that converts no longer. */
fm_sensor_result fm_mpu6050_give_up(fm_mpu6050 *sensor, uint32_t now_us);

/* Empties the FIFO; what is converted from now on is in it. */
fm_sensor_result fm_mpu6050_restart_fifo(fm_mpu6050 *sensor, uint32_t now_us);

/* Reads the temperature alone; leaves it as it was where that fails. */
void fm_mpu6050_read_temperature(const fm_mpu6050 *sensor, int16_t *temperature_lsb);

#endif
