"""What the doctor finds on boards that lie still, sound and otherwise, over real ptys."""

import re
import threading
import time
from dataclasses import replace

import numpy as np
import pytest
from still_boards import captured_at_once, node, served, turned_by_hand

from fedmotion.boards.kinematics import Motion
from fedmotion.boards.line_damage import LineDamage
from fedmotion.boards.node_server import NodeServer
from fedmotion.boards.posix_terminal import PtyLine
from fedmotion.boards.simulated_node import SimulatedNode
from fedmotion.boards.virtual_mpu6050 import Imperfection
from fedmotion.host.doctor_axes import look_at_axes
from fedmotion.host.doctor_board import look_at_board, look_before
from fedmotion.host.doctor_capture import Capture, capture
from fedmotion.host.doctor_checks import Check, guarded
from fedmotion.host.doctor_sensor import look_at_sensor, pieces_of, up_in_words

SPEED = 8
"""Times real time, by the board's clock and by the doctor's."""

OF_THE_MACHINE = {"jitter at the host", "the board's clock"}
"""They depend on how busy the machine is that runs the tests; below they are judged on made arrivals."""


def captured(port: str, seconds: float = 6.2, wait_s: float = 40.0) -> Capture:
    return capture(port, 500_000, seconds, clock=lambda: SPEED * time.monotonic(), wait_s=wait_s)


def looked(board: SimulatedNode) -> dict[str, Check]:
    """Look at a board on a pty."""
    with served(board, SPEED) as port:
        return by_name(captured(port))


def looked_at_once(board: SimulatedNode) -> dict[str, Check]:
    """Look at a board without a line and without waiting."""
    return by_name(captured_at_once(board, 5.2))


def by_name(of: Capture) -> dict[str, Check]:
    return {check.name: check for check in (*look_at_board(of), *look_at_sensor(of))}


def findings(checks: dict[str, Check]) -> set[str]:
    return {name for name, check in checks.items() if check.is_finding} - OF_THE_MACHINE


@pytest.fixture(scope="module")
def sound() -> Capture:
    with served(node(), SPEED) as port:
        return captured(port)


def test_a_sound_board_has_no_findings(sound: Capture) -> None:
    checks = by_name(sound)
    assert findings(checks) == set()
    assert {check.state for name, check in checks.items() if name not in OF_THE_MACHINE} == {"ok"}
    assert "fedmotion 0.1.0 for 'simulated', board id 77" in checks["HELLO"].measured
    assert checks["gravity"].value == pytest.approx(9.81, abs=0.02)
    assert checks["rate"].value == pytest.approx(100)
    assert checks["temperature"].value == pytest.approx(25, abs=0.01)


def test_a_silent_board_is_to_be_reset_and_flashed() -> None:
    board = node()
    board.is_frozen = True
    with served(board, SPEED) as port:
        checks = by_name(captured(port, wait_s=1.0))
    assert findings(checks) == {"HELLO"}
    assert checks["HELLO"].measured == "the board is silent"
    assert "press the board's reset button and see that its power LED is lit" in checks["HELLO"].what_to_do
    assert checks["rate"].state == checks["gravity"].state == "not checked"


def test_a_port_that_goes_is_to_be_plugged_in() -> None:
    pty = PtyLine()
    address = pty.address
    pty.close()
    checks = by_name(captured(address))
    assert findings(checks) == {"HELLO"}
    assert f"there is no port {address}: plug the board in" in checks["HELLO"].what_to_do
    (before,) = look_before(address)
    assert before.state == "failed"
    assert before.what_to_do == checks["HELLO"].what_to_do


def test_another_rate_than_announced_is_named_with_both() -> None:
    checks = looked(node(said={"period_us": 20_000}))
    assert findings(checks) == {"rate"}
    assert checks["rate"].measured == "100.00 samples a second by the board's clock"
    assert checks["rate"].limit == "50 as announced, ± 5%"
    assert "is mended by `fedmotion flash`" in checks["rate"].what_to_do


@pytest.mark.parametrize(("stuck", "axes"), [((1,), "ay"), ((3, 5), "gx gz")])
def test_a_stuck_axis_is_named_and_its_wires_are_to_be_checked(stuck: tuple[int, ...], axes: str) -> None:
    checks = looked(node(stuck=stuck))
    assert "stuck axes" in findings(checks)
    found = checks["stuck axes"]
    assert found.measured.startswith(f"{axes}: {axes.replace(' ', ', ')} never changes")
    assert re.search(r"\(in (\d) of \1 seconds\)$", found.measured)
    assert "check the sensor's wires and power and press reset" in found.what_to_do


