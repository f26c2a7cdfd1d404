#include "fm_node.h"

#include <stddef.h>

#include "fm_report.h"
#include "fm_text.h"

#define DEFAULT_PERIOD_US 10000u
#define DEFAULT_ACCEL_FULL_SCALE_G 8u
#define DEFAULT_GYRO_FULL_SCALE_DPS 1000u
#define STATUS_PERIOD_US 1000000uL
#define N_RECEIVED_AT_ONCE 24u

/* The longest piece of work between two samples: configuring the sensor, or a HELLO in a flood of bytes. */
#define LONGEST_WORK_US 900
#define N_SAMPLES_UNTIL_WORK 4u
#define N_SAMPLES_UNTIL_WORK_AT_LAST 32u
/* From here on the node waits for the instant. */
#define WAIT_US 60
/* A sensor without a conversion for so long has stopped. */
#define SILENT_US 16000

static uint32_t now_us(const fm_node *node)
{
    return node->port->now_us(node->port->context);
}

static uint16_t fault_of(fm_sensor_result result)
{
    switch (result) {
    case FM_SENSOR_ABSENT:
    case FM_SENSOR_STALE:
        return FM_FAULT_SENSOR_ABSENT;
    case FM_SENSOR_WRONG:
        return FM_FAULT_SENSOR_WRONG;
    case FM_SENSOR_STUCK:
        return FM_FAULT_BUS_STUCK;
    case FM_SENSOR_OVERFLOW:
        return FM_FAULT_FIFO_OVERFLOW;
    case FM_SENSOR_OK:
    case FM_SENSOR_NOT_DUE:
        break;
    }
    return 0;
}

static void keep(fm_node *node, uint32_t index, uint32_t t_us, const int16_t *counts)
{
    const uint16_t period_us = node->sampler.period_us;
    node->n_samples++;
    if (node->settings.is_text) {
        const uint8_t n = fm_text_line((char *)node->bytes, counts);
        if (!fm_report_transmit(node, node->bytes, n)) {
            node->n_dropped++;
        }
        return;
    }
    if (node->batch.n_samples != 0 && !fm_batch_continues(&node->batch, index, t_us)) {
        fm_report_flush(node);
    }
    if (node->batch.n_samples == 0) {
        fm_batch_begin(&node->batch, node->bytes, node->sequence++, index, t_us, period_us);
    }
    fm_batch_append(&node->batch, counts);
    if (node->batch.n_samples >= fm_batch_size(period_us)) {
        fm_report_flush(node);
    }
}

/* No reading came of this instant. */
static void miss(fm_node *node, fm_sensor_result result)
{
    fm_report_flush(node);
    fm_fault_count(&node->faults.n_sensor_errors, 1);
    fm_fault_latch(&node->faults, fault_of(result));
}

static void sample(fm_node *node)
{
    fm_reading reading;
    fm_sensor_result result = FM_SENSOR_NOT_DUE;
    uint32_t t_us = now_us(node);
    uint32_t n_missed;
    while (fm_sampler_slack_us(&node->sampler, t_us) > 0) {
        t_us = now_us(node);
    }
    /* At once: the time stamp is that of the transfer's START. */
    if (node->settings.is_streaming) {
        result = fm_mpu6050_read(&node->sensor, &reading, t_us);
    }
    const uint32_t index = fm_sampler_take(&node->sampler, t_us, &n_missed);
    if (n_missed != 0 && node->settings.is_streaming) {
        fm_fault_latch(&node->faults, FM_FAULT_SAMPLES_LATE);
    }
    if (result == FM_SENSOR_OK) {
        node->temperature_lsb = reading.temperature_lsb;
        keep(node, index, t_us, reading.counts);
        return;
    }
    if (node->settings.is_streaming) {
        miss(node, result);
    } else {
        fm_report_flush(node);
    }
}

static bool is_following(const fm_node *node)
{
    return node->settings.is_streaming && fm_mpu6050_has_fifo(&node->sensor);
}

/* Microseconds until the node has to turn to the sensor. */
static int32_t slack_us(const fm_node *node)
{
    int32_t slack = fm_sampler_slack_us(&node->sampler, now_us(node));
    if (is_following(node)) {
        slack += (int32_t)fm_follower_look_us(&node->follower) - node->follower.lead_us;
    }
    return slack;
}

