/*
 * The node under random bytes and a random sensor, for sanitizers to watch and for invariants to hold.
 *
 *     fuzz_node SEED SECONDS
 *
 * Each run starts a board and lives 20 virtual seconds of bytes, commands, damage and faults. Prints what it
 * did.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fake_board.h"

static uint64_t state;

/* xorshift64*, Vigna 2016. */
static uint32_t draw(uint32_t below)
{
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return (uint32_t)((state * 2685821657736338717u) >> 32) % below;
}

static void check(bool is_held, const char *what, uint64_t seed)
{
    if (!is_held) {
        fprintf(stderr, "seed %llu: %s\n", (unsigned long long)seed, what);
        abort();
    }
}

static void receive(fake_board *board, const uint8_t *bytes, uint32_t n)
{
    if (board->n_read == board->n_received) {
        board->n_read = board->n_received = 0;
    }
    for (uint32_t i = 0; i < n && board->n_received < FAKE_RECEIVED_BYTES; i++) {
        board->received[board->n_received++] = bytes[i];
    }
}

static void send_something(fake_board *board)
{
    uint8_t bytes[300];
    uint8_t n = 0;
    switch (draw(16)) {
    case 0: { /* 1 kHz, at which the sensor's FIFO is used: random arguments do not come upon it */
        fm_encoder encoder;
        fm_encoder_begin(&encoder, bytes, 255, FM_COMMAND_SET_PERIOD_US, (uint16_t)draw(65536), 0);
        fm_encoder_u32(&encoder, FM_FIFO_PERIOD_US);
        n = fm_encoder_end(&encoder);
        break;
    }
    case 1:
    case 2:
    case 3: /* noise */
        n = (uint8_t)draw(255);
        for (uint8_t i = 0; i < n; i++) {
            bytes[i] = (uint8_t)(draw(3) ? draw(256) : 0);
        }
        break;
    default: { /* a frame with a right CRC, of any type and length; one in four damaged */
        fm_encoder encoder;
        const uint8_t type = (uint8_t)(draw(3) ? 0x40 + draw(10) : draw(256));
        const uint8_t n_payload = (uint8_t)(draw(8) ? draw(10) : draw(230));
        fm_encoder_begin(&encoder, bytes, 255, type, (uint16_t)draw(65536), draw(4) ? 0 : draw(UINT32_MAX));
        for (uint8_t i = 0; i < n_payload; i++) {
            fm_encoder_u8(&encoder, (uint8_t)(draw(2) ? draw(3) : draw(256)));
        }
        n = fm_encoder_end(&encoder);
        if (draw(4) == 0) {
            bytes[draw(n)] ^= (uint8_t)(1u << draw(8));
        }
        break;
    }
    }
    receive(board, bytes, n);
}

static void mend(fake_board *board)
{
    board->is_plugged = true;
    board->is_scl_held = board->is_line_full = board->has_unplug_time = board->is_fifo_reset_deaf = false;
    board->sda_held_clocks = board->n_nacks = board->n_forgotten_writes = 0;
    board->registers[0x75] = 0x68;
}

static void meddle(fake_board *board)
{
    switch (draw(16)) {
    case 0:
        board->is_plugged = !board->is_plugged;
        if (!board->is_plugged) {
            fake_board_reset_sensor(board);
        }
        break;
    case 1:
        board->has_unplug_time = true;
        board->unplug_us = board->now_us + draw(20000);
        break;
    case 2:
        board->n_nacks = draw(30);
        break;
    case 3:
        board->sda_held_clocks = draw(30);
        break;
    case 4:
        board->is_scl_held = draw(2);
        break;
    case 5:
        board->is_line_full = draw(2);
        break;
    case 6:
        board->registers[0x75] = (uint8_t)(draw(2) ? 0x68 : draw(256));
        break;
    case 7:
        board->n_forgotten_writes = draw(9);
        break;
    case 8:
        board->now_us += draw(300000);
        break;
    case 9:
        board->store[draw(FAKE_STORE_BYTES)] = (uint8_t)draw(256);
        break;
    case 10:
        board->registers[draw(128)] = (uint8_t)draw(256);
        break;
    case 11:
        fake_board_litter(board, (uint16_t)draw(1100));
        break;
    case 12:
        board->is_fifo_reset_deaf = draw(2);
        break;
    case 13:
        board->sensor_off_ppm = (int32_t)draw(80000) - 40000;
        break;
    default:
        if (draw(8) == 0) {
            fake_board_start(board, (uint8_t)draw(5));
        }
        break;
    }
}

