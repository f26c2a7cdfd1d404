"""`fedmotion recognise`."""

from pathlib import Path
from typing import Any

import click
import msgspec

from fedmotion.cli.agent_program import run_agent
from fedmotion.cli.options import configuration_options, configure
from fedmotion.host.configuration import AgentConfiguration


@click.command(
    "recognise",
    epilog="""\b
Examples:
  fedmotion recognise --port /dev/ttyACM0
  fedmotion recognise --port socket://127.0.0.1:4000 --json
""",
)
@click.option(
    "--config",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A TOML file of the keys below.",
)
@click.option("--json", "is_json", is_flag=True, help="One JSON object a line for each event.")
@configuration_options(AgentConfiguration, leave_out=frozenset({"takes_part"}))
def command(config: Path | None, is_json: bool, **options: Any) -> None:
    """Print each gesture as it is recognised, by the federation's released model or by one's own.

    The model comes from the federation that the profile has joined and is kept, so that it works without
    network too; a newer one is taken up between two gestures. Until then, and without a federation, it is the
    one that `fedmotion train` has made of the profile's recordings.
    """
    configuration = configure(AgentConfiguration, config, options, "the agent's configuration").check()
    run_agent(msgspec.structs.replace(configuration, takes_part=False), is_json=is_json)
