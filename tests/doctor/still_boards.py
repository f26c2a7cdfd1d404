"""Boards that lie still on real ptys, sound ones and others."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedmotion.boards.kinematics import STANDARD_GRAVITY_MPS2, Motion
from fedmotion.boards.node_server import NodeServer
from fedmotion.boards.posix_terminal import PtyLine
from fedmotion.boards.simulated_node import SimulatedNode
from fedmotion.boards.virtual_mpu6050 import Imperfection, VirtualMpu6050
from fedmotion.host.doctor_capture import Capture
from fedmotion.host.imu_stream import ImuStream
from fedmotion.host.ports_listening import heard
from fedmotion.protocol.serial_frames import Hello


class OddNode(SimulatedNode):
    """A node whose HELLO says other values than those by which it samples."""

    said: dict[str, Any]

    def _hello(self) -> Hello:
        return replace(super()._hello(), **getattr(self, "said", {}))


class StuckSensor(VirtualMpu6050):
    """A sensor with axes that never change."""

    stuck: tuple[int, ...] = ()

    def read(self, t_us: NDArray[np.int64]) -> tuple[NDArray[np.int16], NDArray[np.bool_]]:
        counts, is_read = super().read(t_us)
        counts[:, list(self.stuck)] = 1234
        return counts, is_read


def node(
    *,
    up: tuple[float, float, float] = (0.0, 0.0, 1.0),
    motion: Motion | None = None,
    imperfection: Imperfection | None = None,
    stuck: tuple[int, ...] = (),
    said: dict[str, Any] | None = None,
    period_us: int = 10_000,
    accel_full_scale_g: int = 8,
    seed: int = 3,
) -> SimulatedNode:
    """A board that lies still with `up` in its axes pointing up, or goes along `motion`."""
    if motion is None:
        force = np.tile(np.array(up) * STANDARD_GRAVITY_MPS2, (2, 1))
        motion = Motion(np.array([0.0, 1000.0]), force, np.zeros((2, 3)))
    sensor = StuckSensor(motion, imperfection=imperfection, seed=seed, accel_full_scale_g=accel_full_scale_g)
    sensor.stuck = stuck
    made = OddNode(sensor, period_us=period_us, board_id=77, seed=seed)
    made.said = said or {}
    made.restart()
    return made


def captured_at_once(board: SimulatedNode, seconds: float) -> Capture:
    """Return what `board` sends in `seconds` of its time, without a line."""
    stream = ImuStream(board.receive)
    stream.opened(0.0)
    blocks = stream.feed(board.advance(round(seconds * 1e6)), 0.0)
    last_s = np.array([block.t_us[-1] / 1e6 for block in blocks])
    return Capture(
        port="made",
        lost="",
        heard=heard(stream, 1, 1.0, 500_000),
        hello=stream.hello,
        status=stream.status,
        reported="",
        counters=stream.counters,
        blocks=blocks,
        arrivals=np.stack([last_s, last_s], axis=1),
        seconds=seconds,
    )


@contextmanager
def served(board: SimulatedNode, speed: float = 1.0, *, server: NodeServer | None = None) -> Iterator[str]:
    """Serve `board` on a pty whose path is given, `speed` times as fast as the clock."""
    server = server or NodeServer(board, PtyLine(), speed=speed)
    stop = threading.Event()
    thread = threading.Thread(target=server.serve, args=(stop,))
    thread.start()
    try:
        yield server.address
    finally:
        stop.set()
        thread.join(20)
        assert not thread.is_alive()


def turned_by_hand(seconds: float = 10.0, shake_mps2: float = 0.4, seed: int = 1) -> Motion:
    """Return quarter turns of a second about an axis that lies level, by a hand that also shakes."""
    step_s = 0.002
    t_s = np.arange(0, seconds, step_s)
    rates = np.zeros((len(t_s), 3))
    # About x y comes up, about z then x, about y then z again; each turn starts and ends smoothly.
    axis = np.array([0, 2, 1])[t_s.astype(int) % 3]
    rates[np.arange(len(t_s)), axis] = np.pi / 2 * np.pi / 2 * np.sin(np.pi * (t_s % 1.0))
    up = np.empty((len(t_s), 3))
    up[0] = (0.0, 0.0, 1.0)
    for row, rate in enumerate(rates[:-1]):
        moved = up[row] - np.cross(rate, up[row]) * step_s
        up[row + 1] = moved / np.linalg.norm(moved)
    rng = np.random.default_rng(seed)
    phases = rng.uniform(0, 2 * np.pi, 3)
    shake = shake_mps2 * np.sin(2 * np.pi * np.outer(t_s, (1.1, 2.3, 3.1)) + phases)
    return Motion(t_s, up * STANDARD_GRAVITY_MPS2 + shake, rates)
