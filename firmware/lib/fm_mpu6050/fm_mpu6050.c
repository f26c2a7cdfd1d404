#include "fm_mpu6050.h"

/* Registers, RM section 3. */
enum {
    SMPLRT_DIV = 0x19,
    CONFIG = 0x1A,
    GYRO_CONFIG = 0x1B,
    ACCEL_CONFIG = 0x1C,
    ACCEL_CONFIG_2 = 0x1D, /* MPU6500 and later (RM-MPU-6500A-00): the accelerometer's own filter */
    FIFO_EN = 0x23,
    INT_ENABLE = 0x38,
    INT_STATUS = 0x3A, /* followed by ACCEL_XOUT_H to GYRO_ZOUT_L and EXT_SENS_DATA_00 */
    TEMP_OUT_H = 0x41,
    USER_CTRL = 0x6A,
    PWR_MGMT_1 = 0x6B,
    FIFO_COUNT_H = 0x72, /* reading it takes the count that FIFO_COUNT_L also tells (RM) */
    FIFO_R_W = 0x74,
    WHO_AM_I = 0x75
};

#define DEVICE_RESET 0x80u
#define CLOCK_PLL_X_GYRO 0x01u /* RM 4.28: recommended over the internal oscillator */
#define DATA_READY 0x01u
#define FIFO_OVERFLOW 0x10u
#define FIFO_AXES 0x78u /* FIFO_EN: rotation x, y, z and acceleration; in the order of their registers */
#define FIFO_ENABLE 0x40u
#define FIFO_RESET 0x04u
#define N_SAMPLE_BYTES 12u
#define N_BURST_BYTES 16u
#define N_CHECKED_BYTES 4u

/* PS 6.3: 100 ms from power to the first register; RM 4.28 asks the same after DEVICE_RESET. */
#define RESET_PAUSE_US 100000uL
/* PS 6.1: the gyroscope starts within 30 ms. */
#define WAKE_PAUSE_US 50000uL
/* The slowest filter's delay is 19 ms (RM, register 26). */
#define SETTLE_PAUSE_US 20000uL
#define RETRY_PAUSE_US 100000uL
/* A single NACK may be a disturbance; a sensor that is gone fails again. */
#define N_FAILURES_UNTIL_LOST 3u
/* The sensor writes a sample in a few microseconds: what is uneven for longer has lost bytes. */
#define N_UNEVEN_UNTIL_RESTART 3u

static const uint8_t addresses[] = {0x68, 0x69}; /* AD0 low, high */

static bool is_relative(uint8_t who_am_i)
{
    /* MPU6050 and MPU9150, boards sold as such with 98, MPU6500, MPU9250, 9255 and their siblings. */
    return who_am_i == 0x68 || (who_am_i >= 0x70 && who_am_i <= 0x74) || who_am_i == 0x98;
}

/* Place of a full scale in {first, 2 first, 4 first, 8 first}, which is its FS_SEL; 4 if it is none. */
static uint8_t full_scale_select(uint16_t full_scale, uint16_t first)
{
    uint8_t select = 0;
    while (select < 4 && full_scale != (uint16_t)(first << select)) {
        select++;
    }
    return select;
}

bool fm_mpu6050_is_accel_full_scale(uint8_t full_scale_g)
{
    return full_scale_select(full_scale_g, 2) < 4;
}

bool fm_mpu6050_is_gyro_full_scale(uint16_t full_scale_dps)
{
    return full_scale_select(full_scale_dps, 250) < 4;
}

uint8_t fm_mpu6050_filter(uint16_t period_us)
{
    /*
     * RM, register 26: the gyroscope's bandwidths in Hz at DLPF_CFG 0 to 5; 6 has 5 Hz. At 0 it converts at 8
     * kHz, so that near 1 kHz each read finds a new reading, where the two clocks would else beat.
     */
    static const uint16_t bandwidths_hz[] = {256, 188, 98, 42, 20, 10};
    uint8_t filter = period_us == FM_FIFO_PERIOD_US;
    while (filter < 6 && (uint32_t)period_us * bandwidths_hz[filter] * 2 > 1000000uL) {
        filter++;
    }
    return filter;
}

static void enter(fm_mpu6050 *sensor, fm_sensor_state state, uint32_t now_us, uint32_t pause_us)
{
    sensor->state = (uint8_t)state;
    sensor->since_us = now_us;
    sensor->pause_us = pause_us;
    sensor->n_failures = 0;
}

