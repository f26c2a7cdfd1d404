"""Where corrections come from while an agent runs: keys of a terminal, or lines of JSON through a pipe."""

import os
import select
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import click

from fedmotion.broker.address import parse_address
from fedmotion.broker.door import Door, Event
from fedmotion.broker.paho_door import PahoDoor
from fedmotion.cli.key_dialogue import HINT, KeyDialogue
from fedmotion.host.configuration import AgentConfiguration
from fedmotion.host.correction_door import CorrectionDoor
from fedmotion.host.corrections import MAX_LINE_BYTES, Correction, parse_correction
from fedmotion.host.profile import Profile

_N_BYTES = 4096
_MAX_READS = 16

Poll = Callable[[], object]
"""Takes what came since the last call and does not wait; wanted a few times a second."""


@contextmanager
def corrections(
    take: Callable[[Correction], object],
    activities: Callable[[], Sequence[str]],
    on_trouble: Callable[[str], object],
) -> Iterator[Poll]:
    """Give the function that reads corrections from standard input, for as long as the block lasts.

    `take` is given each; `on_trouble` is told in words of a line that is none.
    """
    try:
        descriptor = sys.stdin.fileno()
    except (AttributeError, OSError, ValueError):
        yield lambda: None  # there is no standard input
        return
    if not os.isatty(descriptor):
        yield _Lines(descriptor, take, on_trouble).poll
        return
    if os.tcgetpgrp(descriptor) != os.getpgrp():
        yield lambda: None  # in the background the keys are somebody else's
        return
    # Needs POSIX, and a pipe does without.
    from fedmotion.cli.keyboard import Keyboard  # noqa: PLC0415 - see above

    dialogue = KeyDialogue()
    click.echo(HINT, err=True)
    with Keyboard(descriptor) as keyboard:

        def poll() -> None:
            for key in keyboard.pressed():
                said = dialogue.feed(key, activities())
                if isinstance(said, Correction):
                    take(said)
                elif said:
                    click.echo(said, err=True)

        yield poll


@contextmanager
def corrections_by_mqtt(
    configuration: AgentConfiguration,
    profile: Profile,
    take: Callable[[Correction], object],
    on_trouble: Callable[[str], object],
) -> Iterator[Poll]:
    """Give the function that takes corrections from the broker that the configuration names, if it does."""
    if not configuration.corrections_broker:
        yield lambda: None
        return
    address = parse_address(configuration.corrections_broker)
    name = profile.directory.absolute().name

    def open_door(on_event: Callable[[Event], None]) -> Door:
        return PahoDoor(address, name=name, on_event=on_event)

    door = CorrectionDoor(name, open_door, take=take, on_trouble=on_trouble)
    try:
        yield door.poll
    finally:
        door.close()


class _Lines:
    """The lines of a pipe; one that is too long is dropped whole."""

    def __init__(
        self, descriptor: int, take: Callable[[Correction], object], on_trouble: Callable[[str], object]
    ) -> None:
        self._descriptor = descriptor
        self._take = take
        self._on_trouble = on_trouble
        self._rest = b""
        self._is_too_long = False
        self._is_closed = False

    def poll(self) -> None:
        """Read what is there; bounded, so that an endless writer does not hold up the board."""
        for _ in range(_MAX_READS):
            if self._is_closed or not select.select([self._descriptor], [], [], 0)[0]:
                return
            try:
                data = os.read(self._descriptor, _N_BYTES)
            except OSError:
                data = b""
            self._is_closed = not data
            # The end of the input ends its last line.
            *lines, self._rest = (self._rest + (data or b"\n")).split(b"\n")
            for line in lines:
                self._on_line(line)
            if len(self._rest) > MAX_LINE_BYTES:
                self._rest, self._is_too_long = b"", True

    def _on_line(self, line: bytes) -> None:
        was_too_long, self._is_too_long = self._is_too_long, False
        if not line.strip() and not was_too_long:
            return
        if was_too_long:
            self._on_trouble(f"a correction has at most {MAX_LINE_BYTES} bytes, got more")
            return
        try:
            self._take(parse_correction(line))
        except ValueError as error:
            self._on_trouble(str(error))
