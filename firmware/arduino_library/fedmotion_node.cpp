// Wiring only.
#include "fedmotion_node.h"

#include "fm_arduino_api.h"
extern "C" {
#include "fm_node.h"
}

static fm_port port;
static fm_node node;

void fedmotion_begin(Stream &line, TwoWire &wire, const char *board, int sda, int scl)
{
    fm_arduino_api_begin(&port, line, wire, board, sda, scl);
    port.self_test = fm_self_test_step;
    fm_node_start(&node, &port);
}

void fedmotion_poll()
{
    fm_arduino_api_poll();
    fm_node_poll(&node);
}
