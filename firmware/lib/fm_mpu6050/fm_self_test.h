/*
 * The MPU6050's self-test against its factory trim (RM-MPU-6000A-00, "RM", 4.1: registers 13 to 16).
 *
 * The sensor pushes its own proof masses with a force of its own. How far each axis then moves was measured
 * at the factory and is kept in the sensor; it may have changed by 14 % (PS-MPU-6000A-00, "PS", 6.1 and 6.2).
 * The readings without the push say how the gyroscope is off at rest.
 *
 * It takes half a second, in which the sensor is set otherwise and nothing else may be read from it; before
 * that it waits up to 0.4 s for a sensor that is just being set, as after a start.
 */
#ifndef FM_SELF_TEST_H
#define FM_SELF_TEST_H

#include <stdbool.h>
#include <stdint.h>

#include "fm_mpu6050.h"

typedef enum {
    FM_SELF_TEST_DONE = 0,
    FM_SELF_TEST_UNKNOWN_SENSOR = 1, /* its trim is kept otherwise than an MPU6050's */
    FM_SELF_TEST_MOVED = 2,          /* what was measured is not the self-test's alone */
    FM_SELF_TEST_SENSOR_LOST = 3
} fm_self_test_outcome;

#define FM_SELF_TEST_FULL_SCALE_DPS 250u
#define FM_SELF_TEST_LIMIT_PERMILLE 140u
/* An axis whose trim is not in the sensor. */
#define FM_SELF_TEST_NO_TRIM INT16_MIN

/*
 * What is told of a test: by how much the response of ax ay az gx gy gz differs from the trim, in 0.1 % of
 * that; gx gy gz at rest, in counts of FM_SELF_TEST_FULL_SCALE_DPS / 32768; and the temperature as the sensor
 * has it.
 */
enum {
    FM_SELF_TEST_DEVIATIONS = 0,
    FM_SELF_TEST_REST = 6,
    FM_SELF_TEST_TEMPERATURE = 9,
    FM_SELF_TEST_N_VALUES
};

typedef struct fm_self_test {
    fm_mpu6050 *sensor;
    uint32_t since_us;
    int16_t values[FM_SELF_TEST_N_VALUES];
    int16_t first[FM_N_AXES];
    int16_t sums[FM_N_AXES]; /* of what later readings are more than the first */
    int16_t at_rest[FM_N_AXES];
    uint8_t phase;
    uint8_t n_readings;
    uint8_t outcome;
} fm_self_test;

/* Begins; the sensor is the caller's and stays. */
void fm_self_test_begin(fm_self_test *test, fm_mpu6050 *sensor, uint32_t now_us);

/*
 * Does the next thing that is due: at most 30 bytes on the bus. Returns true when it has ended: outcome and
 * values hold then, and the sensor is to be reconfigured. Unless it is done, values are 0.
 */
bool fm_self_test_step(fm_self_test *test, uint32_t now_us);

/* What RM's formulas make of a trim code of 1 to 31, in counts of 4096 a g and of 131 a degree a second. */
uint16_t fm_self_test_trim(bool is_gyro, uint8_t code);

#endif
