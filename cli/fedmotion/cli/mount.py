"""`fedmotion mount`."""

import logging
import time

import click

from fedmotion.host.mounting_file import HowFound, KeptTurn, mounting_of, read_turn, write_turn
from fedmotion.host.mounting_fit import fit_to_takes
from fedmotion.host.mounting_poses import PoseReader
from fedmotion.host.profile import Profile, find_profile
from fedmotion.host.recording_store import RecordingStore
from fedmotion.host.released_model import ReleasedModelFile, utc
from fedmotion.host.serial_port import check_port
from fedmotion.models.mounting import AS_PICTURED, Mounting, from_poses, in_words
from fedmotion.models.turns import Vector
from fedmotion.protocol.identity import Hand
from fedmotion.protocol.serial_frames import DEFAULT_BAUD

_POSES = (
    "let the arm hang straight down, the back of the hand outwards",
    "hold the forearm level and forward, the palm down",
)


@click.command(
    "mount",
    epilog="""\b
Examples:
  fedmotion mount --port /dev/ttyACM0 --hand right     two poses, held still
  fedmotion mount --by-gestures                        by takes of gestures that the model knows
  fedmotion mount --as-pictured                        worn as in the picture of docs/mounting.md
  fedmotion mount --show                               how is it said to be turned?
""",
)
@click.option("--profile", default="default", show_default=True, help="Name of the profile, or its folder.")
@click.option("--port", default="", help="The board, for the two poses.")
@click.option(
    "--baud",
    default=DEFAULT_BAUD,
    show_default=True,
    type=click.IntRange(300, 4_000_000),
    help="Of the port.",
)
@click.option(
    "--hand", type=click.Choice(["left", "right"]), help="The hand that wears it; else it is asked."
)
@click.option(
    "--seconds",
    default=2.0,
    show_default=True,
    type=click.FloatRange(0.5, 30),
    help="How long each pose is held.",
)
@click.option(
    "--timeout",
    "timeout_s",
    default=60.0,
    show_default=True,
    type=click.FloatRange(1, 3600),
    help="Seconds to wait for a pose.",
)
@click.option("--no-wait", is_flag=True, help="Ask for no key: take the first stillness as the first pose.")
@click.option("--by-gestures", is_flag=True, help="Find it by recorded takes and the released model.")
@click.option("--as-pictured", is_flag=True, help="It is worn as pictured.")
@click.option("--show", is_flag=True, help="Say how it is turned, and change nothing.")
def command(
    profile: str,
    port: str,
    baud: int,
    hand: Hand | None,
    seconds: float,
    timeout_s: float,
    no_wait: bool,
    by_gestures: bool,
    as_pictured: bool,
    show: bool,
) -> None:
    """Say how the board is turned on its wearer, so that gestures are met as a board worn as pictured would.

    Without more: by two poses, read from the board. Recordings keep the turn under which they were made.
    """
    if by_gestures + as_pictured + show > 1:
        raise click.UsageError("--by-gestures, --as-pictured and --show are different things: name one")
    logging.basicConfig(level=logging.ERROR, format="%(levelname)s %(message)s")
    whose = find_profile(profile)
    if show:
        _show(whose)
    elif as_pictured:
        _keep(whose, AS_PICTURED, "as-pictured")
    elif by_gestures:
        _keep(whose, _by_gestures(whose, hand), "gestures")
    else:
        if not port:
            raise ValueError(
                "the two poses are read from a board: give --port, or say --by-gestures or --as-pictured"
            )
        check_port(port)
        if hand is None:
            if no_wait:
                raise ValueError("the poses do not tell the hands apart: give --hand left or --hand right")
            is_left = click.prompt("which hand wears it?", type=click.Choice(["left", "right"])) == "left"
            hand = "left" if is_left else "right"
        _keep(whose, _by_poses(port, baud, hand, seconds, timeout_s, no_wait=no_wait), "two-poses")


def _by_poses(
    port: str, baud: int, hand: Hand, seconds: float, timeout_s: float, *, no_wait: bool
) -> Mounting:
    with PoseReader(port, baud) as reader:
        poses: list[Vector] = []
        for words in _POSES:
            click.echo(f"{words}; hold still")
            if not no_wait:
                click.prompt("  Enter when you do", default="", show_default=False, prompt_suffix=" ")
            # The first pose must not be taken for the second by somebody who is slow.
            pose = reader.read(seconds, timeout_s=timeout_s, unlike=poses[0] if poses else None)
            click.echo(f"  gravity at ({', '.join(f'{part + 0.0:.1f}' for part in pose)}) m/s2")
            poses.append(pose)
    if hand == "left":
        click.echo(
            "left hand: its gestures are taken as mirror images, inward stays inward; where left is to mean "
            "left in the room, say --hand right"
        )
    return from_poses(poses[0], poses[1], hand)


def _by_gestures(whose: Profile, hand: Hand | None) -> Mounting:
    model = ReleasedModelFile(whose.released_model).read(whose.read_invitation().federation_id)
    if model is None:
        raise ValueError(
            f"{whose.directory} has no released model yet: run `fedmotion agent` until it has one, or tell "
            "by the two poses: `fedmotion mount --port PORT`"
        )
    with RecordingStore(whose.recordings, clock=time.time, read_only=True) as store:
        fit = fit_to_takes(store, model, turn=mounting_of(whose.turn), hand=hand or "unset")
    click.echo(f"the model of round {model.round_id} knows them best so, by a lead of {fit.lead:.2f}")
    return fit.mounting


def _show(whose: Profile) -> None:
    kept = read_turn(whose.turn)
    if kept is None:
        click.echo("the board is turned as pictured: nobody has said otherwise")
    else:
        click.echo(f"the board is {in_words(kept.mounting)} (by {kept.found_by}, {kept.found_at})")


def _keep(whose: Profile, mounting: Mounting, found_by: HowFound) -> None:
    try:
        before = mounting_of(whose.turn)
    except ValueError as error:
        # Whoever is told to run this again must be able to.
        click.echo(f"  replaced: {error}", err=True)
        before = AS_PICTURED
    whose.create()
    write_turn(whose.turn, KeptTurn(mounting, found_by, utc(time.time()), in_words(mounting)))
    click.echo(f"the board is {in_words(mounting)}")
    if in_words(before) == in_words(mounting):
        click.echo("that is as before")
        return
    click.echo(f"before: {in_words(before)}")
    click.echo("an agent that runs takes it up when it is started again; recordings keep the turn they had")
