/* SPDX-License-Identifier: Apache-2.0
 * Linked with libunicorn, the program is under the GNU GPL 2 as a whole: docs/licences.md. */

#include "da_i2c.h"

#include "messages.h"

enum {
    CON = 0x00,
    TAR = 0x04,
    DATA_CMD = 0x10,
    FS_SCL_HCNT = 0x1C,
    FS_SCL_LCNT = 0x20,
    INTR_MASK = 0x30,
    RAW_INTR_STAT = 0x34,
    CLR_TX_ABRT = 0x54,
    CLR_STOP_DET = 0x60,
    ENABLE = 0x6C,
    STATUS = 0x70,
    TXFLR = 0x74,
    RXFLR = 0x78,
    TX_ABRT_SOURCE = 0x80,
    ENABLE_STATUS = 0x9C,
};

enum {
    FAST_MASTER = 0x65,
    READ = 0x100,
    TX_ABRT = 0x40,
    STOP_DET = 0x200,
    ABRT_7B_ADDR_NOACK = 0x0001,
    ABRT_TXDATA_NOACK = 0x0008,
    ARB_LOST = 0x1000,
    BITS_PER_BYTE = 9, /* with the acknowledge bit */
    PID_SCL = 9,
    PID_SDA = 10,
    PUPD = 0x300,
    OUTPUT = 0x300,
};

/* The block counts LCNT + 1 low and HCNT + 8 high: its reset values then make 400 kHz of 16 MHz. */
static uint64_t bit_cycles(const fm_da_i2c_t *i2c)
{
    return i2c->scl_high + 8u + i2c->scl_low + 1u;
}

static void begin(fm_da_i2c_t *i2c, fm_da_phase_t phase, uint64_t now)
{
    const bool is_byte = phase == FM_DA_I2C_ADDRESSING || phase == FM_DA_I2C_BYTE;
    i2c->phase = phase;
    i2c->next_cycle = now + (is_byte ? BITS_PER_BYTE : 1) * bit_cycles(i2c);
}

static void rest(fm_da_i2c_t *i2c)
{
    i2c->phase = FM_DA_I2C_IDLE;
    if (i2c->is_ending) {
        i2c->is_enabled = i2c->is_ending = false;
    }
    i2c->is_aborted = i2c->raw & TX_ABRT;
}

static void abort_transfer(fm_da_i2c_t *i2c, uint16_t source)
{
    i2c->n_commands = 0;
    i2c->raw |= TX_ABRT;
    i2c->abort_source |= source;
    i2c->is_aborted = true; /* until the program has read CLR_TX_ABRT, commands are flushed */
}

/* The end of a byte: go on, turn round, or STOP because there is no more. */
static void go_on(fm_da_i2c_t *i2c, uint64_t now)
{
    if (i2c->n_commands == 0 || i2c->is_ending || i2c->is_aborted) {
        begin(i2c, FM_DA_I2C_STOPPING, now);
        return;
    }
    const uint16_t next = i2c->commands[i2c->commands_start];
    if (((next & READ) != 0) != i2c->is_reading) {
        i2c->is_reading = next & READ;
        begin(i2c, FM_DA_I2C_STARTING, now);
        return;
    }
    i2c->command = next;
    i2c->commands_start = (uint8_t)((i2c->commands_start + 1) % FM_DA_I2C_FIFO_ENTRIES);
    i2c->n_commands--;
    begin(i2c, FM_DA_I2C_BYTE, now);
}

static void end_address(fm_da_i2c_t *i2c, uint64_t now)
{
    const uint8_t byte = (uint8_t)(i2c->tar << 1 | i2c->is_reading);
    bool is_ack = i2c->n_address_nacks == 0;
    if (is_ack) {
        is_ack = fm_mpu_address(i2c->mpu, byte, now);
    } else {
        i2c->n_address_nacks--;
    }
    if (!is_ack) {
        abort_transfer(i2c, ABRT_7B_ADDR_NOACK);
    } else if (i2c->is_reading && fm_mpu_is_burst(i2c->mpu)) {
        const fm_da_burst_t burst = {i2c->start_cycle, i2c->mpu->latched_cycle};
        fm_bytes_append(&i2c->bursts, &burst, sizeof burst);
    }
    go_on(i2c, now);
}

static void end_byte(fm_da_i2c_t *i2c, uint64_t now)
{
    if (i2c->command & READ) {
        if (i2c->n_received == FM_DA_I2C_FIFO_ENTRIES) {
            fm_refuse("I2C has received %d bytes that the program has not read: the next is lost", i2c->n_received);
        }
        i2c->received[(i2c->received_start + i2c->n_received++) % FM_DA_I2C_FIFO_ENTRIES] =
            fm_mpu_read(i2c->mpu, now);
    } else if (i2c->n_data_nacks > 0 || !fm_mpu_write(i2c->mpu, (uint8_t)i2c->command, now)) {
        i2c->n_data_nacks -= i2c->n_data_nacks > 0;
        abort_transfer(i2c, ABRT_TXDATA_NOACK);
    }
    go_on(i2c, now);
}

