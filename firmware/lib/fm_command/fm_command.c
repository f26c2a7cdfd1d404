#include "fm_command.h"

#define FIRST_HOST_TYPE 0x40u
#define LAST_HOST_TYPE 0x7Fu

/* Bytes of argument of the commands 41 to 49. */
static const uint8_t argument_bytes[] = {0, 0, 4, 1, 2, 1, FM_BOARD_ID_BYTES, 1, 0};

static fm_result_code set_flag(bool *flag, uint8_t value)
{
    if (value > 1) {
        return FM_RESULT_OUT_OF_RANGE;
    }
    *flag = value == 1;
    return FM_RESULT_OK;
}

fm_result_code fm_command_obey(fm_settings *settings, const fm_host_frame *frame, uint16_t min_period_us)
{
    const uint8_t *argument = frame->argument;
    const uint16_t low = (uint16_t)(argument[0] | ((uint16_t)argument[1] << 8));
    if (frame->type < FIRST_HOST_TYPE || frame->type > LAST_HOST_TYPE) {
        return FM_RESULT_NO_COMMAND;
    }
    if (frame->type < FM_COMMAND_GET_HELLO || frame->type > FM_COMMAND_RUN_SELF_TEST) {
        return FM_RESULT_UNKNOWN_COMMAND;
    }
    if (frame->n_payload != argument_bytes[frame->type - FM_COMMAND_GET_HELLO]) {
        return FM_RESULT_BAD_LENGTH;
    }
    if (settings->is_testing && frame->type > FM_COMMAND_GET_STATUS) {
        return FM_RESULT_BUSY;
    }
    switch (frame->type) {
    case FM_COMMAND_SET_PERIOD_US:
        if (argument[2] != 0 || argument[3] != 0 || low < min_period_us) {
            return FM_RESULT_OUT_OF_RANGE;
        }
        settings->sensor.period_us = low;
        break;
    case FM_COMMAND_SET_ACCEL_FULL_SCALE_G:
        if (!fm_mpu6050_is_accel_full_scale(argument[0])) {
            return FM_RESULT_OUT_OF_RANGE;
        }
        settings->sensor.accel_full_scale_g = argument[0];
        break;
    case FM_COMMAND_SET_GYRO_FULL_SCALE_DPS:
        if (!fm_mpu6050_is_gyro_full_scale(low)) {
            return FM_RESULT_OUT_OF_RANGE;
        }
        settings->sensor.gyro_full_scale_dps = low;
        break;
    case FM_COMMAND_SET_TEXT_MODE:
        return set_flag(&settings->is_text, argument[0]);
    case FM_COMMAND_SET_STREAMING:
        return set_flag(&settings->is_streaming, argument[0]);
    case FM_COMMAND_SET_BOARD_ID:
        for (uint8_t i = 0; i < FM_BOARD_ID_BYTES; i++) {
            settings->board_id[i] = argument[i];
        }
        break;
    case FM_COMMAND_RUN_SELF_TEST:
        if (!settings->has_self_test) {
            return FM_RESULT_UNKNOWN_COMMAND;
        }
        if (settings->is_streaming) {
            return FM_RESULT_BUSY; /* the sensor cannot be pushed and measure motion */
        }
        settings->is_testing = true;
        break;
    default:
        break; /* GET_HELLO, GET_STATUS: the answer is all */
    }
    return FM_RESULT_OK;
}

#define RECORD_KIND 0xFEu
#define RECORD_VERSION 1u

static uint16_t record_crc(const uint8_t *record)
{
    uint16_t crc = 0xFFFF;
    for (uint8_t i = 0; i < FM_RECORD_BYTES - 2; i++) {
        crc = fm_crc16(crc, record[i]);
    }
    return crc;
}

void fm_record_write(uint8_t *record, const uint8_t *board_id)
{
    record[0] = RECORD_KIND;
    record[1] = RECORD_VERSION;
    for (uint8_t i = 0; i < FM_BOARD_ID_BYTES; i++) {
        record[2 + i] = board_id[i];
    }
    const uint16_t crc = record_crc(record);
    record[FM_RECORD_BYTES - 2] = (uint8_t)crc;
    record[FM_RECORD_BYTES - 1] = (uint8_t)(crc >> 8);
}

fm_record_state fm_record_read(const uint8_t *record, uint8_t *board_id)
{
    const uint16_t stored =
        (uint16_t)(record[FM_RECORD_BYTES - 2] | ((uint16_t)record[FM_RECORD_BYTES - 1] << 8));
    const bool is_good =
        record[0] == RECORD_KIND && record[1] == RECORD_VERSION && stored == record_crc(record);
    bool is_erased = true;
    for (uint8_t i = 0; i < FM_RECORD_BYTES; i++) {
        is_erased = is_erased && record[i] == 0xFF;
    }
    for (uint8_t i = 0; i < FM_BOARD_ID_BYTES; i++) {
        board_id[i] = is_good ? record[2 + i] : 0;
    }
    if (is_good) {
        return FM_RECORD_GOOD;
    }
    return is_erased ? FM_RECORD_ERASED : FM_RECORD_DAMAGED;
}
