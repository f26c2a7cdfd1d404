"""A person's session as events and deeds: nothing here has a clock, a board or a terminal."""

import dataclasses

import numpy as np
import pytest

from fedmotion.host.guided.deeds import (
    BoardCame,
    BoardWent,
    Deed,
    Found,
    GuidedEvent,
    Keep,
    Level,
    Pressed,
    Say,
    Stored,
    StreamCut,
    Tick,
)
from fedmotion.host.guided.plan import plan_takes
from fedmotion.host.guided.screen import Phase
from fedmotion.host.guided.take_report import TakeReport
from fedmotion.host.guided.takes import GuidedOptions, GuidedTakes
from fedmotion.host.recording_store import Recording

QUIET, MOVING = 0.01, 3.0


def recording(label: str, start_us: int, stop_us: int) -> Recording:
    t_us = np.arange(start_us - 1_500_000, stop_us + 1_510_000, 10_000)
    return Recording(
        label=label,
        person="ada",
        board_id=77,
        hand="right",
        mounting="wrist",
        start_us=start_us,
        stop_us=stop_us,
        centre_us=(start_us + stop_us) // 2,
        accel_scale_mps2=0.002,
        gyro_scale_radps=0.0005,
        t_us=t_us,
        counts=np.zeros((len(t_us), 6), np.int16),
    )


class Person:
    """Drives a session in board time and host time alike, a tenth of a second a step."""

    def __init__(self, takes: GuidedTakes) -> None:
        self.takes = takes
        self.now_s = 100.0
        self.said: list[str] = []
        self.kept: list[Recording] = []
        self.is_new = True
        self.tell(BoardCame())

    def tell(self, event: GuidedEvent) -> None:
        for deed in self.takes.handle(event, self.now_s):
            self.do(deed)

    def do(self, deed: Deed) -> None:
        if isinstance(deed, Keep):
            self.kept.append(deed.recording)
            self.tell(Stored(self.is_new))
        elif isinstance(deed, Say):
            self.said.append(deed.text)

    def pass_s(self, seconds: float, energy: float = QUIET, *, is_moving: bool = False) -> None:
        for _ in range(round(seconds * 10)):
            self.now_s += 0.1
            self.tell(Level(self.t_us, energy, is_moving=is_moving))
            self.tell(Tick())

    def phase(self) -> Phase:
        return self.takes.phase

    @property
    def t_us(self) -> int:
        return round((self.now_s - 100) * 1e6)

    def get_to_go(self) -> None:
        self.pass_s(4.6)
        assert self.phase() is Phase.PERFORM

    def move(self, seconds: float = 1.0, why: str = "") -> None:
        """Perform one movement and rest until the recorder would cut it out."""
        start_us = self.t_us + 100_000
        self.pass_s(seconds, MOVING, is_moving=True)
        stop_us = self.t_us
        self.pass_s(0.4, is_moving=True)
        self.pass_s(1.2)
        self.find(start_us, stop_us, why)

    def find(self, start_us: int, stop_us: int, why: str = "") -> None:
        label = self.takes.label_of(start_us, stop_us)
        if label is not None:
            told = TakeReport(label, (stop_us - start_us) / 1e6, 300.0, 9.0, why, (), (0, 0))
            self.tell(Found(recording(label, start_us, stop_us), told))

    def press(self, keys: str) -> None:
        for key in keys:
            self.tell(Pressed(key))


def person(n_takes: int = 2, *labels: str, is_alternating: bool = False, **options: float) -> Person:
    plan = plan_takes(labels or ("wave",), n_takes, is_alternating=is_alternating)
    return Person(GuidedTakes(plan, dataclasses.replace(GuidedOptions(), **options)))  # type: ignore[arg-type]  # their own types, as keywords


