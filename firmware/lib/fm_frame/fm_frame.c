#include "fm_frame.h"

#define CRC_START 0xFFFFu
#define SHORTEST (FM_FRAME_HEADER_BYTES + FM_FRAME_CRC_BYTES)

/* The polynomial 0x1021, x^16 + x^12 + x^5 + 1, eight steps at once: 12 and 5 are its inner terms. */
uint16_t fm_crc16(uint16_t crc, uint8_t byte)
{
    uint8_t top = (uint8_t)((crc >> 8) ^ byte);
    top = (uint8_t)(top ^ (top >> 4));
    uint16_t wide = top;
    return (uint16_t)((uint16_t)(crc << 8) ^ (uint16_t)(wide << 12) ^ (uint16_t)(wide << 5) ^ wide);
}

/* One byte through COBS; the last place is the delimiter's. */
static void put(fm_encoder *encoder, uint8_t byte)
{
    if (encoder->n >= (uint8_t)(encoder->capacity - 1u)) {
        encoder->is_overfull = true;
        return;
    }
    if (byte == 0) {
        encoder->bytes[encoder->code_at] = (uint8_t)(encoder->n - encoder->code_at);
        encoder->code_at = encoder->n;
    } else {
        encoder->bytes[encoder->n] = byte;
    }
    encoder->n++;
}

void fm_encoder_begin(fm_encoder *encoder, uint8_t *bytes, uint8_t capacity, uint8_t type, uint16_t sequence,
                      uint32_t t_us)
{
    encoder->bytes = bytes;
    encoder->capacity = capacity;
    encoder->code_at = 0;
    encoder->n = 1;
    encoder->is_overfull = capacity < FM_FRAME_BYTES(0);
    if (encoder->is_overfull) {
        encoder->capacity = 1;
    }
    encoder->crc = CRC_START;
    fm_encoder_u8(encoder, type);
    fm_encoder_u16(encoder, sequence);
    fm_encoder_u32(encoder, t_us);
}

void fm_encoder_u8(fm_encoder *encoder, uint8_t value)
{
    encoder->crc = fm_crc16(encoder->crc, value);
    put(encoder, value);
}

void fm_encoder_u16(fm_encoder *encoder, uint16_t value)
{
    fm_encoder_u8(encoder, (uint8_t)value);
    fm_encoder_u8(encoder, (uint8_t)(value >> 8));
}

void fm_encoder_u32(fm_encoder *encoder, uint32_t value)
{
    fm_encoder_u16(encoder, (uint16_t)value);
    fm_encoder_u16(encoder, (uint16_t)(value >> 16));
}

uint8_t fm_encoder_end(fm_encoder *encoder)
{
    uint16_t crc = encoder->crc;
    put(encoder, (uint8_t)crc);
    put(encoder, (uint8_t)(crc >> 8));
    if (encoder->is_overfull) {
        return 0;
    }
    encoder->bytes[encoder->code_at] = (uint8_t)(encoder->n - encoder->code_at);
    encoder->bytes[encoder->n] = 0;
    return (uint8_t)(encoder->n + 1u);
}

void fm_decoder_begin(fm_decoder *decoder)
{
    decoder->n_encoded = 0;
    decoder->n_plain = 0;
    decoder->crc = CRC_START;
    decoder->code = 0;
    decoder->n_left = 0;
}

/* One decoded byte. The last two are held back from the sum: they may be the CRC itself. */
static void take(fm_decoder *decoder, uint8_t byte)
{
    if (decoder->n_plain >= FM_FRAME_CRC_BYTES) {
        uint16_t at = (uint16_t)(decoder->n_plain - FM_FRAME_CRC_BYTES);
        decoder->crc = fm_crc16(decoder->crc, decoder->held[0]);
        if (at < sizeof decoder->kept) {
            decoder->kept[at] = decoder->held[0];
        }
    }
    decoder->held[0] = decoder->held[1];
    decoder->held[1] = byte;
    decoder->n_plain++;
}

static fm_heard end(const fm_decoder *decoder, fm_host_frame *frame)
{
    if (decoder->n_encoded == 0) {
        return FM_HEARD_NOTHING;
    }
    if (decoder->n_encoded > FM_FRAME_MAX_ENCODED_BYTES || decoder->n_left != 0 ||
        decoder->n_plain < SHORTEST) {
        return FM_HEARD_DAMAGE;
    }
    uint16_t sent = (uint16_t)(decoder->held[0] | ((uint16_t)decoder->held[1] << 8));
    if (sent != decoder->crc) {
        return FM_HEARD_DAMAGE;
    }
    frame->type = decoder->kept[0];
    frame->sequence = (uint16_t)(decoder->kept[1] | ((uint16_t)decoder->kept[2] << 8));
    frame->n_payload = (uint16_t)(decoder->n_plain - SHORTEST);
    for (uint8_t i = 0; i < FM_MAX_ARGUMENT_BYTES; i++) {
        frame->argument[i] = i < frame->n_payload ? decoder->kept[FM_FRAME_HEADER_BYTES + i] : 0;
    }
    return FM_HEARD_FRAME;
}

fm_heard fm_decoder_feed(fm_decoder *decoder, uint8_t byte, fm_host_frame *frame)
{
    if (byte == 0) {
        fm_heard heard = end(decoder, frame);
        fm_decoder_begin(decoder);
        return heard;
    }
    if (decoder->n_encoded > FM_FRAME_MAX_ENCODED_BYTES) {
        return FM_HEARD_NOTHING; /* too long: of no interest up to its end */
    }
    decoder->n_encoded++;
    if (decoder->n_left == 0) {
        /* A block's end stands for a zero, but for the last block's and for one of 254 bytes. */
        if (decoder->n_encoded > 1 && decoder->code != 0xFF) {
            take(decoder, 0);
        }
        decoder->code = byte;
        decoder->n_left = (uint8_t)(byte - 1u);
    } else {
        decoder->n_left--;
        take(decoder, byte);
    }
    return FM_HEARD_NOTHING;
}
