"""A simulated board on a person who performs what they are told, when they are told.

For guided paths without hardware: whoever shows a person what to do tells this one the same.
"""

import threading
from types import TracebackType
from typing import Self

import numpy as np

from fedmotion.boards.motion import OTHER_KINDS, SWIPE_LEFT, SWIPE_RIGHT, perform, person, rest
from fedmotion.boards.node_server import NodeServer
from fedmotion.boards.simulated_node import TRANSMIT_BUFFER_BYTES, SimulatedNode
from fedmotion.boards.tcp_line import TcpListener
from fedmotion.boards.virtual_mpu6050 import VirtualMpu6050
from fedmotion.protocol.identity import OTHER

ACTIVITIES = (SWIPE_LEFT, SWIPE_RIGHT, OTHER, *OTHER_KINDS)
"""What a simulated person can be told to perform."""

_STREAM = 0x0BE
_REST_S = 0.2
_REACTION_S = (0.2, 0.5)
"""How long it takes from being told to beginning: simple reactions of a hand take 0.2 s and more (Luce,
"Response Times", 1986)."""


class ObedientBoard:
    """A board at 100 Hz on a TCP port, worn by the person of `seed`; `with` starts and ends it.

    Parameters
    ----------
    seed
        Which person; `performance_seed` is which performance of theirs.
    speed
        How fast their time passes; see NodeServer.
    """

    def __init__(self, seed: int, *, performance_seed: int = 0, speed: float = 1.0) -> None:
        self._who = person(seed)
        self._rng = np.random.default_rng([_STREAM, seed, performance_seed])
        self._sensor = VirtualMpu6050(rest(self._who, _REST_S, self._rng), seed=performance_seed)
        self._node = SimulatedNode(
            self._sensor,
            seed=performance_seed,
            transmit_buffer_bytes=TRANSMIT_BUFFER_BYTES if speed == 1 else None,
        )
        self._server = NodeServer(self._node, TcpListener(0), speed=speed)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._server.serve, args=(self._stop,), name="board")

    @property
    def address(self) -> str:
        """What to open: `socket://127.0.0.1:PORT`."""
        return self._server.address

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def perform(self, activity: str) -> None:
        """Begin to perform `activity` within half a second; what was under way is broken off.

        Raises
        ------
        ValueError
            If a simulated person does not know it.
        """
        if activity not in ACTIVITIES:
            raise ValueError(f"a simulated person performs one of {', '.join(ACTIVITIES)}, got {activity!r}")
        self._server.post(lambda: self._begin(activity))

    def _begin(self, activity: str) -> None:
        reaction_us = round(self._rng.uniform(*_REACTION_S) * 1e6)
        self._sensor.carry(perform(self._who, activity, self._rng), self._node.motion_us + reaction_us)
