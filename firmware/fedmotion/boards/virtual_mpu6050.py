"""An MPU6050 without silicon: physical motion in, int16 counts out.

Only the sampling core lives here, with no transport and no clock: whoever asks for a sample says when.
"PS" is the product specification PS-MPU-6000A-00 revision 3.4, "RM" the register map RM-MPU-6000A-00.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fedmotion.boards import self_test
from fedmotion.boards.kinematics import STANDARD_GRAVITY_MPS2, Floats, Motion
from fedmotion.protocol.serial_frames import ACCEL_FULL_SCALES_G, GYRO_FULL_SCALES_DPS

WHO_AM_I = 0x68
"""RM, register 117."""

ACCEL_NOISE_MPS2_PER_ROOT_HZ = 400e-6 * STANDARD_GRAVITY_MPS2
"""PS 6.2, noise performance: 400 ug/sqrt(Hz)."""

GYRO_NOISE_RADPS_PER_ROOT_HZ = np.radians(0.005)
"""PS 6.1, gyroscope noise performance: 0.005 deg/s/sqrt(Hz)."""


MAX_CLOCK_ERROR = 0.1


@dataclass(frozen=True, slots=True)
class Imperfection:
    """How far a sensor is from ideal.

    Attributes
    ----------
    bandwidth_hz
        The noise's bandwidth; 44 Hz is the accelerometer's filter at DLPF_CFG 3 (RM, register 26). The
        motion itself is not filtered: a hand's is slower.
    noise
        Factor on the data sheet's noise densities; 0 for none.
    accel_bias_mps2, gyro_bias_radps
        (3,) each. PS 6.2 allows 50 to 80 mg, PS 6.1 20 deg/s.
    clock_error
        By which part the sensor's clock is faster than its nominal rate, at most 0.1 either way; only who
        lets the sensor sample at instants of its own uses it. PS 6.6 allows 0.01 with the gyroscope as clock.
    self_test_error
        (6,): by which part each axis answers its self-test otherwise than its trim says; PS 6.1 and 6.2 allow
        0.14.
    """

    bandwidth_hz: float = 44.0
    noise: float = 1.0
    accel_bias_mps2: tuple[float, float, float] = (0.0, 0.0, 0.0)
    gyro_bias_radps: tuple[float, float, float] = (0.0, 0.0, 0.0)
    clock_error: float = 0.0
    self_test_error: tuple[float, float, float, float, float, float] = (0.0,) * 6

    def __post_init__(self) -> None:
        if not abs(self.clock_error) <= MAX_CLOCK_ERROR:
            raise ValueError(f"clock error is between -0.1 and 0.1, got {self.clock_error}: 0.01 is 1 %")


IDEAL = Imperfection(noise=0.0)


class VirtualMpu6050:
    """A sensor that is carried along one motion; its samples depend on seed and instants only.

    Before the motion's first instant and after its last the sensor feels that instant's values.
    """

    def __init__(
        self,
        motion: Motion,
        *,
        seed: int = 0,
        accel_full_scale_g: int = 8,
        gyro_full_scale_dps: int = 1000,
        imperfection: Imperfection | None = None,
        temperature_degc: float = 25.0,
    ) -> None:
        self.imperfection = imperfection or Imperfection()
        self.temperature_degc = temperature_degc
        self.carry(motion)
        root_hz = self.imperfection.noise * np.sqrt(self.imperfection.bandwidth_hz)
        self._noise: Floats = root_hz * np.repeat(
            [ACCEL_NOISE_MPS2_PER_ROOT_HZ, GYRO_NOISE_RADPS_PER_ROOT_HZ], 3
        )
        self._rng = np.random.default_rng([0x6050, seed])
        self.trim_codes = self_test.CODES
        self.self_test_error: Floats = np.array(self.imperfection.self_test_error)
        self.push(0)
        self._unplugged_us: list[tuple[int, int | None]] = []
        self.set_full_scales(accel_full_scale_g, gyro_full_scale_dps)

    def carry(self, motion: Motion, start_us: int = 0) -> None:
        """Carry the sensor along `motion`, whose first instant is `start_us`, and no longer along another."""
        self.motion = motion
        self._t_us: Floats = (motion.t_s - motion.t_s[0]) * 1e6 + start_us
        bias = np.array([*self.imperfection.accel_bias_mps2, *self.imperfection.gyro_bias_radps])
        # One row an axis: interpolation would copy a whole column at every sample.
        self._rows: Floats = np.ascontiguousarray((motion.axes() + bias).T)

    @property
    def end_us(self) -> int:
        """When the motion ends."""
        return int(self._t_us[-1])

    @property
    def temperature_lsb(self) -> int:
        """TEMP_OUT: (degrees Celsius - 36.53) * 340 (RM, registers 65 and 66)."""
        return round((self.temperature_degc - 36.53) * 340)

    def set_full_scales(self, accel_g: int, gyro_dps: int) -> None:
        """Set the ranges; raises ValueError for those the sensor does not have (RM, registers 27, 28)."""
        if accel_g not in ACCEL_FULL_SCALES_G:
            raise ValueError(f"accel full scale is one of {ACCEL_FULL_SCALES_G} g, got {accel_g}")
        if gyro_dps not in GYRO_FULL_SCALES_DPS:
            raise ValueError(f"gyro full scale is one of {GYRO_FULL_SCALES_DPS} deg/s, got {gyro_dps}")
        self.accel_full_scale_g = accel_g
        self.gyro_full_scale_dps = gyro_dps
        self.lsb_per_unit: Floats = 32768 / np.repeat(
            [accel_g * STANDARD_GRAVITY_MPS2, np.radians(gyro_dps)], 3
        )

    def push(self, axes: int) -> None:
        """Have the self-test push the axes whose bits are set, bit 0 ax to bit 5 gz, and no others."""
        is_pushed = np.array([axes >> axis & 1 for axis in range(6)])
        self._pushed: Floats = is_pushed * self_test.trims_si(self.trim_codes) * (1 + self.self_test_error)

    def unplug(self, start_us: int, stop_us: int | None = None) -> None:
        """Take the sensor off the bus from `start_us` until `stop_us` (None: until replugged)."""
        self._unplugged_us.append((start_us, stop_us))

    def replug(self, at_us: int) -> None:
        """Put the sensor back at `at_us`."""
        self._unplugged_us = [
            (start, at_us if stop is None or stop > at_us else stop) for start, stop in self._unplugged_us
        ]

    def is_plugged(self, t_us: int) -> bool:
        """Whether a read at `t_us` is answered."""
        return not any(start <= t_us and (stop is None or t_us < stop) for start, stop in self._unplugged_us)

    def read(self, t_us: NDArray[np.int64]) -> tuple[NDArray[np.int16], NDArray[np.bool_]]:
        """Return the counts at these ascending instants and which of the reads were answered.

        Returns
        -------
        counts : (n, 6) int16, saturated at the full scales; meaningless where not answered
        is_read : (n,) bool
        """
        axes = np.empty((len(t_us), 6))
        for axis, row in enumerate(self._rows):
            axes[:, axis] = np.interp(t_us, self._t_us, row)
        # Drawn for every instant, answered or not, so that a fault leaves the other samples as they were.
        axes += self._noise * self._rng.standard_normal(axes.shape) + self._pushed
        counts = np.clip(np.rint(axes * self.lsb_per_unit), -32768, 32767).astype(np.int16)
        if not self._unplugged_us:
            return counts, np.ones(len(t_us), dtype=np.bool_)
        return counts, np.array([self.is_plugged(int(t)) for t in t_us], dtype=np.bool_)