def test_a_scale_other_than_announced_is_named() -> None:
    checks = looked_at_once(node(said={"accel_full_scale_g": 2}))
    assert findings(checks) == {"gravity"}
    assert checks["gravity"].measured == "|a| is 2.45 m/s²"
    assert checks["gravity"].limit == "9.81 ± 1.18 m/s² (12%)"
    assert "announces ±2 g and measures as if set to ±8 g: press reset" in checks["gravity"].what_to_do


def test_another_unit_is_named_as_the_check_of_recordings_does() -> None:
    checks = looked(node(up=(0.0, 0.0, 9.80665), accel_full_scale_g=16))
    assert findings(checks) == {"gravity"}
    assert checks["gravity"].measured == "|a| is 96.17 m/s²"
    assert "these look like m/s² that were taken for g; divide by 9.80665" in checks["gravity"].what_to_do


def test_the_end_of_the_range_is_reached_at_rest() -> None:
    checks = looked_at_once(node(imperfection=Imperfection(gyro_bias_radps=(0.0, 30.0, 0.0))))
    assert {"ends of the range", "gyroscope's bias", "stuck axes"} <= findings(checks)
    assert checks["ends of the range"].measured.startswith("gy: gy is at the end of its range in ")
    assert "use another sensor" in checks["ends of the range"].what_to_do


def test_a_bias_beyond_the_data_sheets_is_to_be_warmed_up() -> None:
    checks = looked_at_once(node(imperfection=Imperfection(gyro_bias_radps=(0.0, 0.0, np.radians(-25)))))
    assert findings(checks) == {"gyroscope's bias"}
    assert "-25.0" in checks["gyroscope's bias"].measured
    assert "let it warm up for a minute" in checks["gyroscope's bias"].what_to_do


def test_a_noisy_sensor_is_told_from_a_moved_one() -> None:
    checks = looked_at_once(node(imperfection=Imperfection(noise=8.0)))
    assert findings(checks) == {"noise"}
    assert "put the board where nothing shakes it" in checks["noise"].what_to_do


def test_a_board_that_is_moved_is_asked_for_rest() -> None:
    t_s = np.arange(0, 20, 0.01)
    force = np.stack([3 * np.sin(9 * t_s), 0 * t_s, 0 * t_s + 9.81], axis=1)
    checks = looked_at_once(node(motion=Motion(t_s, force, np.zeros((len(t_s), 3)))))
    assert findings(checks) == {"held still"}
    assert "put the board on a table, do not touch it" in checks["held still"].what_to_do
    assert checks["gravity"].measured == "the board was moved"


def test_a_sensor_that_is_off_its_bus_is_to_be_wired() -> None:
    board = node()
    board.sensor.unplug(0)
    with served(board, SPEED) as port:
        checks = by_name(captured(port, wait_s=2.5))
    assert findings(checks) == {"what it reports", "samples"}
    assert checks["what it reports"].measured == "sensor absent"
    assert "check the four wires, above all SDA and SCL" in checks["what it reports"].what_to_do


def test_a_damaged_line_is_to_have_another_cable() -> None:
    board = node()
    server = NodeServer(board, PtyLine(), speed=SPEED, damage=LineDamage(0, drop_probability=0.002))
    with served(board, server=server) as port:
        checks = by_name(captured(port))
    assert "lost and damaged" in findings(checks)
    assert "use a shorter or another cable and no hub" in checks["lost and damaged"].what_to_do


def test_a_board_that_falls_silent_while_it_is_measured_is_not_well() -> None:
    board = node()
    with served(board, SPEED) as port:
        threading.Timer(3.5 / SPEED, lambda: setattr(board, "is_frozen", True)).start()
        checks = by_name(captured(port))
    assert "samples" in findings(checks)
    assert re.fullmatch(r"none came in the last \d\.\d s", checks["samples"].measured)
    assert "see what the board reports (no fault); else look at its power LED" in checks["samples"].what_to_do


def test_what_the_board_left_out_is_no_cables_fault(sound: Capture) -> None:
    counters = replace(sound.counters, n_dropped=20)
    of = replace(sound, counters=counters, reported="bus stuck")
    lost = by_name(of)["lost and damaged"]
    assert lost.state == "failed"
    assert lost.what_to_do == "the line is sound, the board left them out: see what it reports (bus stuck)"


@pytest.mark.parametrize(
    ("cause", "measured", "what_to_do"),
    [
        (0, "at power on or for a reason that it does not know", "its power breaks down"),
        (1, "by a reset from outside", "another program opened its port"),
        (2, "by its watchdog", "flash the firmware again"),
        (3, "by a brown-out", "its power breaks down"),
        (4, "by its own firmware", "flash the firmware that comes with this program"),
        (9, "at power on or for a reason that it does not know", "its power breaks down"),
    ],
)
def test_a_restart_is_told_with_its_cause(sound: Capture, cause: int, measured: str, what_to_do: str) -> None:
    assert sound.hello is not None
    counters = replace(sound.counters, n_restarts=1)
    of = replace(sound, hello=replace(sound.hello, reset_cause=cause), counters=counters)
    restarts = by_name(of)["restarts"]
    assert restarts.measured == f"it started anew once in 6 s, {measured}"
    assert what_to_do in restarts.what_to_do


