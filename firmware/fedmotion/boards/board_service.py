"""How a board without hardware is served, whichever it is: its marks, its faults, its pace and its end."""

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypedDict, Unpack

from fedmotion.boards.fault_plan import Board, FaultPlan, PlannedFault
from fedmotion.boards.line_damage import LineDamage
from fedmotion.boards.node_server import Listener, NodeServer
from fedmotion.boards.script import Script, write_marks


class Service(TypedDict, total=False):
    """Keywords of `serve_board` and of those that call it.

    Attributes
    ----------
    speed
        1 (if not given) is real time, 0 as fast as the reader reads; see NodeServer.
    marks_path
        Where to write what is performed when, before `announce`.
    starts_at_once
        Perform now and not when the port is first opened.
    exit_at_end
        End with the performance; else rest until `stop`.
    damage, faults
        What goes wrong with the line from the start, and with the board at times.
    tell
        Is told each fault in words, when it is done; else the log is.
    announce
        Is given the address to open, once, when the port is ready.
    stop
        Ends the serving when it is set.
    clock
        Monotonic seconds.
    """

    speed: float
    marks_path: Path | None
    starts_at_once: bool
    exit_at_end: bool
    damage: LineDamage | None
    faults: Sequence[PlannedFault]
    tell: Callable[[str], object] | None
    announce: Callable[[str], object] | None
    stop: threading.Event | None
    clock: Callable[[], float]


def serve_board(board: Board, listener: Listener, script: Script, **service: Unpack[Service]) -> None:
    """Serve a board that performs `script`, and close `listener` at the end.

    Raises
    ------
    ValueError
        If the speed is impossible.
    OSError
        If the marks cannot be written.
    """
    marks_path, announce = service.get("marks_path"), service.get("announce")
    try:
        if marks_path is not None:
            write_marks(script, marks_path)
        server = NodeServer(
            board,
            listener,
            speed=service.get("speed", 1.0),
            starts_at_once=service.get("starts_at_once", False),
            stop_at_us=board.sensor.end_us if service.get("exit_at_end") else None,
            damage=service.get("damage"),
            plan=FaultPlan(board, service.get("faults", ()), tell=service.get("tell")),
            clock=service.get("clock", time.monotonic),
        )
    except (ValueError, OSError):
        listener.close()
        raise
    if announce is not None:
        announce(server.address)
    server.serve(service.get("stop") or threading.Event())
