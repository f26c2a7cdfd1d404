#include "fake_board.h"

#include <stdlib.h>
#include <string.h>

enum {
    SELF_TEST_X = 0x0D,
    SMPLRT_DIV = 0x19,
    CONFIG = 0x1A,
    GYRO_CONFIG = 0x1B,
    ACCEL_CONFIG = 0x1C,
    FIFO_EN = 0x23,
    INT_STATUS = 0x3A,
    ACCEL_XOUT_H = 0x3B,
    USER_CTRL = 0x6A,
    PWR_MGMT_1 = 0x6B,
    FIFO_COUNT_H = 0x72,
    FIFO_R_W = 0x74,
    WHO_AM_I = 0x75
};

static bool is_awake(const fake_board *board)
{
    return (board->registers[PWR_MGMT_1] & 0x40) == 0;
}

static uint32_t n_conversions(const fake_board *board)
{
    const uint8_t filter = board->registers[CONFIG] & 7u;
    const uint64_t period_us =
        (filter == 0 || filter == 7 ? 125u : 1000u) * (1u + board->registers[SMPLRT_DIV]);
    const uint64_t period_ppm_us = period_us * (uint64_t)(1000000 + board->sensor_off_ppm);
    return is_awake(board)
               ? (uint32_t)((board->now_us - board->awake_since_us) * UINT64_C(1000000) / period_ppm_us)
               : 0;
}

uint16_t fake_board_count(uint32_t n)
{
    return (uint16_t)(1u + n % 32000u);
}

static void put_count(fake_board *board, uint8_t reg, int16_t count)
{
    board->registers[reg] = (uint8_t)((uint16_t)count >> 8);
    board->registers[reg + 1] = (uint8_t)count;
}

/* One g upwards and 100 degrees a second, as counts of the full scales that hold now. */
static void convert_to(fake_board *board, uint32_t n)
{
    if (n == 0) {
        return;
    }
    const int16_t one_g = (int16_t)(32768 / (2 << (board->registers[ACCEL_CONFIG] >> 3 & 3)));
    const int16_t turn = (int16_t)(3276800 / (250 << (board->registers[GYRO_CONFIG] >> 3 & 3)));
    if (board->is_still) {
        for (int axis = 0; axis < 6; axis++) {
            const uint8_t config = board->registers[axis < 3 ? ACCEL_CONFIG : GYRO_CONFIG];
            const bool is_pushed = config >> (7 - axis % 3) & 1;
            const int16_t count = (int16_t)(board->still[axis] + (is_pushed ? board->push[axis] : 0));
            put_count(board, (uint8_t)((axis < 3 ? 0x3B : 0x3D) + 2 * axis), count);
        }
        put_count(board, 0x41, -3920);
        return;
    }
    put_count(board, 0x3B, (int16_t)fake_board_count(n));
    put_count(board, 0x3D, -1234);
    put_count(board, 0x3F, one_g);
    put_count(board, 0x41, -3920);
    put_count(board, 0x43, -5);
    put_count(board, 0x45, 32767);
    put_count(board, 0x47, (int16_t)-turn);
}

static void convert(fake_board *board)
{
    convert_to(board, n_conversions(board));
}

/* RM, register 116: when the FIFO is full the oldest byte gives way to the newest. */
static void push(fake_board *board, uint8_t byte)
{
    if (board->n_fifo_bytes >= board->n_fifo_limit) {
        memmove(board->fifo, board->fifo + 1, --board->n_fifo_bytes);
        board->n_overflows += !board->has_overflowed;
        board->has_overflowed = true;
    }
    board->fifo[board->n_fifo_bytes++] = byte;
}

/* Acceleration, and rotation after it: registers 3B to 40 and 43 to 48. */
static void fill_fifo(fake_board *board)
{
    const uint32_t n = n_conversions(board);
    const bool is_filled = (board->registers[USER_CTRL] & 0x40) && board->registers[FIFO_EN] == 0x78;
    if (!is_filled || n < board->n_stored) {
        board->n_stored = n;
    }
    if (n - board->n_stored > 200) {
        board->n_stored = n - 200; /* nobody will see what came before */
    }
    while (board->n_stored != n) {
        convert_to(board, ++board->n_stored);
        for (uint8_t i = 0; i < 14; i++) {
            if (i != 6 && i != 7) {
                push(board, board->registers[ACCEL_XOUT_H + i]);
            }
        }
    }
}

