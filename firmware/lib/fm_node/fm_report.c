#include "fm_report.h"

#define FORMAT_VERSION 1u
#define STREAMING_FLAG 0x01u
#define N_BOARD_BYTES 16u

bool fm_report_transmit(fm_node *node, const uint8_t *bytes, uint8_t n)
{
    if (n != 0 && node->port->line_write(node->port->context, bytes, n)) {
        return true;
    }
    fm_fault_count(&node->faults.n_transmit_stalls, 1);
    fm_fault_latch(&node->faults, FM_FAULT_TRANSMIT_STALLED);
    return false;
}

void fm_report_flush(fm_node *node)
{
    const uint8_t n_samples = node->batch.n_samples;
    if (n_samples == 0) {
        return;
    }
    const uint8_t n_bytes = fm_batch_end(&node->batch);
    if (!fm_report_transmit(node, node->bytes, n_bytes)) {
        node->n_dropped += n_samples;
    }
}

/* Begins a frame other than SAMPLES; the samples before it go before it. */
static void begin(fm_node *node, fm_encoder *encoder, uint8_t type)
{
    fm_report_flush(node);
    fm_encoder_begin(encoder, node->bytes + 1, (uint8_t)FM_BATCH_BYTES, type, node->sequence++,
                     node->port->now_us(node->port->context));
}

static void send(fm_node *node, fm_encoder *encoder)
{
    const uint8_t n = fm_encoder_end(encoder);
    if (node->settings.is_text) {
        node->bytes[0] = 0; /* ends the text before it */
        (void)fm_report_transmit(node, node->bytes, (uint8_t)(n + 1u));
    } else {
        (void)fm_report_transmit(node, node->bytes + 1, n);
    }
}

void fm_report_hello(fm_node *node)
{
    fm_encoder encoder;
    const char *board = node->port->board;
    begin(node, &encoder, FM_FRAME_HELLO);
    fm_encoder_u8(&encoder, FORMAT_VERSION);
    fm_encoder_u8(&encoder, FM_FIRMWARE_MAJOR);
    fm_encoder_u8(&encoder, FM_FIRMWARE_MINOR);
    fm_encoder_u8(&encoder, FM_FIRMWARE_PATCH);
    for (uint8_t i = 0; i < N_BOARD_BYTES; i++) {
        fm_encoder_u8(&encoder, (uint8_t)*board);
        if (*board != '\0') {
            board++;
        }
    }
    for (uint8_t i = 0; i < FM_BOARD_ID_BYTES; i++) {
        fm_encoder_u8(&encoder, node->settings.board_id[i]);
    }
    fm_encoder_u8(&encoder, node->sensor.who_am_i);
    fm_encoder_u8(&encoder, node->settings.sensor.accel_full_scale_g);
    fm_encoder_u16(&encoder, node->settings.sensor.gyro_full_scale_dps);
    fm_encoder_u32(&encoder, node->settings.sensor.period_us);
    for (uint8_t axis = 1; axis <= FM_N_AXES; axis++) {
        fm_encoder_u8(&encoder, axis);
    }
    fm_encoder_u8(&encoder, node->port->reset_cause);
    send(node, &encoder);
    node->announced_who_am_i = node->sensor.who_am_i;
    node->has_announced = true;
}

void fm_report_status(fm_node *node)
{
    fm_encoder encoder;
    begin(node, &encoder, FM_FRAME_STATUS);
    fm_encoder_u16(&encoder, node->faults.latched);
    fm_encoder_u32(&encoder, node->n_samples);
    fm_encoder_u32(&encoder, node->n_dropped);
    fm_encoder_u16(&encoder, node->faults.n_sensor_errors);
    fm_encoder_u16(&encoder, node->faults.n_bad_commands);
    fm_encoder_u16(&encoder, node->faults.n_transmit_stalls);
    fm_encoder_u16(&encoder, (uint16_t)node->temperature_lsb);
    fm_encoder_u8(&encoder, node->settings.is_streaming ? STREAMING_FLAG : 0);
    send(node, &encoder);
}

void fm_report_self_test(fm_node *node, const fm_self_test *test)
{
    fm_encoder encoder;
    begin(node, &encoder, FM_FRAME_SELF_TEST);
    fm_encoder_u8(&encoder, test->outcome);
    fm_encoder_u16(&encoder, FM_SELF_TEST_LIMIT_PERMILLE);
    fm_encoder_u16(&encoder, FM_SELF_TEST_FULL_SCALE_DPS);
    for (uint8_t i = 0; i < FM_SELF_TEST_N_VALUES; i++) {
        fm_encoder_u16(&encoder, (uint16_t)test->values[i]);
    }
    send(node, &encoder);
}

void fm_report_result(fm_node *node, const fm_host_frame *frame, fm_result_code code)
{
    fm_encoder encoder;
    begin(node, &encoder, FM_FRAME_RESULT);
    fm_encoder_u8(&encoder, frame->type);
    fm_encoder_u16(&encoder, frame->sequence);
    fm_encoder_u8(&encoder, (uint8_t)code);
    send(node, &encoder);
}
