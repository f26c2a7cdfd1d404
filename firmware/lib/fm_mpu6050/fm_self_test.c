#include "fm_self_test.h"

enum { SELF_TEST_X = 0x0D, CONFIG = 0x1A, N_TRIM_BYTES = 4, N_SETTINGS = 3 };

/* RM, registers 26 to 28: 94 Hz, 250 degrees a second, 8 g; and all axes pushed. */
#define FILTER_94_HZ 0x02u
#define GYRO_250_DPS 0x00u
#define ACCEL_8_G 0x10u
#define PUSH 0xE0u

/* A sensor that is just being found and set runs within 0.2 s, and within 0.1 s more if it was missed first.
 */
#define START_US 400000uL
/* No document says how long the masses take: several times the gyroscope's start-up of 30 ms (PS 6.1). */
#define SETTLE_US 200000uL
#define N_READINGS 16
/* Twice the sensor's own period, so that each reading is a new one. */
#define READING_US 2000uL
/* 0.05 g and 1.5 degrees a second from the first reading: four times what noise does. */
#define MOST_APART 200

enum { PHASE_BEGIN, PHASE_REST, PHASE_PUSHED };

uint16_t fm_self_test_trim(bool is_gyro, uint8_t code)
{
    /* 25 * 131 * 1.046^(code - 1), and 4096 * 0.34 * (0.92 / 0.34)^((code - 1) / 30), by 1.033738 each. */
    uint32_t trim_q6 = is_gyro ? 209600u : 89129u;
    const uint16_t growth_q16 = is_gyro ? 3015u : 2211u;
    for (; code > 1; code--) {
        trim_q6 += (trim_q6 * growth_q16 + 32768u) >> 16;
    }
    return (uint16_t)((trim_q6 + 32u) >> 6);
}

void fm_self_test_begin(fm_self_test *test, fm_mpu6050 *sensor, uint32_t now_us)
{
    *test = (fm_self_test){.sensor = sensor, .since_us = now_us, .outcome = FM_SELF_TEST_SENSOR_LOST};
}

/* Sets the sensor for a phase; false where that does not arrive. */
static bool enter(fm_self_test *test, uint8_t phase, uint32_t now_us)
{
    const uint8_t push = phase == PHASE_PUSHED ? PUSH : 0;
    const uint8_t settings[N_SETTINGS] = {FILTER_94_HZ, GYRO_250_DPS | push, ACCEL_8_G | push};
    test->phase = phase;
    test->since_us = now_us;
    test->n_readings = 0;
    return fm_mpu6050_set_checked(test->sensor, CONFIG, settings, N_SETTINGS) == FM_BUS_OK;
}

/* The difference of two counts; where it does not fit it is wrong, and no axis is pushed that far. */
static int16_t less(int16_t count, int16_t other)
{
    return (int16_t)(uint16_t)((uint16_t)count - (uint16_t)other);
}

/* Adds a reading; false where it is far from the first. */
static bool add(fm_self_test *test, const int16_t *counts)
{
    for (uint8_t axis = 0; axis < FM_N_AXES; axis++) {
        if (test->n_readings == 0) {
            test->first[axis] = counts[axis];
            test->sums[axis] = 0;
        }
        const int16_t more = less(counts[axis], test->first[axis]);
        if (more > MOST_APART || more < -MOST_APART) {
            return false;
        }
        test->sums[axis] = (int16_t)(test->sums[axis] + more);
    }
    test->n_readings++;
    return true;
}

/* RM, registers 13 to 16: an accelerometer's code has its upper three bits beside the gyroscope's five. */
static uint8_t trim_code(const uint8_t *trim, uint8_t axis)
{
    if (axis >= 3) {
        return trim[axis - 3] & 0x1Fu;
    }
    return (uint8_t)((trim[axis] >> 5 << 2) | ((trim[3] >> (4 - 2 * axis)) & 3u));
}

static int16_t deviation(int16_t response, uint8_t axis, uint8_t code)
{
    if (code == 0) {
        return FM_SELF_TEST_NO_TRIM;
    }
    const int32_t trim = fm_self_test_trim(axis >= 3, code);
    /* RM: gy is pushed the other way. The smallest trim is 1393, so 1000 times what differs fits. */
    const int32_t pushed = axis == 4 ? -(int32_t)response : response;
    /* Unsigned: a processor without division has the other one in software already. */
    const uint32_t apart = (uint32_t)(pushed < trim ? trim - pushed : pushed - trim);
    const int16_t permille = (int16_t)(apart * 1000u / (uint32_t)trim);
    return (int16_t)(pushed < trim ? -permille : permille);
}

/* The phase has its readings. True where the test has ended. */
static bool end_phase(fm_self_test *test, uint32_t now_us)
{
    const fm_bus *bus = test->sensor->bus;
    uint8_t trim[N_TRIM_BYTES];
    if (test->phase == PHASE_PUSHED &&
        bus->read(bus->context, test->sensor->address, SELF_TEST_X, trim, sizeof trim) != FM_BUS_OK) {
        return true;
    }
    for (uint8_t axis = 0; axis < FM_N_AXES; axis++) {
        const int16_t mean = (int16_t)(test->first[axis] + test->sums[axis] / N_READINGS);
        if (test->phase == PHASE_REST) {
            test->at_rest[axis] = mean;
            continue;
        }
        test->values[axis] = deviation(less(mean, test->at_rest[axis]), axis, trim_code(trim, axis));
        if (axis >= 3) {
            test->values[FM_SELF_TEST_REST - 3 + axis] = test->at_rest[axis];
        }
    }
    if (test->phase == PHASE_REST) {
        return !enter(test, PHASE_PUSHED, now_us);
    }
    fm_mpu6050_read_temperature(test->sensor, &test->values[FM_SELF_TEST_TEMPERATURE]);
    test->outcome = FM_SELF_TEST_DONE;
    return true;
}

bool fm_self_test_step(fm_self_test *test, uint32_t now_us)
{
    fm_reading reading;
    fm_mpu6050 *sensor = test->sensor;
    if (sensor->state != FM_SENSOR_RUNNING) {
        return test->phase != PHASE_BEGIN || now_us - test->since_us > START_US;
    }
    if (test->phase == PHASE_BEGIN) {
        if (sensor->who_am_i != 0x68) {
            test->outcome = FM_SELF_TEST_UNKNOWN_SENSOR;
            return true;
        }
        return !enter(test, PHASE_REST, now_us);
    }
    if (now_us - test->since_us < (test->n_readings == 0 ? SETTLE_US : READING_US)) {
        return false;
    }
    if (test->n_readings == N_READINGS) {
        return end_phase(test, now_us);
    }
    test->since_us = now_us;
    /* A sensor that fails to be read three times is lost: it is running no longer. */
    if (fm_mpu6050_read(sensor, &reading, now_us) == FM_SENSOR_OK && !add(test, reading.counts)) {
        test->outcome = FM_SELF_TEST_MOVED;
        return true;
    }
    return false;
}