static fm_sensor_result lose(fm_mpu6050 *sensor, fm_bus_result why, uint32_t now_us, uint32_t pause_us)
{
    enter(sensor, FM_SENSOR_LOST, now_us, pause_us);
    sensor->is_bus_stuck = why == FM_BUS_STUCK;
    return sensor->is_bus_stuck ? FM_SENSOR_STUCK : FM_SENSOR_ABSENT;
}

static fm_bus_result set(const fm_mpu6050 *sensor, uint8_t reg, uint8_t value)
{
    return sensor->bus->write(sensor->bus->context, sensor->address, reg, value);
}

static fm_bus_result get(const fm_mpu6050 *sensor, uint8_t first_reg, uint8_t *bytes, uint8_t n)
{
    return sensor->bus->read(sensor->bus->context, sensor->address, first_reg, bytes, n);
}

fm_bus_result fm_mpu6050_set_checked(const fm_mpu6050 *sensor, uint8_t first_reg, const uint8_t *wanted,
                                     uint8_t n)
{
    uint8_t found[N_CHECKED_BYTES] = {0};
    fm_bus_result result = FM_BUS_OK;
    for (uint8_t i = 0; i < n && result == FM_BUS_OK; i++) {
        result = set(sensor, (uint8_t)(first_reg + i), wanted[i]);
    }
    if (result == FM_BUS_OK) {
        result = get(sensor, first_reg, found, n);
    }
    for (uint8_t i = 0; i < n && result == FM_BUS_OK; i++) {
        if (found[i] != wanted[i]) {
            result = FM_BUS_NACK;
        }
    }
    return result;
}

void fm_mpu6050_begin(fm_mpu6050 *sensor, const fm_bus *bus, const fm_sensor_settings *settings,
                      uint32_t now_us)
{
    sensor->bus = bus;
    sensor->settings = settings;
    sensor->address = addresses[0];
    sensor->who_am_i = 0;
    sensor->is_bus_stuck = false;
    enter(sensor, FM_SENSOR_LOST, now_us, 0);
}

void fm_mpu6050_reconfigure(fm_mpu6050 *sensor, uint32_t now_us)
{
    if (sensor->state == FM_SENSOR_RUNNING || sensor->state == FM_SENSOR_SETTLING) {
        enter(sensor, FM_SENSOR_WAKING, now_us, 0);
    }
}

/* Asks who is there, and has it reset where it is one of ours. */
static fm_bus_result find(fm_mpu6050 *sensor)
{
    fm_bus_result result = FM_BUS_OK;
    uint8_t who_am_i = 0;
    if (sensor->is_bus_stuck) {
        result = sensor->bus->recover(sensor->bus->context);
        if (result != FM_BUS_OK) {
            return result;
        }
        sensor->is_bus_stuck = false;
    }
    for (uint8_t i = 0; i < sizeof addresses; i++) {
        sensor->address = addresses[i];
        result = get(sensor, WHO_AM_I, &who_am_i, 1);
        if (result != FM_BUS_NACK) {
            break;
        }
    }
    if (result == FM_BUS_OK) {
        sensor->who_am_i = who_am_i;
        if (is_relative(who_am_i)) {
            result = set(sensor, PWR_MGMT_1, DEVICE_RESET);
        }
    }
    return result;
}

static fm_bus_result configure(const fm_mpu6050 *sensor)
{
    const uint8_t gyro_select = full_scale_select(sensor->settings->gyro_full_scale_dps, 250);
    const uint8_t accel_select = full_scale_select(sensor->settings->accel_full_scale_g, 2);
    const uint8_t filter = fm_mpu6050_filter(sensor->settings->period_us);
    const bool is_fifo = sensor->settings->period_us == FM_FIFO_PERIOD_US;
    const uint8_t wanted[] = {
        0, /* SMPLRT_DIV: the newest reading at the sensor's full rate */
        filter,
        (uint8_t)(gyro_select << 3),
        (uint8_t)(accel_select << 3),
    };
    fm_bus_result result = fm_mpu6050_set_checked(sensor, SMPLRT_DIV, wanted, sizeof wanted);
    if (result == FM_BUS_OK && sensor->who_am_i >= 0x70 && sensor->who_am_i <= 0x74) {
        result = set(sensor, ACCEL_CONFIG_2, filter);
    }
    if (result == FM_BUS_OK) {
        result = set(sensor, FIFO_EN, is_fifo ? FIFO_AXES : 0);
    }
    if (result == FM_BUS_OK) {
        result = set(sensor, INT_ENABLE, is_fifo ? DATA_READY | FIFO_OVERFLOW : DATA_READY);
    }
    return result;
}

