/*
 * When samples are taken, how they are numbered, and the frames that carry them.
 *
 * Sampling instants form a grid on the node's clock: start + k period. Each has a number, also where no
 * reading comes of it, so that the host sees what is missing. Times are microseconds modulo 2^32, and no two
 * that are compared may lie 2^31 us (36 minutes) apart.
 */
#ifndef FM_SAMPLER_H
#define FM_SAMPLER_H

#include <stdbool.h>
#include <stdint.h>

#include "fm_frame.h"

typedef struct {
    uint32_t due_us;     /* the next instant */
    uint32_t next_index; /* its number */
    uint16_t period_us;
} fm_sampler;

/* Lays the grid anew, its first instant a period from now. Numbers go on where they were. */
void fm_sampler_start(fm_sampler *sampler, uint16_t period_us, uint32_t now_us);

/* Microseconds until the next instant; 0 and less where it is due. */
int32_t fm_sampler_slack_us(const fm_sampler *sampler, uint32_t now_us);

/*
 * Passes the instant that is due, and with it those that went by a whole period ago and more. Returns the
 * number of the newest one, which now stands for; n_missed is how many older ones passed without a reading.
 */
uint32_t fm_sampler_take(fm_sampler *sampler, uint32_t now_us, uint32_t *n_missed);

#define FM_MAX_BATCH 8u
#define FM_BATCH_BYTES FM_FRAME_BYTES(4u + 2u + 12u * FM_MAX_BATCH)

/* Samples in one frame: its first may be 16 ms old when it goes, so 1 up to 100 Hz and 8 from 500 Hz. */
uint8_t fm_batch_size(uint16_t period_us);

/* A SAMPLES frame that fills. */
typedef struct {
    fm_encoder encoder;
    uint32_t first_index;
    uint32_t first_us;
    uint16_t period_us;
    uint8_t n_samples;
} fm_batch;

/* Whether a sample with this number and time is the frame's next: consecutive, and when it implies. */
bool fm_batch_continues(const fm_batch *batch, uint32_t index, uint32_t t_us);

/* Begins a frame in the caller's buffer of FM_BATCH_BYTES. */
void fm_batch_begin(fm_batch *batch, uint8_t *bytes, uint16_t sequence, uint32_t index, uint32_t t_us,
                    uint16_t period_us);
void fm_batch_append(fm_batch *batch, const int16_t *counts);

/* Ends the frame: returns its bytes on the line, and leaves an empty batch. */
uint8_t fm_batch_end(fm_batch *batch);

#endif
