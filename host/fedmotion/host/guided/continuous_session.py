"""A continuous recording at work: board, keys, store and view around the state machine of `continuous`."""

import time
from collections.abc import Callable

from fedmotion.host.board_feed import Away, BoardFeed, Cut, FeedEvent, Ready, Samples
from fedmotion.host.board_identity import BoardIdentity, in_short
from fedmotion.host.guided.continuous import ContinuousMarks
from fedmotion.host.guided.deeds import Deed, Found, Keep, Level, Say, TakeBack
from fedmotion.host.guided.marks_file import MarksFile
from fedmotion.host.guided.session import Keys, View, Wearer, keep
from fedmotion.host.guided.take_report import TakeReport, report
from fedmotion.host.recorder import Recorder
from fedmotion.host.recording_store import RecordingStore
from fedmotion.models.specification import Specification

_POLL_S = 0.04
_LONGEST_END_S = 5.0
"""For the rest after the last marked movement, when the session is stopped."""


def run_continuous(
    feed: BoardFeed,
    store: RecordingStore,
    marks: ContinuousMarks,
    *,
    finding: Specification,
    wearer: Wearer,
    keys: Keys,
    view: View,
    marks_file: MarksFile | None = None,
    identity: BoardIdentity | None = None,
    should_stop: Callable[[], bool] = lambda: False,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Record what is marked by keys until it is stopped; for the parameters see `session.run`.

    Raises
    ------
    StoreError
        If the store cannot take a recording; the text names the take and the file that it is in now.
    ValueError
        If the board is not the one of `identity`.
    OSError
        If the marks cannot be written.
    """
    session = _Session(feed, store, marks, finding, wearer, view, marks_file, identity or BoardIdentity())
    if feed.hello is not None:
        session.meet(Ready(feed.hello))
    stopped_s: float | None = None
    while not marks.is_over and (stopped_s is None or clock() - stopped_s < _LONGEST_END_S):
        for event in feed.poll(_POLL_S):
            session.meet(event)
        for key in keys.pressed():
            session.do(marks.press(key))
        if should_stop() and not marks.was_stopped:
            session.do(marks.stop())
        if marks.was_stopped and stopped_s is None:
            stopped_s = clock()
        view.show(marks.screen(session.board, session.identity.warning or feed.doubt))


class _Session:
    def __init__(
        self,
        feed: BoardFeed,
        store: RecordingStore,
        marks: ContinuousMarks,
        finding: Specification,
        wearer: Wearer,
        view: View,
        marks_file: MarksFile | None,
        identity: BoardIdentity,
    ) -> None:
        self.identity = identity
        self.board = ""
        self._feed = feed
        self._store = store
        self._marks = marks
        self._view = view
        self._file = marks_file
        self._n_restarts = feed.counters.n_restarts
        self._recorder = Recorder(
            finding, marks.label_of, person=wearer.person, placement=wearer.placement, turn=wearer.turn
        )

    def meet(self, event: FeedEvent) -> None:
        """Take what the board brought."""
        match event:
            case Ready(hello):
                self.board = in_short(hello)
                if news := self.identity.meet(hello):
                    self._view.say(news, is_good=False)
                self._watch_restarts()
                self.do(self._marks.came())
            case Away(reason):
                for recording in self._recorder.flush():
                    self.do(self._marks.find(Found(recording, report(recording))))
                self.do(self._marks.went(reason))
            case Cut(reason):
                self._watch_restarts()
                self.do(self._marks.cut(reason))
            case Samples(block):
                for recording in self._recorder.feed(block):
                    self.do(self._marks.find(Found(recording, report(recording))))
                recorder = self._recorder
                self.do(
                    self._marks.feel(
                        Level(int(block.t_us[-1]), recorder.energy_radps, is_moving=recorder.is_moving)
                    )
                )

    def do(self, deeds: list[Deed]) -> None:
        for deed in deeds:
            match deed:
                case Say(text, is_good):
                    self._view.say(text, is_good=is_good)
                case TakeBack(recording):
                    self._store.remove_take(recording.take_sha256())
                    self._view.say(f"{recording.label} taken back", is_good=False)
                case Keep(recording, told):
                    n_before = sum(self._marks.n_kept.values()) - 1
                    is_new = keep(self._store, recording, n_before)
                    self._view.say(_in_words(told, is_new=is_new), is_good=is_new and told.is_usable)
        if deeds and self._file is not None:
            self._file.write(self._marks.marks)

    def _watch_restarts(self) -> None:
        n_restarts = self._feed.counters.n_restarts
        if n_restarts == self._n_restarts or self._file is None:
            return
        self._n_restarts = n_restarts
        if self._file.begin_again(len(self._marks.marks)):
            self._view.say(
                f"the board's time began again: its marks go into {self._file.path}", is_good=False
            )


def _in_words(told: TakeReport, *, is_new: bool) -> str:
    text = f"{told.label}  {told.length_s:.1f} s, peak {told.peak_degps:.0f} deg/s"
    if not is_new:
        return f"{text}: the store has this very take already"
    return f"{text}; it will not be trained on: {told.why_not_trained_on}" if not told.is_usable else text