fm_sensor_result fm_mpu6050_step(fm_mpu6050 *sensor, uint32_t now_us)
{
    fm_bus_result result;
    fm_sensor_state next;
    uint32_t pause_us;
    if (sensor->state == FM_SENSOR_RUNNING || now_us - sensor->since_us < sensor->pause_us) {
        return FM_SENSOR_NOT_DUE;
    }
    switch ((fm_sensor_state)sensor->state) {
    case FM_SENSOR_LOST:
        result = find(sensor);
        if (result == FM_BUS_OK && !is_relative(sensor->who_am_i)) {
            enter(sensor, FM_SENSOR_LOST, now_us, RETRY_PAUSE_US);
            return FM_SENSOR_WRONG;
        }
        next = FM_SENSOR_RESETTING;
        pause_us = RESET_PAUSE_US;
        break;
    case FM_SENSOR_RESETTING:
        result = set(sensor, PWR_MGMT_1, CLOCK_PLL_X_GYRO);
        next = FM_SENSOR_WAKING;
        pause_us = WAKE_PAUSE_US;
        break;
    case FM_SENSOR_WAKING:
        result = configure(sensor);
        next = FM_SENSOR_SETTLING;
        pause_us = SETTLE_PAUSE_US;
        break;
    default:
        enter(sensor, FM_SENSOR_RUNNING, now_us, 0);
        return fm_mpu6050_has_fifo(sensor) ? fm_mpu6050_restart_fifo(sensor, now_us) : FM_SENSOR_OK;
    }
    if (result != FM_BUS_OK) {
        return lose(sensor, result, now_us, RETRY_PAUSE_US);
    }
    enter(sensor, next, now_us, pause_us);
    return FM_SENSOR_OK;
}

/* n big-endian numbers, which may lie where they are put. */
static void join(int16_t *numbers, const uint8_t *big_endian, uint8_t n)
{
    for (; n > 0; n--, big_endian += 2) {
        *numbers++ = (int16_t)(uint16_t)((uint16_t)((uint16_t)big_endian[0] << 8) | big_endian[1]);
    }
}

static fm_bus_result get_numbers(const fm_mpu6050 *sensor, uint8_t first_reg, int16_t *numbers, uint8_t n)
{
    const fm_bus_result result = get(sensor, first_reg, (uint8_t *)numbers, (uint8_t)(2u * n));
    if (result == FM_BUS_OK) {
        join(numbers, (const uint8_t *)numbers, n);
    }
    return result;
}

/* A transfer failed, or brought nothing new: how many more may. */
static fm_sensor_result fail(fm_mpu6050 *sensor, fm_bus_result why, uint32_t now_us)
{
    sensor->n_failures++;
    if (why == FM_BUS_STUCK || sensor->n_failures >= N_FAILURES_UNTIL_LOST) {
        return lose(sensor, why, now_us, 0);
    }
    return FM_SENSOR_ABSENT;
}

fm_sensor_result fm_mpu6050_read(fm_mpu6050 *sensor, fm_reading *reading, uint32_t now_us)
{
    uint8_t bytes[N_BURST_BYTES];
    if (sensor->state != FM_SENSOR_RUNNING) {
        return FM_SENSOR_NOT_DUE;
    }
    fm_bus_result result = get(sensor, INT_STATUS, bytes, sizeof bytes);
    /*
     * EXT_SENS_DATA_00 is 0 where no second sensor is read through this one. A sensor that is unplugged
     * within the burst leaves the data line high: its last bytes are FF, and so is this one.
     */
    if (result == FM_BUS_OK && bytes[N_BURST_BYTES - 1] != 0) {
        result = FM_BUS_NACK;
    }
    if (result != FM_BUS_OK || (bytes[0] & DATA_READY) == 0) {
        const fm_sensor_result failure = fail(sensor, result, now_us);
        return result == FM_BUS_OK ? FM_SENSOR_STALE : failure;
    }
    sensor->n_failures = 0;
    join(reading->counts, bytes + 1, 3);
    join(&reading->temperature_lsb, bytes + 7, 1);
    join(reading->counts + 3, bytes + 9, 3);
    return FM_SENSOR_OK;
}

