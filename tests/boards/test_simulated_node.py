"""The node as a state machine: what it says of itself, of its samples and to its host."""

import numpy as np
import pytest
from cobs import cobs

from fedmotion.boards.kinematics import STANDARD_GRAVITY_MPS2, Motion
from fedmotion.boards.simulated_node import SimulatedNode, batch_size
from fedmotion.boards.virtual_mpu6050 import IDEAL, VirtualMpu6050
from fedmotion.protocol.serial_frames import Command, Fault, Hello, Result, ResultCode, Samples, Status
from fedmotion.protocol.serial_framing import Frame, FrameDecoder, crc16, encode_frame


def still_sensor(seconds: float = 100.0) -> VirtualMpu6050:
    force = np.tile([0.0, 0.0, STANDARD_GRAVITY_MPS2], (2, 1))
    return VirtualMpu6050(Motion(np.array([0.0, seconds]), force, np.zeros((2, 3))), imperfection=IDEAL)


def frames_of(data: bytes) -> list[Frame]:
    decoder = FrameDecoder()
    frames = decoder.feed(data)
    assert decoder.counters.n_bad == 0
    return frames


def samples_of(frames: list[Frame]) -> list[tuple[int, int, list[int]]]:
    """Index, instant and counts of each sample."""
    return [
        (body.first_index + k, frame.t_us + k * body.period_us, row)
        for frame in frames
        if isinstance(body := frame.body, Samples)
        for k, row in enumerate(body.counts.tolist())
    ]


def results_of(frames: list[Frame]) -> list[tuple[int, int, int]]:
    return [
        (body.command_type, body.command_sequence, body.code)
        for frame in frames
        if isinstance(body := frame.body, Result)
    ]


def last_status(frames: list[Frame]) -> Status:
    return [frame.body for frame in frames if isinstance(frame.body, Status)][-1]


def test_a_node_begins_by_saying_what_it_is() -> None:
    node = SimulatedNode(still_sensor(), board_id=7)
    (frame,) = frames_of(node.advance(0))
    assert (frame.sequence, frame.t_us) == (0, 0)
    assert frame.body == Hello((0, 1, 0), "simulated", 7, 0x68, 8, 1000, 10_000)


def test_a_still_board_streams_one_g_upwards_at_its_period() -> None:
    node = SimulatedNode(still_sensor())
    samples = samples_of(frames_of(node.advance(50_000)))
    assert samples == [(k, 10_000 * (k + 1), [0, 0, 4096, 0, 0, 0]) for k in range(5)]


@pytest.mark.parametrize(("period_us", "n"), [(65_535, 1), (10_000, 1), (5_000, 3), (2_000, 8), (1_000, 8)])
def test_samples_are_batched_so_that_none_waits_longer_than_16_ms(period_us: int, n: int) -> None:
    assert batch_size(period_us) == n
    assert (n - 1) * period_us < 16_000


def test_no_sample_is_lost_or_late_in_a_minute_at_1_khz() -> None:
    node = SimulatedNode(still_sensor(), period_us=1_000)
    frames = frames_of(b"".join(node.advance(until) for until in range(0, 60_000_001, 50_000)))
    samples = samples_of(frames)
    assert [index for index, _, _ in samples] == list(range(60_000))
    assert [t_us for _, t_us, _ in samples] == list(range(1_000, 60_001_000, 1_000))
    assert [frame.sequence for frame in frames] == list(range(len(frames)))
    status = last_status(frames)
    assert (status.faults, status.n_samples, status.n_dropped, status.n_sensor_errors) == (0, 60_000, 0, 0)


def test_status_comes_once_a_second_with_the_temperature() -> None:
    frames = frames_of(SimulatedNode(still_sensor()).advance(3_500_000))
    statuses = [frame for frame in frames if isinstance(frame.body, Status)]
    assert [frame.t_us for frame in statuses] == [1_000_000, 2_000_000, 3_000_000]
    assert statuses[0].body == Status(0, 100, 0, 0, 0, 0, -3920, is_streaming=True)


@pytest.mark.parametrize("step_us", [1_000, 3_333, 64_000, 5_000_000])
def test_the_bytes_do_not_depend_on_how_time_is_cut(step_us: int) -> None:
    def stream(step_us: int) -> bytes:
        node = SimulatedNode(still_sensor(), period_us=1_700, jitter_us=300, seed=5)
        return b"".join(
            node.advance(min(until, 5_000_000)) for until in range(0, 5_000_000 + step_us, step_us)
        )

    assert stream(step_us) == stream(500_000)