void fake_board_litter(fake_board *board, uint16_t n)
{
    while (n-- != 0) {
        push(board, 0xEE);
    }
}

static uint8_t pop(fake_board *board)
{
    if (board->n_fifo_bytes == 0) {
        return 0xFF;
    }
    const uint8_t byte = board->fifo[0];
    memmove(board->fifo, board->fifo + 1, --board->n_fifo_bytes);
    return byte;
}

void fake_board_reset_sensor(fake_board *board)
{
    const uint8_t who_am_i = board->registers[WHO_AM_I];
    uint8_t trim[4];
    memcpy(trim, board->registers + SELF_TEST_X, sizeof trim);
    memset(board->registers, 0, sizeof board->registers);
    memcpy(board->registers + SELF_TEST_X, trim, sizeof trim);
    board->registers[WHO_AM_I] = who_am_i;
    board->registers[PWR_MGMT_1] = 0x40;
    board->n_seen = board->n_stored = 0;
    board->n_fifo_bytes = 0;
    board->has_overflowed = false;
}

static bool is_there(fake_board *board)
{
    if (board->has_unplug_time && (int32_t)(board->now_us - board->unplug_us) >= 0) {
        board->has_unplug_time = false;
        board->is_plugged = false;
        fake_board_reset_sensor(board);
    }
    return board->is_plugged;
}

/* START and address: what both transfers begin with. */
static fm_bus_result address(fake_board *board, uint8_t to)
{
    board->n_transfers++;
    if (board->sda_held_clocks != 0 || board->is_scl_held) {
        board->now_us += 250;
        return FM_BUS_STUCK;
    }
    board->now_us += board->bus_byte_us;
    if (board->n_nacks != 0) {
        board->n_nacks--;
        return FM_BUS_NACK;
    }
    if (!is_there(board) || to != board->address) {
        return FM_BUS_NACK;
    }
    fill_fifo(board);
    return FM_BUS_OK;
}

static fm_bus_result bus_write(void *context, uint8_t to, uint8_t reg, uint8_t value)
{
    fake_board *board = context;
    const fm_bus_result result = address(board, to);
    if (result != FM_BUS_OK) {
        return result;
    }
    board->now_us += 2 * board->bus_byte_us;
    if (!is_there(board)) {
        return FM_BUS_NACK;
    }
    if (board->n_written < FAKE_WRITTEN) {
        board->written[board->n_written++] = (uint16_t)(reg << 8 | value);
    }
    if (board->n_forgotten_writes != 0) {
        board->n_forgotten_writes--;
        return FM_BUS_OK;
    }
    if (reg == PWR_MGMT_1 && (value & 0x80)) {
        fake_board_reset_sensor(board);
        return FM_BUS_OK;
    }
    if (reg == PWR_MGMT_1 && !is_awake(board)) {
        board->awake_since_us = board->now_us;
        board->n_seen = board->n_stored = 0;
    }
    if (reg == USER_CTRL && (value & 0x04) && !board->is_fifo_reset_deaf) {
        board->n_fifo_bytes = 0;
        value &= (uint8_t)~0x04;
    }
    board->registers[reg & 127u] = value;
    return FM_BUS_OK;
}

