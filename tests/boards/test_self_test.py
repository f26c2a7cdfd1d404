"""The self-test of both boards without hardware: the firmware and the simulated node say the same."""

import threading
from pathlib import Path

import numpy as np
import pytest

from fedmotion.boards.emulated_board import EMULATED_BOARDS, make_emulated
from fedmotion.boards.fault_plan import FaultPlan, parse_faults
from fedmotion.boards.kinematics import STANDARD_GRAVITY_MPS2, Motion
from fedmotion.boards.node_server import NodeServer
from fedmotion.boards.posix_terminal import PtyLine
from fedmotion.boards.self_test import CODES, registers, trims_si
from fedmotion.boards.simulated_node import SimulatedNode
from fedmotion.boards.virtual_mpu6050 import Imperfection, VirtualMpu6050
from fedmotion.host.doctor_checks import Check
from fedmotion.host.doctor_self_test import look_at_self_test
from fedmotion.host.self_test import run_self_test
from fedmotion.protocol.self_test_frame import SelfTest, SelfTestOutcome
from fedmotion.protocol.serial_frames import Command, Result, ResultCode, Samples
from fedmotion.protocol.serial_framing import FrameDecoder, encode_frame

WORN = Imperfection(
    gyro_bias_radps=(np.radians(1.5), 0.0, np.radians(-0.5)),
    self_test_error=(0.05, -0.2, 0.0, 0.13, -0.01, 0.3),
)
STREAMING_OFF = encode_frame(Command(Command.SET_STREAMING, 0), 0)
STREAMING_ON = encode_frame(Command(Command.SET_STREAMING, 1), 2)
RUN = encode_frame(Command(Command.RUN_SELF_TEST), 1)


def sensor(imperfection: Imperfection, *, turning_degps: float = 0.0) -> VirtualMpu6050:
    """A sensor that lies still, or turns ever faster."""
    t_s = np.array([0.0, 100.0])
    up = np.tile([0.0, 0.0, STANDARD_GRAVITY_MPS2], (2, 1))
    turning = np.array([[0.0, 0.0, 0.0], [0.0, 0.0, np.radians(turning_degps) * 100]])
    return VirtualMpu6050(Motion(t_s, up, turning), seed=2, imperfection=imperfection)


def test_the_registers_hold_the_codes_as_the_register_map_has_them() -> None:
    assert registers((0b10110, 0b00001, 0b11111, 5, 6, 7)) == bytes([0xA5, 0x06, 0xE7, 0b10_01_11])
    with pytest.raises(ValueError, match="trim codes are six of 0 to 31, got"):
        registers((32, 0, 0, 0, 0, 0))


def test_what_the_push_does_by_hand() -> None:
    """Code 1 of each: 0.34 g and 25 degrees a second of the rounded 131 counts."""
    moved = trims_si((1,) * 6)
    assert moved[:3] == pytest.approx(0.34 * STANDARD_GRAVITY_MPS2)
    assert np.degrees(moved[3:]) == pytest.approx([24.986, -24.986, 24.986], abs=1e-3)
    assert trims_si((0,) * 6).tolist() == [0] * 6


def simulated(imperfection: Imperfection, **motion: float) -> SelfTest:
    node = SimulatedNode(sensor(imperfection, **motion))
    node.receive(b"\0" + STREAMING_OFF + RUN)
    frames = FrameDecoder().feed(node.advance(440_000))
    assert not any(isinstance(frame.body, SelfTest) for frame in frames)
    (report,) = [frame.body for frame in FrameDecoder().feed(node.advance(500_000))]
    assert isinstance(report, SelfTest)
    return report


def test_the_simulated_node_says_what_its_sensor_is_made_to_have() -> None:
    report = simulated(WORN)
    assert report.outcome == SelfTestOutcome.DONE
    assert list(report.deviation_permille) == [pytest.approx(v, abs=6) for v in (50, -200, 0, 130, -10, 300)]
    assert report.rest_degps == pytest.approx([1.5, 0.0, -0.5], abs=0.05)
    assert report.temperature_degc == pytest.approx(25.0, abs=0.01)


