/*
 * DW_apb_i2c has no bit for STOP: it makes one when its transmit FIFO is empty after a byte. So the first
 * commands of a transfer are queued with interrupts off, and IN_FLIGHT of them are kept waiting from then on:
 * eight take 180 us, and the tick's interrupt at most 60.
 */
#include "fm_dw_i2c.h"

#include <stdbool.h>

#include "fm_da14580_registers.h"

enum { SCL_PIN = 2, SDA_PIN = 3, BOTH_WIRES = 1 << SCL_PIN | 1 << SDA_PIN };

/*
 * Cycles of 16 MHz: SCL is high for HCNT + 8 and low for LCNT + 1 (the vendor's reset values, which make 400
 * kHz; 1 us and 1.5 us, where UM10204, table 10, asks for 0.6 and 1.3).
 */
#define SCL_HIGH 8u
#define SCL_LOW 23u

#define IN_FLIGHT 7u
#define BYTE_US 25u    /* 22.5, and room */
#define MARGIN_US 150u /* START, address twice, register, STOP */
#define SETTLE_US 20u
#define HALF_CLOCK_US 5u /* 100 kHz while freeing the bus: what the slowest slave follows */
#define N_FREEING_CLOCKS 9u

static uint32_t (*clock_us)(void *context);

static uint32_t now_us(void)
{
    return clock_us(0);
}

static void wait_us(uint32_t us)
{
    const uint32_t since_us = now_us();
    while (now_us() - since_us <= us) {
    }
}

static bool is_free(void)
{
    return (P0_DATA_REG & BOTH_WIRES) == BOTH_WIRES;
}

/* Whether the block has done it, which it does between two bits; it does not while SCL is held. */
static bool enable(bool is_on)
{
    const uint32_t since_us = now_us();
    I2C_ENABLE_REG = is_on;
    while ((I2C_ENABLE_STATUS_REG & 1u) != is_on) {
        if (now_us() - since_us > SETTLE_US) {
            return false;
        }
    }
    return true;
}

static fm_bus_result aim(uint8_t address)
{
    if (I2C_TAR_REG != address) {
        if (!enable(false)) {
            return FM_BUS_STUCK;
        }
        I2C_TAR_REG = address;
    }
    return enable(true) && is_free() ? FM_BUS_OK : FM_BUS_STUCK;
}

/* Once STOP is made both wires rise: one that stays low has made zeros of the last bytes. */
static fm_bus_result end(uint32_t since_us, uint32_t allowed_us)
{
    while (!(I2C_RAW_INTR_STAT_REG & I2C_INTR_STOP_DET) || !is_free()) {
        if (I2C_RAW_INTR_STAT_REG & I2C_INTR_TX_ABRT) {
            return FM_BUS_NACK;
        }
        if (now_us() - since_us > allowed_us) {
            return FM_BUS_STUCK;
        }
    }
    return I2C_RAW_INTR_STAT_REG & I2C_INTR_TX_ABRT ? FM_BUS_NACK : FM_BUS_OK;
}

/* Leaves the block empty after a transfer that failed. */
static fm_bus_result fail(fm_bus_result why)
{
    if (why == FM_BUS_NACK) {
        const bool is_lost = I2C_TX_ABRT_SOURCE_REG & I2C_ABRT_LOST;
        (void)I2C_CLR_TX_ABRT_REG;
        why = is_lost ? FM_BUS_STUCK : FM_BUS_NACK;
    }
    return enable(false) ? why : FM_BUS_STUCK;
}

void fm_i2c_begin(uint32_t (*microseconds)(void *context))
{
    clock_us = microseconds;
    /* Where SCL is held the block does not stop yet, and has its settings from the last time. */
    if (enable(false)) {
        I2C_CON_REG = I2C_CON_FAST_MASTER;
        I2C_FS_SCL_HCNT_REG = SCL_HIGH;
        I2C_FS_SCL_LCNT_REG = SCL_LOW;
        I2C_INTR_MASK_REG = 0;
    }
    P0_MODE_REG(SCL_PIN) = PAD_INPUT_PULL_UP | PAD_I2C_SCL; /* pulled up, for a board that has no resistors */
    P0_MODE_REG(SDA_PIN) = PAD_INPUT_PULL_UP | PAD_I2C_SDA;
    wait_us(HALF_CLOCK_US);
}

