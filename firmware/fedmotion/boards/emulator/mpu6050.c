/* SPDX-License-Identifier: Apache-2.0
 * Linked with libsimavr or libunicorn, the program is under the GNU GPL as a whole: docs/licences.md. */

#include "mpu6050.h"

#include <string.h>

/* RM 3, by address. */
enum {
    SELF_TEST_X = 0x0D,
    SMPLRT_DIV = 0x19,
    CONFIG = 0x1A,
    GYRO_CONFIG = 0x1B,
    ACCEL_CONFIG = 0x1C,
    FIFO_EN = 0x23,
    INT_PIN_CFG = 0x37,
    INT_ENABLE = 0x38,
    INT_STATUS = 0x3A,
    ACCEL_XOUT_H = 0x3B,
    GYRO_ZOUT_L = 0x48,
    USER_CTRL = 0x6A,
    PWR_MGMT_1 = 0x6B,
    FIFO_COUNT_H = 0x72,
    FIFO_COUNT_L = 0x73,
    FIFO_R_W = 0x74,
    WHO_AM_I = 0x75,
};

enum {
    ADDRESS = 0x68, /* with AD0 low */
    DATA_RDY = 0x01,
    FIFO_OFLOW = 0x10,
    INT_LEVEL = 0x80,
    LATCH_INT_EN = 0x20,
    INT_RD_CLEAR = 0x10,
    USER_FIFO_EN = 0x40,
    USER_FIFO_RESET = 0x04,
    USER_SIG_COND_RESET = 0x01,
    DEVICE_RESET = 0x80,
    SLEEP = 0x40,
    INTERRUPT_PULSE_US = 50, /* RM 4.18 */
};

static bool is_awake(const fm_mpu_t *mpu)
{
    return mpu->is_plugged && !(mpu->registers[PWR_MGMT_1] & SLEEP);
}

/* RM 4.2: the gyroscope's output rate is 8 kHz without the filter and 1 kHz with it. */
static uint64_t period_cycles(const fm_mpu_t *mpu)
{
    const uint8_t filter = mpu->registers[CONFIG] & 0x07;
    const uint32_t output_us = (filter == 0 || filter == 7) ? 125 : 1000;
    return (uint64_t)mpu->cycles_per_us * output_us * (1u + mpu->registers[SMPLRT_DIV]);
}

enum { MILLION = 1000000 };

static uint64_t n_taken(const fm_mpu_t *mpu, uint64_t now)
{
    const uint64_t rate_ppm = (uint64_t)(MILLION + mpu->clock_error_ppm);
    return is_awake(mpu) ? (now - mpu->epoch) * rate_ppm / (period_cycles(mpu) * MILLION) : 0;
}

/* The first cycle at which n_taken is n. */
static uint64_t instant(const fm_mpu_t *mpu, uint64_t n)
{
    const uint64_t rate_ppm = (uint64_t)(MILLION + mpu->clock_error_ppm);
    return mpu->epoch + (n * period_cycles(mpu) * MILLION + rate_ppm - 1) / rate_ppm;
}

static void restart_sampling(fm_mpu_t *mpu, uint64_t now)
{
    mpu->epoch = now;
    mpu->n_latched = mpu->n_seen = mpu->n_stored = 0;
}

static void feel(fm_mpu_t *mpu, uint16_t n, const uint64_t *cycles, int16_t values[][FM_MPU_N_VALUES])
{
    mpu->feel(mpu->context, n, cycles, (uint8_t)(2u << (mpu->registers[ACCEL_CONFIG] >> 3 & 3)),
              (uint16_t)(250u << (mpu->registers[GYRO_CONFIG] >> 3 & 3)), values);
}

