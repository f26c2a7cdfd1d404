/* A board on the PC: the node on a clock that a test moves, with a register-level MPU6050 that can fail. */
#ifndef FAKE_BOARD_H
#define FAKE_BOARD_H

#include <stdbool.h>
#include <stdint.h>

#include "fm_node.h"
#include "fm_self_test.h"

#define FAKE_SENT_BYTES (1uL << 20)
#define FAKE_RECEIVED_BYTES (1uL << 16)
#define FAKE_STORE_BYTES 32u
#define FAKE_WRITTEN 256u
#define FAKE_FIFO_BYTES 1024u

typedef struct {
    fm_port port;
    fm_node node;

    uint32_t now_us;
    uint32_t tick_us;     /* what a look at the clock takes */
    uint32_t bus_byte_us; /* what a byte on the bus takes */

    uint8_t sent[FAKE_SENT_BYTES];
    uint32_t n_sent;
    bool is_line_full;
    uint8_t received[FAKE_RECEIVED_BYTES];
    uint32_t n_received;
    uint32_t n_read;

    uint8_t store[FAKE_STORE_BYTES];
    uint32_t store_busy_until_us;
    uint32_t n_store_writes;

    uint8_t registers[128];
    uint8_t address;
    uint32_t awake_since_us;
    uint32_t n_seen;        /* conversions until the last look at INT_STATUS */
    int32_t sensor_off_ppm; /* by which the sensor's periods are longer than the node's clock would have them
                             */
    uint8_t fifo[FAKE_FIFO_BYTES];
    uint16_t n_fifo_bytes;
    uint16_t n_fifo_limit; /* 1024 in an MPU6050 */
    uint32_t n_stored;     /* conversions until the last that went into the FIFO or passed it by */
    bool has_overflowed;
    uint32_t n_overflows;
    bool is_fifo_reset_deaf; /* a sensor that does not empty its FIFO when told to */
    bool is_still;           /* the readings are those of still, and of push where the self-test pushes */
    int16_t still[FM_N_AXES];
    int16_t push[FM_N_AXES];
    bool is_plugged;
    bool has_unplug_time;
    uint32_t unplug_us; /* goes within a transfer, where one is under way then */
    uint32_t n_nacks;
    uint32_t n_forgotten_writes; /* acknowledged and not done */
    uint32_t sda_held_clocks;
    bool is_scl_held;
    uint32_t n_recoveries;
    uint32_t n_transfers;
    uint16_t written[FAKE_WRITTEN]; /* register * 256 + value, in order */
    uint32_t n_written;
} fake_board;

fake_board *fake_board_new(uint32_t start_us);
void fake_board_free(fake_board *board);

/* Power on of the node alone: store and sensor are as they are. */
void fake_board_start(fake_board *board, uint8_t reset_cause);

/* The sensor loses its settings and sleeps. */
void fake_board_reset_sensor(fake_board *board);

void fake_board_run(fake_board *board, uint32_t us);

/* Puts bytes into the FIFO that are of no sample. */
void fake_board_litter(fake_board *board, uint16_t n);

/* The ax count of the n-th conversion since the sensor woke: each has another. */
uint16_t fake_board_count(uint32_t n_conversions);

#endif