static fm_bus_result bus_read(void *context, uint8_t to, uint8_t first_reg, uint8_t *bytes, uint8_t n)
{
    fake_board *board = context;
    const fm_bus_result result = address(board, to);
    if (result != FM_BUS_OK) {
        return result;
    }
    board->now_us += 2 * board->bus_byte_us;
    if (!is_there(board)) {
        return FM_BUS_NACK;
    }
    if (first_reg <= ACCEL_XOUT_H && first_reg + n > ACCEL_XOUT_H) {
        convert(board);
    }
    for (uint8_t i = 0; i < n; i++) {
        const uint8_t reg = (uint8_t)(first_reg + i) & 127u;
        if (!is_there(board)) {
            bytes[i] = 0xFF; /* nobody pulls the data line down */
        } else if (reg == INT_STATUS) {
            bytes[i] = (uint8_t)((n_conversions(board) != board->n_seen) | board->has_overflowed << 4);
            board->n_seen = n_conversions(board);
            board->has_overflowed = false;
        } else if (first_reg == FIFO_R_W) {
            bytes[i] = pop(board);
        } else if (reg == FIFO_COUNT_H) {
            fill_fifo(board);
            board->registers[FIFO_COUNT_H] = (uint8_t)(board->n_fifo_bytes >> 8);
            board->registers[FIFO_COUNT_H + 1] = (uint8_t)board->n_fifo_bytes;
            bytes[i] = board->registers[FIFO_COUNT_H];
        } else {
            bytes[i] = board->registers[reg];
        }
        board->now_us += board->bus_byte_us;
    }
    return FM_BUS_OK;
}

static fm_bus_result bus_recover(void *context)
{
    fake_board *board = context;
    board->n_recoveries++;
    board->now_us += 100;
    if (board->is_scl_held) {
        return FM_BUS_STUCK;
    }
    board->sda_held_clocks = board->sda_held_clocks > 9 ? board->sda_held_clocks - 9 : 0;
    return board->sda_held_clocks == 0 ? FM_BUS_OK : FM_BUS_STUCK;
}

static uint32_t now_us(void *context)
{
    fake_board *board = context;
    board->now_us += board->tick_us;
    return board->now_us;
}

static bool line_write(void *context, const uint8_t *bytes, uint8_t n)
{
    fake_board *board = context;
    if (board->is_line_full || board->n_sent + n > FAKE_SENT_BYTES) {
        return false;
    }
    memcpy(board->sent + board->n_sent, bytes, n);
    board->n_sent += n;
    return true;
}

static int16_t line_read(void *context)
{
    fake_board *board = context;
    return board->n_read == board->n_received ? -1 : board->received[board->n_read++];
}

static uint8_t store_read(void *context, uint8_t at)
{
    return ((fake_board *)context)->store[at % FAKE_STORE_BYTES];
}

static bool store_write(void *context, uint8_t at, uint8_t byte)
{
    fake_board *board = context;
    if ((int32_t)(board->now_us - board->store_busy_until_us) < 0) {
        return false;
    }
    board->store[at % FAKE_STORE_BYTES] = byte;
    board->store_busy_until_us = board->now_us + 3400;
    board->n_store_writes++;
    return true;
}

fake_board *fake_board_new(uint32_t start_us)
{
    fake_board *board = calloc(1, sizeof *board);
    if (board == NULL) {
        abort();
    }
    board->now_us = start_us;
    board->store_busy_until_us = start_us;
    board->tick_us = 4;
    board->bus_byte_us = 25;
    board->is_plugged = true;
    board->address = 0x68;
    board->n_fifo_limit = FAKE_FIFO_BYTES;
    board->registers[WHO_AM_I] = 0x68;
    fake_board_reset_sensor(board);
    memset(board->store, 0xFF, sizeof board->store);
    board->port = (fm_port){
        .context = board,
        .now_us = now_us,
        .line_write = line_write,
        .line_read = line_read,
        .store_read = store_read,
        .store_write = store_write,
        .bus = {.context = board, .write = bus_write, .read = bus_read, .recover = bus_recover},
        .self_test = fm_self_test_step,
        .board = "fake",
        .min_period_us = 1000,
    };
    return board;
}

void fake_board_free(fake_board *board)
{
    free(board);
}

void fake_board_start(fake_board *board, uint8_t reset_cause)
{
    board->port.reset_cause = reset_cause;
    fm_node_start(&board->node, &board->port);
}

void fake_board_run(fake_board *board, uint32_t us)
{
    const uint32_t end_us = board->now_us + us;
    while ((int32_t)(end_us - board->now_us) > 0) {
        fm_node_poll(&board->node);
    }
}
