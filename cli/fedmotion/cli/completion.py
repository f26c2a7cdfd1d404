"""`fedmotion completion`: commands and options by the tab key."""

import click
from click.shell_completion import get_completion_class


@click.command(
    "completion",
    epilog="""\b
Examples:
  fedmotion completion bash                       append it to ~/.bashrc
  fedmotion completion zsh                        to ~/.zshrc
  fedmotion completion fish                       or write it to ~/.config/fish/completions/fedmotion.fish
""",
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print what SHELL needs so that the tab key completes commands and options."""
    from fedmotion.cli.main import command as fedmotion  # noqa: PLC0415 - which imports this module

    kind = get_completion_class(shell)
    if kind is None:
        raise click.ClickException(f"this version of click completes nothing in {shell}")
    click.echo(kind(fedmotion, {}, "fedmotion", "_FEDMOTION_COMPLETE").source())
