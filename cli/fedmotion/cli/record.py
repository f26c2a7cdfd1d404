"""`fedmotion record`."""

import logging
import time
from pathlib import Path
from typing import Any

import click

from fedmotion.cli.agent_program import FINDING
from fedmotion.cli.options import configuration_options, configure
from fedmotion.host.configuration import AgentConfiguration
from fedmotion.host.mounting_file import mounting_of
from fedmotion.host.profile import find_profile
from fedmotion.host.recording_review import why_not_trained_on
from fedmotion.host.recording_store import Recording, RecordingStore
from fedmotion.host.take_recording import record_takes
from fedmotion.models.statistics import MIN_WINDOWS


@click.command(
    "record",
    epilog="""\b
Examples:
  fedmotion record swipe_left --port /dev/ttyACM0
  fedmotion record other --takes 30 --port /dev/ttyACM0     movement that is no gesture
  fedmotion record swipe_left --port /dev/ttyACM0 --person anna --hand right --mounting wrist
""",
)
@click.argument("label")
@click.option("--takes", default=10, show_default=True, type=click.IntRange(1, 10_000), help="How many.")
@click.option(
    "--config",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A TOML file of the keys below.",
)
@configuration_options(
    AgentConfiguration, leave_out=frozenset({"takes_part", "marks", "is_other_recorded", "resend_s"})
)
def command(label: str, takes: int, config: Path | None, **options: Any) -> None:
    """Record takes of one gesture, LABEL: each movement between two rests is one take."""
    configuration = configure(AgentConfiguration, config, options, "the agent's configuration").check()
    if not configuration.port:
        raise ValueError("recording needs a board: give --port")
    logging.basicConfig(level=logging.ERROR, format="%(levelname)s %(message)s")
    profile = find_profile(configuration.profile)
    profile.create()
    turn = mounting_of(profile.turn)
    unusable: list[str] = []

    def tell(recording: Recording, n_recorded: int) -> None:
        seconds = (recording.stop_us - recording.start_us) / 1e6
        click.echo(f"  {n_recorded}/{takes}  {label}, {seconds:.1f} s")
        why = why_not_trained_on(recording)
        if why:
            unusable.append(why)
            click.echo(f"  not to be trained on, repeat it: {why}", err=True)

    with RecordingStore(profile.recordings, clock=time.time) as store:
        click.echo(f"perform {label} {takes} times, resting a second in between (Ctrl-C ends)")
        record_takes(
            configuration,
            store,
            label,
            takes,
            finding=FINDING,
            turn=turn,
            on_take=tell,
            on_trouble=lambda reason: click.echo(f"  {reason}", err=True),
            on_open=lambda: click.echo(f"  {configuration.port} is open", err=True),
        )
        n_takes = sum(store.count_by_label().values())
        counts = ", ".join(f"{count} {name}" for name, count in store.count_by_label().items())
    click.echo(f"{profile.directory} holds {counts}")
    if unusable:
        click.echo(f"{len(unusable)} of these takes will not be trained on: record as many more of {label}")
    n_takes -= len(unusable)
    if n_takes < MIN_WINDOWS:
        n_more = MIN_WINDOWS - n_takes
        click.echo(
            f"a federation's first round needs {MIN_WINDOWS} takes in all, of any label: {n_more} more"
        )
