#include "fm_sampler.h"

#define N_AXES 6u
#define MAX_BATCH_US 16000u
/* How far a sample's time may lie from where its frame says that it is. */
#define BATCH_TOLERANCE_US 50

void fm_sampler_start(fm_sampler *sampler, uint16_t period_us, uint32_t now_us)
{
    sampler->period_us = period_us;
    sampler->due_us = now_us + period_us;
}

int32_t fm_sampler_slack_us(const fm_sampler *sampler, uint32_t now_us)
{
    return (int32_t)(sampler->due_us - now_us);
}

uint32_t fm_sampler_take(fm_sampler *sampler, uint32_t now_us, uint32_t *n_missed)
{
    const uint32_t late_us = now_us - sampler->due_us;
    uint32_t n = 0;
    /* A division takes 40 us on an AVR: only where it is needed. */
    if (late_us >= sampler->period_us && late_us <= (uint32_t)INT32_MAX) {
        n = late_us / sampler->period_us;
    }
    *n_missed = n;
    const uint32_t index = sampler->next_index + n;
    sampler->next_index = index + 1;
    sampler->due_us += (n + 1) * sampler->period_us;
    return index;
}

uint8_t fm_batch_size(uint16_t period_us)
{
    const uint16_t n = (uint16_t)(MAX_BATCH_US / period_us);
    if (n <= 1) {
        return 1;
    }
    return n < FM_MAX_BATCH ? (uint8_t)n : (uint8_t)FM_MAX_BATCH;
}

bool fm_batch_continues(const fm_batch *batch, uint32_t index, uint32_t t_us)
{
    const uint32_t implied_us = batch->first_us + (uint32_t)batch->n_samples * batch->period_us;
    const int32_t off_us = (int32_t)(t_us - implied_us);
    return index == batch->first_index + batch->n_samples && off_us <= BATCH_TOLERANCE_US &&
           off_us >= -BATCH_TOLERANCE_US;
}

void fm_batch_begin(fm_batch *batch, uint8_t *bytes, uint16_t sequence, uint32_t index, uint32_t t_us,
                    uint16_t period_us)
{
    batch->first_index = index;
    batch->first_us = t_us;
    batch->period_us = period_us;
    batch->n_samples = 0;
    fm_encoder_begin(&batch->encoder, bytes, (uint8_t)FM_BATCH_BYTES, FM_FRAME_SAMPLES, sequence, t_us);
    fm_encoder_u32(&batch->encoder, index);
    fm_encoder_u16(&batch->encoder, period_us);
}

void fm_batch_append(fm_batch *batch, const int16_t *counts)
{
    for (uint8_t axis = 0; axis < N_AXES; axis++) {
        fm_encoder_u16(&batch->encoder, (uint16_t)counts[axis]);
    }
    batch->n_samples++;
}

uint8_t fm_batch_end(fm_batch *batch)
{
    batch->n_samples = 0;
    return fm_encoder_end(&batch->encoder);
}
