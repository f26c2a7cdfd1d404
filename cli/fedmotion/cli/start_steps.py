"""The three steps of `fedmotion start`: recording, learning, and trying it out."""

import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import NoReturn

import click

from fedmotion.cli.agent_program import FINDING
from fedmotion.cli.start_board import Board
from fedmotion.host.board_feed import Away, BoardFeed, Samples
from fedmotion.host.board_identity import BoardIdentity
from fedmotion.host.guided.held import count_held
from fedmotion.host.guided.plan import TakePlan
from fedmotion.host.guided.screen import MarkScreen, Phase, Screen
from fedmotion.host.guided.session import Keys, View, Wearer, run
from fedmotion.host.guided.takes import GuidedOptions
from fedmotion.host.mounting_file import mounting_of
from fedmotion.host.profile import Profile
from fedmotion.host.recogniser import Recogniser, Recognition
from fedmotion.host.recording_store import RecordingStore
from fedmotion.protocol.identity import OTHER
from fedmotion.protocol.serial_frames import DEFAULT_BAUD

_N_MORE_OTHER = 2
"""Other movement is more various than any gesture."""

_PATIENCE_S = 20.0
_N_TRIES = 3


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be learned, from how many takes of each, of whom, and how long before each GO."""

    gestures: tuple[str, ...]
    n_takes: int
    person: str
    countdown_s: float


class Guide:
    """Leads one person through the steps; each goes on from what the profile holds already."""

    def __init__(self, profile: Profile, board: Board, wish: Wish, *, is_asking: bool) -> None:
        self._profile = profile
        self._board = board
        self._wish = wish
        self._is_asking = is_asking

    def record(self) -> None:
        """Record what is missing; raises Abort where the person stops."""
        self._profile.create()
        wish = self._wish
        labels = (*wish.gestures, OTHER)
        with RecordingStore(self._profile.recordings, clock=time.time) as store, ExitStack() as stack:
            held = count_held(store, labels, wish.person)
            wanted = {label: wish.n_takes + (_N_MORE_OTHER if label == OTHER else 0) for label in labels}
            plan = TakePlan(wanted, n_held=held, n_before=held)
            _headline(1, "record", ", ".join(f"{plan.n_more(label)} {label}" for label in labels))
            if plan.is_complete:
                click.echo("all takes are there already")
                return
            click.echo(
                "rest, wait for GO, move once, rest\n"
                f"{OTHER} is what is no gesture: scratch your head, take a cup, each time something else"
            )
            keys, view = self._screen(stack)
            if self._board.person is not None:
                view = _Told(view, self._board)
            try:
                outcome = run(
                    stack.enter_context(BoardFeed(self._board.port, DEFAULT_BAUD)),
                    store,
                    plan,
                    finding=FINDING,
                    wearer=Wearer(wish.person, turn=mounting_of(self._profile.turn)),
                    keys=keys,
                    view=view,
                    options=GuidedOptions(countdown_s=wish.countdown_s, is_auto=True),
                    identity=BoardIdentity(None, store.count_by_board()),
                )
            except KeyboardInterrupt:
                # The terminal is given back first.
                stack.close()
                self._say_stopped()
        if outcome.was_stopped:
            self._say_stopped()

    def _say_stopped(self) -> NoReturn:
        click.echo("stopped: what was recorded is kept, `fedmotion start` goes on from there")
        raise click.Abort

    def train(self) -> None:
        """Learn from all recordings of these labels and say how good it is."""
        # scikit-learn takes half a second, which nobody is to wait for before the first screen.
        from fedmotion.cli.model_tables import console  # noqa: PLC0415 - see above
        from fedmotion.cli.train import training_progress  # noqa: PLC0415 - see above
        from fedmotion.cli.train_table import show_training  # noqa: PLC0415 - see above
        from fedmotion.host.own_training import train_own  # noqa: PLC0415 - see above

        _headline(2, "learn", "on this machine, from these recordings")
        with training_progress() as on_progress:
            trained = train_own(self._profile, self._wish.gestures, on_progress=on_progress)
        show_training(console(), trained.report)

    def try_out(self) -> int:
        """Ask for each gesture until it is recognised, or three times; return how many were."""
        from fedmotion.host.own_model import read_own_model  # noqa: PLC0415 - with the step above

        _headline(3, "recognise", "live")
        model = read_own_model(self._profile)
        if model is None:
            raise ValueError(f"{self._profile.own_model} cannot be read again: run `fedmotion train`")
        recogniser = Recogniser(mounting_of(self._profile.turn))
        recogniser.swap(model)
        with BoardFeed(self._board.port, DEFAULT_BAUD) as feed:
            watch = _Watch(feed, recogniser)
            watch.wait_for_rest()
            n_recognised = sum(self._try(watch, gesture) for gesture in self._wish.gestures)
            if self._board.person is not None:
                click.echo("something else, which is none:")
                self._board.person.perform(OTHER)
                seen = watch.next_movement(_PATIENCE_S)
                click.echo(f"  {'taken for ' + seen.activity if seen else 'not taken for a gesture'}")
        if n_recognised < len(self._wish.gestures):
            click.echo("not all were recognised: more takes help most, `fedmotion start --takes 12` goes on")
        return n_recognised

    def _try(self, watch: "_Watch", gesture: str) -> bool:
        for _ in range(_N_TRIES):
            click.echo(click.style(f"now perform {gesture}", bold=True))
            if self._board.person is not None:
                self._board.person.perform(gesture)
            seen = watch.next_movement(_PATIENCE_S)
            if seen is None:
                click.echo("  " + (watch.trouble or "taken for no gesture"))
                continue
            click.echo(f"  {seen.activity}, {seen.probability:.0%}")
            if seen.activity == gesture:
                return True
        return False

    def _screen(self, stack: ExitStack) -> tuple[Keys, View]:
        if not self._is_asking:
            return _NoKeys(), _Lines()
        # rich and termios: a pipe has no use for them.
        from fedmotion.cli.keyboard import Keyboard  # noqa: PLC0415 - see above
        from fedmotion.cli.model_tables import console  # noqa: PLC0415 - see above
        from fedmotion.cli.record_screen import LiveView  # noqa: PLC0415 - see above

        keys = stack.enter_context(Keyboard(sys.stdin.fileno()))
        return keys, stack.enter_context(LiveView(console(), "fedmotion start"))


class _Watch:
    """A board's stream while gestures are asked for one at a time."""

    def __init__(self, feed: BoardFeed, recogniser: Recogniser) -> None:
        self.trouble = ""
        self._feed = feed
        self._recogniser = recogniser

    def wait_for_rest(self) -> None:
        """Return once samples come and a second of them has passed, so that a movement has a beginning."""
        until_s = time.monotonic() + _PATIENCE_S
        n_samples = 0
        while n_samples < 100 and time.monotonic() < until_s:
            for event in self._feed.poll(0.05):
                if isinstance(event, Samples):
                    n_samples += len(event.block.t_us)
                    self._recogniser.feed(event.block)

    def next_movement(self, patience_s: float) -> Recognition | None:
        """Return what the next movement is taken for; None for none, or if none comes in `patience_s`."""
        self.trouble = f"no movement in {patience_s:.0f} s"
        until_s = time.monotonic() + patience_s
        n_before = self._recogniser.n_by_activity.total()
        while time.monotonic() < until_s:
            for event in self._feed.poll(0.05):
                if isinstance(event, Away):
                    self.trouble = event.reason
                if not isinstance(event, Samples):
                    continue
                seen = self._recogniser.feed(event.block)
                if seen:
                    return seen[0]
                if self._recogniser.n_by_activity.total() > n_before:
                    self.trouble = ""
                    return None
        return None


class _Told:
    """A view whose reader is a simulated person too: at GO they perform."""

    def __init__(self, view: View, board: Board) -> None:
        self._view = view
        self._board = board
        self._was_go = False

    def show(self, screen: Screen | MarkScreen) -> None:
        is_go = isinstance(screen, Screen) and screen.phase is Phase.PERFORM
        if is_go and not self._was_go and self._board.person is not None and isinstance(screen, Screen):
            self._board.person.perform(screen.label)
        self._was_go = is_go
        self._view.show(screen)

    def say(self, text: str, *, is_good: bool) -> None:
        self._view.say(text, is_good=is_good)


class _Lines:
    """A view for pipes: what is told for good, and nothing else."""

    def show(self, screen: Screen | MarkScreen) -> None:
        """Show nothing."""

    def say(self, text: str, *, is_good: bool) -> None:
        click.echo(f"  {text}", err=not is_good)


class _NoKeys:
    def pressed(self) -> str:
        return ""


def _headline(number: int, name: str, what: str) -> None:
    click.echo(click.style(f"\n{number}. {name}", bold=True) + f": {what}")
