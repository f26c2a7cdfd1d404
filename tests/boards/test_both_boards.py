"""What both boards do with the same sensor: the same samples, each conversion once, also over the wraps."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from firmware_symbols import address_of, offset_of
from numpy.typing import NDArray

from fedmotion.boards.counting_sensor import ConversionLedger, CountingSensor
from fedmotion.boards.emulated_board import EMULATED_BOARDS, make_emulated
from fedmotion.boards.emulated_processor import EmulatedProcessor
from fedmotion.boards.recorded_takes import load_takes
from fedmotion.boards.script import recorded_script
from fedmotion.boards.virtual_mpu6050 import VirtualMpu6050
from fedmotion.protocol.serial_frames import Command, Samples, Status
from fedmotion.protocol.serial_framing import Frame, FrameDecoder, encode_frame

BEFORE_THE_WRAPS_US = 10_000_000
RUN_US = 120_000_000
START_US = 2_500_000
"""Start-up, the rate, and 400 conversions until a board knows the sensor's clock."""

MakeBoard = Callable[..., EmulatedProcessor]


@pytest.fixture
def make(built: dict[str, Path]) -> Iterator[MakeBoard]:
    """Makes emulated boards with the firmware that was built, and closes them."""
    boards: list[EmulatedProcessor] = []

    def make_one(name: str, sensor: VirtualMpu6050, clock_ppm: int = 0) -> EmulatedProcessor:
        boards.append(make_emulated(name, sensor, elf=built[name], clock_ppm=clock_ppm))
        return boards[-1]

    yield make_one
    for board in boards:
        board.close()


def send(board: EmulatedProcessor, kind: int, argument: int) -> None:
    board.receive(b"\0" + encode_frame(Command(kind, argument), 0))


def run(board: EmulatedProcessor, us: int, decoder: FrameDecoder) -> list[Frame]:
    """Let time pass and return what came in it."""
    frames: list[Frame] = []
    until_us = board.now_us + us
    while board.now_us < until_us:
        frames += decoder.feed(board.advance(min(until_us, board.now_us + 500_000)))
    assert decoder.counters.n_bad == 0
    return frames


def at_1_khz(board: EmulatedProcessor) -> FrameDecoder:
    decoder = FrameDecoder()
    run(board, 300_000, decoder)
    send(board, Command.SET_PERIOD_US, 1_000)
    run(board, START_US, decoder)
    return decoder


class Replay(CountingSensor):
    """A sensor that converts a recording's rows, one after another, from its first conversion on."""

    def __init__(self, rows: NDArray[np.int16]) -> None:
        super().__init__()
        self.rows = rows

    def read(self, t_us: NDArray[np.int64]) -> tuple[NDArray[np.int16], NDArray[np.bool_]]:
        return self.rows[self.numbers(t_us) % len(self.rows)], np.ones(len(t_us), dtype=np.bool_)


@pytest.fixture(scope="module")
def recorded(data_folder: Path) -> NDArray[np.int16]:
    """What an MPU6050 at 1 kHz makes of real people's gestures, 12 s of them."""
    takes = load_takes(data_folder / "utd_mhad_inertial.npz")
    script = recorded_script(takes, takes.people()[0], ("swipe_left", "swipe_right"), rest_s=0.3)
    sensor = VirtualMpu6050(script.motion, seed=3)
    rows, _ = sensor.read(np.arange(12_000, dtype=np.int64) * 1_000)
    return rows


