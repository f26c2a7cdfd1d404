import math

import numpy as np
import pytest
from numpy.typing import NDArray

from fedmotion.models.movements import Movement, MovementDetector

RATE_HZ = 50


def stream(
    *parts: tuple[float, float], bias_dps: tuple[float, float, float] = (0, 0, 0)
) -> NDArray[np.float32]:
    """Return samples of parts (seconds, deg/s); the turning is to and fro, so it has no mean."""
    rates = np.concatenate([np.full(round(seconds * RATE_HZ), dps) for seconds, dps in parts])
    samples = np.zeros((len(rates), 6), np.float32)
    samples[:, 2] = 9.81
    samples[:, 3] = np.radians(rates) * (-1) ** np.arange(len(rates))
    samples[:, 3:] += np.radians(bias_dps)
    return samples


def movements(samples: NDArray[np.float32]) -> list[Movement]:
    detector = MovementDetector(RATE_HZ)
    return detector.feed(samples) + detector.finish()


def test_one_gesture_is_one_movement_around_it() -> None:
    (movement,) = movements(stream((2, 0), (1, 200), (2, 0)))
    # 200 deg/s pass 40 after 0.02 s and are below 20 about 0.23 s after their end.
    assert (movement.start, movement.stop) == (101, 161)
    assert 125 <= movement.centre <= 133


def test_two_gestures_with_a_rest_between_are_two() -> None:
    found = movements(stream((2, 0), (0.8, 200), (0.9, 0), (0.8, 200), (2, 0)))
    assert len(found) == 2
    assert found[0].stop < found[1].start


def test_a_short_halt_within_a_gesture_does_not_cut_it() -> None:
    assert len(movements(stream((2, 0), (0.8, 200), (0.4, 0), (0.8, 200), (2, 0)))) == 1


def test_a_short_blow_is_no_movement() -> None:
    assert movements(stream((2, 0), (0.1, 200), (2, 0))) == []


def test_what_never_rises_above_40_deg_per_s_is_no_movement() -> None:
    assert movements(stream((2, 0), (3, 38), (2, 0))) == []


def test_a_movement_goes_on_until_it_is_below_20_deg_per_s() -> None:
    (movement,) = movements(stream((2, 0), (0.5, 100), (2, 30), (2, 0)))
    assert movement.stop - movement.start > 2.4 * RATE_HZ


def test_endless_movement_is_one_of_4_s_and_the_next_needs_a_rest() -> None:
    long = stream((2, 0), (10, 200), (1, 0), (1, 200), (2, 0))
    first, second = movements(long)
    assert first.stop - first.start == 4 * RATE_HZ
    assert second.start > 13 * RATE_HZ - 1


def test_the_end_of_the_stream_ends_a_movement_in_progress() -> None:
    detector = MovementDetector(RATE_HZ)
    assert detector.feed(stream((2, 0), (1, 200))) == []
    (movement,) = detector.finish()
    assert (movement.start, movement.stop) == (101, 150)
    detector.reset()
    assert detector.finish() == []


def test_an_end_right_after_a_movement_began_gives_none() -> None:
    assert movements(stream((2, 0), (0.2, 200))) == []


@pytest.mark.parametrize("bias_dps", [(20.0, 20.0, 20.0), (-20.0, 20.0, 0.0)])
def test_bias_within_the_data_sheet_is_followed(bias_dps: tuple[float, float, float]) -> None:
    parts = ((5, 0), (1, 200), (2, 0))
    (plain,) = movements(stream(*parts))
    (biased,) = movements(stream(*parts, bias_dps=bias_dps))
    assert abs(biased.start - plain.start) <= 1
    assert abs(biased.stop - plain.stop) <= 2


@pytest.mark.parametrize("bias_dps", [(20.0, 20.0, 20.0), (30.0, 30.0, 0.0)])
def test_a_bias_that_looks_like_movement_at_the_start_is_recovered_from(
    bias_dps: tuple[float, float, float],
) -> None:
    found = movements(stream((0.1, 0), (1, 200), (9, 0), (1, 200), (2, 0), bias_dps=bias_dps))
    last = found[-1]
    assert len(found) == 2
    assert 10.1 * RATE_HZ <= last.start <= 10.2 * RATE_HZ
    assert last.stop - last.start < 1.6 * RATE_HZ


def test_the_bias_outlives_a_reset() -> None:
    detector = MovementDetector(RATE_HZ)
    detector.feed(stream((5, 0), bias_dps=(20, 20, 20)))
    detector.reset()
    (movement,) = detector.feed(stream((0.5, 0), (1, 200), (2, 0), bias_dps=(20, 20, 20)))
    assert movement.start == pytest.approx(0.5 * RATE_HZ, abs=2)


def test_energy_is_the_length_of_the_angular_rate() -> None:
    samples = stream((2, 0), (1, 0), (2, 0))
    samples[100:150, 3:] = math.radians(30) * np.where(np.arange(50) % 2, 1, -1)[:, None]
    # Each axis turns at 30 deg/s, together sqrt(3) times as much.
    assert len(movements(samples)) == 1


@pytest.mark.parametrize("rate_hz", [1.0, 10.0, 1000.0])
def test_any_rate_finds_a_long_movement_once(rate_hz: float) -> None:
    samples = np.zeros((round(9 * rate_hz), 6), np.float32)
    samples[round(3 * rate_hz) : round(6 * rate_hz), 3] = 3.0
    detector = MovementDetector(rate_hz)
    assert len(detector.feed(samples) + detector.finish()) == 1
