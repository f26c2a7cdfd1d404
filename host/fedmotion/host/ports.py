"""Which serial ports this machine has, what board is behind each, and who may open it or has it open.

Nothing here opens a port: that would reset an Arduino. `ports_listening` does.
"""

import errno
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from fedmotion.host.serial_port import ListedPort, check_port, listed_ports, why_not_open

_ARDUINO = (0x2341, 0x2A03)

_ARDUINOS: Mapping[str, tuple[int, ...]] = {
    "Arduino Uno": (0x0001, 0x0043, 0x0243, 0x006A),
    "Arduino Mega 2560": (0x0010, 0x0042, 0x0210, 0x0242),
    "Arduino Leonardo": (0x0036, 0x8036),
    "Arduino Micro": (0x0037, 0x8037, 0x0237, 0x8237),
}
"""Product ids of Arduino's own boards (boards.txt of its core for AVR, 1.8.7)."""

_BRIDGES: Mapping[tuple[int, int], str] = {
    (0x1A86, 0x7523): "CH340 (most Nanos, copies of the Uno)",
    (0x1A86, 0x5523): "CH341 (copies of the Uno)",
    (0x0403, 0x6001): "FT232R (older Nanos, adapters)",
    (0x0403, 0x6015): "FT231X (adapters)",
    (0x10C4, 0xEA60): "CP210x (many boards)",
}
"""USB bridges by the ids in Linux's drivers ch341, ftdi_sio and cp210x: behind them any board may be."""

_N_NAMED = 3


@dataclass(frozen=True, slots=True)
class User:
    """A program that has a port open."""

    pid: int
    name: str


@dataclass(frozen=True, slots=True)
class PortReport:
    """One port, unopened.

    Attributes
    ----------
    board : what board or bridge its USB ids say that it is; "" where they say nothing
    usb : vendor and product id as `2341:0043`; "" where it is not on USB
    problem : why it could not be opened, with what to do; "" where nothing is in the way
    users : who has it open, as far as this user may see
    """

    port: str
    description: str
    board: str
    usb: str
    problem: str
    users: tuple[User, ...]


def board_of(vid: int | None, pid: int | None) -> str:
    """Return the board or bridge of these USB ids in words; "" where they are not known here."""
    if vid is None or pid is None:
        return ""
    if vid in _ARDUINO:
        return next((name for name, pids in _ARDUINOS.items() if pid in pids), "another Arduino")
    return _BRIDGES.get((vid, pid), "")


def survey(
    given: Iterable[str] = (),
    *,
    listed: Callable[[], list[ListedPort]] = listed_ports,
    may_open: Callable[[str], bool] = lambda port: os.access(port, os.R_OK | os.W_OK),
    processes: Path = Path("/proc"),
) -> list[PortReport]:
    """Return the ports that the machine lists, or those `given` alone where there are some.

    Raises
    ------
    ValueError
        If one that is given can be no port.
    """
    known = {each.port: each for each in listed()}
    wanted = [check_port(port) for port in dict.fromkeys(given)] or list(known)
    return [_report(known.get(port), port, may_open, processes) for port in wanted]


def users_of(port: str, processes: Path = Path("/proc")) -> tuple[User, ...]:
    """Return which programs have `port` open; those of other users show to root only.

    They are found by the links in /proc/PID/fd (Linux, proc(5)); elsewhere there are none to see.
    """
    target = os.path.realpath(port)
    found = []
    for process in sorted(processes.glob("[0-9]*"), key=lambda path: int(path.name)):
        try:
            is_user = any(str(link.readlink()) == target for link in (process / "fd").iterdir())
            if is_user:
                name = (process / "comm").read_text("utf-8", errors="replace").strip()
                found.append(User(int(process.name), name))
        except OSError:
            continue  # another user's, or ended meanwhile
    return tuple(found)


def _report(
    listed: ListedPort | None, port: str, may_open: Callable[[str], bool], processes: Path
) -> PortReport:
    is_socket = port.startswith("socket://")
    said = listed.description if listed else "not in the machine's list"
    users = () if is_socket else users_of(port, processes)
    is_on_usb = listed is not None and listed.vid is not None and listed.pid is not None
    return PortReport(
        port=port,
        # pyserial's word for a port that is not on USB.
        description="TCP" if is_socket else said.replace("n/a", "a port of the machine itself"),
        board=board_of(listed.vid, listed.pid) if listed else "",
        usb=f"{listed.vid:04x}:{listed.pid:04x}" if listed and is_on_usb else "",
        problem="" if is_socket else _problem(port, users, may_open),
        users=users,
    )


def _problem(port: str, users: tuple[User, ...], may_open: Callable[[str], bool]) -> str:
    if not Path(port).exists():
        return why_not_open(port, FileNotFoundError(errno.ENOENT, "no such file"))
    if not may_open(port):
        return why_not_open(port, PermissionError(errno.EACCES, "permission denied"))
    if users:
        who = ", ".join(f"{user.name} (process {user.pid})" for user in users[:_N_NAMED])
        who += f" and {len(users) - _N_NAMED} more" if len(users) > _N_NAMED else ""
        return f"{port} is open in {who}: end that first, one program at a time has a port"
    return ""
