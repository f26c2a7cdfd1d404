// A fedmotion node on any Arduino board: an MPU6050 on Wire, a line to the host.
#ifndef FEDMOTION_NODE_H
#define FEDMOTION_NODE_H

#include <Arduino.h>
#include <Wire.h>

// Starts the node. line and wire have begun (500000 baud; 400 kHz); board is a name of at most 16 printable
// characters, and stays. With the pins that wire is on a sensor that holds the bus is clocked free.
void fedmotion_begin(Stream &line, TwoWire &wire, const char *board, int sda = -1, int scl = -1);

// Does what is due. To be called for ever, as often as can be: nothing else in loop() may wait.
void fedmotion_poll();

#endif
