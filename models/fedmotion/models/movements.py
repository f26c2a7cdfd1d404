"""Where in a stream something moves: energy with hysteresis, causal, one movement a gesture."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Found by trial: nearly every gesture of simulated people and of UTD-MHAD (Chen et al. 2015) is one movement.
ON_RADPS = math.radians(40)
OFF_RADPS = math.radians(20)
_SMOOTHING_S = 0.1
_HOLD_S = 0.4
_MIN_S = 0.5
_MAX_S = 4.0
_BIAS_S = 1.0
_MAX_BIAS_RADPS = math.radians(20)
"""The zero-rate output that the MPU-6050's data sheet (PS-MPU-6000A, section 6.1) allows each axis."""


@dataclass(frozen=True, slots=True)
class Movement:
    """Sample indices since the stream's start: first, one past the last, and the centre of energy."""

    start: int
    stop: int
    centre: int


class MovementDetector:
    """Finds movements in a stream of constant rate.

    The energy is the length of the angular rate without the gyroscope's bias, smoothed over 0.1 s. A
    movement starts when it rises above 40 deg/s and ends where it has stayed below 20 deg/s for 0.4 s, or
    after 4 s (and then none starts until it has been below 20 deg/s). One shorter than 0.5 s is none. The
    bias is followed over about a second whenever no movement is under way, so that one of up to 20 deg/s on
    each axis, unknown at the start, costs a movement at worst. What the detector remembers does not grow
    with the stream.
    """

    def __init__(self, rate_hz: float) -> None:
        self._smoothing = 1 - math.exp(-1 / (_SMOOTHING_S * rate_hz))
        self._bias_gain = 1 - math.exp(-1 / (_BIAS_S * rate_hz))
        self._hold, self._min, self._max = (max(round(s * rate_hz), 1) for s in (_HOLD_S, _MIN_S, _MAX_S))
        self._bias = [0.0, 0.0, 0.0]
        self.reset()

    @property
    def energy_radps(self) -> float:
        """How much moves now: what is compared with ON_RADPS and OFF_RADPS."""
        return self._energy

    @property
    def is_moving(self) -> bool:
        """Whether a movement is under way; also in the 0.4 s of rest by which it is found to have ended."""
        return self._start is not None

    @property
    def max_length(self) -> int:
        """How many samples back from the present a movement that has just ended can have started."""
        return self._max

    def reset(self) -> None:
        """Start anew: sample 0 comes next. The bias stays: it belongs to the sensor."""
        self._energy = 0.0
        self._index = 0
        self._start: int | None = None
        self._must_settle = False
        self._n_quiet = 0
        self._weight = self._moment = 0.0

    def feed(self, samples: NDArray[np.float32]) -> list[Movement]:
        """Return the movements that end in `samples`, shape (n, 6)."""
        movements = []
        for gyro in samples[:, 3:].tolist():
            movement = self._step(gyro)
            if movement is not None:
                movements.append(movement)
            self._index += 1
        return movements

    def finish(self) -> list[Movement]:
        """Return the movement in progress, if it is long enough, as if the stream had come to rest.

        Call `reset` before the next `feed`.
        """
        movement = None if self._start is None else self._end(self._start, self._index)
        return [] if movement is None else [movement]

    def _step(self, gyro: list[float]) -> Movement | None:
        rate = math.sqrt(sum((g - b) ** 2 for g, b in zip(gyro, self._bias, strict=True)))
        self._energy += (rate - self._energy) * self._smoothing
        is_quiet = self._energy < OFF_RADPS
        if self._start is None:
            self._follow_bias(gyro)
            if self._must_settle:
                self._must_settle = not is_quiet
            elif self._energy > ON_RADPS:
                self._start, self._n_quiet = self._index, 0
                self._weight = self._moment = 0.0
        if self._start is None:
            return None
        self._weight += self._energy
        self._moment += self._energy * self._index
        self._n_quiet = self._n_quiet + 1 if is_quiet else 0
        has_rested = self._n_quiet >= self._hold
        if not has_rested and self._index + 1 - self._start < self._max:
            return None
        self._must_settle = not has_rested
        return self._end(self._start, self._index + 1)

    def _end(self, start: int, end: int) -> Movement | None:
        self._start = None
        stop = end - self._n_quiet
        if stop - start < self._min:
            return None
        return Movement(start, stop, round(self._moment / self._weight))

    def _follow_bias(self, gyro: list[float]) -> None:
        gain, limit = self._bias_gain, _MAX_BIAS_RADPS
        self._bias = [
            min(max(b + (g - b) * gain, -limit), limit) for g, b in zip(gyro, self._bias, strict=True)
        ]
