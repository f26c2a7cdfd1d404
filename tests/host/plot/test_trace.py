"""The trace of a stream: its time, gaps, gestures and rate."""

import math

import numpy as np
import pytest

from fedmotion.host.imu_stream import ImuBlock, si_scale
from fedmotion.host.plot.trace import Trace, units
from fedmotion.host.recogniser import Recognition
from fedmotion.protocol.serial_frames import Hello

NODE = Hello((0, 1, 0), "uno", 0, 0x68, 8, 1000, 10_000)


def block(first_us: int, n: int, *, has_gap: bool = False, period_us: int = 10_000) -> ImuBlock:
    counts = np.tile(np.array([100, 200, 4096, -100, 0, 32], dtype=np.int16), (n, 1))
    t_us = first_us + np.arange(n, dtype=np.int64) * period_us
    return ImuBlock(t_us, counts * si_scale(NODE), counts, has_gap, NODE)


def test_samples_are_shown_in_si_units_at_the_boards_time() -> None:
    trace = Trace(10.0)
    new_s, new = trace.add(block(5_000_000, 100, has_gap=True), 0.0)
    view = trace.view(0.0)
    assert (view.t_s[0], view.right_s) == (5.0, 5.99)
    np.testing.assert_allclose(view.values[-1, 2], 9.80665, rtol=1e-6)
    np.testing.assert_array_equal(new, view.values)
    np.testing.assert_array_equal(new_s, view.t_s)


def test_the_angular_rate_may_be_shown_in_degrees() -> None:
    trace = Trace(10.0, units(is_degrees=True))
    trace.add(block(0, 1), 0.0)
    (row,) = trace.view(0.0).values
    assert (trace.units.accel, trace.units.gyro) == ("m/s²", "deg/s")
    np.testing.assert_allclose(row[3], -100 * 1000 / 32768, rtol=1e-6)
    np.testing.assert_allclose(row[2], 9.80665, rtol=1e-6)


def test_a_gap_is_among_the_new_rows_and_as_long_as_it_was() -> None:
    trace = Trace(10.0)
    trace.add(block(0, 100, has_gap=True), 0.0)
    new_s, new = trace.add(block(2_000_000, 10, has_gap=True), 2.0)
    assert len(new) == 11
    assert np.isnan(new[0]).all()
    assert 0.99 < new_s[0] < 2.0
    assert trace.view(2.0).right_s == 2.09


def test_a_board_that_restarts_goes_on_where_the_hosts_clock_is() -> None:
    trace = Trace(10.0)
    trace.add(block(7_000_000, 100, has_gap=True), 100.0)
    trace.add(block(0, 100, has_gap=True), 103.0)
    view = trace.view(103.0)
    assert (np.diff(view.t_s) > 0).all()
    np.testing.assert_allclose(view.t_s[101], 7.99 + 3.0)
    assert math.isclose(view.right_s, 7.99 + 3.0 + 0.99)
    # A gesture of the board's new time is marked there too.
    span = trace.mark(Recognition("wave", 100_000, 600_000, 0.93, 4))
    assert math.isclose(span.start_s, 7.99 + 3.0 + 0.1)
    assert span.caption == "wave 93%"


def test_a_restart_within_one_read_still_moves_forward() -> None:
    trace = Trace(10.0)
    trace.add(block(7_000_000, 100, has_gap=True), 100.0)
    trace.add(block(0, 100, has_gap=True), 100.0)
    assert (np.diff(trace.view(100.0).t_s) > 0).all()


def test_where_samples_stop_the_picture_moves_on() -> None:
    trace = Trace(10.0)
    trace.add(block(0, 200, has_gap=True), 50.0)
    live, stalled = trace.view(50.1), trace.view(53.0)
    assert (live.right_s, live.rate_hz) == (1.99, 100.0)
    assert math.isclose(stalled.right_s, 1.99 + 3.0 - 0.25)
    assert stalled.rate_hz == 0.0


@pytest.mark.parametrize(("period_us", "rate_hz"), [(10_000, 100.0), (1000, 1000.0), (20_000, 50.0)])
def test_the_rate_is_that_of_the_samples(period_us: int, rate_hz: float) -> None:
    trace = Trace(10.0)
    trace.add(block(0, 3_000_000 // period_us, period_us=period_us), 3.0)
    assert math.isclose(trace.view(3.0).rate_hz, rate_hz)


def test_lost_samples_lower_the_rate() -> None:
    trace = Trace(10.0)
    for second in range(4):
        # Of each second's 100 samples the last 50 are lost.
        trace.add(block(second * 1_000_000, 50, has_gap=True), float(second))
    assert math.isclose(trace.view(3.0).rate_hz, 50.0, rel_tol=0.02)


def test_gestures_leave_with_their_samples() -> None:
    trace = Trace(2.0)
    trace.add(block(0, 100, has_gap=True), 0.0)
    trace.mark(Recognition("wave", 100_000, 600_000, 0.93, 4))
    trace.add(block(1_000_000, 150), 0.0)
    assert [span.label for span in trace.view(0.0).spans] == ["wave"]
    trace.add(block(2_500_000, 50), 0.0)
    assert trace.view(0.0).spans == ()


def test_before_any_sample_there_is_an_empty_view() -> None:
    view = Trace(10.0).view(123.0)
    assert (len(view.t_s), view.right_s, view.rate_hz) == (0, 0.0, 0.0)


def test_a_view_stays_what_it_was() -> None:
    trace = Trace(1.0)
    trace.add(block(0, 100), 0.0)
    view = trace.view(0.0)
    before = view.values.copy()
    for second in range(1, 100):
        trace.add(block(second * 1_000_000, 100), float(second))
    np.testing.assert_array_equal(view.values, before)
