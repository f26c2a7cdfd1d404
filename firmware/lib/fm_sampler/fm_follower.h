/*
 * The grid of fm_sampler where the sensor's clock paces it: each conversion is one instant and has one
 * number.
 *
 * The sensor tells only how many conversions wait in its FIFO. The node looks when the newest one should just
 * have been made; whether it is there or not yet tells which way the grid is off. So it is pushed to and fro
 * across the sensor's instants by a step that halves when its sign changes and doubles where it does not, and
 * with it the period (a phase-locked loop with a sign detector; Alexander, Electronics Letters 11(22), 1975).
 */
#ifndef FM_FOLLOWER_H
#define FM_FOLLOWER_H

#include <stdbool.h>
#include <stdint.h>

#include "fm_sampler.h"

typedef struct {
    uint16_t period_q5;  /* microseconds * 32 */
    uint16_t n_to_learn; /* conversions until the grid can be trusted */
    uint8_t due_q5;      /* fraction of the sampler's due_us */
    uint8_t step_us;
    uint8_t lead_us;       /* from the caller's decision to look until the sensor counts */
    uint8_t n_same;        /* pushes in the same direction */
    bool was_late;         /* the last push's direction */
    bool is_lost;          /* conversions were lost: how many, the next look tells */
    bool is_holding_index; /* while it learns */
} fm_follower;

/* The sensor's nominal period. */
#define FM_FOLLOWED_PERIOD_US 1000u

/* Begins to learn the sensor's clock. Numbers stay meanwhile where is_new_stream, else they go on. */
void fm_follower_start(fm_follower *follower, bool is_new_stream);

/* Conversions were lost: passes those until until_us; whether it were more, the next look tells. */
void fm_follower_lose(fm_follower *follower, fm_sampler *sampler, uint32_t until_us);

/*
 * When the sensor should count, from the sampler's next instant on: as the fourth conversion is made, or half
 * a period after. To decide lead_us before that is the caller's; how long that is, is learnt, too.
 */
uint16_t fm_follower_look_us(const fm_follower *follower);

/* n_waiting conversions, the first of them the sampler's next, were in the FIFO at now_us; 1 and more. */
void fm_follower_see(fm_follower *follower, fm_sampler *sampler, uint8_t n_waiting, uint32_t now_us);

/* Passes one conversion. */
void fm_follower_pass(fm_follower *follower, fm_sampler *sampler);

#endif