static void latch(fm_mpu_t *mpu, uint64_t now)
{
    const uint64_t n = n_taken(mpu, now);
    if (n == 0 || n == mpu->n_latched) {
        return;
    }
    int16_t values[1][FM_MPU_N_VALUES];
    mpu->latched_cycle = instant(mpu, n);
    feel(mpu, 1, &mpu->latched_cycle, values);
    for (int i = 0; i < FM_MPU_N_VALUES; i++) {
        mpu->registers[ACCEL_XOUT_H + 2 * i] = (uint8_t)((uint16_t)values[0][i] >> 8);
        mpu->registers[ACCEL_XOUT_H + 2 * i + 1] = (uint8_t)values[0][i];
    }
    mpu->n_latched = n;
}

/* RM 4.17: when it is full the oldest byte gives way to the newest. */
static void push(fm_mpu_t *mpu, uint8_t byte)
{
    mpu->fifo[mpu->fifo_end++ % FM_MPU_FIFO_BYTES] = byte;
    if (mpu->fifo_count < FM_MPU_FIFO_BYTES) {
        mpu->fifo_count++;
    } else {
        mpu->has_overflowed = true;
    }
}

static void empty_fifo(fm_mpu_t *mpu)
{
    mpu->fifo_count = 0;
    mpu->n_unfelt = 0;
}

/* RM 4.17, FIFO_EN: acceleration bit 3, temperature bit 7, rotation x, y, z bits 6, 5, 4. */
static bool is_stored(const fm_mpu_t *mpu, int value)
{
    static const uint8_t masks[FM_MPU_N_VALUES] = {0x08, 0x08, 0x08, 0x80, 0x40, 0x20, 0x10};
    return mpu->registers[FIFO_EN] & masks[value];
}

/* Feel what has come into the FIFO, at once, with the settings that held meanwhile. */
static void feel_fifo(fm_mpu_t *mpu)
{
    static int16_t values[FM_MPU_MAX_SAMPLES][FM_MPU_N_VALUES];
    const uint64_t oldest = mpu->fifo_end - mpu->fifo_count;
    if (mpu->n_unfelt == 0) {
        return;
    }
    feel(mpu, mpu->n_unfelt, mpu->unfelt_cycles, values);
    for (uint16_t i = 0; i < mpu->n_unfelt; i++) {
        uint64_t at = mpu->unfelt_at[i];
        for (int value = 0; value < FM_MPU_N_VALUES; value++) {
            for (int shift = 8; shift >= 0 && is_stored(mpu, value); shift -= 8, at++) {
                if (at >= oldest) {
                    mpu->fifo[at % FM_MPU_FIFO_BYTES] = (uint8_t)((uint16_t)values[i][value] >> shift);
                }
            }
        }
    }
    mpu->n_unfelt = 0;
}

/* Put what was sampled meanwhile into the FIFO. */
static void fill_fifo(fm_mpu_t *mpu, uint64_t now)
{
    const uint64_t n = n_taken(mpu, now);
    int set_bytes = 0;
    for (int i = 0; i < FM_MPU_N_VALUES; i++) {
        set_bytes += is_stored(mpu, i) ? 2 : 0;
    }
    if (n <= mpu->n_stored || set_bytes == 0 || !(mpu->registers[USER_CTRL] & USER_FIFO_EN)) {
        mpu->n_stored = n > mpu->n_stored ? n : mpu->n_stored;
        return;
    }
    uint64_t n_new = n - mpu->n_stored;
    const uint64_t n_kept = (uint64_t)(FM_MPU_FIFO_BYTES / set_bytes) + 1;
    if (n_new > n_kept) {
        n_new = n_kept; /* nobody will see what came before */
        mpu->has_overflowed = true;
    }
    if (mpu->n_unfelt + n_new > FM_MPU_MAX_SAMPLES) {
        feel_fifo(mpu);
    }
    for (uint64_t i = 0; i < n_new; i++) {
        mpu->unfelt_cycles[mpu->n_unfelt] = instant(mpu, n - n_new + 1 + i);
        mpu->unfelt_at[mpu->n_unfelt++] = mpu->fifo_end;
        for (int byte = 0; byte < set_bytes; byte++) {
            push(mpu, 0);
        }
    }
    mpu->n_stored = n;
}

