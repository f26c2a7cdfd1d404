"""`fedmotion record` on a terminal: keyboard, screen and board put around a session."""

import sys
from collections.abc import Callable
from pathlib import Path

import click

from fedmotion.cli.agent_program import FINDING
from fedmotion.cli.keyboard import Keyboard
from fedmotion.cli.model_tables import console
from fedmotion.cli.record_plain import Recorded
from fedmotion.cli.record_screen import LiveView
from fedmotion.host.board_feed import BoardFeed
from fedmotion.host.board_identity import BoardIdentity
from fedmotion.host.configuration import AgentConfiguration
from fedmotion.host.guided.continuous import ContinuousMarks
from fedmotion.host.guided.continuous_session import run_continuous
from fedmotion.host.guided.marks_file import MarksFile
from fedmotion.host.guided.plan import TakePlan
from fedmotion.host.guided.session import Wearer, run
from fedmotion.host.guided.takes import GuidedOptions
from fedmotion.host.recording_store import RecordingStore
from fedmotion.models.mounting import Mounting, in_words


def guide(
    configuration: AgentConfiguration,
    store: RecordingStore,
    plan: TakePlan,
    turn: Mounting,
    identity: BoardIdentity,
    options: GuidedOptions,
    should_stop: Callable[[], bool],
) -> Recorded:
    """Guide a person at this terminal through `plan`."""
    click.echo(_about(configuration, turn))
    for label in plan.labels:
        if plan.n_before:
            click.echo(
                f"{label}: holds {plan.held(label)} of {plan.n_wanted[label]}, {plan.n_more(label)} more"
            )
    with (
        BoardFeed(configuration.port, configuration.baud) as feed,
        Keyboard(sys.stdin.fileno()) as keys,
        LiveView(console(), _title(configuration)) as view,
    ):
        outcome = run(
            feed,
            store,
            plan,
            finding=FINDING,
            wearer=Wearer(configuration.person, configuration.placement, turn),
            keys=keys,
            view=view,
            options=options,
            identity=identity,
            should_stop=should_stop,
        )
    thrown = f", {outcome.n_thrown_away} thrown away" if outcome.n_thrown_away else ""
    n_kept = outcome.plan.n_kept
    click.echo(f"{n_kept} take{'s' if n_kept != 1 else ''} kept{thrown}")
    return Recorded(outcome.plan, outcome.n_not_counted)


def mark_movements(
    configuration: AgentConfiguration,
    store: RecordingStore,
    marks: ContinuousMarks,
    turn: Mounting,
    identity: BoardIdentity,
    marks_path: Path | None,
    should_stop: Callable[[], bool],
) -> None:
    """Record what a person at this terminal marks by keys."""
    click.echo(_about(configuration, turn))
    file = None if marks_path is None else MarksFile(marks_path)
    if file is not None:
        # That it can be written is to be known before the first movement.
        file.write([])
    with (
        BoardFeed(configuration.port, configuration.baud) as feed,
        Keyboard(sys.stdin.fileno()) as keys,
        LiveView(console(), _title(configuration)) as view,
    ):
        run_continuous(
            feed,
            store,
            marks,
            finding=FINDING,
            wearer=Wearer(configuration.person, configuration.placement, turn),
            keys=keys,
            view=view,
            marks_file=file,
            identity=identity,
            should_stop=should_stop,
        )
    counts = ", ".join(f"{n} {label}" for label, n in marks.n_kept.items())
    click.echo(f"{counts} kept, {marks.n_dropped} movements without a mark dropped")
    if file is not None:
        click.echo(f"marks: {file.path}")


def _about(configuration: AgentConfiguration, turn: Mounting) -> str:
    return (
        f"person {configuration.person}, hand {configuration.hand}, mounting {configuration.mounting}; the "
        f"board is {in_words(turn)}; profile {configuration.profile}"
    )


def _title(configuration: AgentConfiguration) -> str:
    unset = "unset"
    worn = [configuration.person, f"{configuration.hand} hand", configuration.mounting]
    known = [each for each in worn if not each.startswith(unset)]
    return " · ".join(["fedmotion record", *known, configuration.port])
