/*
 * Frames on the serial line (protocol/serial.md): COBS and CRC-16/CCITT-FALSE, both ways.
 *
 * The encoder streams: each byte is stuffed and summed as it is put, so that a sample costs its own time when
 * it is taken and nothing when its frame ends. The decoder keeps no more of a frame than a command can have,
 * and yet checks the CRC of any frame.
 */
#ifndef FM_FRAME_H
#define FM_FRAME_H

#include <stdbool.h>
#include <stdint.h>

enum {
    FM_FRAME_HELLO = 0x01,
    FM_FRAME_SAMPLES = 0x02,
    FM_FRAME_STATUS = 0x03,
    FM_FRAME_RESULT = 0x04,
    FM_FRAME_SELF_TEST = 0x05
};

#define FM_FRAME_HEADER_BYTES 7u
#define FM_FRAME_CRC_BYTES 2u
#define FM_FRAME_MAX_ENCODED_BYTES 256u

/* Bytes on the line of a frame with n bytes of payload: COBS adds one up to 253 bytes, and the delimiter. */
#define FM_FRAME_BYTES(n) (1u + FM_FRAME_HEADER_BYTES + (n) + FM_FRAME_CRC_BYTES + 1u)

/* One more byte into a CRC that begins with 0xFFFF. */
uint16_t fm_crc16(uint16_t crc, uint8_t byte);

typedef struct {
    uint8_t *bytes;
    uint8_t capacity;
    uint8_t n;
    uint8_t code_at;
    bool is_overfull;
    uint16_t crc;
} fm_encoder;

/* Begins a frame in the caller's buffer. A capacity of at most 255 keeps COBS to codes below FF. */
void fm_encoder_begin(fm_encoder *encoder, uint8_t *bytes, uint8_t capacity, uint8_t type, uint16_t sequence,
                      uint32_t t_us);
void fm_encoder_u8(fm_encoder *encoder, uint8_t value);
void fm_encoder_u16(fm_encoder *encoder, uint16_t value);
void fm_encoder_u32(fm_encoder *encoder, uint32_t value);

/* Ends the frame with CRC and delimiter. Returns its bytes on the line, or 0 where the buffer was too small.
 */
uint8_t fm_encoder_end(fm_encoder *encoder);

/* The longest argument: SET_BOARD_ID's. */
#define FM_MAX_ARGUMENT_BYTES 8u

typedef enum { FM_HEARD_NOTHING, FM_HEARD_FRAME, FM_HEARD_DAMAGE } fm_heard;

/* A frame with a right CRC. argument holds the first bytes of the payload, n_payload says how many it had. */
typedef struct {
    uint8_t type;
    uint16_t sequence;
    uint16_t n_payload;
    uint8_t argument[FM_MAX_ARGUMENT_BYTES];
} fm_host_frame;

typedef struct {
    uint16_t n_encoded;
    uint16_t n_plain;
    uint16_t crc;
    uint8_t code;
    uint8_t n_left;
    uint8_t held[FM_FRAME_CRC_BYTES];
    uint8_t kept[FM_FRAME_HEADER_BYTES + FM_MAX_ARGUMENT_BYTES];
} fm_decoder;

void fm_decoder_begin(fm_decoder *decoder);

/* Takes one byte from the line. Fills frame, and only then, where it returns FM_HEARD_FRAME. */
fm_heard fm_decoder_feed(fm_decoder *decoder, uint8_t byte, fm_host_frame *frame);

#endif
