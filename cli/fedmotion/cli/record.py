"""`fedmotion record`."""

import logging
import shlex
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from fedmotion.cli.options import CommaSeparated, configuration_options, configure
from fedmotion.cli.record_plain import record_plainly
from fedmotion.cli.stop_signals import StopSignals
from fedmotion.host.board_identity import BoardIdentity
from fedmotion.host.configuration import AgentConfiguration
from fedmotion.host.guided.continuous import ContinuousMarks
from fedmotion.host.guided.held import count_held
from fedmotion.host.guided.plan import TakePlan, plan_takes
from fedmotion.host.guided.takes import GuidedOptions
from fedmotion.host.mounting_file import mounting_of
from fedmotion.host.profile import Profile, find_profile
from fedmotion.host.recording_store import RecordingStore
from fedmotion.models.statistics import MIN_WINDOWS
from fedmotion.protocol.identity import MAX_BOARD_ID

_INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class _Way:
    """How it is recorded: the options that are not of the configuration."""

    takes: int
    is_resumed: bool
    is_alternating: bool
    guided: GuidedOptions
    is_continuous: bool
    is_rest_other: bool
    write_marks: Path | None
    is_plain: bool
    is_json: bool


@click.command(
    "record",
    epilog="""\b
Examples:
  fedmotion record swipe_left --port /dev/ttyACM0
  fedmotion record swipe_left swipe_right other --takes 10 --port /dev/ttyACM0     one after another
  fedmotion record other --takes 30 --auto --port /dev/ttyACM0     movement that is no gesture
  fedmotion record swipe_left --port /dev/ttyACM0 --person anna --hand right --mounting wrist
  fedmotion record swipe_left --takes 10 --resume --port /dev/ttyACM0     until there are 10
  fedmotion record --continuous --labels swipe_left,swipe_right --port /dev/ttyACM0     a key marks each
Keys: Enter or k keeps a take, r does it again, space pauses, q stops. What was kept stays, however it ends.
""",
)
@click.argument("labels", nargs=-1, metavar="LABEL...")
@click.option("--labels", "more_labels", type=CommaSeparated(), default=(), help="The same, as a,b,...")
@click.option(
    "--takes", default=10, show_default=True, type=click.IntRange(1, 10_000), help="How many of each."
)
@click.option(
    "--resume",
    "is_resumed",
    is_flag=True,
    help="Takes of this person that the profile holds already count.",
)
@click.option("--alternate", "is_alternating", is_flag=True, help="Labels by turns; else one after another.")
@click.option("--auto", "is_auto", is_flag=True, help="Keep usable takes without asking, repeat the others.")
@click.option(
    "--countdown",
    "countdown_s",
    default=3.0,
    show_default=True,
    type=click.FloatRange(0, 60),
    help="Seconds from rest to GO.",
)
@click.option(
    "--rest",
    "rest_s",
    default=1.0,
    show_default=True,
    type=click.FloatRange(0.1, 60),
    help="Seconds of rest before the countdown.",
)
@click.option(
    "--continuous", "is_continuous", is_flag=True, help="Record on and on; a key says what a movement was."
)
@click.option(
    "--rest-is-other", "is_rest_other", is_flag=True, help="With --continuous: unmarked movement is `other`."
)
@click.option(
    "--write-marks",
    type=click.Path(path_type=Path, dir_okay=False),
    help="With --continuous: write the marks to this file, for --marks.",
)
@click.option(
    "--board-id",
    type=click.IntRange(0, MAX_BOARD_ID),
    help="Record from the board that has this id only.",
)
@click.option("--plain", "is_plain", is_flag=True, help="Lines and no guidance, as in a pipe.")
@click.option("--json", "is_json", is_flag=True, help="Likewise, one JSON object a line.")
@click.option(
    "--config",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A TOML file of the keys below.",
)
@configuration_options(
    AgentConfiguration,
    leave_out=frozenset(
        {
            *("takes_part", "marks", "is_other_recorded", "resend_s", "corrections_broker"),
            *("is_other_collected", "other_quota", "other_share", "held_out_share"),
        }
    ),
)
@click.pass_context
def command(
    context: click.Context,
    /,
    labels: tuple[str, ...],
    more_labels: tuple[str, ...],
    takes: int,
    is_resumed: bool,
    is_alternating: bool,
    is_auto: bool,
    countdown_s: float,
    rest_s: float,
    is_continuous: bool,
    is_rest_other: bool,
    write_marks: Path | None,
    board_id: int | None,
    is_plain: bool,
    is_json: bool,
    config: Path | None,
    **options: Any,
) -> None:
    """Record takes of gestures: each movement between two rests is one take of the LABEL whose turn it is.

    On a terminal it guides: it waits for rest, counts down, shows how much moves, and asks after each take
    whether to keep it. Into a pipe it prints a line a take and keeps each.
    """
    way = _Way(
        takes=takes,
        is_resumed=is_resumed,
        is_alternating=is_alternating,
        guided=GuidedOptions(countdown_s, rest_s, is_auto),
        is_continuous=is_continuous,
        is_rest_other=is_rest_other,
        write_marks=write_marks,
        is_plain=is_plain or is_json or not (sys.stdin.isatty() and sys.stdout.isatty()),
        is_json=is_json,
    )
    wanted = _check_way(labels + more_labels, way)
    configuration = configure(AgentConfiguration, config, options, "the agent's configuration").check()
    if not configuration.port:
        raise ValueError("recording needs a board: give --port")
    if is_continuous:
        # Before anything is opened or made.
        marks = ContinuousMarks(wanted, is_rest_other=is_rest_other)
    else:
        plan_takes(wanted, takes)
    logging.basicConfig(level=logging.ERROR, format="%(levelname)s %(message)s")
    if not way.is_plain:
        # What is wrong is on the screen, which a line of the log would tear.
        logging.disable(logging.CRITICAL)
    profile = find_profile(configuration.profile)
    profile.create()
    turn = mounting_of(profile.turn)
    with RecordingStore(profile.recordings, clock=time.time) as store, StopSignals() as stop:
        identity = BoardIdentity(board_id, store.count_by_board())
        if is_continuous:
            # rich and termios: a pipe has no use for them.
            from fedmotion.cli.record_guided import mark_movements  # noqa: PLC0415 - see above

            mark_movements(configuration, store, marks, turn, identity, way.write_marks, stop)
            _tell_held(profile, store, n_unusable=0)
            raise SystemExit(0 if stop.came is None else _INTERRUPTED)
        plan = plan_takes(
            wanted,
            takes,
            is_alternating=is_alternating,
            n_before=count_held(store, wanted, configuration.person) if is_resumed else None,
        )
        if way.is_plain:
            done = record_plainly(configuration, store, plan, turn, identity, stop, is_json=is_json)
        else:
            from fedmotion.cli.record_guided import guide  # noqa: PLC0415 - likewise

            done = guide(configuration, store, plan, turn, identity, way.guided, stop)
        if not is_json:
            _tell_held(profile, store, n_unusable=done.n_unusable)
            if not done.plan.is_complete:
                _tell_how_to_go_on(context, store, done.plan, configuration.person)
    if stop.came is not None:
        raise SystemExit(_INTERRUPTED)


