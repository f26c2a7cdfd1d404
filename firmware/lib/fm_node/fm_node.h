/*
 * A board with its sensor, as the host meets it: samples by the clock, commands, HELLO, STATUS, recovery.
 *
 * One loop and no interrupt of its own: when a sampling instant is near, the node waits for it and does
 * nothing else; between two instants it does other things in pieces that end before the next.
 */
#ifndef FM_NODE_H
#define FM_NODE_H

#include <stdbool.h>
#include <stdint.h>

#include "fm_command.h"
#include "fm_fault.h"
#include "fm_follower.h"
#include "fm_frame.h"
#include "fm_mpu6050.h"
#include "fm_port.h"
#include "fm_sampler.h"
#include "fm_self_test.h"

#define FM_FIRMWARE_MAJOR 0u
#define FM_FIRMWARE_MINOR 1u
#define FM_FIRMWARE_PATCH 0u

/* What is small and often used comes first: processors reach it there with shorter instructions. */
typedef struct {
    const fm_port *port;
    bool is_pacing; /* sampling instants pass; not before the sensor was found or missed, nor while it is set
                     */
    bool has_announced;
    uint8_t announced_who_am_i;
    uint8_t n_since_work; /* samples since the node last looked for other work */
    uint8_t n_stored;     /* bytes of the record that are in the store */
    uint8_t owed;         /* type of the frame that follows the last RESULT, 0 for none */
    fm_settings settings;
    uint16_t sequence;
    int16_t temperature_lsb;
    fm_faults faults;
    uint32_t n_samples;
    uint32_t n_dropped;
    uint32_t status_since_us;
    fm_sampler sampler;
    fm_follower follower;
    fm_mpu6050 sensor;
    fm_batch batch;
    fm_decoder decoder;
    fm_self_test self_test;
    /* The one frame that is being made; one more byte for the delimiter that begins a frame among text. */
    uint8_t bytes[1u + FM_BATCH_BYTES];
} fm_node;

/* Starts a node in the caller's memory; port stays the caller's and must outlive it. */
void fm_node_start(fm_node *node, const fm_port *port);

/* Does what is due. To be called for ever, as often as can be. */
void fm_node_poll(fm_node *node);

/*
 * Microseconds for which a target may sleep before it polls the node again; below 1: not at all. What comes
 * over the line waits meanwhile, so a target wakes up at least as often as its line asks for.
 */
int32_t fm_node_rest_us(const fm_node *node);

#endif