def test_jitter_moves_sampling_instants_and_their_time_stamps_by_seed() -> None:
    def instants(seed: int) -> list[int]:
        node = SimulatedNode(still_sensor(), jitter_us=400, seed=seed)
        return [t_us for _, t_us, _ in samples_of(frames_of(node.advance(1_000_000)))]

    offsets = np.array(instants(1)) - 10_000 * np.arange(1, 101)
    assert 300 < np.abs(offsets).max() <= 400
    assert instants(1) == instants(1) != instants(2)


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (Command(Command.SET_PERIOD_US, 2_000), {"period_us": 2_000}),
        (Command(Command.SET_ACCEL_FULL_SCALE_G, 2), {"accel_full_scale_g": 2}),
        (Command(Command.SET_GYRO_FULL_SCALE_DPS, 250), {"gyro_full_scale_dps": 250}),
        (Command(Command.SET_BOARD_ID, 2**64 - 1), {"board_id": 2**64 - 1}),
        (Command(Command.GET_HELLO), {"board": "simulated"}),
    ],
)
def test_a_setting_is_acknowledged_and_then_announced(command: Command, expected: dict[str, object]) -> None:
    node = SimulatedNode(still_sensor())
    node.advance(15_000)
    node.receive(encode_frame(command, 4321))
    result, hello = frames_of(node.advance(15_000))
    assert result.body == Result(command.type, 4321, ResultCode.OK)
    assert isinstance(hello.body, Hello)
    assert {name: getattr(hello.body, name) for name in expected} == expected


def test_a_new_range_changes_the_counts_and_a_new_period_the_instants() -> None:
    node = SimulatedNode(still_sensor())
    node.advance(20_000)
    node.receive(encode_frame(Command(Command.SET_ACCEL_FULL_SCALE_G, 2), 0))
    node.receive(encode_frame(Command(Command.SET_PERIOD_US, 20_000), 1))
    samples = samples_of(frames_of(node.advance(60_000)))
    assert samples == [(2, 40_000, [0, 0, 16384, 0, 0, 0]), (3, 60_000, [0, 0, 16384, 0, 0, 0])]


@pytest.mark.parametrize(
    "command",
    [
        Command(Command.SET_PERIOD_US, 0),
        Command(Command.SET_PERIOD_US, 999),
        Command(Command.SET_PERIOD_US, 65_536),
        Command(Command.SET_ACCEL_FULL_SCALE_G, 3),
        Command(Command.SET_GYRO_FULL_SCALE_DPS, 300),
        Command(Command.SET_TEXT_MODE, 2),
        Command(Command.SET_STREAMING, 9),
    ],
)
def test_a_setting_out_of_range_is_refused_counted_and_changes_nothing(command: Command) -> None:
    node = SimulatedNode(still_sensor())
    before = frames_of(node.advance(0))[0].body
    node.receive(encode_frame(command, 1))
    (result,) = frames_of(node.advance(0))
    assert result.body == Result(command.type, 1, ResultCode.OUT_OF_RANGE)
    assert node.status().n_bad_commands == 1
    node.receive(encode_frame(Command(Command.GET_HELLO), 2))
    assert frames_of(node.advance(0))[1].body == before


def frame_of(frame_type: int, payload: bytes) -> bytes:
    """A whole frame by the page's rules, whatever it says."""
    plain = bytes([frame_type, 5, 0, 0, 0, 0, 0]) + payload
    return bytes(cobs.encode(plain + crc16(plain).to_bytes(2, "little"))) + b"\0"


def test_whole_frames_that_are_no_command_are_answered_and_counted() -> None:
    node = SimulatedNode(still_sensor())
    node.advance(0)
    node.receive(frame_of(0x50, b"model") + frame_of(0x43, b"\1\2"))
    assert results_of(frames_of(node.advance(0))) == [
        (0x50, 5, ResultCode.UNKNOWN_COMMAND),
        (0x43, 5, ResultCode.BAD_LENGTH),
    ]
    assert node.status().n_bad_commands == 2


def test_garbage_from_the_host_is_counted_and_the_next_command_obeyed() -> None:
    node = SimulatedNode(still_sensor())
    node.advance(0)
    rng = np.random.default_rng(1)
    garbage = rng.bytes(5_000).replace(b"\0", b"x") + b"\0AT+RST\r\n\0" + frame_of(0x02, b"echo") + b"\0\0"
    for start in range(0, len(garbage), 3):
        node.receive(garbage[start : start + 3])
    assert node.advance(0) == b""
    assert node.status().n_bad_commands == 3
    node.receive(encode_frame(Command(Command.GET_STATUS), 8))
    result, status = frames_of(node.advance(0))
    assert result.body == Result(Command.GET_STATUS, 8, ResultCode.OK)
    assert isinstance(status.body, Status)
    assert status.body.n_bad_commands == 3