/* The sensor's own pace: takes what it has converted since out of its FIFO, at most a burst at once. */
static void follow(fm_node *node)
{
    int16_t counts[FM_FIFO_BURST][FM_N_AXES];
    uint8_t n_waiting = 0;
    uint8_t n = 0;
    while (slack_us(node) > 0) {
    }
    const uint32_t start_us = now_us(node);
    fm_sensor_result result = fm_mpu6050_count(&node->sensor, &n_waiting, start_us);
    const uint32_t end_us = now_us(node);
    if (result == FM_SENSOR_NOT_DUE) {
        return;
    }
    if (result == FM_SENSOR_OK && n_waiting == 0) {
        if (fm_sampler_slack_us(&node->sampler, end_us) > -SILENT_US) {
            return;
        }
        result = fm_mpu6050_give_up(&node->sensor, end_us);
    }
    if (result == FM_SENSOR_OK) {
        n = n_waiting < FM_FIFO_BURST ? n_waiting : FM_FIFO_BURST;
        result = fm_mpu6050_drain(&node->sensor, counts, n, end_us);
    }
    if (result != FM_SENSOR_OK) {
        miss(node, result);
        if (!is_following(node)) {
            fm_follower_lose(&node->follower, &node->sampler, end_us);
        } else if (n != 0 || result == FM_SENSOR_OVERFLOW) {
            /* The FIFO was emptied; of the last conversions before that, by a grid that may be off, some
             * may be in it. */
            fm_follower_lose(&node->follower, &node->sampler, end_us - 2u * FM_FIFO_PERIOD_US);
        }
        return;
    }
    /* Of the transfer's 48 bits the sensor counts after 29. */
    fm_follower_see(&node->follower, &node->sampler, n_waiting, start_us + (((end_us - start_us) * 5u) >> 3));
    for (uint8_t i = 0; i < n; i++) {
        if (node->follower.n_to_learn == 0) {
            keep(node, node->sampler.next_index, node->sampler.due_us, counts[i]);
        }
        fm_follower_pass(&node->follower, &node->sampler);
    }
}

static bool tend_sensor(fm_node *node)
{
    const fm_sensor_result result = fm_mpu6050_step(&node->sensor, now_us(node));
    if (result == FM_SENSOR_NOT_DUE) {
        return false;
    }
    fm_fault_latch(&node->faults, fault_of(result));
    /* The grid begins when the sensor is ready, or when it is known that it is not. */
    if (!node->is_pacing && (node->sensor.state == FM_SENSOR_RUNNING || result < 0)) {
        fm_sampler_start(&node->sampler, node->settings.sensor.period_us, now_us(node));
        fm_follower_start(&node->follower, true);
        node->is_pacing = true;
    } else if (node->sensor.state == FM_SENSOR_RUNNING) {
        fm_follower_start(&node->follower, false);
    }
    if (!node->has_announced || node->announced_who_am_i != node->sensor.who_am_i) {
        fm_report_hello(node);
    }
    return true;
}

/* Stops the grid until the sensor has its settings, so that no reading has another scale than HELLO says. */
static void change_sensor(fm_node *node)
{
    if (node->sensor.state == FM_SENSOR_RUNNING || node->sensor.state == FM_SENSOR_SETTLING) {
        fm_mpu6050_reconfigure(&node->sensor, now_us(node));
        node->is_pacing = false;
    } else if (node->is_pacing) {
        fm_sampler_start(&node->sampler, node->settings.sensor.period_us, now_us(node));
    }
}

static bool is_same(const fm_sensor_settings *one, const fm_sensor_settings *other)
{
    return one->period_us == other->period_us && one->gyro_full_scale_dps == other->gyro_full_scale_dps &&
           one->accel_full_scale_g == other->accel_full_scale_g;
}

/* Whether a piece of the self-test was due. */
static bool tend_self_test(fm_node *node)
{
    if (!node->settings.is_testing || !node->port->self_test(&node->self_test, now_us(node))) {
        return false;
    }
    node->settings.is_testing = false;
    change_sensor(node);
    fm_report_self_test(node, &node->self_test);
    return true;
}

/* Nobody has emptied the FIFO while there was no stream. */
static void resume(fm_node *node, bool was_streaming)
{
    if (!was_streaming && is_following(node)) {
        (void)fm_mpu6050_restart_fifo(&node->sensor, now_us(node));
        fm_follower_start(&node->follower, false);
    }
}

static void obey(fm_node *node, const fm_host_frame *frame)
{
    const fm_sensor_settings before = node->settings.sensor;
    const bool was_streaming = node->settings.is_streaming;
    fm_report_flush(node); /* what was measured before the command goes as it was then */
    const fm_result_code code = fm_command_obey(&node->settings, frame, node->port->min_period_us);
    if (code != FM_RESULT_OK) {
        fm_fault_count(&node->faults.n_bad_commands, 1);
    }
    if (code == FM_RESULT_NO_COMMAND) {
        return;
    }
    fm_report_result(node, frame, code);
    if (code != FM_RESULT_OK) {
        return;
    }
    switch (frame->type) {
    case FM_COMMAND_GET_STATUS:
        node->owed = FM_FRAME_STATUS;
        return;
    case FM_COMMAND_SET_TEXT_MODE:
        return;
    case FM_COMMAND_SET_STREAMING:
        resume(node, was_streaming);
        return;
    case FM_COMMAND_RUN_SELF_TEST:
        fm_self_test_begin(&node->self_test, &node->sensor, now_us(node));
        return;
    case FM_COMMAND_SET_BOARD_ID:
        node->n_stored = 0;
        break;
    default:
        break;
    }
    if (!is_same(&before, &node->settings.sensor)) {
        change_sensor(node);
    }
    node->owed = FM_FRAME_HELLO;
}