static uint8_t pop(fm_mpu_t *mpu)
{
    if (mpu->fifo_count == 0) {
        return 0xFF; /* RM 4.32 leaves it open; parts repeat the last byte or send ones */
    }
    feel_fifo(mpu);
    return mpu->fifo[(mpu->fifo_end - mpu->fifo_count--) % FM_MPU_FIFO_BYTES];
}

void fm_mpu_init(fm_mpu_t *mpu, uint32_t cycles_per_us, fm_mpu_feel_t feel_at, void *context)
{
    *mpu = (fm_mpu_t){
        .cycles_per_us = cycles_per_us,
        .feel = feel_at,
        .context = context,
        .who_am_i = ADDRESS,
        .is_plugged = true,
    };
    fm_mpu_power_on(mpu, 0);
}

void fm_mpu_power_on(fm_mpu_t *mpu, uint64_t now)
{
    memset(mpu->registers, 0, sizeof mpu->registers);
    mpu->registers[PWR_MGMT_1] = SLEEP; /* RM 3 */
    memcpy(mpu->registers + SELF_TEST_X, mpu->trim, sizeof mpu->trim);
    empty_fifo(mpu);
    mpu->has_overflowed = false;
    mpu->is_addressed = false;
    mpu->is_pointer_next = true;
    mpu->pointer = 0;
    restart_sampling(mpu, now);
}

void fm_mpu_set_trim(fm_mpu_t *mpu, const uint8_t *trim)
{
    memcpy(mpu->trim, trim, sizeof mpu->trim);
    memcpy(mpu->registers + SELF_TEST_X, trim, sizeof mpu->trim);
}

/* RM 4.4 and 4.5: bits 7 to 5 are the axes x to z. */
uint8_t fm_mpu_pushed(const fm_mpu_t *mpu)
{
    uint8_t pushed = 0;
    for (int axis = 0; axis < 3; axis++) {
        pushed |= (uint8_t)((mpu->registers[ACCEL_CONFIG] >> (7 - axis) & 1) << axis);
        pushed |= (uint8_t)((mpu->registers[GYRO_CONFIG] >> (7 - axis) & 1) << (3 + axis));
    }
    return pushed;
}

void fm_mpu_set_clock_error(fm_mpu_t *mpu, int32_t ppm, uint64_t now)
{
    const uint64_t old_ppm = (uint64_t)(MILLION + mpu->clock_error_ppm);
    const uint64_t new_ppm = (uint64_t)(MILLION + ppm);
    /* As if it had always been so: the conversion that is under way goes on. */
    mpu->epoch = now - (now - mpu->epoch) * old_ppm / new_ppm;
    mpu->clock_error_ppm = ppm;
}

void fm_mpu_litter_fifo(fm_mpu_t *mpu, uint32_t n)
{
    while (n-- > 0) {
        push(mpu, 0xEE);
    }
}

bool fm_mpu_address(fm_mpu_t *mpu, uint8_t address_byte, uint64_t now)
{
    mpu->is_addressed = mpu->is_plugged && address_byte >> 1 == ADDRESS;
    if (!mpu->is_addressed) {
        return false;
    }
    mpu->is_pointer_next = !(address_byte & 1);
    fill_fifo(mpu, now);
    /* RM 4.20: a burst's bytes are of one instant. */
    if ((address_byte & 1) && mpu->pointer >= INT_STATUS && mpu->pointer <= GYRO_ZOUT_L) {
        latch(mpu, now);
    }
    return true;
}

