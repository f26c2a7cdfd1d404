"""A guided session with a board, a store and keys: what is stored, and what is said when something breaks."""

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from played_board import PlayedBoard

from fedmotion.boards.script import Script, person_script
from fedmotion.delivery.sqlite_store import StoreError
from fedmotion.host.board_identity import BoardIdentity
from fedmotion.host.guided.held import count_held
from fedmotion.host.guided.plan import TakePlan, plan_takes
from fedmotion.host.guided.screen import MarkScreen, Phase, Screen
from fedmotion.host.guided.session import Outcome, Wearer, run
from fedmotion.host.guided.takes import GuidedOptions
from fedmotion.host.import_rows import ImportOptions
from fedmotion.host.recording_import import import_file
from fedmotion.host.recording_staging import StagingStore
from fedmotion.host.recording_store import RecordingStore
from fedmotion.models.specification import Specification, pca_svm
from fedmotion.protocol.identity import Placement

AT_ONCE = GuidedOptions(countdown_s=0.5, rest_s=0.3, is_auto=True)


@pytest.fixture(scope="module")
def slow_script() -> Script:
    """Six movements of one gesture with long rests, so that GO comes before each."""
    return person_script(3, {"swipe_left": 6}, rest_s=4.0)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[RecordingStore]:
    with RecordingStore(tmp_path / "r.sqlite", clock=lambda: 0.0, busy_timeout_s=0.1) as store:
        yield store


class Watcher:
    """A view and a keyboard: presses what `answer` says to a phase, once for each time it is reached."""

    def __init__(self, answer: Callable[[Screen], str] = lambda _: "") -> None:
        self.said: list[str] = []
        self.phases: list[Phase] = []
        self.hints: list[str] = []
        self.warnings: set[str] = set()
        self.boards: set[str] = set()
        self._answer = answer
        self._typed = ""

    def show(self, screen: Screen | MarkScreen) -> None:
        assert isinstance(screen, Screen)
        self.warnings.add(screen.warning)
        self.boards.add(screen.board)
        if not self.hints or self.hints[-1] != screen.hint:
            self.hints.append(screen.hint)
        if not self.phases or self.phases[-1] is not screen.phase:
            self.phases.append(screen.phase)
            self._typed += self._answer(screen)

    def say(self, text: str, *, is_good: bool) -> None:
        self.said.append(text)

    def pressed(self) -> str:
        typed, self._typed = self._typed, ""
        return typed


Guide = Callable[..., Outcome]


@pytest.fixture
def guide(store: RecordingStore, specification: Specification) -> Guide:
    def run_it(
        board: PlayedBoard,
        watcher: Watcher,
        plan: TakePlan,
        *,
        options: GuidedOptions = AT_ONCE,
        identity: BoardIdentity | None = None,
        stops_at: str = "no sample came for 1.5 s",
    ) -> Outcome:
        """Run until the plan is complete or `stops_at` is shown."""
        with board.feed() as feed:
            return run(
                feed,
                store,
                plan,
                finding=specification,
                wearer=Wearer("ada", Placement("right", "wrist")),
                keys=watcher,
                view=watcher,
                options=options,
                identity=identity,
                should_stop=lambda: any(stops_at in hint for hint in watcher.hints),
                clock=board.clock,
            )

    return run_it


def test_each_take_is_stored_with_who_made_it_as_soon_as_it_is_kept(
    guide: Guide, store: RecordingStore, slow_script: Script
) -> None:
    held: list[int] = []

    def look(screen: Screen) -> str:
        held.append(len(store.recording_ids()))
        return ""

    watcher = Watcher(look)
    outcome = guide(PlayedBoard(slow_script), watcher, plan_takes(["swipe_left", "wave"], 2))
    assert outcome.plan.n_held == {"swipe_left": 2, "wave": 2}
    assert not outcome.was_stopped
    assert store.count_by_label() == {"swipe_left": 2, "wave": 2}
    assert sorted(set(held)) == [0, 1, 2, 3, 4]
    first = store.get(1)
    assert first is not None
    assert (first.person, first.hand, first.mounting, first.board_id) == ("ada", "right", "wrist", 77)
    way = [Phase.REST, Phase.COUNTDOWN, Phase.PERFORM, Phase.MOVING, Phase.HOLD]
    assert watcher.phases[:7] == [Phase.BOARD, *way, Phase.REST]
    assert watcher.boards == {"", "board 77, simulated, 100 Hz, ±8 g, ±1000 deg/s"}
    assert watcher.warnings == {""}


