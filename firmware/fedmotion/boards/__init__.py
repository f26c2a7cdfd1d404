"""Boards without hardware: motion, the virtual MPU6050 and the simulated node."""
