"""`fedmotion join`."""

from pathlib import Path

import click

from fedmotion.host.profile import find_profile, join


@click.command(
    "join",
    epilog="""\b
Examples:
  fedmotion join anna.invitation
  fedmotion join anna.invitation --profile left     a second board on this host
""",
)
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--profile", default="default", show_default=True, help="A name, or a folder where it has a slash."
)
def command(file: Path, profile: str) -> None:
    """Take part in a federation with the FILE that its owner sent."""
    invitation = join(find_profile(profile), file.read_bytes())
    option = "" if profile == "default" else f" --profile {profile}"
    click.echo(
        f"joined {invitation.federation} as {invitation.client_id}, "
        f"broker {invitation.host}:{invitation.port}\n"
        f"next: fedmotion record GESTURE --port PORT{option}, then fedmotion agent --port PORT{option}"
    )