fm_bus_result fm_i2c_write(void *context, uint8_t address, uint8_t reg, uint8_t value)
{
    (void)context;
    fm_bus_result result = aim(address);
    if (result == FM_BUS_OK) {
        const uint32_t since_us = now_us();
        (void)I2C_CLR_STOP_DET_REG;
        __asm__ volatile("cpsid i" ::: "memory");
        I2C_DATA_CMD_REG = reg;
        I2C_DATA_CMD_REG = value;
        __asm__ volatile("cpsie i" ::: "memory");
        result = end(since_us, BYTE_US + MARGIN_US);
    }
    return result == FM_BUS_OK ? result : fail(result);
}

fm_bus_result fm_i2c_read(void *context, uint8_t address, uint8_t first_reg, uint8_t *bytes, uint8_t n)
{
    (void)context;
    fm_bus_result result = aim(address);
    if (result != FM_BUS_OK) {
        return fail(result);
    }
    const uint32_t since_us = now_us();
    const uint32_t allowed_us = n * BYTE_US + MARGIN_US;
    uint8_t n_asked = 0;
    uint8_t n_got = 0;
    (void)I2C_CLR_STOP_DET_REG;
    __asm__ volatile("cpsid i" ::: "memory");
    I2C_DATA_CMD_REG = first_reg;
    while (n_asked < n && n_asked < IN_FLIGHT) {
        I2C_DATA_CMD_REG = I2C_DATA_CMD_READ;
        n_asked++;
    }
    __asm__ volatile("cpsie i" ::: "memory");
    while (n_got < n) {
        if (I2C_STATUS_REG & I2C_STATUS_RECEIVED) {
            bytes[n_got++] = (uint8_t)I2C_DATA_CMD_REG;
            if (n_asked < n) {
                I2C_DATA_CMD_REG = I2C_DATA_CMD_READ;
                n_asked++;
            }
        } else if (I2C_RAW_INTR_STAT_REG & I2C_INTR_TX_ABRT) {
            return fail(FM_BUS_NACK);
        } else if (now_us() - since_us > allowed_us) {
            return fail(FM_BUS_STUCK);
        }
    }
    result = end(since_us, allowed_us);
    return result == FM_BUS_OK ? result : fail(result);
}

/* As an open drain: low by direction, high by the pull-up. */
static void pull(uint8_t pin)
{
    P0_RESET_DATA_REG = (uint16_t)(1u << pin);
    P0_MODE_REG(pin) = PAD_OUTPUT | PAD_GPIO;
    wait_us(HALF_CLOCK_US);
}

static void release(uint8_t pin)
{
    P0_MODE_REG(pin) = PAD_INPUT_PULL_UP | PAD_GPIO;
    wait_us(HALF_CLOCK_US);
}

fm_bus_result fm_i2c_recover(void *context)
{
    (void)context;
    (void)enable(false);
    release(SDA_PIN);
    release(SCL_PIN);
    if (P0_DATA_REG & 1u << SCL_PIN) {
        for (uint8_t i = 0; i < N_FREEING_CLOCKS && !(P0_DATA_REG & 1u << SDA_PIN); i++) {
            pull(SCL_PIN);
            release(SCL_PIN);
        }
        /* STOP: SDA rises while SCL is high. */
        pull(SCL_PIN);
        pull(SDA_PIN);
        release(SCL_PIN);
        release(SDA_PIN);
    }
    const bool is_freed = is_free();
    fm_i2c_begin(clock_us);
    return is_freed ? FM_BUS_OK : FM_BUS_STUCK;
}