def test_keys_keep_and_repeat_takes(guide: Guide, store: RecordingStore, slow_script: Script) -> None:
    keys = iter("r\nk")
    watcher = Watcher(lambda screen: next(keys) if screen.phase is Phase.JUDGE else "")
    options = GuidedOptions(countdown_s=0.5, rest_s=0.3)
    outcome = guide(PlayedBoard(slow_script), watcher, plan_takes(["swipe_left"], 2), options=options)
    assert (outcome.n_thrown_away, outcome.plan.n_kept) == (1, 2)
    # What was thrown away is not there under any name.
    assert [each.start_us // 1_000_000 for each in store] == [11, 18]


def test_what_the_profile_holds_counts_where_a_session_goes_on(
    guide: Guide, store: RecordingStore, slow_script: Script
) -> None:
    stop_at_second = Watcher(
        lambda screen: "q" if screen.phase is Phase.REST and screen.counts[0].n_held else ""
    )
    outcome = guide(PlayedBoard(slow_script), stop_at_second, plan_takes(["swipe_left"], 3))
    assert outcome.was_stopped
    held = count_held(store, ["swipe_left", "wave"], "ada")
    assert held == {"swipe_left": 1, "wave": 0}
    assert count_held(store, ["swipe_left"], "bert") == {"swipe_left": 0}
    plan = plan_takes(["swipe_left"], 3, n_before=held)
    assert (plan.n_more("swipe_left"), plan.n_kept) == (2, 0)
    # The same performance again: its first take is in the store already.
    watcher = Watcher()
    outcome = guide(PlayedBoard(slow_script), watcher, plan)
    assert outcome.plan.n_kept == 2
    assert watcher.said[0] == "swipe_left: the store has this very take already; it counts once"
    assert store.count_by_label() == {"swipe_left": 3}


def during(script: Script, index: int) -> int:
    """The middle of a movement."""
    return (script.marks[index].start_us + script.marks[index].stop_us) // 2


@pytest.mark.parametrize(
    ("mishap", "said"),
    [
        (PlayedBoard.lose, "played went away: plug it in again"),
        (PlayedBoard.skip, "10 samples are missing"),
        (lambda board: board.node.restart(), "the board restarted"),
    ],
    ids=["cable", "lost samples", "reset"],
)
def test_a_movement_during_which_the_stream_breaks_is_thrown_away_and_recording_goes_on(
    guide: Guide,
    store: RecordingStore,
    slow_script: Script,
    mishap: Callable[[PlayedBoard], object],
    said: str,
) -> None:
    board = PlayedBoard(slow_script, mishaps={during(slow_script, 1): mishap})
    watcher = Watcher()
    outcome = guide(board, watcher, plan_takes(["swipe_left"], 3))
    assert outcome.plan.is_complete
    assert watcher.said[1] == f"the movement under way is thrown away: {said}"
    assert store.count_by_label() == {"swipe_left": 3}
    for recording in store:
        assert min(recording.t_us[1:] - recording.t_us[:-1]) > 9_000
        assert max(recording.t_us[1:] - recording.t_us[:-1]) < 11_000


def test_a_stream_that_stops_is_said_and_what_was_kept_stays(
    guide: Guide, store: RecordingStore, slow_script: Script
) -> None:
    def stop(board: PlayedBoard) -> None:
        board.is_silent = True

    watcher = Watcher()
    board = PlayedBoard(slow_script, mishaps={during(slow_script, 1): stop})
    outcome = guide(board, watcher, plan_takes(["swipe_left"], 3))
    assert outcome.was_stopped
    assert "no sample came for 1.5 s: is it still running?" in watcher.said[1]
    assert store.count_by_label() == {"swipe_left": 1}


def test_a_stream_that_slows_down_is_a_warning(guide: Guide, slow_script: Script) -> None:
    def slow_down(board: PlayedBoard) -> None:
        board.keeps = 2.0  # of the host's time for each of the board's

    watcher = Watcher()
    guide(PlayedBoard(slow_script, mishaps={9_000_000: slow_down}), watcher, plan_takes(["swipe_left"], 3))
    assert any(each.startswith("only 50 of 100 samples a second come") for each in watcher.warnings)


def test_a_take_that_a_full_store_does_not_hold_is_in_a_file_that_is_imported_later(
    guide: Guide, store: RecordingStore, slow_script: Script
) -> None:
    n_pages = store._number("PRAGMA page_count")
    store._execute(f"PRAGMA max_page_count = {n_pages + 2}")
    with pytest.raises(
        StoreError,
        match=r"the take of swipe_left \(1\.\d s\) is in .*\.csv \(.* import.*; the 2 of this .* are safe: ",
    ):
        guide(PlayedBoard(slow_script), Watcher(), plan_takes(["swipe_left"], 6))
    assert store.count_by_label() == {"swipe_left": 2}
    (rescued,) = store.path.parent.glob("take-*.csv")
    store._execute("PRAGMA max_page_count = 100000")
    with StagingStore(store.path, clock=lambda: 0.0) as staging:
        done = import_file(staging, rescued, ImportOptions(), finding=pca_svm(("a", "other")))
    assert done.n_added == 1
    assert store.count_by_label() == {"swipe_left": 3}


def test_a_store_that_another_program_locks_is_said(
    guide: Guide, store: RecordingStore, slow_script: Script
) -> None:
    other = sqlite3.connect(store.path, isolation_level=None)
    try:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match=r"is in .*; .* is locked by another program: end it, or wait"):
            guide(PlayedBoard(slow_script), Watcher(), plan_takes(["swipe_left"], 1))
    finally:
        other.close()


def test_another_board_than_the_recordings_are_of_is_a_warning(guide: Guide, slow_script: Script) -> None:
    watcher = Watcher()
    identity = BoardIdentity(None, {76: 12, 0: 1})
    guide(PlayedBoard(slow_script), watcher, plan_takes(["swipe_left"], 1), identity=identity)
    said = (
        "this is board 77, and this profile's recordings are of board 76 (12 takes), without an id (1 takes)"
    )
    assert watcher.said[0] == said
    assert said in watcher.warnings


def test_another_board_than_the_wanted_one_is_refused(
    guide: Guide, store: RecordingStore, slow_script: Script
) -> None:
    with pytest.raises(ValueError, match="the board with id 5 is wanted, and board 77 answers"):
        guide(
            PlayedBoard(slow_script),
            Watcher(),
            plan_takes(["swipe_left"], 1),
            identity=BoardIdentity(5),
        )
    assert store.recording_ids() == []
