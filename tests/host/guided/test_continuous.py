"""Movements that are marked by keys while the stream goes on."""

from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest
from played_board import PlayedBoard

from fedmotion.boards.script import Script, person_script
from fedmotion.host.guided.continuous import ContinuousMarks
from fedmotion.host.guided.continuous_session import run_continuous
from fedmotion.host.guided.deeds import Deed, Found, Keep, Level, Say, TakeBack
from fedmotion.host.guided.marks_file import MarksFile
from fedmotion.host.guided.screen import MarkScreen, Screen
from fedmotion.host.guided.session import Wearer
from fedmotion.host.guided.take_report import TakeReport
from fedmotion.host.marks import Mark, read_marks
from fedmotion.host.recording_store import Recording, RecordingStore
from fedmotion.models.specification import Specification


def recording(start_us: int, stop_us: int) -> Recording:
    t_us = np.arange(start_us - 1_500_000, stop_us + 1_510_000, 10_000)
    counts = np.zeros((len(t_us), 6), np.int16)
    scales = (0.002, 0.0005)
    return Recording(
        "other", "ada", 77, "right", "wrist", start_us, stop_us, start_us + 1, *scales, t_us, counts
    )


class Session:
    """Drives the state machine in the board's time; `kept` is what a store would hold."""

    def __init__(self, *, is_rest_other: bool = False) -> None:
        self.marks = ContinuousMarks(["left", "right"], is_rest_other=is_rest_other)
        self.t_us = 0
        self.kept: dict[int, str] = {}
        self.said: list[str] = []
        self.do(self.marks.came())

    def do(self, deeds: list[Deed]) -> None:
        for deed in deeds:
            match deed:
                case Keep(recording):
                    self.kept[recording.start_us] = recording.label
                case TakeBack(recording):
                    del self.kept[recording.start_us]
                case Say(text):
                    self.said.append(text)

    def pass_s(self, seconds: float, *, is_moving: bool = False) -> None:
        for _ in range(round(seconds * 10)):
            self.t_us += 100_000
            self.do(self.marks.feel(Level(self.t_us, 3.0 if is_moving else 0.0, is_moving=is_moving)))

    def move(self, key_during: str = "") -> int:
        """Perform a movement of a second; return when it began, which names it."""
        start_us = self.t_us + 100_000
        self.pass_s(0.5, is_moving=True)
        self.press(key_during)
        self.pass_s(0.9, is_moving=True)
        return start_us

    def rest(self, start_us: int) -> None:
        """Rest until the recorder has cut out the movement that began at `start_us`, and somewhat longer."""
        self.pass_s(1.2)
        self.do(self.marks.find(found(start_us)))
        self.pass_s(0.3)

    def press(self, keys: str) -> None:
        for key in keys:
            self.do(self.marks.press(key))


def found(start_us: int) -> Found:
    told = TakeReport("other", 1.0, 300.0, 9.0, "", (), (0, 0))
    return Found(recording(start_us, start_us + 1_000_000), told)


def test_a_key_is_for_the_movement_under_way_or_the_last_one() -> None:
    session = Session()
    first = session.move(key_during="1")
    session.rest(first)
    second = session.move()
    session.press("2")
    session.rest(second)
    third = session.move()
    session.rest(third)
    assert session.kept == {first: "left", second: "right"}
    session.press("1")
    assert session.kept == {first: "left", second: "right", third: "left"}
    assert session.marks.n_kept == {"left": 2, "right": 1}
    assert session.marks.marks == [
        Mark("left", first, first + 1_000_000),
        Mark("right", second, second + 1_000_000),
        Mark("left", third, third + 1_000_000),
    ]


@pytest.mark.parametrize(("is_rest_other", "label"), [(False, None), (True, "other")])
def test_what_has_no_mark_is_dropped_or_other_once_the_next_begins(
    is_rest_other: bool, label: str | None
) -> None:
    session = Session(is_rest_other=is_rest_other)
    first = session.move()
    session.rest(first)
    assert session.kept == {}
    second = session.move()
    assert session.kept.get(first) == label
    session.rest(second)
    session.press("q")
    assert session.kept.get(second) == label
    assert session.marks.is_over
    assert session.marks.n_dropped == (0 if is_rest_other else 2)
    assert session.marks.marks == []


def test_a_mark_is_corrected_and_taken_back_until_the_next_movement() -> None:
    session = Session()
    first = session.move(key_during="1")
    session.press("2")
    session.rest(first)
    assert session.kept == {first: "right"}
    session.press("1")
    assert session.kept == {first: "left"}
    session.press("1")
    assert session.marks.n_kept == {"left": 1, "right": 0}
    session.press("0")
    assert session.kept == {}
    assert session.marks.n_kept == {"left": 0, "right": 0}
    assert session.marks.marks == []


def test_stopping_waits_for_the_rest_after_a_marked_movement() -> None:
    session = Session()
    first = session.move(key_during="1")
    session.press("q")
    was_over = session.marks.is_over
    session.rest(first)
    assert (was_over, session.marks.is_over) == (False, True)
    assert session.kept == {first: "left"}


