"""A guided session at work: board, keys, store and view around the state machine of `takes`."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from fedmotion.delivery.sqlite_store import StoreError
from fedmotion.host.board_feed import Away, BoardFeed, Cut, FeedEvent, Ready, Samples
from fedmotion.host.board_identity import BoardIdentity, in_short
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
from fedmotion.host.guided.plan import TakePlan
from fedmotion.host.guided.screen import MarkScreen, Screen
from fedmotion.host.guided.take_report import report
from fedmotion.host.guided.takes import GuidedOptions, GuidedTakes
from fedmotion.host.recorder import Recorder
from fedmotion.host.recording_store import Recording, RecordingStore
from fedmotion.host.take_rescue import rescue
from fedmotion.models.mounting import AS_PICTURED, Mounting
from fedmotion.models.specification import Specification
from fedmotion.protocol.identity import Placement
from fedmotion.protocol.serial_frames import Hello

_POLL_S = 0.04


class Keys(Protocol):
    """Where keys come from."""

    def pressed(self) -> str:
        """Return the characters typed since the last call; does not wait."""


class View(Protocol):
    """Where a session is shown."""

    def show(self, screen: Screen | MarkScreen) -> None:
        """Show this instant; called often."""

    def say(self, text: str, *, is_good: bool) -> None:
        """Tell this for good."""


@dataclass(frozen=True, slots=True)
class Wearer:
    """Who wears the board and how: written into each recording."""

    person: str = "unset"
    placement: Placement = field(default_factory=Placement)
    turn: Mounting = AS_PICTURED


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a session came to; `hello` is the board's, None where it never spoke."""

    plan: TakePlan
    n_thrown_away: int
    n_not_counted: int
    was_stopped: bool
    hello: Hello | None


def run(
    feed: BoardFeed,
    store: RecordingStore,
    plan: TakePlan,
    *,
    finding: Specification,
    wearer: Wearer,
    keys: Keys,
    view: View,
    options: GuidedOptions | None = None,
    identity: BoardIdentity | None = None,
    should_stop: Callable[[], bool] = lambda: False,
    clock: Callable[[], float] = time.monotonic,
) -> Outcome:
    """Guide a person through the takes of `plan`; each is in `store` durably as soon as it is decided.

    Parameters
    ----------
    feed
        The board, entered by the caller, who also leaves it: it may have been listened to before.
    finding
        The specification by which movements are found.
    identity
        Which board it is to be; None: any.
    should_stop
        Asked many times a second; ends the session as the key q does.

    Raises
    ------
    StoreError
        If the store cannot take a recording; the text names the take and the file that it is in now.
    ValueError
        If the board is not the one of `identity`.
    """
    session = _Session(feed, store, GuidedTakes(plan, options or GuidedOptions()), finding, wearer, view)
    session.identity = identity or BoardIdentity()
    if feed.hello is not None:
        session.meet(Ready(feed.hello), clock())
    while not session.takes.is_over:
        for event in feed.poll(_POLL_S):
            session.meet(event, clock())
        for key in keys.pressed():
            session.tell(Pressed(key), clock())
        session.tell(Tick(), clock())
        if should_stop():
            session.do(session.takes.stop(), clock())
        view.show(session.screen(clock()))
    takes = session.takes
    return Outcome(takes.plan, takes.n_thrown_away, takes.n_not_counted, takes.was_stopped, session.hello)


class _Session:
    def __init__(
        self,
        feed: BoardFeed,
        store: RecordingStore,
        takes: GuidedTakes,
        finding: Specification,
        wearer: Wearer,
        view: View,
    ) -> None:
        self.takes = takes
        self.hello: Hello | None = None
        self.identity = BoardIdentity()
        self._feed = feed
        self._store = store
        self._view = view
        self._recorder = Recorder(
            finding, takes.label_of, person=wearer.person, placement=wearer.placement, turn=wearer.turn
        )

    def screen(self, now_s: float) -> Screen:
        board = "" if self.hello is None else in_short(self.hello)
        return self.takes.screen(now_s, board, self.identity.warning or self._feed.doubt)

    def meet(self, event: FeedEvent, now_s: float) -> None:
        """Take what the board brought."""
        match event:
            case Ready(hello):
                self.hello = hello
                if news := self.identity.meet(hello):
                    self._view.say(news, is_good=False)
                self.tell(BoardCame(), now_s)
            case Away(reason):
                # Nothing is stitched over the break, even where no sample is missing afterwards.
                self.tell(BoardWent(reason), now_s)
                self._recorder.flush()
            case Cut(reason):
                self.tell(StreamCut(reason), now_s)
            case Samples(block):
                for recording in self._recorder.feed(block):
                    self.tell(Found(recording, report(recording)), now_s)
                recorder = self._recorder
                level = Level(int(block.t_us[-1]), recorder.energy_radps, is_moving=recorder.is_moving)
                self.tell(level, now_s)

    def tell(self, event: GuidedEvent, now_s: float) -> None:
        self.do(self.takes.handle(event, now_s), now_s)

    def do(self, deeds: list[Deed], now_s: float) -> None:
        for deed in deeds:
            match deed:
                case Say(text, is_good):
                    self._view.say(text, is_good=is_good)
                case Keep(recording):
                    is_new = keep(self._store, recording, self.takes.plan.n_kept)
                    self.tell(Stored(is_new), now_s)


def keep(store: RecordingStore, recording: Recording, n_before: int) -> bool:
    """Store `recording`, durable on return; False where the store has this take already.

    Raises
    ------
    StoreError
        If that fails; the text names the take and the file that it is in now.
    """
    try:
        return store.add(recording)
    except StoreError as error:
        length_s = (recording.stop_us - recording.start_us) / 1e6
        safe = f"the {n_before} of this session before it are safe" if n_before else "all before it are safe"
        place = rescue(recording, store.path.parent)
        became = "is lost" if place is None else f"is in {place} (`fedmotion recordings import` it then)"
        raise StoreError(
            f"the take of {recording.label} ({length_s:.1f} s) {became}; {safe}: {error}"
        ) from error