bool fm_mpu6050_has_fifo(const fm_mpu6050 *sensor)
{
    return sensor->state == FM_SENSOR_RUNNING && sensor->settings->period_us == FM_FIFO_PERIOD_US;
}

fm_sensor_result fm_mpu6050_restart_fifo(fm_mpu6050 *sensor, uint32_t now_us)
{
    /* RM, register 106: it is reset while it is disabled. */
    static const uint8_t commands[] = {0, FIFO_RESET, FIFO_ENABLE};
    uint8_t status = 0;
    fm_bus_result result = FM_BUS_OK;
    for (uint8_t i = 0; i < sizeof commands && result == FM_BUS_OK; i++) {
        result = set(sensor, USER_CTRL, commands[i]);
        /* What ran over ran over before: the bit is cleared by reading it. */
        if (result == FM_BUS_OK && commands[i] == FIFO_RESET) {
            result = get(sensor, INT_STATUS, &status, 1);
        }
    }
    sensor->n_uneven = 0;
    return result == FM_BUS_OK ? FM_SENSOR_OK : lose(sensor, result, now_us, 0);
}

fm_sensor_result fm_mpu6050_give_up(fm_mpu6050 *sensor, uint32_t now_us)
{
    (void)lose(sensor, FM_BUS_OK, now_us, 0);
    return FM_SENSOR_STALE;
}

/* Empties a FIFO whose bytes are no whole samples any more. */
static fm_sensor_result overflow(fm_mpu6050 *sensor, uint32_t now_us)
{
    const fm_sensor_result result = fm_mpu6050_restart_fifo(sensor, now_us);
    return result == FM_SENSOR_OK ? FM_SENSOR_OVERFLOW : result;
}

fm_sensor_result fm_mpu6050_count(fm_mpu6050 *sensor, uint8_t *n_waiting, uint32_t now_us)
{
    /* The MPU6500 and its siblings have half of the MPU6050's 1024 bytes. */
    const uint16_t n_bytes_at_most = (sensor->who_am_i == 0x68 ? 1024u : 512u) - N_SAMPLE_BYTES;
    int16_t count;
    const fm_bus_result result = get_numbers(sensor, FIFO_COUNT_H, &count, 1);
    if (result != FM_BUS_OK) {
        return fail(sensor, result, now_us);
    }
    const uint16_t n_bytes = (uint16_t)count;
    *n_waiting = (uint8_t)(n_bytes / N_SAMPLE_BYTES);
    if (n_bytes >= n_bytes_at_most) {
        return overflow(sensor, now_us);
    }
    if (n_bytes != *n_waiting * N_SAMPLE_BYTES) {
        sensor->n_uneven++;
        return sensor->n_uneven < N_UNEVEN_UNTIL_RESTART ? FM_SENSOR_NOT_DUE : overflow(sensor, now_us);
    }
    sensor->n_uneven = 0;
    return FM_SENSOR_OK;
}

fm_sensor_result fm_mpu6050_drain(fm_mpu6050 *sensor, int16_t (*counts)[FM_N_AXES], uint8_t n,
                                  uint32_t now_us)
{
    uint8_t status[INT_STATUS - INT_ENABLE + 1];
    fm_bus_result result = get_numbers(sensor, FIFO_R_W, *counts, (uint8_t)(n * FM_N_AXES));
    if (result == FM_BUS_OK) {
        result = get(sensor, INT_ENABLE, status, sizeof status);
    }
    if (result != FM_BUS_OK) {
        /* Part of a sample may have gone. */
        const fm_sensor_result failure = fail(sensor, result, now_us);
        if (sensor->state == FM_SENSOR_RUNNING) {
            (void)fm_mpu6050_restart_fifo(sensor, now_us);
        }
        return failure;
    }
    if (status[0] != (DATA_READY | FIFO_OVERFLOW)) {
        /* It has lost its power in between. */
        return lose(sensor, FM_BUS_NACK, now_us, 0);
    }
    if (status[INT_STATUS - INT_ENABLE] & FIFO_OVERFLOW) {
        return overflow(sensor, now_us);
    }
    sensor->n_failures = 0;
    return FM_SENSOR_OK;
}

void fm_mpu6050_read_temperature(const fm_mpu6050 *sensor, int16_t *temperature_lsb)
{
    int16_t read_lsb;
    if (get_numbers(sensor, TEMP_OUT_H, &read_lsb, 1) == FM_BUS_OK) {
        *temperature_lsb = read_lsb;
    }
}
