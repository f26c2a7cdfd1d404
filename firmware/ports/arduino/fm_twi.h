/* The ATmega's two-wire interface as the node's bus: 400 kHz, polled, each wait bounded. */
#ifndef FM_TWI_H
#define FM_TWI_H

#include "fm_bus.h"

#ifdef __cplusplus
extern "C" {
#endif

void fm_twi_begin(void);
fm_bus_result fm_twi_write(void *context, uint8_t address, uint8_t reg, uint8_t value);
fm_bus_result fm_twi_read(void *context, uint8_t address, uint8_t first_reg, uint8_t *bytes, uint8_t n);
fm_bus_result fm_twi_recover(void *context);

#ifdef __cplusplus
}
#endif

#endif