static bool receive(fm_node *node)
{
    fm_host_frame frame;
    for (uint8_t i = 0; i < N_RECEIVED_AT_ONCE; i++) {
        const int16_t byte = node->port->line_read(node->port->context);
        if (byte < 0) {
            return i != 0;
        }
        const fm_heard heard = fm_decoder_feed(&node->decoder, (uint8_t)byte, &frame);
        if (heard == FM_HEARD_FRAME) {
            obey(node, &frame);
            return true;
        }
        if (heard == FM_HEARD_DAMAGE) {
            fm_fault_count(&node->faults.n_bad_commands, 1);
        }
    }
    return true;
}

/* One byte of the record at a time: an EEPROM takes 3.4 ms for each. */
static void store(fm_node *node)
{
    uint8_t record[FM_RECORD_BYTES];
    fm_record_write(record, node->settings.board_id);
    while (node->n_stored < FM_RECORD_BYTES) {
        const uint8_t at = node->n_stored;
        if (node->port->store_read(node->port->context, at) != record[at]) {
            if (node->port->store_write(node->port->context, at, record[at])) {
                node->n_stored++;
            }
            return;
        }
        node->n_stored++;
    }
}

static void pay(fm_node *node)
{
    if (node->owed == FM_FRAME_HELLO) {
        fm_report_hello(node);
    } else {
        fm_report_status(node);
    }
    node->owed = 0;
}

/* One piece of work, begun only where the one before it has all been done. */
static void work(fm_node *node)
{
    if (node->owed != 0) {
        pay(node);
    } else if (now_us(node) - node->status_since_us >= STATUS_PERIOD_US) {
        node->status_since_us += STATUS_PERIOD_US;
        if (is_following(node)) {
            fm_mpu6050_read_temperature(&node->sensor, &node->temperature_lsb);
        }
        if (!node->settings.is_text) {
            fm_report_status(node);
        }
    } else if (tend_self_test(node) || tend_sensor(node) || receive(node)) {
        return;
    } else if (node->n_stored < FM_RECORD_BYTES) {
        store(node);
    }
}

void fm_node_start(fm_node *node, const fm_port *port)
{
    static const uint8_t delimiter = 0;
    uint8_t record[FM_RECORD_BYTES];
    *node = (fm_node){0};
    node->port = port;
    node->settings.sensor.period_us = DEFAULT_PERIOD_US;
    node->settings.sensor.accel_full_scale_g = DEFAULT_ACCEL_FULL_SCALE_G;
    node->settings.sensor.gyro_full_scale_dps = DEFAULT_GYRO_FULL_SCALE_DPS;
    node->settings.is_streaming = true;
    node->settings.has_self_test = port->self_test != NULL;
    node->n_stored = FM_RECORD_BYTES;
    for (uint8_t i = 0; i < FM_RECORD_BYTES; i++) {
        record[i] = port->store_read(port->context, i);
    }
    if (fm_record_read(record, node->settings.board_id) == FM_RECORD_DAMAGED) {
        fm_fault_latch(&node->faults, FM_FAULT_SETTINGS_LOST);
    }
    /* Ends what a reset has cut, so that HELLO is not read as its rest. */
    (void)port->line_write(port->context, &delimiter, 1);
    fm_decoder_begin(&node->decoder);
    node->status_since_us = now_us(node);
    fm_mpu6050_begin(&node->sensor, &port->bus, &node->settings.sensor, node->status_since_us);
}

void fm_node_poll(fm_node *node)
{
    if (node->is_pacing) {
        const int32_t slack = slack_us(node);
        if (slack <= WAIT_US && node->n_since_work < N_SAMPLES_UNTIL_WORK_AT_LAST) {
            if (is_following(node)) {
                follow(node);
            } else {
                sample(node);
            }
            node->n_since_work++;
            return;
        }
        /* Where no sample leaves that much, each fourth lets something else delay the next; and a node that
         * is always late listens at last. */
        if (slack < LONGEST_WORK_US && node->n_since_work < N_SAMPLES_UNTIL_WORK) {
            return;
        }
    }
    node->n_since_work = 0;
    work(node);
}

int32_t fm_node_rest_us(const fm_node *node)
{
    return node->is_pacing ? slack_us(node) - WAIT_US : INT32_MAX;
}
