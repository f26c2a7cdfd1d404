"""`fedmotion start`: from a plugged-in or simulated board to a recognised gesture, step by step."""

import logging
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import click

from fedmotion.cli.options import CommaSeparated
from fedmotion.cli.start_board import Simulated, choose_board
from fedmotion.cli.start_steps import Guide, Wish
from fedmotion.host.profile import Profile, find_profile
from fedmotion.host.recording_store import RecordingStore
from fedmotion.host.serial_port import check_port
from fedmotion.protocol.identity import check_label

_SWIPES = ("swipe_left", "swipe_right")


@click.command(
    "start",
    epilog="""\b
Examples:
  fedmotion start                                 the board that is plugged in
  fedmotion start --simulated                     no board at hand: a simulated person performs
  fedmotion start --port /dev/ttyACM0 --gestures circle,wave --takes 10
It can be stopped at any time and run again: what was recorded counts.
""",
)
@click.option("--profile", default="default", show_default=True, help="A name, or a folder with a slash.")
@click.option("--port", default="", help="The board; else it is looked for.")
@click.option("--simulated", "is_simulated", is_flag=True, help="A board without hardware.")
@click.option("--seed", default=7, show_default=True, type=click.IntRange(0), help="Which simulated person.")
@click.option(
    "--speed",
    default=1.0,
    show_default=True,
    type=click.FloatRange(1, 10),
    help="How fast the simulated person's time passes.",
)
@click.option(
    "--gestures",
    type=CommaSeparated(),
    default=(),
    help="What to learn; else it is asked. [swipe_left,swipe_right]",
)
@click.option(
    "--takes",
    default=6,
    show_default=True,
    type=click.IntRange(4, 100),
    help="Of each gesture, and of other.",
)
@click.option("--person", default="unset", help="Who wears the board; stays on this host.")
@click.option(
    "--countdown",
    "countdown_s",
    default=2.0,
    show_default=True,
    type=click.FloatRange(0, 60),
    help="Seconds from rest to GO.",
)
def command(
    profile: str,
    port: str,
    is_simulated: bool,
    seed: int,
    speed: float,
    gestures: tuple[str, ...],
    takes: int,
    person: str,
    countdown_s: float,
) -> None:
    """Go from a board to a recognised gesture, in less than five minutes.

    Finds the board, records a few takes of each gesture and of other movement, learns them on this machine
    and recognises them live. Nothing leaves this machine; joining a federation is offered at the end.
    """
    if not speed >= 1:  # nan is in every range of click's
        raise ValueError(f"--speed is 1 to 10, got {speed}")
    if speed != 1 and not is_simulated:
        raise click.UsageError("--speed is of a simulated person: it goes with --simulated")
    if is_simulated and port:
        raise click.UsageError("--simulated brings a board of its own: leave --port out")
    check_label(person, "person")
    if port:
        check_port(port)
    is_asking = sys.stdin.isatty() and sys.stdout.isatty()
    whose = find_profile(profile)
    logging.basicConfig(level=logging.CRITICAL)
    begun_s = time.monotonic()
    with ExitStack() as stack:
        # What is held is not performed again: copies of a take teach nothing and flatter the model.
        who = Simulated(seed, _n_held(whose), speed)
        board = choose_board(stack, port, who, is_simulated=is_simulated, is_asking=is_asking)
        wish = Wish(
            gestures=_gestures(gestures, board.can_perform, is_asking=is_asking),
            n_takes=takes,
            person=person,
            countdown_s=countdown_s,
        )
        guide = Guide(whose, board, wish, is_asking=is_asking)
        guide.record()
        guide.train()
        n_recognised = guide.try_out()
    took = f"{(time.monotonic() - begun_s) / 60:.1f} min" if n_recognised else ""
    _tell_what_next(profile, port or board.port, took, is_simulated=board.person is not None)
    if is_asking:
        _offer_to_join(profile, whose.invitation)


def _n_held(profile: Profile) -> int:
    if not profile.recordings.exists():
        return 0
    with RecordingStore(profile.recordings, clock=time.time, read_only=True) as store:
        return len(store.recording_ids())


def _gestures(given: tuple[str, ...], known: tuple[str, ...], *, is_asking: bool) -> tuple[str, ...]:
    """Return what is to be learned; `known` is all that a simulated person can perform, else nothing."""
    names = given
    if not names and is_asking and not known:
        asked = click.prompt("which gestures, two or more, separated by commas?", default=",".join(_SWIPES))
        names = tuple(name.strip() for name in asked.split(",") if name.strip())
    names = names or _SWIPES
    for name in names:
        check_label(name)
        if known and name not in known:
            raise ValueError(f"a simulated person performs {' and '.join(known)}, got {name!r}")
    if len(set(names)) != len(names) or "other" in names:
        raise ValueError(f"gestures are named once each, and `other` comes by itself, got {', '.join(names)}")
    return names


def _tell_what_next(profile: str, port: str, took: str, *, is_simulated: bool) -> None:
    option = "" if profile == "default" else f" --profile {profile}"
    if took:
        click.echo(f"\nfrom the board to a recognised gesture: {took}")
    port = "PORT" if is_simulated else port
    click.echo(
        f"""
from here on
  gestures as they come, for scripts too:
    fedmotion recognise --port {port}{option}
  the six axes live:
    fedmotion plot --port {port}{option}
  more takes, and learning from them:
    fedmotion record LABEL --port {port}{option}
    fedmotion train{option}"""
    )
    if is_simulated:
        click.echo("  a PORT without a board:\n    fedmotion sim-board")


def _offer_to_join(profile: str, invitation: Path) -> None:
    if invitation.exists():
        return
    click.echo(
        """
Learn together? A federation gives your board other people's gestures, and their other movements, of
which no home has enough. Your recordings stay here; what leaves is what was learned from them (README).
  found one:  fedmotion aggregator --federation home --activities GESTURES,other
              fedmotion invite NAME"""
    )
    while True:
        answer = click.prompt(
            "  join one:   the invitation's file, or Enter for not now", default="", show_default=False
        ).strip()
        if not answer:
            return
        try:
            from fedmotion.cli.join import command as join  # noqa: PLC0415 - rarely wanted

            join.main([answer, "--profile", profile], standalone_mode=False)
        except (click.ClickException, ValueError, OSError) as error:
            click.echo(
                f"  {error.format_message() if isinstance(error, click.ClickException) else error}", err=True
            )
        else:
            return
