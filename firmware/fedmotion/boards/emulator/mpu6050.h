/* SPDX-License-Identifier: Apache-2.0
 * Linked with libsimavr or libunicorn, the program is under the GNU GPL as a whole: docs/licences.md. */

/* An MPU6050 at its registers: it samples on instants of its own and is asked for what it felt only when
 * that is read. "RM" is the register map RM-MPU-6000A-00 revision 4.2. Time is the board's CPU cycles,
 * which never go back; the sensor's own clock may be off them. */

#ifndef FM_MPU6050_H
#define FM_MPU6050_H

#include <stdbool.h>
#include <stdint.h>

enum {
    FM_MPU_N_REGISTERS = 128,
    FM_MPU_N_VALUES = 7, /* acceleration, temperature, rotation: in the order of registers 3B to 48 */
    FM_MPU_N_TRIM_BYTES = 4,
    FM_MPU_FIFO_BYTES = 1024,
    FM_MPU_MAX_SAMPLES = FM_MPU_FIFO_BYTES / 2 + 1, /* asked for at once */
};

/* Where motion comes from: the values at `n` instants, ascending, at these full scales. */
typedef void (*fm_mpu_feel_t)(void *context, uint16_t n, const uint64_t *cycles, uint8_t accel_g,
                              uint16_t gyro_dps, int16_t values[][FM_MPU_N_VALUES]);

typedef struct {
    uint32_t cycles_per_us;
    int32_t clock_error_ppm; /* the sensor's clock is so much faster than it says */
    fm_mpu_feel_t feel;
    void *context;
    uint8_t registers[FM_MPU_N_REGISTERS];
    uint8_t who_am_i;
    uint8_t trim[FM_MPU_N_TRIM_BYTES]; /* registers 0D to 10, which outlast a reset */
    uint8_t pointer;      /* of the register that is read or written next */
    bool is_pointer_next; /* the next byte written is the pointer */
    bool is_plugged;
    bool is_addressed;      /* by the transfer under way, since it has power */
    uint64_t epoch;         /* sample n is taken at epoch + n periods, from n = 1 */
    uint64_t n_latched;     /* the sample in the registers */
    uint64_t n_seen;        /* the sample that INT_STATUS has told of */
    uint64_t n_stored;      /* the last sample in the FIFO */
    uint64_t latched_cycle; /* its instant */
    bool has_overflowed;
    uint8_t fifo[FM_MPU_FIFO_BYTES];
    uint64_t fifo_end; /* bytes that ever came into it; the newest is at fifo_end - 1 modulo its size */
    uint16_t fifo_count;
    /* Samples that are in the FIFO and not felt yet: their bytes are there when somebody reads. */
    uint16_t n_unfelt;
    uint64_t unfelt_cycles[FM_MPU_MAX_SAMPLES], unfelt_at[FM_MPU_MAX_SAMPLES];
} fm_mpu_t;

void fm_mpu_init(fm_mpu_t *mpu, uint32_t cycles_per_us, fm_mpu_feel_t feel, void *context);

/* Be as after power on, asleep. */
void fm_mpu_power_on(fm_mpu_t *mpu, uint64_t now);

/* The bus' side; `now` is when it happens. */
bool fm_mpu_address(fm_mpu_t *mpu, uint8_t address_byte, uint64_t now);
bool fm_mpu_write(fm_mpu_t *mpu, uint8_t byte, uint64_t now);
uint8_t fm_mpu_read(fm_mpu_t *mpu, uint64_t now);

/* The axes that the self-test pushes now, bit 0 ax to bit 5 gz: who feels for the sensor adds what that does. */
uint8_t fm_mpu_pushed(const fm_mpu_t *mpu);

/* Give the sensor its factory trim. */
void fm_mpu_set_trim(fm_mpu_t *mpu, const uint8_t *trim);

/* Let the sensor's clock be off from now on. */
void fm_mpu_set_clock_error(fm_mpu_t *mpu, int32_t ppm, uint64_t now);

/* Put so many bytes that are of no sample into the FIFO. Like all faults it feels nothing: nobody would answer. */
void fm_mpu_litter_fifo(fm_mpu_t *mpu, uint32_t n);

/* Whether the register that is read next is a reading's first byte. */
bool fm_mpu_is_burst(const fm_mpu_t *mpu);

/* The next sampling instant after `now` if the INT pin tells of it, 0 if not. */
uint64_t fm_mpu_next_interrupt(const fm_mpu_t *mpu, uint64_t now);

/* The INT pin's level when idle and how long a pulse is, 0: until INT_STATUS is read. */
bool fm_mpu_is_interrupt_active_low(const fm_mpu_t *mpu);
uint64_t fm_mpu_pulse_cycles(const fm_mpu_t *mpu);

#endif