@pytest.mark.timeout(240)
def test_both_boards_send_the_same_recording_as_the_same_bytes(
    make: MakeBoard, recorded: NDArray[np.int16]
) -> None:
    heard: dict[str, NDArray[np.int16]] = {}
    for name in EMULATED_BOARDS:
        board = make(name, Replay(recorded))
        decoder = at_1_khz(board)
        samples = [frame.body for frame in run(board, 8_000_000, decoder) if isinstance(frame.body, Samples)]
        heard[name] = np.concatenate([each.counts for each in samples])
    beginnings = {
        name: next(at for at in range(len(recorded)) if (recorded[at : at + 50] == rows[:50]).all())
        for name, rows in heard.items()
    }
    start = max(beginnings.values())
    n = min(beginnings[name] + len(rows) for name, rows in heard.items()) - start
    assert n > 7_800
    sent = [rows[start - beginnings[name] :][:n].astype("<i2").tobytes() for name, rows in heard.items()]
    assert sent[0] == sent[1]
    expected = np.take(recorded, np.arange(start, start + n), axis=0, mode="wrap")
    assert sent[0] == expected.astype("<i2").tobytes()


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", EMULATED_BOARDS)
def test_two_minutes_at_1_khz_over_both_wraps_lose_and_repeat_nothing(
    name: str, make: MakeBoard, built: dict[str, Path], tmp_path: Path
) -> None:
    sensor = CountingSensor()
    board = make(name, sensor)
    start_the_clock_before_its_wrap(name, board, built[name])
    decoder = at_1_khz(board)
    node = address_of(name, built[name], "node")
    # At 125 frames a second, and STATUS.
    near_the_end = 2**16 - round(126 * (BEFORE_THE_WRAPS_US - board.now_us) / 1e6)
    board.poke(node + offset_of(name, tmp_path, "sequence"), near_the_end.to_bytes(2, "little"))
    run(board, 200_000, decoder)
    ledger = ConversionLedger()
    for frame in run(board, RUN_US, decoder):
        ledger.see(sensor, frame.sequence, frame.t_us, frame.body)
    assert ledger.n_received == pytest.approx(120_000, abs=16)
    assert (ledger.n_lost, ledger.n_repeated, ledger.n_strange, ledger.n_unaccounted) == (0, 0, 0, 0)
    assert (ledger.n_time_wraps, ledger.n_sequence_wraps, ledger.n_sequence_errors) == (1, 1, 0)
    assert ledger.status is not None
    assert (ledger.status.faults, ledger.status.n_dropped) == (0, 0)
    assert np.ptp(ledger.offsets_us) < 40


def start_the_clock_before_its_wrap(name: str, board: EmulatedProcessor, elf: Path) -> None:
    """As soon as start-up has cleared the memory, and before the node asks for the time."""
    at_us = 2**32 - BEFORE_THE_WRAPS_US
    if name == "uno":
        address, value = address_of(name, elf, "timer0_overflow_count"), at_us // (256 * 4)
    else:
        address, value = address_of(name, elf, "ticked_us"), at_us
    while board.peek(address, 4) != bytes(4):
        board.advance(board.now_us + 1)
    # Memory is cleared from its start: this is its end, or near it.
    while board.peek(address + 4, 4) == bytes([0xA5] * 4):
        board.advance(board.now_us + 1)
    board.advance(board.now_us + 5)
    board.poke(address, value.to_bytes(4, "little"))


@pytest.mark.timeout(120)
@pytest.mark.parametrize("name", EMULATED_BOARDS)
@pytest.mark.parametrize("clock_ppm", [-20_000, 20_000])
def test_a_board_whose_clock_is_off_by_2_percent_still_sends_each_conversion_once(
    name: str, clock_ppm: int, make: MakeBoard
) -> None:
    sensor = CountingSensor()
    board = make(name, sensor, clock_ppm=clock_ppm)
    decoder = at_1_khz(board)
    ledger = ConversionLedger()
    frames = run(board, 5_000_000, decoder)
    for frame in frames:
        ledger.see(sensor, frame.sequence, frame.t_us, frame.body)
    # Time is the world's, and so is the sensor's.
    assert ledger.n_received == pytest.approx(5_000, abs=16)
    assert (ledger.n_lost, ledger.n_repeated, ledger.n_strange) == (0, 0, 0)
    assert board.baud == 500_000 + clock_ppm // 2
    samples = [(frame.t_us, frame.body.first_index) for frame in frames if isinstance(frame.body, Samples)]
    (first_us, first_index), (last_us, last_index) = samples[0], samples[-1]
    period_us = (last_us - first_us) / (last_index - first_index)
    assert period_us == pytest.approx(1_000 + clock_ppm / 1_000, abs=0.05)
    statuses = [frame.body for frame in frames if isinstance(frame.body, Status)]
    assert statuses[-1].faults == 0
