#include "fm_node.h"

#include "fm_text.h"

#define FORMAT_VERSION 1u
#define DEFAULT_PERIOD_US 10000u
#define DEFAULT_ACCEL_FULL_SCALE_G 8u
#define DEFAULT_GYRO_FULL_SCALE_DPS 1000u
#define STATUS_PERIOD_US 1000000uL
#define STREAMING_FLAG 0x01u
#define N_BOARD_BYTES 16u
#define N_RECEIVED_AT_ONCE 24u

/* The longest piece of work between two samples: configuring the sensor, or a HELLO in a flood of bytes. */
#define LONGEST_WORK_US 900
#define N_SAMPLES_UNTIL_WORK 4u
#define N_SAMPLES_UNTIL_WORK_AT_LAST 32u
/* From here on the node waits for the instant. */
#define WAIT_US 60

static uint32_t now_us(const fm_node *node)
{
    return node->port->now_us(node->port->context);
}

static bool transmit(fm_node *node, const uint8_t *bytes, uint8_t n)
{
    if (n != 0 && node->port->line_write(node->port->context, bytes, n)) {
        return true;
    }
    fm_fault_count(&node->faults.n_transmit_stalls, 1);
    fm_fault_latch(&node->faults, FM_FAULT_TRANSMIT_STALLED);
    return false;
}

/* Sends the samples that wait for their frame to fill. */
static void flush(fm_node *node)
{
    const uint8_t n_samples = node->batch.n_samples;
    if (n_samples == 0) {
        return;
    }
    const uint8_t n_bytes = fm_batch_end(&node->batch);
    if (!transmit(node, node->bytes, n_bytes)) {
        node->n_dropped += n_samples;
    }
}

/* Begins a frame other than SAMPLES; the samples before it go before it. */
static void begin(fm_node *node, fm_encoder *encoder, uint8_t type)
{
    flush(node);
    fm_encoder_begin(encoder, node->bytes + 1, (uint8_t)FM_BATCH_BYTES, type, node->sequence++, now_us(node));
}

static void send(fm_node *node, fm_encoder *encoder)
{
    const uint8_t n = fm_encoder_end(encoder);
    if (node->settings.is_text) {
        node->bytes[0] = 0; /* ends the text before it */
        (void)transmit(node, node->bytes, (uint8_t)(n + 1u));
    } else {
        (void)transmit(node, node->bytes + 1, n);
    }
}

static void send_hello(fm_node *node)
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

static void send_status(fm_node *node)
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

static void send_result(fm_node *node, const fm_host_frame *frame, fm_result_code code)
{
    fm_encoder encoder;
    begin(node, &encoder, FM_FRAME_RESULT);
    fm_encoder_u8(&encoder, frame->type);
    fm_encoder_u16(&encoder, frame->sequence);
    fm_encoder_u8(&encoder, (uint8_t)code);
    send(node, &encoder);
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
    case FM_SENSOR_OK:
    case FM_SENSOR_NOT_DUE:
        break;
    }
    return 0;
}

static void keep(fm_node *node, uint32_t index, uint32_t t_us, const fm_reading *reading)
{
    const uint16_t period_us = node->sampler.period_us;
    node->n_samples++;
    node->temperature_lsb = reading->temperature_lsb;
    if (node->settings.is_text) {
        const uint8_t n = fm_text_line((char *)node->bytes, reading->counts);
        if (!transmit(node, node->bytes, n)) {
            node->n_dropped++;
        }
        return;
    }
    if (node->batch.n_samples != 0 && !fm_batch_continues(&node->batch, index, t_us)) {
        flush(node);
    }
    if (node->batch.n_samples == 0) {
        fm_batch_begin(&node->batch, node->bytes, node->sequence++, index, t_us, period_us);
    }
    fm_batch_append(&node->batch, reading->counts);
    if (node->batch.n_samples >= fm_batch_size(period_us)) {
        flush(node);
    }
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
        keep(node, index, t_us, &reading);
        return;
    }
    flush(node);
    if (node->settings.is_streaming) {
        fm_fault_count(&node->faults.n_sensor_errors, 1);
        fm_fault_latch(&node->faults, fault_of(result));
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
        node->is_pacing = true;
    }
    if (!node->has_announced || node->announced_who_am_i != node->sensor.who_am_i) {
        send_hello(node);
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

static void obey(fm_node *node, const fm_host_frame *frame)
{
    const fm_sensor_settings before = node->settings.sensor;
    flush(node); /* what was measured before the command goes as it was then */
    const fm_result_code code = fm_command_obey(&node->settings, frame, node->port->min_period_us);
    if (code != FM_RESULT_OK) {
        fm_fault_count(&node->faults.n_bad_commands, 1);
    }
    if (code == FM_RESULT_NO_COMMAND) {
        return;
    }
    send_result(node, frame, code);
    if (code != FM_RESULT_OK) {
        return;
    }
    switch (frame->type) {
    case FM_COMMAND_GET_STATUS:
        node->owed = FM_FRAME_STATUS;
        return;
    case FM_COMMAND_SET_TEXT_MODE:
    case FM_COMMAND_SET_STREAMING:
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
        send_hello(node);
    } else {
        send_status(node);
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
        if (!node->settings.is_text) {
            send_status(node);
        }
    } else if (tend_sensor(node) || receive(node)) {
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
        const int32_t slack_us = fm_sampler_slack_us(&node->sampler, now_us(node));
        if (slack_us <= WAIT_US && node->n_since_work < N_SAMPLES_UNTIL_WORK_AT_LAST) {
            sample(node);
            node->n_since_work++;
            return;
        }
        /* Where no sample leaves that much, each fourth lets something else delay the next; and a node that
         * is always late listens at last. */
        if (slack_us < LONGEST_WORK_US && node->n_since_work < N_SAMPLES_UNTIL_WORK) {
            return;
        }
    }
    node->n_since_work = 0;
    work(node);
}
