"""`fedmotion agent`."""

from pathlib import Path
from typing import Any

import click

from fedmotion.cli.agent_program import run_agent
from fedmotion.cli.options import configuration_options, configure
from fedmotion.host.configuration import AgentConfiguration


@click.command(
    "agent",
    epilog="""\b
Examples:
  fedmotion agent --port /dev/ttyACM0             take part with the profile "default"
  fedmotion agent --config agent.toml             the same keys from a file
  fedmotion agent --profile left --port /dev/ttyUSB1
  fedmotion agent --port /dev/ttyACM0 --marks session.json      record what the marks name
Ctrl-C ends it; what has not reached the aggregator yet is sent the next time.
""",
)
@click.option(
    "--config",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A TOML file of the keys below.",
)
@click.option("--json", "is_json", is_flag=True, help="One JSON object a line for each event.")
@configuration_options(AgentConfiguration)
def command(config: Path | None, is_json: bool, **options: Any) -> None:
    """Own one node: record, train when a round asks, recognise live.

    Takes part in the federation that the profile has joined (`fedmotion join`). Motion stays in the
    profile's folder; what is published is what was learned from it.
    """
    run_agent(
        configure(AgentConfiguration, config, options, "the agent's configuration").check(), is_json=is_json
    )