def test_what_waited_for_the_port_to_open_says_nothing_of_clocks(sound: Capture) -> None:
    came = arrivals()
    came[:90, 0] = came[90, 0] - 0.0001 * np.arange(90, 0, -1)
    checks = by_name(replace(sound, arrivals=came))
    assert {checks[name].state for name in OF_THE_MACHINE} == {"ok"}


def arrivals(n: int = 400, drift: float = 0.0, late_s: float = 0.0) -> np.ndarray:
    host_s = 5.0 + 0.01 * np.arange(n) + np.random.default_rng(1).uniform(0, 0.002, n)
    host_s[::20] += late_s
    return np.stack([host_s, 0.01 * np.arange(n) * (1 + drift)], axis=1)


@pytest.mark.parametrize(
    ("came", "name", "value", "what_to_do"),
    [
        (
            arrivals(drift=0.03),
            "the board's clock",
            30_000,
            "flash the firmware that was built for this board",
        ),
        (arrivals(late_s=0.5), "jitter at the host", 500, "plug the board into this machine without a hub"),
    ],
)
def test_clocks_are_judged_by_arrivals(
    sound: Capture, came: np.ndarray, name: str, value: float, what_to_do: str
) -> None:
    found = by_name(replace(sound, arrivals=came))[name]
    assert found.state == "warning"
    assert found.value == pytest.approx(value, rel=0.02)
    assert what_to_do in found.what_to_do


def test_small_errors_of_clocks_are_ok(sound: Capture) -> None:
    checks = by_name(replace(sound, arrivals=arrivals(drift=0.005)))
    assert {checks[name].state for name in OF_THE_MACHINE} == {"ok"}
    assert checks["the board's clock"].value == pytest.approx(5000, abs=200)


@pytest.mark.parametrize(
    ("axis_order", "wrong"),
    [
        ((1, 2, 3, 4, 5, 6), ""),
        ((2, -1, 3, 5, -4, 6), ""),  # a board that sits turned is sound
        ((2, 1, 3, 4, 5, 6), "ax and ay are exchanged"),
        ((1, 2, 3, 4, 6, 5), "gy and gz are exchanged"),
        ((1, -2, 3, 4, 5, 6), "ay has the wrong sign"),
        ((1, 2, 3, 4, 5, -6), "gz has the wrong sign"),
        ((1, 3, 2, 4, 6, 5), "of both sensors two axes are exchanged or one has the wrong sign"),
    ],
)
def test_exchanged_axes_show_while_the_board_is_turned(axis_order: tuple[int, ...], wrong: str) -> None:
    board = node(motion=turned_by_hand(), said={"axis_order": axis_order})
    (found,) = look_at_axes(pieces_of(captured_at_once(board, 8.2)))
    assert found.state == ("failed" if wrong else "ok"), found
    assert found.measured.startswith(wrong or "gyroscope and accelerometer turn alike")
    assert ("correct the axis order" in found.what_to_do) == bool(wrong)


def test_a_board_that_is_not_turned_tells_nothing_of_its_axes(sound: Capture) -> None:
    (found,) = look_at_axes(pieces_of(sound))
    assert found.state == "not checked"
    assert "it was turned too little: turn the board slowly over in your hand like a die" in found.measured


@pytest.mark.parametrize(
    ("mean", "words"),
    [
        ((0.0, 0.0, 9.8), "z points up, straight (ax ay az +0.00 +0.00 +9.80 m/s²)"),
        ((-9.7, 1.0, 0.0), "x points down, 6° off"),
        ((0.0, 7.0, 6.0), "y points up, 41° off, so it lies between two axes"),
        ((0.0, 0.0, 0.0), "no direction: every axis is 0"),
    ],
)
def test_the_direction_is_said_in_words(mean: tuple[float, ...], words: str) -> None:
    assert up_in_words(np.array(mean)).startswith(words)


def test_a_check_that_breaks_is_a_finding_and_those_before_it_stay() -> None:
    def broken() -> object:
        yield Check("machine", "first", "ok", "")
        raise ZeroDivisionError("by nothing")

    first, second = guarded("machine", "second", broken)  # type: ignore[arg-type]  # as a defect would be
    assert first.state == "ok"
    assert second.state == "failed"
    assert second.measured == "and this is a defect: ZeroDivisionError: by nothing"
    assert "please report this line" in second.what_to_do
