"""Faults at times: what is understood, and what a host then sees of each board."""

import queue
import re
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from fedmotion.boards.emulated_board import run_da14580, run_uno
from fedmotion.boards.fault_plan import PlannedFault, emulated_fault_names, fault_names, parse_faults
from fedmotion.boards.simulated_board import run
from fedmotion.protocol.serial_frames import Command, Fault, Hello, Samples, Status
from fedmotion.protocol.serial_framing import DELIMITER, Frame, FrameDecoder, encode_frame

DEADLINE_S = 30.0


class Heard:
    """All frames of a run as fast as they can be read, over each connection until the performance ends."""

    def __init__(self, board: Callable[..., object], *faults: str, **arguments: object) -> None:
        self.told: list[str] = []
        self.frames: list[list[Frame]] = []
        self.n_bad = 0
        addresses: queue.Queue[str] = queue.Queue()
        planned = parse_faults(faults, is_emulated=board is not run)
        thread = threading.Thread(
            target=board,
            kwargs={
                "counts": {"swipe_left": 1},
                "speed": 0,
                "exit_at_end": True,
                "faults": planned,
                "tell": self.told.append,
                "announce": addresses.put,
                **arguments,
            },
        )
        thread.start()
        host, port = addresses.get(timeout=DEADLINE_S).removeprefix("socket://").split(":")
        while thread.is_alive():
            try:
                with socket.create_connection((host, int(port)), timeout=DEADLINE_S) as line:
                    self._hear(line)
            except OSError:
                thread.join(0.01)
        thread.join(DEADLINE_S)
        assert not thread.is_alive()

    def _hear(self, line: socket.socket) -> None:
        decoder = FrameDecoder()
        frames: list[Frame] = []
        self.frames.append(frames)
        line.sendall(DELIMITER + encode_frame(Command(Command.GET_HELLO), 0))
        while data := line.recv(65536):
            frames += decoder.feed(data)
        self.n_bad += decoder.counters.n_bad

    @property
    def all_frames(self) -> list[Frame]:
        return [frame for frames in self.frames for frame in frames]

    def hellos(self) -> list[Hello]:
        return [frame.body for frame in self.all_frames if isinstance(frame.body, Hello)]

    def last_status(self) -> Status:
        return [frame.body for frame in self.all_frames if isinstance(frame.body, Status)][-1]

    def gaps_s(self) -> list[tuple[float, float]]:
        """From when to when, in the board's time since its start, samples are missing by their index."""
        gaps: list[tuple[float, float]] = []
        next_index, last_us = 0, 0
        for frame in self.all_frames:
            if not isinstance(frame.body, Samples):
                continue
            if frame.body.first_index > next_index and frame.t_us > last_us:
                gaps.append((last_us * 1e-6, frame.t_us * 1e-6))
            next_index = frame.body.first_index + len(frame.body.counts)
            last_us = frame.t_us + (len(frame.body.counts) - 1) * frame.body.period_us
        return gaps


def test_a_fault_has_a_name_a_time_and_perhaps_an_argument() -> None:
    texts = ["who_am_i:7F@2", "unplug_sensor@1.5", "hold_sda@1e1", "hold_sda:9@0", "damage_line:.5@3"]
    assert parse_faults(texts, is_emulated=True) == (
        PlannedFault("hold_sda", 0.0, 9),
        PlannedFault("unplug_sensor", 1.5, 0),
        PlannedFault("who_am_i", 2.0, 0x7F),
        PlannedFault("damage_line", 3.0, 0.5),
        PlannedFault("hold_sda", 10.0, 0xFFFFFFFF),
    )
    assert parse_faults([], is_emulated=False) == ()


