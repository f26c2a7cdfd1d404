"""`fedmotion recognise`."""

from pathlib import Path
from typing import Any

import click
import msgspec
from rich.console import Console

from fedmotion.cli.agent_program import run_agent
from fedmotion.cli.options import configuration_options, configure
from fedmotion.cli.recognise_file import explain_take, recognise_file
from fedmotion.cli.recognise_session import Outputs, Session, can_draw
from fedmotion.cli.score_table import show
from fedmotion.host.marks import read_marks
from fedmotion.host.profile import find_profile
from fedmotion.host.recognise_configuration import RecogniseConfiguration
from fedmotion.host.stream_score import StreamScore

_REPEATED = ("on", "quiet")


@click.command(
    "recognise",
    epilog="""\b
Examples:
  fedmotion recognise --port /dev/ttyACM0
  fedmotion recognise --port /dev/ttyACM0 --min-probability 0.8 --quiet-s 2
  fedmotion recognise --port /dev/ttyACM0 --on swipe_left='echo left' --on '*=echo any'
  fedmotion recognise --port /dev/ttyACM0 --home-assistant homeassistant.local --home-assistant-user board
  fedmotion recognise --port /dev/ttyACM0 --http 8080         ask it: curl http://127.0.0.1:8080/v1/last
  fedmotion recognise --port /dev/ttyACM0 --why pictures      why was it that gesture?
  fedmotion recognise --port socket://127.0.0.1:4000 --json
  fedmotion recognise --port socket://127.0.0.1:4000 --score marks.json      how good is it?
""",
)
@click.option(
    "--config",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A TOML file of the keys below.",
)
@click.option("--json", "is_json", is_flag=True, help="One JSON object a line for each event.")
@click.option("--lines", "is_lines", is_flag=True, help="A line a gesture also in a terminal.")
@click.option(
    "--score",
    "marks_path",
    type=click.Path(path_type=Path, dir_okay=False),
    help="JSON file of [{label, start_us, stop_us}] that are performed: count what is found, missed and "
    "false, until the board is gone.",
)
@click.option(
    "--file",
    "file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A recorded stream, npz or csv, instead of a board.",
)
@click.option(
    "--take",
    type=click.IntRange(0),
    help="Which take of --file, from 0 on; with --why alone, a recording of the profile, by its number.",
)
@click.option(
    "--on",
    multiple=True,
    metavar="GESTURE=COMMAND",
    help="Run a command for a gesture, * for any; again for more.",
)
@click.option(
    "--quiet",
    multiple=True,
    metavar="GESTURE=SECONDS",
    help="As --quiet-s, for one gesture; again for more.",
)
@configuration_options(RecogniseConfiguration, leave_out=frozenset({"takes_part", *_REPEATED}))
def command(
    config: Path | None,
    is_json: bool,
    is_lines: bool,
    marks_path: Path | None,
    file: Path | None,
    take: int | None,
    **options: Any,
) -> None:
    """Tell of each gesture as it is recognised: here, to programs, and to Home Assistant.

    The model comes from the federation that the profile has joined and is kept, so that it works without
    network too; a newer one is taken up between two gestures. Until then, and without a federation, it is the
    one that `fedmotion train` has made of the profile's recordings.
    """
    for name in _REPEATED:
        options[name] = options[name] or None
    configuration = configure(
        RecogniseConfiguration, config, options, "the recogniser's configuration"
    ).check()
    configuration = msgspec.structs.replace(configuration, takes_part=False)
    profile = find_profile(configuration.profile)
    if take is not None and file is None:
        if not configuration.why:
            raise click.UsageError("--take is one of --file, or with --why one of the profile's recordings")
        click.echo(explain_take(profile, take, Path(configuration.why), configuration.min_probability))
        return
    marks = None if marks_path is None else read_marks(marks_path)
    if file is not None:
        if configuration.port:
            raise click.UsageError("a stream is a board's (--port) or a file's (--file): give one of them")
        score = recognise_file(configuration, profile, file, take or 0, marks, is_json=is_json)
    else:
        if marks is not None and not configuration.port:
            raise click.UsageError("--score needs a stream: a board's (--port) or a file's (--file)")
        outputs = Outputs(configuration, profile)
        is_view = can_draw(is_json=is_json) and not is_lines
        session = Session(configuration, outputs, is_json=is_json, is_view=is_view, marks=marks)
        try:
            run_agent(configuration, is_json=is_json, listener=session)
        finally:
            session.close()
        score = session.score()
    if score is not None:
        _show(score, is_json=is_json)


def _show(score: StreamScore, *, is_json: bool) -> None:
    if is_json:
        click.echo(msgspec.json.encode({"event": "score", **msgspec.to_builtins(score)}))
    else:
        show(Console(), score)
