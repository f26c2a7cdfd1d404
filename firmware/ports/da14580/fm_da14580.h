/* A DA14580 as the node's port: bare metal, 16 MHz from its crystal, its program in SysRAM. */
#ifndef FM_DA14580_H
#define FM_DA14580_H

#include "fm_port.h"

/* Starts clocks, power, pads, watchdog, line and bus, and fills the caller's port. */
void fm_da14580_begin(fm_port *port);

/* To be called at least each half second, from the loop alone: else the watchdog bites. */
void fm_da14580_feed_watchdog(void);

/* Sleeps until the next tick; it returns within FM_DA14580_REST_US. */
#define FM_DA14580_REST_US 300
void fm_da14580_rest(void);

/* Marks that the watchdog has bitten, and starts anew; the processor calls it when it bites. */
void fm_da14580_bitten(void);

/* The processor calls it each tick. */
void fm_da14580_tick(void);

#endif