/* What is under way ends at next_cycle; false where a wire that is held keeps it. */
static bool finish(fm_da_i2c_t *i2c)
{
    const uint64_t now = i2c->next_cycle;
    const bool is_sda_held = i2c->sda_held_clocks != 0;
    if (i2c->is_scl_held || (is_sda_held && i2c->phase == FM_DA_I2C_STOPPING)) {
        return false; /* a held clock stretches whatever is under way, and STOP is a rise of SDA */
    }
    switch (i2c->phase) {
    case FM_DA_I2C_STARTING:
        begin(i2c, FM_DA_I2C_ADDRESSING, now);
        break;
    case FM_DA_I2C_STOPPING:
        i2c->raw |= STOP_DET;
        rest(i2c);
        break;
    case FM_DA_I2C_ADDRESSING:
    case FM_DA_I2C_BYTE:
        if (is_sda_held) {
            /* Who sends a one and sees a zero has lost; a byte of zeros alone would pass. */
            abort_transfer(i2c, ARB_LOST);
            rest(i2c);
        } else if (i2c->phase == FM_DA_I2C_ADDRESSING) {
            end_address(i2c, now);
        } else {
            end_byte(i2c, now);
        }
        break;
    case FM_DA_I2C_IDLE:
        break;
    }
    return true;
}

static void follow_until(fm_da_i2c_t *i2c, uint64_t now)
{
    while (i2c->phase != FM_DA_I2C_IDLE && i2c->next_cycle <= now && finish(i2c)) {
    }
}

void fm_da_i2c_follow(fm_da_i2c_t *i2c)
{
    follow_until(i2c, i2c->system->m0->cycle);
}

/* Before the wires change: what was held ends now at the soonest. */
static void catch_up(fm_da_i2c_t *i2c)
{
    fm_da_i2c_follow(i2c);
    if (i2c->phase != FM_DA_I2C_IDLE && i2c->next_cycle < i2c->system->m0->cycle) {
        i2c->next_cycle = i2c->system->m0->cycle;
    }
}

void fm_da_i2c_hold_sda(fm_da_i2c_t *i2c, uint32_t n_clocks)
{
    catch_up(i2c);
    i2c->sda_held_clocks = n_clocks;
}

void fm_da_i2c_hold_scl(fm_da_i2c_t *i2c, bool is_held)
{
    catch_up(i2c);
    i2c->is_scl_held = is_held;
}

bool fm_da_i2c_is_high(void *context, fm_da_pin_t pin)
{
    fm_da_i2c_t *i2c = context;
    fm_da_i2c_follow(i2c);
    const bool is_idle = i2c->phase == FM_DA_I2C_IDLE;
    return pin == FM_DA_SDA_PIN ? is_idle && i2c->sda_held_clocks == 0 : is_idle && !i2c->is_scl_held;
}

void fm_da_i2c_on_scl_rise(void *context)
{
    fm_da_i2c_t *i2c = context;
    if (!i2c->is_scl_held && i2c->sda_held_clocks != 0 && i2c->sda_held_clocks != FM_DA_HELD_FOR_EVER) {
        i2c->sda_held_clocks--;
    }
}

void fm_da_i2c_init(fm_da_i2c_t *i2c, const fm_da_system_t *system, fm_mpu_t *mpu)
{
    *i2c = (fm_da_i2c_t){.system = system, .mpu = mpu};
    fm_da_i2c_reset(i2c);
}

void fm_da_i2c_reset(fm_da_i2c_t *i2c)
{
    i2c->con = 0x7D;
    i2c->tar = 0x55;
    i2c->scl_high = 8;
    i2c->scl_low = 23;
    i2c->raw = i2c->abort_source = 0;
    i2c->is_enabled = i2c->is_ending = i2c->is_aborted = false;
    i2c->n_commands = i2c->n_received = 0;
    i2c->phase = FM_DA_I2C_IDLE;
}

static uint16_t status(const fm_da_i2c_t *i2c)
{
    const bool is_active = i2c->phase != FM_DA_I2C_IDLE;
    return (uint16_t)((is_active ? 0x21 : 0) | (i2c->n_commands < FM_DA_I2C_FIFO_ENTRIES ? 0x02 : 0) |
                      (i2c->n_commands == 0 ? 0x04 : 0) | (i2c->n_received > 0 ? 0x08 : 0) |
                      (i2c->n_received == FM_DA_I2C_FIFO_ENTRIES ? 0x10 : 0));
}

