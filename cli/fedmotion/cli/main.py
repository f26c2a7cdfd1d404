"""The command `fedmotion`; each subcommand's module is imported only when it is called."""

import importlib
import sys
from collections.abc import Mapping

import click

_EPILOG = """\b
Examples:
  fedmotion demo                                  see it all on this machine
  fedmotion start                                 from your board to a recognised gesture
  fedmotion sim-board --board simulated           a board without hardware
  fedmotion flash uno --port /dev/ttyACM0         give an Arduino its firmware
  fedmotion aggregator --data ./federation        lead a federation
  fedmotion invite anna --data ./federation       let a client take part
  fedmotion join anna.invitation                  take part
  fedmotion agent --port /dev/ttyACM0             learn together with the others
  fedmotion recognise --port /dev/ttyACM0         watch gestures live
"""

# Help is shown from here, so that it imports nothing heavy.
_COMMANDS: Mapping[str, tuple[str, str]] = {
    "demo": (
        "fedmotion.cli.demo",
        "Four people's sensors teach each other a gesture; a fifth is recognised.",
    ),
    "start": ("fedmotion.cli.start", "From a board to a recognised gesture, step by step."),
    "agent": ("fedmotion.cli.agent", "Own one node: record, train when a round asks, recognise live."),
    "aggregator": ("fedmotion.cli.aggregator", "Lead a federation: run its rounds and publish its models."),
    "invite": ("fedmotion.cli.invite", "Write the one file with which a client takes part."),
    "join": ("fedmotion.cli.join", "Take part in a federation with the file its owner sent."),
    "gestures": ("fedmotion.cli.gestures", "See the federation's gestures, propose more, teach them."),
    "plot": ("fedmotion.cli.plot", "Show a board's six axes and gestures live, in a window or a browser."),
    "record": ("fedmotion.cli.record", "Record takes of one gesture."),
    "train": ("fedmotion.cli.train", "Make a model of your own recordings, without any federation."),
    "benefit": ("fedmotion.cli.benefit", "Show what the federation bought you, on your own takes."),
    "mount": ("fedmotion.cli.mount", "Say how the board is turned on its wearer."),
    "models": ("fedmotion.cli.models", "List models, show and compare them, save one into a file."),
    "recordings": ("fedmotion.cli.recordings", "List, check, relabel, delete, import and export recordings."),
    "recognise": (
        "fedmotion.cli.recognise",
        "Tell of each gesture as it is recognised: here, to programs, to Home Assistant.",
    ),
    "ports": ("fedmotion.cli.ports", "List the boards that are connected, and what runs on them."),
    "doctor": (
        "fedmotion.cli.doctor",
        "Find what is wrong with board, federation or machine, and what to do.",
    ),
    "flash": ("fedmotion.cli.flash", "Write the firmware into an Arduino Uno or Nano, or a DA14580."),
    "evaluate": (
        "fedmotion.cli.evaluate",
        "What federation buys on recordings: alone, federated, personalised, pooled.",
    ),
    "completion": ("fedmotion.cli.completion", "Let the tab key complete commands and options."),
    "sim-board": ("fedmotion.cli.sim_board", "A board without hardware, on a port like a real one's."),
}


class _LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - likewise
        if cmd_name not in _COMMANDS:
            return None
        command = importlib.import_module(_COMMANDS[cmd_name][0]).command
        assert isinstance(command, click.Command)  # noqa: S101 - a slip of ours, not an input
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - likewise
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in _COMMANDS.items()])


@click.group(cls=_LazyGroup, epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="fedmotion")
def command() -> None:
    """Small motion sensors learn gestures together while nobody's motion leaves home."""


def main() -> None:
    """Run the command; what is wrong with an input is one sentence and exit status 2."""
    try:
        command(standalone_mode=False)
    except click.Abort:
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except OSError as error:
        is_of_file = error.filename is not None and error.strerror is not None
        click.echo(f"fedmotion: {f'{error.filename}: {error.strerror}' if is_of_file else error}", err=True)
        sys.exit(2)
    except ValueError as error:
        click.echo(f"fedmotion: {error}", err=True)
        sys.exit(2)
