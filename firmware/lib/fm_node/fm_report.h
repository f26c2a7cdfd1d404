/* The frames that a node makes: how they are filled, and in which order they go. */
#ifndef FM_REPORT_H
#define FM_REPORT_H

#include "fm_node.h"

/* Sends the samples that wait for their frame to fill. */
void fm_report_flush(fm_node *node);

/* Each sends its frame, and before it the samples that wait. */
void fm_report_hello(fm_node *node);
void fm_report_status(fm_node *node);
void fm_report_self_test(fm_node *node, const fm_self_test *test);
void fm_report_result(fm_node *node, const fm_host_frame *frame, fm_result_code code);

/* Sends bytes as they are; false, and counted, where they find no room. */
bool fm_report_transmit(fm_node *node, const uint8_t *bytes, uint8_t n);

#endif