def test_a_take_goes_from_rest_over_countdown_and_movement_to_its_keeping() -> None:
    ada = person(1)
    seen: list[tuple[Phase, int]] = []
    for _ in range(46):
        ada.pass_s(0.1)
        screen = ada.takes.screen(ada.now_s)
        if (screen.phase, screen.count) not in seen:
            seen.append((screen.phase, screen.count))
    countdown = [(Phase.COUNTDOWN, 3), (Phase.COUNTDOWN, 2), (Phase.COUNTDOWN, 1)]
    assert seen == [(Phase.REST, 0), *countdown, (Phase.PERFORM, 0)]
    ada.pass_s(0.5)
    ada.move(1.2)
    screen = ada.takes.screen(ada.now_s)
    assert (screen.phase, screen.headline, screen.hint) == (
        Phase.JUDGE,
        "keep this wave?",
        "the check finds nothing wrong",
    )
    assert screen.take is not None
    assert ada.kept == []
    ada.press("\n")
    assert [each.label for each in ada.kept] == ["wave"]
    assert ada.said == ["1/1  wave  1.1 s, from 1.0 s after GO, peak 300 deg/s"]
    assert ada.takes.is_over
    assert not ada.takes.was_stopped


def test_the_countdown_waits_for_rest() -> None:
    ada = person()
    ada.pass_s(0.9)
    ada.pass_s(0.2, energy=0.4)
    ada.pass_s(0.9)
    assert ada.phase() is Phase.REST
    assert ada.takes.screen(ada.now_s).rested == pytest.approx(0.8)
    ada.pass_s(0.3)
    assert ada.phase() is Phase.COUNTDOWN


def test_who_moves_in_the_countdown_rests_again_but_a_start_just_before_go_counts() -> None:
    ada = person()
    ada.pass_s(2.5)
    ada.pass_s(0.1, MOVING, is_moving=True)
    screen = ada.takes.screen(ada.now_s)
    assert (screen.phase, screen.hint) == (Phase.REST, "you moved before GO: rest again")
    ada.pass_s(4.0)
    assert ada.phase() is Phase.COUNTDOWN
    ada.move(1.0)
    assert ada.phase() is Phase.JUDGE


def test_r_throws_a_take_away_and_the_same_label_comes_again() -> None:
    ada = person(1)
    ada.get_to_go()
    ada.move()
    ada.press("r")
    assert (ada.phase(), ada.kept, ada.takes.n_thrown_away) == (Phase.REST, [], 1)
    assert ada.said == ["wave thrown away"]
    ada.get_to_go()
    ada.move()
    ada.press("k")
    assert len(ada.kept) == 1
    assert ada.takes.is_over


def test_an_unusable_take_is_repeated_by_enter_and_kept_uncounted_by_k() -> None:
    ada = person(1)
    ada.get_to_go()
    ada.move(why="ay never changes")
    screen = ada.takes.screen(ada.now_s)
    assert screen.hint == "the check: ay never changes"
    assert screen.keys[0] == ("Enter or r", "do it again")
    ada.press("\n")
    assert ada.kept == []
    ada.get_to_go()
    ada.move(why="ay never changes")
    ada.press("k")
    assert len(ada.kept) == 1
    assert ada.takes.plan.n_more("wave") == 1
    assert ada.takes.n_not_counted == 1
    assert ada.said[-1] == ("wave kept, but it does not count: it will not be trained on (ay never changes)")
    assert not ada.takes.is_over


def test_auto_keeps_what_is_usable_and_repeats_the_rest_without_a_key() -> None:
    ada = person(2, is_auto=True)
    for why in ("", "ay never changes", ""):
        ada.get_to_go()
        ada.move(why=why)
    assert len(ada.kept) == 2
    assert ada.said[1] == "wave thrown away: ay never changes"
    assert ada.takes.is_over


def test_a_take_that_the_store_has_already_is_not_counted_twice() -> None:
    ada = person(1, is_auto=True)
    ada.is_new = False
    ada.get_to_go()
    ada.move()
    assert ada.said == ["wave: the store has this very take already; it counts once"]
    assert ada.takes.plan.n_more("wave") == 1


def test_labels_come_one_after_another_or_by_turns() -> None:
    turns = []
    for is_alternating in (False, True):
        ada = person(2, "left", "right", is_alternating=is_alternating, is_auto=True)
        while not ada.takes.is_over:
            ada.get_to_go()
            ada.move()
        turns.append([each.label for each in ada.kept])
    assert turns == [["left", "left", "right", "right"], ["left", "right", "left", "right"]]


