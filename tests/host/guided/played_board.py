"""A simulated board whose line is read a tenth of a second at a time, with mishaps at given times."""

from collections.abc import Callable

from fedmotion.boards.script import Script
from fedmotion.boards.simulated_node import SimulatedNode
from fedmotion.boards.virtual_mpu6050 import VirtualMpu6050
from fedmotion.host.board_feed import BoardFeed
from fedmotion.host.serial_port import Bytes, Lost, Opened, SerialEvent

_STEP_US = 100_000


class PlayedBoard:
    """Is a `Port`: each piece comes once the one before was taken. `now_s` is a host's clock in step with it.

    `mishaps` are done once, each at its time of the motion. After `until_us` nothing comes any more, and the
    clock goes on by itself.
    """

    def __init__(
        self,
        script: Script,
        *,
        board_id: int = 77,
        mishaps: dict[int, Callable[["PlayedBoard"], object]] | None = None,
        until_us: int | None = None,
        period_us: int = 10_000,
    ) -> None:
        self.node = SimulatedNode(
            VirtualMpu6050(script.motion, seed=1), board_id=board_id, seed=1, period_us=period_us
        )
        self.is_silent = False
        self.keeps = 1.0
        self._mishaps = dict(mishaps or {})
        self._until_us = script.marks[-1].stop_us + 6_000_000 if until_us is None else until_us
        self._now_s = 0.0
        self._n_steps = 0
        self._on_event: Callable[[SerialEvent], object] = lambda _: None

    def feed(self) -> BoardFeed:
        return BoardFeed("played", 500_000, open_port=self.open, clock=self.clock)

    def open(self, _port: str, _baud: int, on_event: Callable[[SerialEvent], object]) -> "PlayedBoard":
        self._on_event = on_event
        return self

    def clock(self) -> float:
        if self.is_silent or self.node.motion_us >= self._until_us:
            self._now_s += 0.05
        return self._now_s

    def start(self) -> None:
        self._on_event(Opened("played"))
        self._go_on()

    def write(self, data: bytes) -> bool:
        self.node.receive(data)
        return True

    def taken(self, n_bytes: int) -> None:
        self._go_on()

    def close(self) -> None:
        pass

    def lose(self, reason: str = "played went away: plug it in again") -> None:
        """The cable is pulled and put back at once: the board boots."""
        self.node.advance(self.node.now_us + _STEP_US)
        self.node.restart(2_000_000)
        self._on_event(Lost(reason))
        self._on_event(Opened("played"))

    def skip(self) -> None:
        """A piece of the stream is lost on the line."""
        self.node.advance(self.node.now_us + _STEP_US)

    def _go_on(self) -> None:
        data = b""
        while not data and self.node.motion_us < self._until_us and not self.is_silent:
            for at_us in [each for each in self._mishaps if each <= self.node.motion_us]:
                self._mishaps.pop(at_us)(self)
            data = self.node.advance(self.node.now_us + _STEP_US)
            self._now_s += _STEP_US / 1e6 * self.keeps
        if data:
            self._on_event(Bytes(data))