@pytest.mark.parametrize("name", EMULATED_BOARDS)
def test_the_firmware_in_the_emulators_says_the_same(name: str, built: dict[str, Path]) -> None:
    with make_emulated(name, sensor(WORN), elf=built[name]) as board:
        decoder = FrameDecoder()
        decoder.feed(board.advance(500_000))
        board.receive(b"\0" + STREAMING_OFF + RUN)
        frames = decoder.feed(board.advance(1_200_000))
        results = [frame.body.code for frame in frames if isinstance(frame.body, Result)]
        (report,) = [frame.body for frame in frames if isinstance(frame.body, SelfTest)]
        board.receive(b"\0" + STREAMING_ON)
        frames = decoder.feed(board.advance(2_200_000))
        assert (board.n_overruns, decoder.counters.n_bad) == (0, 0)
    assert results == [ResultCode.OK, ResultCode.OK]
    told = simulated(WORN)
    assert report.outcome == SelfTestOutcome.DONE
    assert list(report.deviation_permille) == [pytest.approx(v, abs=8) for v in told.deviation_permille]
    assert list(report.rest_counts) == [pytest.approx(v, abs=6) for v in told.rest_counts]
    assert report.temperature_lsb == told.temperature_lsb
    # The samples afterwards are of the sensor as it was set before: 1 g of 8, and no push.
    counts = np.concatenate([frame.body.counts for frame in frames if isinstance(frame.body, Samples)])
    assert len(counts) > 90
    assert np.abs(counts[:, 2] - 4096).max() < 60


@pytest.mark.parametrize("name", EMULATED_BOARDS)
def test_a_sensor_that_turns_is_judged_by_no_board(name: str, built: dict[str, Path]) -> None:
    assert simulated(Imperfection(), turning_degps=200).outcome == SelfTestOutcome.MOVED
    with make_emulated(name, sensor(Imperfection(), turning_degps=200), elf=built[name]) as board:
        board.advance(500_000)
        board.receive(b"\0" + STREAMING_OFF + RUN)
        frames = FrameDecoder().feed(board.advance(1_200_000))
    (report,) = [frame.body for frame in frames if isinstance(frame.body, SelfTest)]
    assert report.outcome == SelfTestOutcome.MOVED


def doctors_row(name: str, elf: Path, *faults: str) -> Check:
    """What the doctor says of an emulated board's self-test, asked as soon as it has started."""
    with make_emulated(name, sensor(Imperfection()), elf=elf) as board:
        plan = FaultPlan(board, parse_faults(faults, is_emulated=True))
        server = NodeServer(board, PtyLine(), plan=plan)
        stop = threading.Event()
        thread = threading.Thread(target=server.serve, args=(stop,))
        thread.start()
        try:
            (check,) = look_at_self_test(run_self_test(server.address, 500_000, wait_s=20.0))
        finally:
            stop.set()
            thread.join(20)
            assert not thread.is_alive()
    return check


@pytest.mark.parametrize("name", EMULATED_BOARDS)
def test_the_doctor_has_a_row_for_it_and_names_a_broken_axis(name: str, built: dict[str, Path]) -> None:
    sound = doctors_row(name, built[name])
    assert (sound.name, sound.state, sound.limit) == ("self-test", "ok", "± 14 %"), sound.measured
    assert sound.measured.startswith("ax ")
    assert sound.measured.endswith(" deg/s at 25.0 °C")
    broken = doctors_row(name, built[name], "fail_self_test:gy@0")
    assert broken.state == "failed"
    assert broken.what_to_do.startswith("gy is not as it left the factory")
    assert broken.value == pytest.approx(-30, abs=1)


def test_a_sensor_that_is_unplugged_is_said_to_be_lost() -> None:
    unplugged = sensor(Imperfection())
    node = SimulatedNode(unplugged)
    node.receive(b"\0" + STREAMING_OFF + RUN)
    unplugged.unplug(300_000)
    frames = FrameDecoder().feed(node.advance(500_000))
    assert [frame.body.outcome for frame in frames if isinstance(frame.body, SelfTest)] == [
        SelfTestOutcome.SENSOR_LOST
    ]


def test_the_codes_are_in_the_middle_of_their_range() -> None:
    assert all(8 <= code <= 24 for code in CODES)
