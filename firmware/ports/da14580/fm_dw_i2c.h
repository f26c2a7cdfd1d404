/* The I2C block as the node's bus: 400 kHz, polled, each wait bounded; P0_2 is SCL, P0_3 SDA. */
#ifndef FM_DW_I2C_H
#define FM_DW_I2C_H

#include "fm_bus.h"

/* now_us tells microseconds, for the bounds. */
void fm_i2c_begin(uint32_t (*now_us)(void *context));
fm_bus_result fm_i2c_write(void *context, uint8_t address, uint8_t reg, uint8_t value);
fm_bus_result fm_i2c_read(void *context, uint8_t address, uint8_t first_reg, uint8_t *bytes, uint8_t n);
fm_bus_result fm_i2c_recover(void *context);

#endif
