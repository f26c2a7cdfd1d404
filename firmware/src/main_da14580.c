/* The node on a DA14580: wiring only. */
#include "fm_da14580.h"
#include "fm_node.h"

static fm_port port;
static fm_node node;

int main(void)
{
    fm_da14580_begin(&port);
    port.self_test = fm_self_test_step;
    fm_node_start(&node, &port);
    for (;;) {
        fm_da14580_feed_watchdog();
        fm_node_poll(&node);
        if (fm_node_rest_us(&node) > FM_DA14580_REST_US) {
            fm_da14580_rest();
        }
    }
}
