#include "fm_follower.h"

/* 5 % off 1 kHz: the gyroscope's clock is within 1 %, the internal oscillator within 5 % (PS 6.6). */
#define LEAST_PERIOD_Q5 (950u << 5)
#define MOST_PERIOD_Q5 (1050u << 5)
/* Simulated with clocks up to 4 % off: within 25 us after 400 conversions, whatever the first phase. */
#define N_TO_LEARN 400u
#define MOST_STEP_US 128u
#define LEAST_STEP_US 2u
#define MOST_PUSH_US 250u
#define N_SAME_UNTIL_DOUBLED 3u
/* So close to a conversion a look tells on which side of it the grid is. */
#define EDGE_US 64
/* 120 us on an Uno at 400 kHz. */
#define FIRST_LEAD_US 100u
#define MOST_LEAD_US 250u

void fm_follower_start(fm_follower *follower, bool is_new_stream)
{
    *follower = (fm_follower){
        .period_q5 = FM_FOLLOWED_PERIOD_US << 5,
        .n_to_learn = N_TO_LEARN,
        .step_us = MOST_STEP_US,
        .lead_us = FIRST_LEAD_US,
        .is_lost = true,
        .is_holding_index = is_new_stream,
    };
}

void fm_follower_pass(fm_follower *follower, fm_sampler *sampler)
{
    const uint16_t due_q5 = (uint16_t)(follower->due_q5 + follower->period_q5);
    follower->due_q5 = due_q5 & 31u;
    sampler->due_us += due_q5 >> 5;
    if (follower->n_to_learn == 0 || !follower->is_holding_index) {
        sampler->next_index++;
    }
}

static void pass_until(fm_follower *follower, fm_sampler *sampler, uint32_t until_us)
{
    while ((int32_t)(until_us - sampler->due_us) >= 0) {
        fm_follower_pass(follower, sampler);
    }
}

void fm_follower_lose(fm_follower *follower, fm_sampler *sampler, uint32_t until_us)
{
    follower->is_lost = true;
    pass_until(follower, sampler, until_us);
}

uint16_t fm_follower_look_us(const fm_follower *follower)
{
    const uint16_t period_us = follower->period_q5 >> 5;
    return (uint16_t)(3u * period_us + (follower->is_lost ? period_us >> 1 : 0u));
}

/* Moves the grid, late or early beside the sensor's conversions by at least so much, and so its period. */
static void push(fm_follower *follower, fm_sampler *sampler, bool is_late, int16_t at_least_us)
{
    uint8_t step_us = follower->step_us;
    if (is_late != follower->was_late) {
        follower->was_late = is_late;
        follower->n_same = 0;
        if (step_us > LEAST_STEP_US) {
            step_us = step_us >> 1;
        }
    } else if (++follower->n_same >= N_SAME_UNTIL_DOUBLED) {
        follower->n_same = 0;
        if (step_us < MOST_STEP_US) {
            step_us = (uint8_t)(step_us << 1);
        }
    }
    follower->step_us = step_us;
    uint16_t push_us = at_least_us > step_us ? (uint16_t)at_least_us : step_us;
    if (push_us > MOST_PUSH_US) {
        push_us = MOST_PUSH_US;
    }
    /* A 32nd of it goes to the period. */
    uint16_t period_q5 = follower->period_q5;
    if (is_late) {
        sampler->due_us -= push_us;
        period_q5 = (uint16_t)(period_q5 - push_us);
    } else {
        sampler->due_us += push_us;
        period_q5 = (uint16_t)(period_q5 + push_us);
    }
    if (period_q5 >= LEAST_PERIOD_Q5 && period_q5 <= MOST_PERIOD_Q5) {
        follower->period_q5 = period_q5;
        sampler->period_us = (uint16_t)((period_q5 + 16u) >> 5);
    }
}

/* A look that comes beside its instant is worth less: moves the next ones there. */
static void aim(fm_follower *follower, const fm_sampler *sampler, uint32_t now_us)
{
    const uint32_t late_us = now_us - sampler->due_us - fm_follower_look_us(follower) + EDGE_US;
    if (late_us > EDGE_US && late_us <= 2u * EDGE_US && follower->lead_us < MOST_LEAD_US) {
        follower->lead_us++;
    } else if (late_us < EDGE_US && follower->lead_us > 0) {
        follower->lead_us--;
    }
}

void fm_follower_see(fm_follower *follower, fm_sampler *sampler, uint8_t n_waiting, uint32_t now_us)
{
    const int16_t period_us = (int16_t)sampler->period_us;
    /* How long before now the newest conversion was, by the grid: less than a period, where the grid is
     * right. */
    aim(follower, sampler, now_us);
    const uint32_t waited_us = ((uint32_t)(n_waiting - 1u) * follower->period_q5) >> 5;
    if (follower->is_lost) {
        follower->is_lost = false;
        pass_until(follower, sampler, now_us - waited_us - (uint16_t)period_us);
        if (follower->n_to_learn == N_TO_LEARN) {
            sampler->due_us = now_us - waited_us - (uint16_t)period_us / 2u;
        }
        return;
    }
    if (follower->n_to_learn != 0) {
        follower->n_to_learn = n_waiting < follower->n_to_learn ? follower->n_to_learn - n_waiting : 0;
    }
    const int16_t age_us = (int16_t)(now_us - waited_us - sampler->due_us);
    if (age_us < EDGE_US) {
        push(follower, sampler, true, (int16_t)-age_us);
    } else if (age_us > period_us - EDGE_US) {
        push(follower, sampler, false, (int16_t)(age_us - period_us));
    } else if (follower->n_to_learn != 0) {
        push(follower, sampler, age_us < period_us / 2, 0);
    }
}