uint16_t fm_da_i2c_read(fm_da_i2c_t *i2c, uint32_t address)
{
    fm_da_need(i2c->system, FM_DA_I2C, "I2C");
    fm_da_i2c_follow(i2c);
    switch (address - FM_DA_I2C_ADDRESS) {
    case CON:
        return i2c->con;
    case TAR:
        return i2c->tar;
    case DATA_CMD: {
        if (i2c->n_received == 0) {
            fm_refuse("I2C's receive FIFO is empty and the program reads it: look at STATUS' RFNE first");
        }
        const uint8_t byte = i2c->received[i2c->received_start];
        i2c->received_start = (uint8_t)((i2c->received_start + 1) % FM_DA_I2C_FIFO_ENTRIES);
        i2c->n_received--;
        return byte;
    }
    case FS_SCL_HCNT:
        return i2c->scl_high;
    case FS_SCL_LCNT:
        return i2c->scl_low;
    case RAW_INTR_STAT:
        return i2c->raw;
    case CLR_TX_ABRT:
        i2c->raw &= (uint16_t)~TX_ABRT;
        i2c->abort_source = 0;
        i2c->is_aborted = i2c->is_aborted && i2c->phase != FM_DA_I2C_IDLE;
        return 0;
    case CLR_STOP_DET:
        i2c->raw &= (uint16_t)~STOP_DET;
        return 0;
    case ENABLE:
        return i2c->is_enabled && !i2c->is_ending;
    case STATUS:
        return status(i2c);
    case TXFLR:
        return i2c->n_commands;
    case RXFLR:
        return i2c->n_received;
    case TX_ABRT_SOURCE:
        return i2c->abort_source;
    case ENABLE_STATUS:
        return i2c->is_enabled;
    default:
        fm_refuse("the emulated I2C has no register to read at %08x", address);
    }
}

static void need_pads(const fm_da_i2c_t *i2c)
{
    const fm_da_system_t *system = i2c->system;
    const uint16_t scl = system->modes[FM_DA_SCL_PIN], sda = system->modes[FM_DA_SDA_PIN];
    if (!fm_da_is_pad(system, FM_DA_SCL_PIN, PID_SCL) || !fm_da_is_pad(system, FM_DA_SDA_PIN, PID_SDA) ||
        (scl & PUPD) == OUTPUT || (sda & PUPD) == OUTPUT) {
        fm_refuse("I2C begins and P0_2 and P0_3 are not its wires: their modes are %04x and %04x, 0109 and 010a are, and "
                  "SYS_CTRL_REG %04x needs PAD_LATCH_EN",
                  scl, sda, system->sys_ctrl);
    }
}

static void command(fm_da_i2c_t *i2c, uint16_t value)
{
    const uint64_t now = i2c->system->m0->cycle;
    if (!i2c->is_enabled) {
        fm_refuse("I2C gets a command while it is disabled: write ENABLE first");
    }
    if (i2c->con != FAST_MASTER) {
        fm_refuse("I2C is a master at 400 kHz with repeated START here, CON 0065, got %04x", i2c->con);
    }
    if (i2c->n_commands == FM_DA_I2C_FIFO_ENTRIES) {
        fm_refuse("I2C has %d commands waiting and gets one more: FIFOs are taken to hold no more", i2c->n_commands);
    }
    if (i2c->is_aborted) {
        return; /* flushed */
    }
    i2c->commands[(i2c->commands_start + i2c->n_commands++) % FM_DA_I2C_FIFO_ENTRIES] = value & (READ | 0xFF);
    if (i2c->phase == FM_DA_I2C_IDLE) {
        need_pads(i2c);
        i2c->start_cycle = now;
        i2c->is_reading = value & READ;
        begin(i2c, FM_DA_I2C_STARTING, now);
    }
}

static void set_enabled(fm_da_i2c_t *i2c, bool is_on)
{
    if (is_on) {
        i2c->is_ending = false;
        i2c->is_enabled = true;
        return;
    }
    i2c->n_commands = i2c->n_received = 0;
    i2c->is_ending = true;
    if (i2c->phase == FM_DA_I2C_IDLE) {
        rest(i2c);
    }
}

void fm_da_i2c_write(fm_da_i2c_t *i2c, uint32_t address, uint16_t value)
{
    fm_da_need(i2c->system, FM_DA_I2C, "I2C");
    fm_da_i2c_follow(i2c);
    const uint32_t offset = address - FM_DA_I2C_ADDRESS;
    if (i2c->is_enabled && (offset == CON || offset == TAR || offset == FS_SCL_HCNT || offset == FS_SCL_LCNT)) {
        fm_refuse("I2C is enabled and its register %08x is written: that is ignored, disable it first", address);
    }
    switch (offset) {
    case CON:
        i2c->con = value;
        return;
    case TAR:
        i2c->tar = value & 0x7F;
        return;
    case DATA_CMD:
        command(i2c, value);
        return;
    case FS_SCL_HCNT:
        i2c->scl_high = value < 6 ? 6 : value;
        return;
    case FS_SCL_LCNT:
        i2c->scl_low = value < 8 ? 8 : value;
        return;
    case INTR_MASK:
        if (value != 0) {
            fm_refuse("I2C's interrupts are not modelled: INTR_MASK becomes %04x", value);
        }
        return;
    case ENABLE:
        set_enabled(i2c, value & 1);
        return;
    default:
        fm_refuse("the emulated I2C has no register to write at %08x", address);
    }
}