static void write_register(fm_mpu_t *mpu, uint8_t address, uint8_t byte, uint64_t now)
{
    fill_fifo(mpu, now);
    if (address == FIFO_EN || address == GYRO_CONFIG || address == ACCEL_CONFIG) {
        feel_fifo(mpu);
    }
    const bool was_awake = is_awake(mpu);
    switch (address) {
    case PWR_MGMT_1:
        if (byte & DEVICE_RESET) {
            fm_mpu_power_on(mpu, now);
            return;
        }
        mpu->registers[PWR_MGMT_1] = byte;
        if (!was_awake) {
            restart_sampling(mpu, now);
        }
        return;
    case SMPLRT_DIV:
    case CONFIG:
        mpu->registers[address] = byte;
        restart_sampling(mpu, now);
        return;
    case USER_CTRL:
        if (byte & (USER_FIFO_RESET | USER_SIG_COND_RESET)) {
            empty_fifo(mpu);
        }
        mpu->registers[USER_CTRL] = byte & (uint8_t)~0x07; /* the resets clear themselves */
        return;
    case FIFO_R_W:
        push(mpu, byte);
        return;
    case INT_STATUS:
    case FIFO_COUNT_H:
    case FIFO_COUNT_L:
    case WHO_AM_I:
        return; /* read only */
    default:
        if (address < ACCEL_XOUT_H || address > GYRO_ZOUT_L) {
            mpu->registers[address] = byte;
        }
    }
}

bool fm_mpu_write(fm_mpu_t *mpu, uint8_t byte, uint64_t now)
{
    if (!mpu->is_plugged || !mpu->is_addressed) {
        return false;
    }
    if (mpu->is_pointer_next) {
        mpu->pointer = byte % FM_MPU_N_REGISTERS;
        mpu->is_pointer_next = false;
        return true;
    }
    write_register(mpu, mpu->pointer, byte, now);
    if (mpu->pointer != FIFO_R_W) {
        mpu->pointer = (mpu->pointer + 1) % FM_MPU_N_REGISTERS;
    }
    return true;
}

static uint8_t read_status(fm_mpu_t *mpu, uint64_t now)
{
    const uint64_t n = n_taken(mpu, now);
    const uint8_t status =
        (uint8_t)((n > mpu->n_seen ? DATA_RDY : 0) | (mpu->has_overflowed ? FIFO_OFLOW : 0));
    mpu->n_seen = n;
    mpu->has_overflowed = false;
    return status;
}

uint8_t fm_mpu_read(fm_mpu_t *mpu, uint64_t now)
{
    const uint8_t address = mpu->pointer;
    if (!mpu->is_plugged || !mpu->is_addressed) {
        return 0xFF; /* nobody pulls SDA down */
    }
    if (address == FIFO_R_W) {
        return pop(mpu);
    }
    mpu->pointer = (address + 1) % FM_MPU_N_REGISTERS;
    switch (address) {
    case INT_STATUS:
        return read_status(mpu, now);
    case FIFO_COUNT_H:
        return (uint8_t)(mpu->fifo_count >> 8);
    case FIFO_COUNT_L:
        return (uint8_t)mpu->fifo_count;
    case WHO_AM_I:
        return mpu->who_am_i;
    default:
        if (mpu->registers[INT_PIN_CFG] & INT_RD_CLEAR) {
            mpu->n_seen = n_taken(mpu, now);
        }
        return mpu->registers[address];
    }
}

bool fm_mpu_is_burst(const fm_mpu_t *mpu)
{
    return mpu->pointer == FIFO_R_W || (mpu->pointer >= INT_STATUS && mpu->pointer <= ACCEL_XOUT_H);
}

uint64_t fm_mpu_next_interrupt(const fm_mpu_t *mpu, uint64_t now)
{
    if (!is_awake(mpu) || !(mpu->registers[INT_ENABLE] & DATA_RDY)) {
        return 0;
    }
    return instant(mpu, n_taken(mpu, now) + 1);
}

bool fm_mpu_is_interrupt_active_low(const fm_mpu_t *mpu)
{
    return mpu->registers[INT_PIN_CFG] & INT_LEVEL;
}

uint64_t fm_mpu_pulse_cycles(const fm_mpu_t *mpu)
{
    const bool is_latched = mpu->registers[INT_PIN_CFG] & LATCH_INT_EN;
    return is_latched ? 0 : (uint64_t)INTERRUPT_PULSE_US * mpu->cycles_per_us;
}
