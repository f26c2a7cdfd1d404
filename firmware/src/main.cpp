// The node on an Arduino: wiring only.
#include <Arduino.h>

extern "C" {
#include "fm_node.h"
}
#include "fm_arduino.h"

static fm_port port;
static fm_node node;

void setup()
{
    fm_arduino_begin(&port);
    port.self_test = fm_self_test_step;
    fm_node_start(&node, &port);
}

void loop()
{
    fm_arduino_poll();
    fm_node_poll(&node);
}
