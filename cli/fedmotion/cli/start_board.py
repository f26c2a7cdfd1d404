"""Which board `fedmotion start` works with: the one given, one that is found, or a simulated one."""

from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from fedmotion.host.ports import PortReport, survey
from fedmotion.host.ports_listening import listen

if TYPE_CHECKING:
    from fedmotion.boards.obedient_board import ObedientBoard


@dataclass(frozen=True, slots=True)
class Simulated:
    """Which person, which performance of theirs, and how fast their time passes; see ObedientBoard."""

    seed: int
    performance_seed: int
    speed: float


@dataclass(frozen=True, slots=True)
class Board:
    """A board that speaks; `person` performs on it where it is simulated, and can perform `can_perform`."""

    port: str
    person: "ObedientBoard | None" = None
    can_perform: tuple[str, ...] = ()


def choose_board(
    stack: ExitStack, port: str, simulated: Simulated, *, is_simulated: bool, is_asking: bool
) -> Board:
    """Return the board to work with; what is to be ended with it is put on `stack`.

    `simulated` is who performs where it is a simulated one.

    Raises
    ------
    ValueError
        Where there is none and nobody to ask, or it says nothing that we understand: with what to do.
    """
    if is_simulated:
        return _simulated(stack, simulated)
    while not port:
        found = [each for each in survey() if each.board or each.usb]
        usable = [each for each in found if not each.problem]
        if len(usable) == 1:
            click.echo(f"found {usable[0].board or usable[0].description} at {usable[0].port}")
            port = usable[0].port
        elif not is_asking:
            raise ValueError(_none_or_many(found))
        else:
            port = _ask(found, usable)
            if port == "s":
                return _simulated(stack, simulated)
    while True:
        click.echo(f"listening at {port} ...")
        heard = listen(port)
        if heard.kind == "fedmotion":
            click.echo(f"  {heard.sentence}")
            return Board(port)
        if not is_asking or port.startswith("socket://"):
            raise ValueError(f"{port}: {heard.sentence}")
        click.echo(f"  {heard.sentence}", err=True)
        _mend(port, can_flash=heard.kind in {"nothing", "other_program", "other_version"})


def _simulated(stack: ExitStack, who: Simulated) -> Board:
    # Imported here: whoever has a board needs no simulated people.
    from fedmotion.boards.motion import SWIPE_LEFT, SWIPE_RIGHT  # noqa: PLC0415 - see above
    from fedmotion.boards.obedient_board import ObedientBoard  # noqa: PLC0415 - see above

    person = stack.enter_context(
        ObedientBoard(who.seed, performance_seed=who.performance_seed, speed=who.speed)
    )
    click.echo(
        f"simulated person {who.seed} wears a simulated board at {person.address}, and does what you are told"
    )
    return Board(person.address, person, (SWIPE_LEFT, SWIPE_RIGHT))


def _none_or_many(found: list[PortReport]) -> str:
    problems = [each.problem for each in found if each.problem]
    if not found:
        return "no board is plugged in: plug one in with a cable that carries data, or start with --simulated"
    if len(problems) == len(found):
        return problems[0]
    return f"boards are at {', '.join(each.port for each in found if not each.problem)}: name one with --port"


def _ask(found: list[PortReport], usable: list[PortReport]) -> str:
    """Return a port, `s` for a simulated board, or nothing to look again."""
    for each in found:
        click.echo(
            f"  {each.port}  {each.board or each.description}" + (f": {each.problem}" if each.problem else "")
        )
    if not found:
        click.echo("no board is plugged in (a cable that only charges looks the same)")
    choices = [str(number) for number in range(1, len(usable) + 1)]
    for number, each in zip(choices, usable, strict=True):
        click.echo(f"  {number}: {each.port}")
    answer: str = click.prompt(
        "Enter to look again, s for a simulated board" + (", or a number" if choices else ""),
        type=click.Choice([*choices, "s", ""]),
        default="",
        show_choices=False,
        show_default=False,
    )
    return usable[int(answer) - 1].port if answer in choices else answer


def _mend(port: str, *, can_flash: bool) -> None:
    """Offer to write the firmware; returns when it is worth listening again."""
    answer = click.prompt(
        "Enter to listen again"
        + (", u or n to write the firmware into an Uno or a Nano" if can_flash else ""),
        type=click.Choice(["u", "n", ""] if can_flash else [""]),
        default="",
        show_choices=False,
        show_default=False,
    )
    if not answer:
        return
    from fedmotion.cli.flash import command as flash  # noqa: PLC0415 - rarely wanted

    try:
        flash.main(["uno" if answer == "u" else "nano", "--port", port], standalone_mode=False)
    except (click.ClickException, ValueError, OSError) as error:
        click.echo(
            f"  {error.format_message() if isinstance(error, click.ClickException) else error}", err=True
        )