def test_without_streaming_no_samples_come_and_their_indices_are_skipped() -> None:
    node = SimulatedNode(still_sensor())
    node.receive(encode_frame(Command(Command.SET_STREAMING, 0), 0))
    frames = frames_of(node.advance(1_000_000))
    assert samples_of(frames) == []
    assert not last_status(frames).is_streaming
    node.receive(encode_frame(Command(Command.SET_STREAMING, 1), 1))
    assert samples_of(frames_of(node.advance(1_010_000)))[0][:2] == (100, 1_010_000)


def test_text_mode_prints_lines_for_a_plotter_and_still_obeys() -> None:
    node = SimulatedNode(still_sensor())
    node.advance(0)
    node.receive(encode_frame(Command(Command.SET_TEXT_MODE, 1), 0))
    node.advance(0)
    assert node.advance(20_000) == b"ax:0,ay:0,az:4096,gx:0,gy:0,gz:0\r\n" * 2
    assert node.advance(1_000_000).count(b"\r\n") == 98
    node.receive(encode_frame(Command(Command.SET_TEXT_MODE, 0), 1))
    (result,) = frames_of(node.advance(1_000_000))
    assert result.body == Result(Command.SET_TEXT_MODE, 1, ResultCode.OK)
    assert len(samples_of(frames_of(node.advance(1_020_000)))) == 2


def test_an_unplugged_sensor_gives_no_samples_but_a_fault_and_the_index_goes_on() -> None:
    sensor = still_sensor()
    sensor.unplug(21_500, 25_500)
    node = SimulatedNode(sensor, period_us=1_000)
    frames = frames_of(node.advance(1_000_000))
    indices = [index for index, _, _ in samples_of(frames)]
    assert indices == [*range(21), *range(25, 25 + len(indices) - 21)]
    status = last_status(frames)
    assert status.faults == Fault.SENSOR_ABSENT
    assert (status.n_samples, status.n_sensor_errors, status.n_dropped) == (996, 4, 0)
    for frame in frames:
        if isinstance(frame.body, Samples):
            assert (frame.body.counts[:, 2] == 4096).all()


def test_what_finds_no_room_is_dropped_counted_and_its_index_skipped() -> None:
    node = SimulatedNode(still_sensor(), transmit_buffer_bytes=256)
    backlog = node.advance(0)
    sent = backlog
    for until in range(10_000, 500_001, 10_000):  # nobody reads
        out = node.advance(until, len(backlog))
        backlog += out
        sent += out
    assert len(backlog) <= 256
    n_sent = len(samples_of(frames_of(sent)))
    status = node.status()
    assert status.faults == Fault.TRANSMIT_STALLED
    assert (status.n_samples, status.n_dropped) == (50, 50 - n_sent)
    assert status.n_transmit_stalls == status.n_dropped > 30
    assert samples_of(frames_of(node.advance(510_000, 0)))[0][:2] == (50, 510_000)


def test_a_restart_counts_from_zero_while_the_motion_goes_on() -> None:
    rising = Motion(np.array([0.0, 10.0]), np.array([[0, 0, 0], [0, 0, 50.0]]), np.zeros((2, 3)))
    node = SimulatedNode(VirtualMpu6050(rising, imperfection=IDEAL), board_id=3)
    node.receive(encode_frame(Command(Command.SET_PERIOD_US, 1_000), 0))
    node.advance(5_000_000)
    node.restart()
    hello, *frames = frames_of(node.advance(10_000))
    assert isinstance(hello.body, Hello)
    assert (hello.sequence, hello.t_us) == (0, 0)
    assert (hello.body.period_us, hello.body.board_id, hello.body.reset_cause) == (10_000, 3, 1)
    ((index, t_us, counts),) = samples_of(frames)
    assert (index, t_us) == (0, 10_000)
    assert counts[2] == round(50.0 * 0.501 * 4096 / STANDARD_GRAVITY_MPS2)


def test_a_frozen_node_says_nothing_and_hears_nothing() -> None:
    node = SimulatedNode(still_sensor())
    node.advance(10_000)
    node.is_frozen = True
    node.receive(encode_frame(Command(Command.GET_HELLO), 0))
    assert node.advance(5_000_000) == b""
    node.restart()
    assert isinstance(frames_of(node.advance(0))[0].body, Hello)


def test_impossible_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="the period is 1000 to 65535 us, got 999"):
        SimulatedNode(still_sensor(), period_us=999)
    with pytest.raises(ValueError, match="the jitter is 0 to 499 us, got 500"):
        SimulatedNode(still_sensor(), jitter_us=500)
