"""`fedmotion recordings`: the group; each of its commands is imported only when it is called."""

import importlib
from collections.abc import Mapping

import click

_COMMANDS: Mapping[str, tuple[str, str]] = {
    "list": ("recordings_list", "List a profile's recordings and how many there are of each label."),
    "show": ("recordings_show", "Say everything of one recording."),
    "plot": ("recordings_plot", "Draw the six axes of recordings over each other."),
    "check": ("recordings_check", "Find bad recordings and name them, before anything is trained."),
    "relabel": ("recordings_relabel", "Give recordings another label."),
    "delete": ("recordings_delete", "Delete recordings; `restore` gives them back."),
    "restore": ("recordings_restore", "Give deleted recordings back."),
    "export": ("recordings_export", "Write recordings into a file that others open."),
    "import": ("recordings_import", "Take in recordings of other programs and people."),
}


class _LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - likewise
        if cmd_name not in _COMMANDS:
            return None
        command = importlib.import_module(f"fedmotion.cli.{_COMMANDS[cmd_name][0]}").command
        assert isinstance(command, click.Command)  # noqa: S101 - a slip of ours, not an input
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - likewise
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in _COMMANDS.items()])


@click.group(
    "recordings",
    cls=_LazyGroup,
    epilog="""\b
Examples:
  fedmotion recordings list --profile anna        what there is
  fedmotion recordings check --profile anna       what is wrong with it
  fedmotion recordings plot 3 7 12                takes over each other
  fedmotion recordings relabel 12 swipe_left      a take that was given the wrong label
  fedmotion recordings import utd.npz             other people's takes
""",
)
def command() -> None:
    """Look after recordings: list, draw, check, relabel, delete, export and import them."""