def test_a_break_loses_the_movement_under_way_and_says_so() -> None:
    session = Session()
    first = session.move(key_during="1")
    session.do(session.marks.cut("the board restarted"))
    session.do(session.marks.find(found(0)))
    session.pass_s(4)
    session.press("q")
    assert session.said == ["left is thrown away: the board restarted"]
    assert first not in session.kept
    assert session.marks.is_over


def test_a_mark_without_a_movement_and_one_that_was_too_short_are_said() -> None:
    session = Session()
    session.press("1")
    assert session.said == ["no movement to mark: perform it, then press its key"]
    session.pass_s(0.3, is_moving=True)
    session.press("1")
    session.pass_s(4)
    assert session.said[1:] == ["left: too short to be found, not recorded"]
    session.press("x9")
    assert len(session.said) == 2


@pytest.mark.parametrize("labels", [[], ["a", "a"], [str(n) for n in range(10)], ["a\n"]])
def test_labels_without_a_key_each_are_refused(labels: list[str]) -> None:
    with pytest.raises(ValueError, match=r"keys 1 to 9 are for one label each|no control characters|spaces"):
        ContinuousMarks(labels)


def test_marks_go_into_one_file_for_each_time_that_the_board_counts(tmp_path: Path) -> None:
    file = MarksFile(tmp_path / "m.json")
    file.write([])
    assert read_marks(file.path) == ()
    assert not file.begin_again(0)
    file.write([Mark("left", 5, 6)])
    assert file.begin_again(1)
    file.write([Mark("left", 5, 6), Mark("right", 1, 2)])
    assert read_marks(tmp_path / "m.json") == (Mark("left", 5, 6),)
    assert file.path == tmp_path / "m-2.json"
    assert read_marks(file.path) == (Mark("right", 1, 2),)


class Typist:
    """A view and a keyboard: presses `key` once for each movement that it sees begin, and q at the end."""

    def __init__(self, key: Callable[[int], str]) -> None:
        self.said: list[str] = []
        self._key = key
        self._n_movements = 0
        self._was_moving = False
        self._typed = ""

    def show(self, screen: Screen | MarkScreen) -> None:
        assert isinstance(screen, MarkScreen)
        if screen.is_moving and not self._was_moving:
            self._typed += self._key(self._n_movements)
            self._n_movements += 1
        self._was_moving = screen.is_moving
        if screen.hint.startswith("no sample came"):
            self._typed += "q"

    def say(self, text: str, *, is_good: bool) -> None:
        self.said.append(text)

    def pressed(self) -> str:
        typed, self._typed = self._typed, ""
        return typed


@pytest.fixture(scope="module")
def script() -> Script:
    return person_script(3, {"swipe_left": 3, "swipe_right": 3})


@pytest.fixture
def store(tmp_path: Path) -> Iterator[RecordingStore]:
    with RecordingStore(tmp_path / "r.sqlite", clock=lambda: 0.0) as store:
        yield store


@pytest.mark.parametrize("is_reset", [False, True])
def test_a_performance_is_recorded_as_it_was_marked_and_the_file_would_mark_it_so_again(
    tmp_path: Path, store: RecordingStore, specification: Specification, script: Script, *, is_reset: bool
) -> None:
    labels = ["swipe_left", "swipe_right"]
    third = script.marks[3]
    mishaps = {(third.start_us + third.stop_us) // 2: lambda board: board.node.restart()}
    board = PlayedBoard(script, mishaps=mishaps if is_reset else None)
    typist = Typist(lambda index: str(labels.index(script.marks[index].label) + 1) if index < 6 else "")
    marks = ContinuousMarks(labels)
    file = MarksFile(tmp_path / "m.json")
    with board.feed() as feed:
        run_continuous(
            feed,
            store,
            marks,
            finding=specification,
            wearer=Wearer("ada"),
            keys=typist,
            view=typist,
            marks_file=file,
            clock=board.clock,
        )
    stored = [(each.label, each.start_us, each.stop_us) for each in store]
    if not is_reset:
        assert store.count_by_label() == {"swipe_left": 3, "swipe_right": 3}
        # Each recorded movement is the one that was performed under its label.
        for (label, start_us, stop_us), mark in zip(stored, script.marks, strict=True):
            assert label == mark.label
            assert max(start_us, mark.start_us) < min(stop_us, mark.stop_us)
        assert [msgspec.to_builtins(each) for each in read_marks(file.path)] == [
            {"label": label, "start_us": start_us, "stop_us": stop_us} for label, start_us, stop_us in stored
        ]
    else:
        assert any(each.endswith("is thrown away: the board restarted") for each in typist.said)
        assert len(stored) == 4
        both = [*read_marks(tmp_path / "m.json"), *read_marks(tmp_path / "m-2.json")]
        assert [(each.label, each.start_us, each.stop_us) for each in both] == stored
