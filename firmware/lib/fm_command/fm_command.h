/* The host's commands (protocol/serial.md, 41 to 49): what each may set, and how each is answered. */
#ifndef FM_COMMAND_H
#define FM_COMMAND_H

#include <stdbool.h>
#include <stdint.h>

#include "fm_frame.h"
#include "fm_mpu6050.h"

enum {
    FM_COMMAND_GET_HELLO = 0x41,
    FM_COMMAND_GET_STATUS = 0x42,
    FM_COMMAND_SET_PERIOD_US = 0x43,
    FM_COMMAND_SET_ACCEL_FULL_SCALE_G = 0x44,
    FM_COMMAND_SET_GYRO_FULL_SCALE_DPS = 0x45,
    FM_COMMAND_SET_TEXT_MODE = 0x46,
    FM_COMMAND_SET_BOARD_ID = 0x47,
    FM_COMMAND_SET_STREAMING = 0x48,
    FM_COMMAND_RUN_SELF_TEST = 0x49
};

typedef enum {
    FM_RESULT_OK = 0,
    FM_RESULT_UNKNOWN_COMMAND = 1,
    FM_RESULT_BAD_LENGTH = 2,
    FM_RESULT_OUT_OF_RANGE = 3,
    FM_RESULT_BUSY = 4,
    FM_RESULT_FAILED = 5,
    FM_RESULT_NO_COMMAND = 255 /* a frame that is none: damage, which gets no answer */
} fm_result_code;

#define FM_BOARD_ID_BYTES 8u

/* What a command can set. board_id is little endian, as on the line. */
typedef struct {
    fm_sensor_settings sensor;
    bool is_text;
    bool is_streaming;
    bool has_self_test;
    bool is_testing; /* until the caller has ended the self-test, nothing can be set */
    uint8_t board_id[FM_BOARD_ID_BYTES];
} fm_settings;

/* Obeys one frame. Where the result is other than FM_RESULT_OK, settings are as they were. */
fm_result_code fm_command_obey(fm_settings *settings, const fm_host_frame *frame, uint16_t min_period_us);

/* What outlives a restart: the owner's board id. */
#define FM_RECORD_BYTES (2u + FM_BOARD_ID_BYTES + 2u)

typedef enum { FM_RECORD_GOOD, FM_RECORD_ERASED, FM_RECORD_DAMAGED } fm_record_state;

void fm_record_write(uint8_t *record, const uint8_t *board_id);

/* Reads a record; board_id becomes 0 (unset) where it is not good. */
fm_record_state fm_record_read(const uint8_t *record, uint8_t *board_id);

#endif
