"""What goes wrong with a board without hardware, and when: `unplug_sensor@5`, `nack_addresses:3@7.5`.

Times are seconds of the board's own time since it first had power, so that a plan means the same at any
speed. `NodeServer` stops the board at each of them.
"""

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from fedmotion.boards.emulated_processor import FOR_EVER, RESET_BROWN_OUT, BoardFault, EmulatedProcessor
from fedmotion.boards.line_damage import LineDamage
from fedmotion.boards.node_server import NodeServer
from fedmotion.boards.simulated_node import SimulatedNode
from fedmotion.protocol.serial_frames import AXES

SELF_TEST_FAILURE = -0.3
Board = EmulatedProcessor | SimulatedNode
_Deed = Callable[[NodeServer, Board, float], None]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PlannedFault:
    """One fault at one time; `argument` is checked and has its default already, `given` is as written."""

    name: str
    at_s: float
    argument: float
    given: str = field(default="", compare=False)

    @property
    def at_us(self) -> int:
        """The same time as the board counts it."""
        return round(self.at_s * 1e6)


@dataclass(frozen=True, slots=True)
class _Argument:
    """What a fault may be given, in words, and how it is read; `default` None: it must be given."""

    allowed: str
    read: Callable[[str], float]
    least: float
    most: float
    default: float | None = None
    example: str = "1"


@dataclass(frozen=True, slots=True)
class _Kind:
    """What is done, how it is told, and whether only a board that runs its firmware can have it."""

    deed: _Deed
    meaning: str
    argument: _Argument | None = None
    is_emulated: bool = False


def _to_emulated(fault: BoardFault, fixed: int | None = None) -> _Deed:
    """Return the deed that does `fault` to an emulated board with a fixed argument or the planned one."""

    def deed(_server: NodeServer, board: Board, argument: float) -> None:
        assert isinstance(board, EmulatedProcessor)  # noqa: S101 - `parse_faults` has seen to it
        board.fault(fault, int(argument) if fixed is None else fixed)

    return deed


def _unplug_sensor(_server: NodeServer, board: Board, _argument: float) -> None:
    if isinstance(board, EmulatedProcessor):
        board.fault(BoardFault.UNPLUG_SENSOR)
    else:
        board.sensor.unplug(board.motion_us)


def _plug_sensor(_server: NodeServer, board: Board, _argument: float) -> None:
    if isinstance(board, EmulatedProcessor):
        board.fault(BoardFault.PLUG_SENSOR)
    else:
        board.sensor.replug(board.motion_us)


def _fail_self_test(_server: NodeServer, board: Board, axis: float) -> None:
    board.sensor.self_test_error[int(axis)] = SELF_TEST_FAILURE


def _set_clock(_server: NodeServer, board: Board, percent: float) -> None:
    assert isinstance(board, EmulatedProcessor)  # noqa: S101 - `parse_faults` has seen to it
    board.set_clock(round(percent * 1e4))


def _damage_line(server: NodeServer, _board: Board, probability: float) -> None:
    server.damage = LineDamage(0, drop_probability=probability, garbage_probability=probability)


def _mend_line(server: NodeServer, _board: Board, _argument: float) -> None:
    server.damage = None


def _hexadecimal(text: str) -> int:
    return int(text, 16)


_KINDS = {
    "unplug_sensor": _Kind(_unplug_sensor, "the sensor is off its bus"),
    "plug_sensor": _Kind(_plug_sensor, "it is there again, as after power on"),
    "pull_cable": _Kind(lambda server, *_: server.pull_cable(), "port and power are gone"),
    "plug_cable": _Kind(lambda server, *_: server.plug_in(), "both are back: power on"),
    "reset": _Kind(lambda server, *_: server.restart_node(), "the reset button"),
    "brown_out": _Kind(lambda server, *_: server.restart_node(RESET_BROWN_OUT), "a reset by a low supply"),
    "fail_self_test": _Kind(
        _fail_self_test,
        "an axis answers the sensor's self-test by 30 % too little",
        _Argument(f"an axis, {' '.join(AXES)}", AXES.index, 0, len(AXES) - 1, example="gy"),
    ),
    "damage_line": _Kind(
        _damage_line,
        "bytes are lost, and noise comes between",
        _Argument("each byte's probability, 0 to 1", float, 0, 1, default=0.001, example="0.01"),
    ),
    "mend_line": _Kind(_mend_line, "the line is sound again"),
    "nack_addresses": _Kind(
        _to_emulated(BoardFault.NACK_ADDRESSES),
        "so many addresses are not answered",
        _Argument("how many, 1 to 65535", int, 1, 0xFFFF),
        is_emulated=True,
    ),
    "nack_data": _Kind(
        _to_emulated(BoardFault.NACK_DATA),
        "so many written bytes are not acknowledged",
        _Argument("how many, 1 to 65535", int, 1, 0xFFFF),
        is_emulated=True,
    ),
    "hold_sda": _Kind(
        _to_emulated(BoardFault.HOLD_SDA),
        "SDA is held low until it is clocked free or released",
        _Argument("after how many clocks it ends, 1 to 65535", int, 1, 0xFFFF, default=FOR_EVER),
        is_emulated=True,
    ),
    "release_sda": _Kind(_to_emulated(BoardFault.HOLD_SDA, 0), "SDA is free again", is_emulated=True),
    "hold_scl": _Kind(_to_emulated(BoardFault.HOLD_SCL, 1), "SCL is held low", is_emulated=True),
    "release_scl": _Kind(_to_emulated(BoardFault.HOLD_SCL, 0), "SCL is free again", is_emulated=True),
    "who_am_i": _Kind(
        _to_emulated(BoardFault.WHO_AM_I),
        "the sensor has this name",
        _Argument("a hexadecimal byte, 00 to FF", _hexadecimal, 0, 0xFF, example="70"),
        is_emulated=True,
    ),
    "clock_off": _Kind(
        _set_clock,
        "the board's clock is off",
        _Argument("by how many per cent it is fast, -5 to 5", float, -5, 5),
        is_emulated=True,
    ),
    "hang": _Kind(
        _to_emulated(BoardFault.HANG, 0),
        "the processor hangs, until its watchdog bites",
        is_emulated=True,
    ),
}