@pytest.mark.parametrize(
    "name", ["fail_self_test", "nack_data", "hold_sda", "who_am_i", "clock_off", "damage_line"]
)
def test_the_example_in_a_refusal_is_allowed(name: str) -> None:
    with pytest.raises(ValueError, match=r", as in \S+@5, got") as caught:
        parse_faults([f"{name}:none@1"], is_emulated=True)
    (example,) = re.findall(r"as in (\S+), got", str(caught.value))
    assert parse_faults([example], is_emulated=True)[0].name == name


def test_faults_at_the_same_time_stay_in_their_order() -> None:
    plan = parse_faults(["reset@1", "plug_sensor@1", "brown_out@1"], is_emulated=False)
    assert [fault.name for fault in plan] == ["reset", "plug_sensor", "brown_out"]


@pytest.mark.parametrize("text", ["reset", "reset@", "@5", "", "reset@-1", "reset@soon", "reset@nan"])
def test_a_fault_without_a_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"a fault is NAME@SECONDS or|0 or more seconds of the board's time"):
        parse_faults([text], is_emulated=True)


@pytest.mark.parametrize("when", ["inf", "1e99", "1_0", " 1", "\N{ARABIC-INDIC DIGIT ONE}"])
def test_a_time_is_an_ordinary_number(when: str) -> None:
    with pytest.raises(ValueError, match=r"reset: a fault's time is 0 or more seconds"):
        parse_faults([f"reset@{when}"], is_emulated=False)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("nack_data@1", "nack_data takes how many, 1 to 65535, as in nack_data:1@5, got nothing"),
        ("nack_data:@1", "nack_data takes how many, 1 to 65535, as in nack_data:1@5, got ''"),
        ("nack_addresses:0@1", "got '0'"),
        ("nack_addresses:1.5@1", "got '1.5'"),
        (f"nack_addresses:{'9' * 400}@1", "nack_addresses takes how many, 1 to 65535"),
        ("hold_sda:65536@1", "hold_sda takes after how many clocks it ends, 1 to 65535"),
        ("who_am_i:100@1", "who_am_i takes a hexadecimal byte, 00 to FF, as in who_am_i:70@5, got '100'"),
        ("fail_self_test:1@1", "takes an axis, ax ay az gx gy gz, as in fail_self_test:gy@5, got '1'"),
        ("damage_line:1.1@1", "damage_line takes each byte's probability, 0 to 1"),
        ("reset:1@2", "reset takes no argument, as in reset@2, got '1'"),
        ("explode@2", "a fault of this board is one of unplug_sensor, plug_sensor, pull_cable"),
    ],
)
def test_an_impossible_fault_is_refused_with_what_is_allowed(text: str, sentence: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the sentence is asserted as it stands
        parse_faults([text], is_emulated=True)
    assert sentence in str(caught.value)


@pytest.mark.parametrize("name", emulated_fault_names())
def test_a_simulated_board_has_no_pins(name: str) -> None:
    with pytest.raises(ValueError, match=f"got '{name}': that takes --board uno or da14580"):
        parse_faults([f"{name}:1@0"], is_emulated=False)


def test_the_faults_stand_in_the_emulators_document() -> None:
    document = (Path(__file__).parents[2] / "docs" / "emulator.md").read_text("utf-8")
    for name in (*fault_names(), *emulated_fault_names()):
        assert f"`{name}" in document


@pytest.mark.parametrize("board", [run, run_uno, run_da14580])
def test_a_sensor_is_away_from_one_time_to_another(
    board: Callable[..., object], request: pytest.FixtureRequest
) -> None:
    if board is not run:
        request.getfixturevalue("firmware_elf" if board is run_uno else "da14580_elf")
    heard = Heard(board, "plug_sensor@1.5", "unplug_sensor@1")
    assert heard.told == [
        "1.000 s: unplug_sensor, the sensor is off its bus",
        "1.500 s: plug_sensor, it is there again, as after power on",
    ]
    ((start_s, stop_s),) = heard.gaps_s()
    assert 0.98 <= start_s <= 1.0
    # The firmware looks for it every 0.1 s and then sets it anew.
    assert 1.5 <= stop_s <= (1.51 if board is run else 1.9)
    assert heard.last_status().faults == Fault.SENSOR_ABSENT
    assert heard.n_bad == 0


@pytest.mark.parametrize("board", [run, run_uno, run_da14580])
def test_a_brown_out_and_a_button_are_told_apart(
    board: Callable[..., object], request: pytest.FixtureRequest
) -> None:
    if board is not run:
        request.getfixturevalue("firmware_elf" if board is run_uno else "da14580_elf")
    heard = Heard(board, "brown_out@1", "reset@1.5")
    causes = [hello.reset_cause for hello in heard.hellos()]
    # A DA14580 cannot tell its two resets from outside apart.
    assert list(dict.fromkeys(causes))[-2:] == ([0, 1] if board is run_da14580 else [3, 1])
    assert heard.gaps_s() == []


@pytest.mark.parametrize("board", [run, run_uno, run_da14580])
def test_a_pulled_cable_ends_the_line_and_a_plugged_one_is_a_power_on(
    board: Callable[..., object], request: pytest.FixtureRequest
) -> None:
    if board is not run:
        request.getfixturevalue("firmware_elf" if board is run_uno else "da14580_elf")
    heard = Heard(board, "pull_cable@1", "pull_cable@1.1", "plug_cable@1.2", "plug_cable@1.3")
    assert len(heard.told) == 4
    before, *_, after = [frames for frames in heard.frames if frames]
    assert max(frame.t_us for frame in before) < 1_100_000
    assert heard.hellos()[-1].reset_cause == 0
    assert any(isinstance(frame.body, Samples) for frame in after)


def test_a_damaged_line_costs_frames_until_it_is_mended() -> None:
    heard = Heard(run, "damage_line:0.01@1", "mend_line@2")
    assert heard.n_bad > 5
    gaps_s = heard.gaps_s()
    assert len(gaps_s) > 5
    assert gaps_s[0][0] > 0.95
    assert gaps_s[-1][1] < 2.05
    assert heard.last_status().faults == 0


@pytest.mark.parametrize("board", [run_uno, run_da14580])
def test_a_bus_that_is_held_is_named_and_released(
    board: Callable[..., object], built: dict[str, Path]
) -> None:
    heard = Heard(board, "hold_scl@1", "release_scl@1.5", elf=built[board.__name__.removeprefix("run_")])
    ((start_s, stop_s),) = heard.gaps_s()
    assert 0.98 <= start_s <= 1.0
    assert 1.5 <= stop_s <= 2.0
    assert heard.last_status().faults & Fault.BUS_STUCK


def test_a_fault_at_0_is_there_before_the_first_instruction(firmware_elf: Path) -> None:
    heard = Heard(run_uno, "who_am_i:12@0", elf=firmware_elf)
    assert heard.last_status().faults == Fault.SENSOR_WRONG
    assert heard.last_status().n_samples == 0


@pytest.mark.parametrize("board", [run_uno, run_da14580])
def test_a_processor_that_hangs_starts_again_by_its_watchdog(
    board: Callable[..., object], built: dict[str, Path]
) -> None:
    heard = Heard(board, "hang@1", elf=built[board.__name__.removeprefix("run_")])
    assert heard.told == ["1.000 s: hang, the processor hangs, until its watchdog bites"]
    assert [hello.reset_cause for hello in heard.hellos()][-1] == 2
    assert heard.last_status().faults == 0


@pytest.mark.parametrize("board", [run_uno, run_da14580])
def test_a_clock_that_goes_off_costs_no_reading(board: Callable[..., object], built: dict[str, Path]) -> None:
    heard = Heard(board, "clock_off:2@1", elf=built[board.__name__.removeprefix("run_")])
    assert heard.told == ["1.000 s: clock_off:2, the board's clock is off"]
    assert heard.gaps_s() == []
    assert heard.last_status().faults == 0
    assert heard.n_bad == 0
