/* The node on this machine with no Python between: `pio test -c platformio.ci.ini -e native`. Prints as Unity
 * does. */
#include <stdio.h>

#include "fake_board.c" /* PlatformIO builds what lies in a test's own folder only */
#include "fm_node.h"    /* here PlatformIO looks for the libraries to build */

static unsigned n_failed;
static unsigned n_run;
static bool has_failed;

#define EXPECT(condition)                                                                                    \
    do {                                                                                                     \
        if (!(condition) && !has_failed) {                                                                   \
            has_failed = true;                                                                               \
            printf("%s:%d:%s:FAIL: %s\n", __FILE__, __LINE__, __func__, #condition);                         \
        }                                                                                                    \
    } while (0)

#define RUN(test)                                                                                            \
    do {                                                                                                     \
        has_failed = false;                                                                                  \
        n_run++;                                                                                             \
        test();                                                                                              \
        if (has_failed) {                                                                                    \
            n_failed++;                                                                                      \
        } else {                                                                                             \
            printf("%s:%d:%s:PASS\n", __FILE__, __LINE__, #test);                                            \
        }                                                                                                    \
    } while (0)

static void test_the_crc_of_123456789_is_29b1(void)
{
    uint16_t crc = 0xFFFF;
    for (uint8_t digit = '1'; digit <= '9'; digit++) {
        crc = fm_crc16(crc, digit);
    }
    EXPECT(crc == 0x29B1);
}

/* protocol/serial.md, GET_HELLO. */
static void test_get_hello_is_the_bytes_of_the_page(void)
{
    static const uint8_t expected[] = {0x02, 0x41, 1, 1, 1, 1, 1, 3, 0x43, 0x94, 0};
    uint8_t bytes[32];
    fm_encoder encoder;
    fm_encoder_begin(&encoder, bytes, sizeof bytes, FM_COMMAND_GET_HELLO, 0, 0);
    EXPECT(fm_encoder_end(&encoder) == sizeof expected);
    EXPECT(memcmp(bytes, expected, sizeof expected) == 0);
}

static void test_a_second_of_samples_and_no_fault(void)
{
    fake_board *board = fake_board_new(0);
    fake_board_start(board, 0);
    fake_board_run(board, 1200000);
    EXPECT(board->node.n_samples >= 100);
    EXPECT(board->node.faults.latched == 0);
    EXPECT(board->node.faults.n_sensor_errors == 0);
    EXPECT(board->node.n_dropped == 0);
    fake_board_free(board);
}

static void test_the_clock_may_wrap(void)
{
    fake_board *board = fake_board_new(UINT32_MAX - 500000);
    fake_board_start(board, 0);
    fake_board_run(board, 1200000);
    EXPECT(board->node.n_samples >= 100);
    EXPECT(board->node.faults.latched == 0);
    fake_board_free(board);
}

static void test_a_sensor_that_comes_back_is_found(void)
{
    fake_board *board = fake_board_new(0);
    fake_board_start(board, 0);
    fake_board_run(board, 300000);
    board->is_plugged = false;
    fake_board_reset_sensor(board);
    fake_board_run(board, 500000);
    const uint32_t before = board->node.n_samples;
    board->is_plugged = true;
    fake_board_run(board, 1000000);
    EXPECT(board->node.n_samples > before + 60);
    EXPECT(board->node.faults.latched == FM_FAULT_SENSOR_ABSENT);
    fake_board_free(board);
}

int main(void)
{
    RUN(test_the_crc_of_123456789_is_29b1);
    RUN(test_get_hello_is_the_bytes_of_the_page);
    RUN(test_a_second_of_samples_and_no_fault);
    RUN(test_the_clock_may_wrap);
    RUN(test_a_sensor_that_comes_back_is_found);
    printf("\n-----------------------\n%u Tests %u Failures 0 Ignored\n%s\n", n_run, n_failed,
           n_failed == 0 ? "OK" : "FAIL");
    return n_failed != 0;
}