def test_a_movement_from_before_go_is_not_the_take() -> None:
    ada = person()
    ada.pass_s(4.0)
    assert ada.takes.label_of(0, 1_000_000) is None
    ada.pass_s(0.6)
    assert ada.takes.label_of(0, 1_000_000) is None
    assert ada.takes.label_of(ada.t_us, ada.t_us + 1_000_000) == "wave"


def test_a_movement_that_was_too_short_is_said_and_go_stays() -> None:
    ada = person()
    ada.get_to_go()
    ada.pass_s(0.2, MOVING, is_moving=True)
    ada.pass_s(2.7)
    screen = ada.takes.screen(ada.now_s)
    assert screen.phase is Phase.PERFORM
    assert screen.hint.startswith("that was too short to be found")
    ada.move()
    assert ada.phase() is Phase.JUDGE


def test_a_second_movement_right_after_the_first_is_said() -> None:
    ada = person()
    ada.get_to_go()
    start_us = ada.t_us + 100_000
    ada.pass_s(1.0, MOVING, is_moving=True)
    stop_us = ada.t_us
    ada.pass_s(0.5)
    ada.pass_s(0.6, MOVING, is_moving=True)
    ada.pass_s(0.4)
    ada.find(start_us, stop_us)
    assert ada.takes.screen(ada.now_s).hint == "another movement followed; only the first is this take"


def test_who_does_not_move_is_told_what_is_missing() -> None:
    ada = person()
    ada.get_to_go()
    ada.pass_s(13)
    assert ada.takes.screen(ada.now_s).hint == "no movement yet: the level must pass the mark"


@pytest.mark.parametrize(
    "event", [BoardWent("the cable"), StreamCut("the board restarted"), StreamCut("3 samples are missing")]
)
def test_a_break_throws_the_movement_under_way_away_and_says_so(event: BoardWent | StreamCut) -> None:
    ada = person()
    ada.get_to_go()
    ada.pass_s(0.5, MOVING, is_moving=True)
    ada.tell(event)
    assert ada.said == [f"the movement under way is thrown away: {event.reason}"]
    assert ada.takes.label_of(ada.t_us, ada.t_us + 1) is None
    assert ada.phase() is (Phase.BOARD if isinstance(event, BoardWent) else Phase.REST)
    ada.tell(BoardCame())
    ada.get_to_go()
    ada.move()
    ada.press("k")
    assert len(ada.kept) == 1


def test_a_board_that_goes_while_a_take_is_judged_costs_nothing() -> None:
    ada = person()
    ada.get_to_go()
    ada.move()
    ada.tell(BoardWent("the cable"))
    assert ada.phase() is Phase.JUDGE
    ada.press("k")
    assert len(ada.kept) == 1
    screen = ada.takes.screen(ada.now_s)
    assert (screen.phase, screen.hint) == (Phase.BOARD, "the cable")


def test_space_pauses_and_q_stops_with_what_was_kept() -> None:
    ada = person(3)
    ada.get_to_go()
    ada.move()
    ada.press("k")
    ada.press(" ")
    ada.pass_s(20)
    assert ada.phase() is Phase.PAUSED
    ada.press(" ")
    ada.get_to_go()
    ada.move()
    ada.press("q")
    assert ada.said[-1] == "the take that was not decided on is thrown away"
    assert ada.takes.is_over
    assert ada.takes.was_stopped
    assert len(ada.kept) == ada.takes.plan.n_kept == 1
    ada.press("k")
    assert len(ada.kept) == 1


def test_a_plan_that_is_complete_already_asks_for_nothing() -> None:
    takes = GuidedTakes(plan_takes(["wave"], 3, n_before={"wave": 5}), GuidedOptions())
    assert takes.is_over
    assert not takes.was_stopped


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ([], "one label or more, got none"),
        (["a", "b", "a"], "each label is named once, got 'a' twice"),
        (["a\nb"], "a label holds no control characters"),
        ([" a"], "has no spaces around it"),
        (["a" * 65], "at most 64 bytes"),
    ],
)
def test_what_cannot_be_planned_is_refused(labels: list[str], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        plan_takes(labels, 3)