def _check_way(labels: tuple[str, ...], way: _Way) -> tuple[str, ...]:
    """Return the labels; raises UsageError where options do not go together."""
    if not labels:
        raise click.UsageError("Missing argument 'LABEL': say what is performed")
    if not way.is_continuous and (way.is_rest_other or way.write_marks is not None):
        raise click.UsageError("--rest-is-other and --write-marks go with --continuous")
    if way.is_continuous and (way.is_resumed or way.is_alternating or way.guided.is_auto):
        raise click.UsageError(
            "--continuous goes on until it is stopped: leave --resume, --alternate and --auto"
        )
    if way.is_continuous and way.is_plain:
        raise click.UsageError("--continuous needs a terminal: its marks are keys")
    if way.write_marks is not None:
        _check_new(way.write_marks)
    return labels


def _check_new(path: Path) -> None:
    if not path.absolute().parent.is_dir():
        raise ValueError(f"marks go into a folder that exists, got {str(path)!r}")
    if path.exists():
        raise ValueError(f"marks go into a new file, {path} is there already")


def _tell_held(profile: Profile, store: RecordingStore, *, n_unusable: int) -> None:
    by_label: Mapping[str, int] = store.count_by_label()
    counts = ", ".join(f"{count} {name}" for name, count in by_label.items()) or "no takes"
    click.echo(f"{profile.directory} holds {counts}")
    n_more = MIN_WINDOWS - sum(by_label.values()) + n_unusable
    if n_more > 0:
        click.echo(
            f"a federation's first round needs {MIN_WINDOWS} takes in all, of any label: {n_more} more"
        )


def _tell_how_to_go_on(context: click.Context, store: RecordingStore, plan: TakePlan, person: str) -> None:
    """Print the command with which the takes that are missing are recorded, one where one does."""
    left = [label for label in plan.labels if plan.n_more(label)]
    held = count_held(store, left, person)
    by_goal: dict[int, list[str]] = {}
    for label in left:
        by_goal.setdefault(held[label] + plan.n_more(label), []).append(label)
    click.echo("to go on:")
    given = _given_options(context, leave_out={"labels", "more_labels", "takes", "is_resumed"})
    for goal, labels in by_goal.items():
        words = ["fedmotion", "record", *labels, "--takes", str(goal), "--resume", *given]
        click.echo(f"  {shlex.join(words)}")


def _given_options(context: click.Context, leave_out: set[str]) -> list[str]:
    """Return the options as they were given on the command line."""
    words: list[str] = []
    for parameter in context.command.params:
        name = parameter.name or ""
        is_given = context.get_parameter_source(name) is ParameterSource.COMMANDLINE
        if name in leave_out or not is_given or not isinstance(parameter, click.Option):
            continue
        value = context.params[name]
        if parameter.is_flag:
            words.append(parameter.opts[0] if value else parameter.secondary_opts[0])
        else:
            words += [parameter.opts[0], str(value)]
    return words
