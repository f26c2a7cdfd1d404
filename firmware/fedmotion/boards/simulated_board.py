"""`fedmotion sim-board`: a performance, a virtual sensor, a node and its port, put together."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Unpack

from fedmotion.boards.board_service import Service, serve_board
from fedmotion.boards.motion import SWIPE_LEFT, SWIPE_RIGHT
from fedmotion.boards.node_server import Listener
from fedmotion.boards.recorded_takes import load_takes
from fedmotion.boards.script import Script, person_script, recorded_script
from fedmotion.boards.simulated_node import TRANSMIT_BUFFER_BYTES, SimulatedNode
from fedmotion.boards.tcp_line import TcpListener
from fedmotion.boards.virtual_mpu6050 import VirtualMpu6050
from fedmotion.boards.worn import parse_turned, poses_script, turn_motion
from fedmotion.protocol.identity import BOARD_ID_UNSET, OTHER
from fedmotion.protocol.serial_frames import Status

BOARDS = ("simulated",)
DEFAULT_COUNTS = {SWIPE_RIGHT: 5, SWIPE_LEFT: 5, OTHER: 5}


def run(
    *,
    board: str = "simulated",
    port: str = "tcp:0",
    person: int | str = 1,
    recordings: Path | None = None,
    labels: Sequence[str] = (),
    counts: Mapping[str, int] | None = None,
    rate_hz: float = 100.0,
    accel_full_scale_g: int = 8,
    gyro_full_scale_dps: int = 1000,
    seed: int = 0,
    turned: str = "",
    is_posing: bool = False,
    board_id: int = BOARD_ID_UNSET,
    jitter_us: int = 0,
    **service: Unpack[Service],
) -> Status:
    """Run one simulated board until `stop` is set or, with `exit_at_end`, its performance has ended.

    Parameters
    ----------
    port
        `tcp:PORT` (0: a free one; on loopback) or `pty`.
    person
        A simulated person's seed or, with `recordings`, the file's subject.
    recordings
        An npz file of takes; its `labels` are played, and counts["other"] takes of the remaining ones.
    counts
        How many of each activity. None: DEFAULT_COUNTS, or all takes of `labels` and as many others as
        gestures (fewer where there are fewer).
    seed
        Which performance of this person; also of the sensor's noise.
    turned
        How the board is turned, as `worn.parse_turned` reads it; empty: worn as pictured.
    is_posing
        Hold the two poses by which `fedmotion mount` finds how it is turned, in place of gestures.
    service
        How it is served; see `Service`.

    Returns
    -------
    The node's last status.

    Raises
    ------
    ValueError
        If an argument is impossible; the sentence says which, what is allowed and what came.
    OSError
        If the port, the recordings or the marks cannot be opened.
    """
    if board not in BOARDS:
        raise ValueError(f"a simulated board is one of {', '.join(BOARDS)}, got {board!r}")
    if not 16 <= rate_hz <= 1000:
        raise ValueError(f"the rate is 16 to 1000 Hz, got {rate_hz}")
    script = make_script(
        person=person,
        recordings=recordings,
        labels=labels,
        counts=counts,
        seed=seed,
        turned=turned,
        is_posing=is_posing,
    )
    sensor = VirtualMpu6050(
        script.motion,
        seed=seed,
        accel_full_scale_g=accel_full_scale_g,
        gyro_full_scale_dps=gyro_full_scale_dps,
    )
    node = SimulatedNode(
        sensor,
        period_us=round(1e6 / rate_hz),
        board_id=board_id,
        jitter_us=jitter_us,
        seed=seed,
        transmit_buffer_bytes=TRANSMIT_BUFFER_BYTES if service.get("speed", 1.0) == 1 else None,
    )
    serve_board(node, open_port(port), script, **service)
    return node.status()


def make_script(
    *,
    person: int | str,
    recordings: Path | None,
    labels: Sequence[str],
    counts: Mapping[str, int] | None,
    seed: int,
    turned: str = "",
    is_posing: bool = False,
) -> Script:
    """Return the performance that `run` plays, for the same arguments."""
    by = parse_turned(turned) if turned else None
    if is_posing:
        if recordings is not None or labels or counts is not None:
            raise ValueError("a board poses or performs gestures: leave recordings, labels and counts out")
        script = poses_script()
    else:
        script = _performance(person, recordings, labels, counts, seed)
    return script if by is None else replace(script, motion=turn_motion(script.motion, by))


def _performance(
    person: int | str,
    recordings: Path | None,
    labels: Sequence[str],
    counts: Mapping[str, int] | None,
    seed: int,
) -> Script:
    if recordings is None:
        try:
            person_seed = int(person)
        except ValueError:
            raise ValueError(f"a simulated person is named by a number, its seed, got {person!r}") from None
        if person_seed < 0 or seed < 0:
            raise ValueError(f"seeds are 0 or more, got {min(person_seed, seed)}")
        wanted = DEFAULT_COUNTS if counts is None else counts
        if labels:
            wanted = {
                label: wanted.get(label, 5) for label in (*labels, *(n for n in (OTHER,) if n in wanted))
            }
        return person_script(person_seed, wanted, performance_seed=seed)
    if not labels:
        raise ValueError(f"{recordings.name}: name the labels to play, got none")
    takes = load_takes(recordings)
    subject = str(person)
    n_others = len(takes.find_others(subject, tuple(labels)))
    if counts is None:
        n_gestures = sum(len(takes.find(subject, label)) for label in labels)
        n_other = min(n_gestures, n_others)
    else:
        n_other = counts.get(OTHER, 0)
    return recorded_script(takes, subject, labels, counts=counts, n_other=n_other, performance_seed=seed)


def open_port(port: str) -> Listener:
    """Return the listener for `tcp:PORT` or `pty`; raises ValueError for anything else."""
    kind, _, number = port.partition(":")
    if kind == "tcp" and number.isascii() and number.isdigit() and int(number) <= 65535:
        return TcpListener(int(number))
    if port == "pty":
        # Imported here because it needs POSIX.
        from fedmotion.boards.posix_terminal import PtyLine  # noqa: PLC0415  (POSIX only)

        return PtyLine()
    raise ValueError(f"a port is tcp:PORT with PORT 0 to 65535, or pty, got {port!r}")
