"""`fedmotion record` without a terminal: a line, or a JSON object, for each thing that happens."""

from collections.abc import Callable
from dataclasses import dataclass

import click
import msgspec

from fedmotion.cli.agent_program import FINDING
from fedmotion.host.board_identity import BoardIdentity
from fedmotion.host.configuration import AgentConfiguration
from fedmotion.host.guided.plan import TakePlan
from fedmotion.host.guided.take_report import report
from fedmotion.host.recording_store import Recording, RecordingStore
from fedmotion.host.take_recording import record_takes
from fedmotion.models.mounting import Mounting


@dataclass(frozen=True, slots=True)
class Recorded:
    """What came of it; `n_unusable` of the takes that are stored now will not be trained on."""

    plan: TakePlan
    n_unusable: int


def record_plainly(
    configuration: AgentConfiguration,
    store: RecordingStore,
    plan: TakePlan,
    turn: Mounting,
    identity: BoardIdentity,
    should_stop: Callable[[], bool],
    *,
    is_json: bool,
) -> Recorded:
    """Record the takes of `plan`; every movement is kept."""
    teller = _Scripts() if is_json else _People(configuration.port)
    n_unusable: dict[str, int] = {}

    def tell(recording: Recording, n_held: int) -> None:
        told = report(recording)
        if not told.is_usable:
            n_unusable[recording.label] = n_unusable.get(recording.label, 0) + 1
        teller.take(recording, n_held, plan.n_wanted[recording.label], told.why_not_trained_on)

    for label in plan.labels:
        if n_before := plan.n_before.get(label, 0):
            teller.held(label, n_before, plan.n_more(label))
    done = record_takes(
        configuration,
        store,
        plan,
        finding=FINDING,
        turn=turn,
        identity=identity,
        should_stop=should_stop,
        on_take=tell,
        on_trouble=teller.trouble,
        on_open=teller.opened,
        on_label=teller.turn,
    )
    teller.end(done, n_unusable)
    return Recorded(done, sum(n_unusable.values()))


class _People:
    def __init__(self, port: str) -> None:
        self._port = port

    def held(self, label: str, n_held: int, n_more: int) -> None:
        click.echo(f"holds {n_held} of {n_held + n_more} {label}, {n_more} more")

    def turn(self, label: str, n_more: int) -> None:
        click.echo(f"perform {label} {n_more} times, resting a second in between (Ctrl-C ends)")

    def opened(self) -> None:
        click.echo(f"  {self._port} is open", err=True)

    def trouble(self, text: str) -> None:
        click.echo(f"  {text}", err=True)

    def take(self, recording: Recording, n_held: int, n_wanted: int, why: str) -> None:
        seconds = (recording.stop_us - recording.start_us) / 1e6
        click.echo(f"  {n_held}/{n_wanted}  {recording.label}, {seconds:.1f} s")
        if why:
            click.echo(f"  not to be trained on, repeat it: {why}", err=True)

    def end(self, _plan: TakePlan, n_unusable: dict[str, int]) -> None:
        for label, n_takes in n_unusable.items():
            click.echo(f"{n_takes} of these takes will not be trained on: record as many more of {label}")


class _Scripts:
    """One JSON object a line; `event` says which."""

    def held(self, label: str, n_held: int, n_more: int) -> None:
        self._tell("held", label=label, n_held=n_held, n_more=n_more)

    def turn(self, label: str, n_more: int) -> None:
        self._tell("perform", label=label, n_more=n_more)

    def opened(self) -> None:
        self._tell("opened")

    def trouble(self, text: str) -> None:
        self._tell("trouble", sentence=text)

    def take(self, recording: Recording, n_held: int, n_wanted: int, why: str) -> None:
        self._tell(
            "recorded",
            label=recording.label,
            start_us=recording.start_us,
            stop_us=recording.stop_us,
            board_id=recording.board_id,
            take_sha256=recording.take_sha256().hex(),
            n_held=n_held,
            n_wanted=n_wanted,
            why_not_trained_on=why,
        )

    def end(self, plan: TakePlan, n_unusable: dict[str, int]) -> None:
        self._tell(
            "end", is_complete=plan.is_complete, n_held=dict(plan.n_held), n_unusable=sum(n_unusable.values())
        )

    def _tell(self, event: str, **told: object) -> None:
        click.echo(msgspec.json.encode({"event": event, **told}))
