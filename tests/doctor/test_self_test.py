"""The doctor and the sensor's self-test, with boards on real ptys."""

from dataclasses import replace

import numpy as np
import pytest
from still_boards import node, served, turned_by_hand

from fedmotion.boards.posix_terminal import PtyLine
from fedmotion.boards.simulated_node import SimulatedNode
from fedmotion.boards.virtual_mpu6050 import Imperfection
from fedmotion.host import self_test
from fedmotion.host.doctor_checks import Check
from fedmotion.host.doctor_self_test import look_at_self_test
from fedmotion.host.self_test import SelfTested, run_self_test
from fedmotion.protocol.self_test_frame import SelfTest
from fedmotion.protocol.serial_frames import ResultCode

SOUND = SelfTest(0, 140, 250, (0, 10, -20, 30, -139, 140), (131, 0, -262), -3920)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(self_test, "_RESULT_WAIT_S", 0.5)
    monkeypatch.setattr(self_test, "_TEST_WAIT_S", 10.0)  # a busy machine's second is long


def check_of(report: SelfTest) -> Check:
    (check,) = look_at_self_test(SelfTested(report))
    return check


def check_over_a_pty(board: SimulatedNode) -> Check:
    with served(board) as port:
        (check,) = look_at_self_test(run_self_test(port, 500_000, wait_s=10.0))
    return check


def test_a_sound_board_is_asked_and_streams_again() -> None:
    board = node(imperfection=Imperfection(gyro_bias_radps=(np.radians(1.0), 0.0, 0.0)))
    check = check_over_a_pty(board)
    assert (check.section, check.name, check.state, check.limit) == ("sensor", "self-test", "ok", "± 14 %")
    assert check.measured.startswith("ax ")
    assert " % from the trim; at rest +0.9" in check.measured or " at rest +1.0" in check.measured
    assert check.measured.endswith(" deg/s at 25.0 °C")
    assert check.value == pytest.approx(0, abs=1.0)
    assert board.is_streaming
    assert board.n_bad_commands == 0


def test_an_axis_that_answers_too_little_is_named_with_what_to_do() -> None:
    check = check_over_a_pty(node(imperfection=Imperfection(self_test_error=(0, 0, 0, 0, -0.3, 0))))
    assert check.state == "failed"
    assert "gy -30." in check.measured or "gy -29." in check.measured
    assert check.what_to_do.startswith(
        "gy is not as it left the factory, after a blow or because it is a copy"
    )
    assert check.value == pytest.approx(-30, abs=1)


def test_a_board_that_is_turned_meanwhile_is_not_judged() -> None:
    check = check_over_a_pty(node(motion=turned_by_hand(100.0)))
    assert (check.state, check.measured) == ("not checked", "the board was moved meanwhile")


class Answering(SimulatedNode):
    """A node that answers otherwise to two commands."""

    to_test: ResultCode = ResultCode.OK
    to_streaming: ResultCode = ResultCode.OK

    def _run_self_test(self, _: int) -> ResultCode:
        return super()._run_self_test(0) if self.to_test is ResultCode.OK else self.to_test

    def _set_streaming(self, is_streaming: int) -> ResultCode:
        if self.to_streaming is ResultCode.OK or is_streaming:
            return super()._set_streaming(is_streaming)
        return self.to_streaming


def answering(**codes: ResultCode) -> Answering:
    board = node()
    board.__class__ = Answering
    assert isinstance(board, Answering)
    for name, code in codes.items():
        setattr(board, name, code)
    return board


@pytest.mark.parametrize(
    ("codes", "sentence"),
    [
        (
            {"to_test": ResultCode.UNKNOWN_COMMAND},
            "its firmware does not have it: `fedmotion flash` brings it to an Uno, a Nano or a DA14580",
        ),
        ({"to_test": ResultCode.FAILED}, "the board does not begin it (it answers FAILED)"),
        ({"to_streaming": ResultCode.BUSY}, "the board does not stop streaming (it answers BUSY)"),
    ],
)
def test_a_board_that_does_not_do_it_is_not_checked_and_streams_on(
    codes: dict[str, ResultCode], sentence: str
) -> None:
    board = answering(**codes)
    check = check_over_a_pty(board)
    assert (check.state, check.measured, check.what_to_do) == ("not checked", sentence, "")
    assert board.is_streaming


def test_a_line_without_a_board_says_no_hello() -> None:
    pty = PtyLine()
    (check,) = look_at_self_test(run_self_test(pty.address, 500_000, wait_s=0.3))
    pty.close()
    assert (check.state, check.measured) == ("not checked", "the board says no HELLO")


def test_a_port_that_is_not_there_says_why() -> None:
    tested = run_self_test("/dev/none", 500_000)
    assert tested.report is None
    assert "there is no port /dev/none" in tested.why


def test_a_port_that_goes_meanwhile_is_said() -> None:
    class Gone:
        def read(self) -> bytes:
            raise OSError(5, "Input/output error")

        def write(self, data: bytes) -> None:
            pass

        def close(self) -> None:
            pass

    tested = run_self_test("/dev/ttyACM0", 500_000, open_line=lambda *_: Gone())
    assert tested.why == ("/dev/ttyACM0 went away ([Errno 5] Input/output error): plug the board in again")


def test_the_limit_is_the_board_s_and_counts_as_sound() -> None:
    assert check_of(SOUND).state == "ok"
    assert check_of(SOUND).measured == (
        "ax +0.0 % ay +1.0 % az -2.0 % gx +3.0 % gy -13.9 % gz +14.0 % from the trim; "
        "at rest +1.00 +0.00 -2.00 deg/s at 25.0 °C"
    )
    assert check_of(replace(SOUND, limit_permille=139)).state == "failed"


@pytest.mark.parametrize(
    ("deviation", "said"),
    [
        ((0, 0, -1000, 0, 0, 0), "az does not answer at all and is broken: use another sensor"),
        ((141, 0, 0, 0, -141, 0), "ax gy is not as it left the factory"),
    ],
)
def test_what_to_do_goes_by_how_the_axes_answer(
    deviation: tuple[int, int, int, int, int, int], said: str
) -> None:
    check = check_of(replace(SOUND, deviation_permille=deviation))
    assert check.state == "failed"
    assert check.what_to_do.startswith(said)


def test_axes_without_a_trim_are_left_out_and_a_sensor_without_any_is_not_judged() -> None:
    none = SelfTest.NO_TRIM
    check = check_of(replace(SOUND, deviation_permille=(none, 0, 0, 0, 0, 10)))
    assert check.state == "ok"
    assert check.measured.startswith("ax not said ay +0.0 %")
    check = check_of(replace(SOUND, deviation_permille=(none,) * 6))
    assert (check.state, check.measured) == (
        "not checked",
        "the sensor does not say what the factory measured",
    )


@pytest.mark.parametrize(
    ("outcome", "state", "measured"),
    [
        (1, "not checked", "this sensor's is not known: an MPU6050's alone is"),
        (3, "failed", "the sensor went meanwhile, or did not take its settings"),
        (77, "not checked", "the board could not do it"),
    ],
)
def test_other_outcomes_are_said(outcome: int, state: str, measured: str) -> None:
    check = check_of(replace(SOUND, outcome=outcome))
    assert (check.state, check.measured) == (state, measured)