def fault_names() -> tuple[str, ...]:
    """Return the faults that every board can have."""
    return tuple(name for name, kind in _KINDS.items() if not kind.is_emulated)


def emulated_fault_names() -> tuple[str, ...]:
    """Return the faults that only an emulated board can have, which runs its firmware."""
    return tuple(name for name, kind in _KINDS.items() if kind.is_emulated)


def parse_faults(texts: Sequence[str], *, is_emulated: bool) -> tuple[PlannedFault, ...]:
    """Return the faults that `texts` name, each NAME@SECONDS or NAME:ARGUMENT@SECONDS, in order of time.

    Raises
    ------
    ValueError
        If one is unknown, impossible, or not for this board.
    """
    return tuple(
        sorted((_parse(text, is_emulated=is_emulated) for text in texts), key=lambda fault: fault.at_s)
    )


def _parse(text: str, *, is_emulated: bool) -> PlannedFault:
    what, at, when = text.partition("@")
    name, colon, given = what.partition(":")
    if not at or not name:
        raise ValueError(f"a fault is NAME@SECONDS or NAME:ARGUMENT@SECONDS, got {text!r}")
    kind = _KINDS.get(name)
    if kind is None:
        allowed = ", ".join((*fault_names(), *(emulated_fault_names() if is_emulated else ())))
        raise ValueError(f"a fault of this board is one of {allowed}, got {name!r}")
    if kind.is_emulated and not is_emulated:
        raise ValueError(
            f"a simulated board's faults are {', '.join(fault_names())}, got {name!r}: that takes "
            "--board uno or da14580"
        )
    at_s = _number(float, when)
    if at_s is None or not 0 <= at_s <= 1e9:
        raise ValueError(f"{name}: a fault's time is 0 or more seconds of the board's time, got {when!r}")
    if kind.argument is None:
        if colon:
            raise ValueError(f"{name} takes no argument, as in {name}@{when}, got {given!r}")
        return PlannedFault(name, at_s, 0)
    return PlannedFault(name, at_s, _read_argument(name, kind.argument, given if colon else None), given)


def _read_argument(name: str, argument: _Argument, given: str | None) -> float:
    if given is None and argument.default is not None:
        return argument.default
    value = None if given is None else _number(argument.read, given)
    if value is None or not argument.least <= value <= argument.most:
        got = "nothing" if given is None else repr(given)
        raise ValueError(f"{name} takes {argument.allowed}, as in {name}:{argument.example}@5, got {got}")
    return value


def _number(read: Callable[[str], float], text: str) -> float | None:
    """Return the finite number that `text` is, None where it is none; int() and float() take _ and spaces."""
    if not text.isascii() or "_" in text or text != text.strip():
        return None
    try:
        value = read(text)
        return value if math.isfinite(value) else None
    except (ValueError, OverflowError):
        return None


class FaultPlan:
    """Does `faults` to `board` when the server says that it is time.

    `tell` is told each in words, when it is done.
    """

    def __init__(
        self, board: Board, faults: Sequence[PlannedFault], *, tell: Callable[[str], object] | None = None
    ) -> None:
        self._board = board
        self._left = sorted(faults, key=lambda fault: fault.at_s)
        self._tell = tell or _log.info

    @property
    def next_us(self) -> int | None:
        """When there is something to do next, in motion time; None: never again."""
        return self._left[0].at_us if self._left else None

    def act(self, server: NodeServer) -> None:
        """Do the next one."""
        fault = self._left.pop(0)
        kind = _KINDS[fault.name]
        kind.deed(server, self._board, fault.argument)
        name = f"{fault.name}:{fault.given}" if fault.given else fault.name
        self._tell(f"{fault.at_s:.3f} s: {name}, {kind.meaning}")