static void check_settings(const fm_settings *settings, uint64_t seed)
{
    check(settings->sensor.period_us >= 1000, "the period is below what the node can pace", seed);
    check(fm_mpu6050_is_accel_full_scale(settings->sensor.accel_full_scale_g), "accel full scale", seed);
    check(fm_mpu6050_is_gyro_full_scale(settings->sensor.gyro_full_scale_dps), "gyro full scale", seed);
}

/* Without text in between, what was sent is frames of at most 255 bytes before each delimiter. */
static void check_sent(const fake_board *board, uint32_t from, bool has_been_text, uint64_t seed)
{
    uint32_t n_since = 0;
    for (uint32_t i = from; i < board->n_sent && !has_been_text; i++) {
        n_since = board->sent[i] == 0 ? 0 : n_since + 1;
        check(n_since <= 254, "a frame is too long", seed);
    }
    check(has_been_text || n_since == 0, "a frame was not sent whole", seed);
}

int main(int argc, char **argv)
{
    const uint64_t first_seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;
    const double seconds = argc > 2 ? strtod(argv[2], NULL) : 1;
    const time_t end = time(NULL) + (time_t)(seconds + 0.5);
    unsigned long long n_runs = 0;
    unsigned long long n_samples = 0;
    unsigned long long n_sent = 0;
    unsigned long long n_overflows = 0;
    unsigned long long n_followed = 0;
    do {
        const uint64_t seed = first_seed + n_runs;
        state = seed * 0x9E3779B97F4A7C15u + 1;
        fake_board *board = fake_board_new(draw(2) ? 0 : UINT32_MAX - draw(20000000));
        fake_board_start(board, 0);
        for (unsigned step = 0; step < 2000; step++) {
            const uint32_t from = board->n_sent;
            bool has_been_text = board->node.settings.is_text;
            if (draw(3) == 0) {
                send_something(board);
            }
            if (draw(40) == 0) {
                meddle(board);
            } else if (draw(60) == 0) {
                mend(board);
            }
            fake_board_run(board, draw(20000));
            n_followed += fm_mpu6050_has_fifo(&board->node.sensor) && board->node.follower.n_to_learn == 0;
            has_been_text = has_been_text || board->node.settings.is_text || board->n_sent - from > 2000;
            check_settings(&board->node.settings, seed);
            check_sent(board, from, has_been_text, seed);
            if (board->n_sent > FAKE_SENT_BYTES / 2) {
                n_sent += board->n_sent;
                board->n_sent = 0;
            }
        }
        /* Whatever was done to it: with sensor and line mended it streams within two seconds. */
        mend(board);
        board->node.settings.is_streaming = true;
        fake_board_run(board, 2000000);
        const uint32_t before = board->node.n_samples;
        fake_board_run(board, 500000);
        check(board->node.n_samples - before >= 7, "the node does not recover", seed);
        n_samples += board->node.n_samples;
        n_sent += board->n_sent;
        n_overflows += board->n_overflows;
        fake_board_free(board);
        n_runs++;
    } while (time(NULL) < end);
    printf("%llu runs of 20 virtual seconds, %llu samples, %llu bytes sent\n", n_runs, n_samples, n_sent);
    printf("%llu looks at a board at 1 kHz, %llu FIFO overflows\n", n_followed, n_overflows);
    return 0;
}
