"""Gives a node without hardware a line (TCP or a pty) and time, as fast as clock or reader go."""

import queue
import select
import threading
import time
from collections.abc import Callable
from typing import Protocol

from fedmotion.boards.line_damage import LineDamage
from fedmotion.boards.simulated_node import RESET_FROM_OUTSIDE, RESET_POWER_ON

_SLICE_US = 10_000
"""A node's time passes in such steps, so that a late server still gives its bytes to the line in time."""

_TURN_US = 200_000
"""After so much of the node's time the host's bytes are looked at again, however late the server is."""

_TICK_S = 0.004
_LONGEST_WAIT_S = 0.05
_SETTLE_S = 0.03
"""From a port's opening to HELLO: pyserial empties its input just after opening, as other programs do."""

_LINGER_S = 0.5
"""For the client to read the last bytes: a pty forgets them when it is closed."""


class Line(Protocol):
    """A client's line, without blocking."""

    def fileno(self) -> int:
        """Return the descriptor to wait on."""

    def receive(self) -> bytes | None:
        """Return what has come, b"" for nothing, None if the client has left."""

    def send(self, data: bytes) -> int | None:
        """Return how many bytes the line took, None if the client has left."""

    def hang_up(self) -> None:
        """End the connection."""


class Listener(Protocol):
    """Where clients come from."""

    @property
    def address(self) -> str:
        """What a client opens."""

    def open(self) -> None:
        """Begin to listen."""

    def accept(self) -> Line | None:
        """Return a line if a client waits."""

    def close(self) -> None:
        """Stop listening."""


class Node(Protocol):
    """A board as bytes and time; `SimulatedNode` says what each member means."""

    is_frozen: bool

    @property
    def now_us(self) -> int:
        """Board time."""

    @property
    def motion_us(self) -> int:
        """Where in its sensor's motion the node is."""

    @property
    def next_due_us(self) -> int:
        """When the node has something to do next, in board time."""

    def restart(self, off_us: int = 0, reset_cause: int = RESET_FROM_OUTSIDE) -> None:
        """Boot again after `off_us` without power."""

    def receive(self, data: bytes) -> None:
        """Take bytes from the host."""

    def advance(self, until_us: int, backlog_bytes: int = 0) -> bytes:
        """Let time pass and return what the node transmits meanwhile."""

    def announce(self) -> None:
        """Somebody has opened the line."""


class Plan(Protocol):
    """What is to be done to the board at instants of its own."""

    @property
    def next_us(self) -> int | None:
        """When there is something to do next, in motion time; None: never again."""

    def act(self, server: "NodeServer") -> None:
        """Do it."""


class NodeServer:
    """Serves one node to one client at a time.

    Parameters
    ----------
    speed
        How fast the node's time passes: 1 is real time, where a reader that does not read costs
        samples, as with a real board. At any other speed a full line holds the node's time back
        instead; 0 is as fast as the reader reads.
    starts_at_once
        Whether time passes before the first client has come.
    stop_at_us
        Ends `serve` at this motion time, half a second after the line has taken everything.
    plan
        Faults at motion times, at which the node's time halts for them.
    """

    def __init__(
        self,
        node: Node,
        listener: Listener,
        *,
        speed: float = 1.0,
        starts_at_once: bool = False,
        stop_at_us: int | None = None,
        damage: LineDamage | None = None,
        plan: Plan | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if not 0 <= speed <= 1000:
            raise ValueError(f"the speed is 0 (as fast as the reader) to 1000, got {speed}")
        self.node = node
        self.damage = damage
        self._plan = plan
        self._listener = listener
        self._speed = speed
        self._stop_at_us = stop_at_us
        self._clock = clock
        self._actions: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._line: Line | None = None
        self._backlog = b""
        self._has_started = starts_at_once
        self._has_greeted = False
        self._settled_s = 0.0
        self._anchor_s = clock()
        self._anchor_us = 0
        self._pulled_s: float | None = None
        self._leave_s: float | None = None

    @property
    def address(self) -> str:
        """What a client opens."""
        return self._listener.address

    @property
    def has_client(self) -> bool:
        """Whether somebody has the port open."""
        return self._line is not None

    def post(self, action: Callable[[], None]) -> None:
        """Have the serving thread do this soon; for faults, from any thread."""
        self._actions.put(action)

    def pull_cable(self) -> None:
        """Take the port and the node's power away (call by `post` while serving)."""
        if self._pulled_s is not None:
            return
        self._hang_up()
        self._listener.close()
        self._pulled_s = self._clock()

    def plug_in(self) -> None:
        """Give both back: the node boots (call by `post` while serving)."""
        if self._pulled_s is None:
            return
        off_us = self._off_us()
        self._pulled_s = None
        self._listener.open()
        self.node.restart(off_us, RESET_POWER_ON)
        self._anchor()

    def restart_node(self, reset_cause: int = RESET_FROM_OUTSIDE) -> None:
        """Press the node's reset button, or reset it for another cause (call by `post` while serving)."""
        self.node.restart(0, reset_cause)
        self._anchor()

    def inject(self, data: bytes) -> None:
        """Put bytes on the line that no node sent (call by `post` while serving)."""
        self._backlog += data

    def serve(self, stop: threading.Event) -> None:
        """Serve until `stop` is set or the script's end is reached, then close the port."""
        try:
            while not stop.is_set() and not self._is_finished():
                self._turn()
        finally:
            self._hang_up()
            if self._pulled_s is None:
                self._listener.close()

    def _turn(self) -> None:
        while not self._actions.empty():
            self._actions.get()()
        if self._plan is not None:
            self._follow(self._plan)
        if self._pulled_s is not None:
            time.sleep(_TICK_S)
            return
        self._meet_client()
        self._wait()
        self._receive()
        self._pass_time()

    def _follow(self, plan: Plan) -> None:
        while (due_us := plan.next_us) is not None and due_us <= self.node.motion_us + self._off_us():
            plan.act(self)

    def _off_us(self) -> int:
        """Return for how long the cable has been pulled, in the node's time; at speed 0 in the clock's."""
        if self._pulled_s is None:
            return 0
        return round((self._clock() - self._pulled_s) * 1e6 * (self._speed or 1.0))

    def _meet_client(self) -> None:
        if self._line is None:
            settled_s = self._clock() + _SETTLE_S
            line = self._listener.accept()
            if line is None:
                return
            self._has_greeted = False
            self._settled_s = settled_s
            self._line = line
        if not self._has_greeted and self._clock() >= self._settled_s:
            self._has_greeted = True
            if not self._has_started or self._speed != 1:
                self._has_started = True
                self._anchor()
            # A node's first HELLO waits in it already; who comes later gets one of their own.
            if self.node.now_us > 0:
                self.node.announce()

    def _wait(self) -> None:
        """Wait for bytes, room, a client or the node's next deed, whichever is first."""
        line = self._line
        wait_s = _LONGEST_WAIT_S
        if line is None or not self._has_greeted:
            wait_s = _TICK_S
        elif self.node.is_frozen:
            pass
        elif self._speed == 0:
            wait_s = _LONGEST_WAIT_S if self._backlog else 0.0
        elif self._has_started:
            due_s = self._anchor_s + (self.node.next_due_us - self._anchor_us) / (1e6 * self._speed)
            wait_s = min(max(due_s - self._clock(), _TICK_S), _LONGEST_WAIT_S)
        if line is None:
            # A pty without a client is always readable, so there is nothing to select on.
            time.sleep(wait_s)
            return
        select.select([line], [line] if self._backlog else [], [], wait_s)

    def _receive(self) -> None:
        if self._line is None:
            return
        data = self._line.receive()
        if data is None:
            self._hang_up()
        elif data:
            self.node.receive(data)

    def _pass_time(self) -> None:
        """Let the node's time pass as far as clock or reader allow, and give the line its bytes."""
        node = self.node
        self._write()
        if not self._has_started or self._leave_s is not None:
            return
        is_real_time = self._speed == 1
        if not is_real_time and (self._line is None or not self._has_greeted or self._backlog):
            self._anchor()
            return
        target_us = self._target_us()
        while True:
            # At least once, though no time may have passed: there may be answers to give.
            until_us = max(node.now_us, min(node.now_us + _SLICE_US, target_us))
            out = node.advance(until_us, len(self._backlog))
            if node.is_frozen:
                self._anchor()
                return
            # Without a listener the bytes are gone: a board does not wait for anybody.
            if self._line is not None and self._has_greeted:
                self._backlog += self.damage.apply(out) if self.damage and out else out
                self._write()
                if self._backlog and not is_real_time:
                    self._anchor()
                    return
            if node.now_us >= target_us:
                return

    def _target_us(self) -> int:
        """Return until when the node's time may pass now."""
        now_us = self.node.now_us
        target_us = now_us + _TURN_US
        if self._speed:
            elapsed_us = (self._clock() - self._anchor_s) * 1e6
            target_us = min(target_us, self._anchor_us + int(elapsed_us * self._speed))
        for halt_us in (self._stop_at_us, None if self._plan is None else self._plan.next_us):
            if halt_us is not None:
                target_us = min(target_us, now_us + halt_us - self.node.motion_us)
        return target_us

    def _write(self) -> None:
        if self._line is None or not self._backlog:
            return
        n_taken = self._line.send(self._backlog)
        if n_taken is None:
            self._hang_up()
        else:
            self._backlog = self._backlog[n_taken:]

    def _anchor(self) -> None:
        """Let the clock's now be the node's now."""
        self._anchor_s = self._clock()
        self._anchor_us = self.node.now_us

    def _hang_up(self) -> None:
        if self._line is not None:
            self._line.hang_up()
            self._line = None
        self._backlog = b""

    def _is_finished(self) -> bool:
        if self._stop_at_us is None or self.node.motion_us < self._stop_at_us:
            return False
        if self._leave_s is None:
            self._leave_s = self._clock() + _LINGER_S
        return self._line is None or (not self._backlog and self._clock() >= self._leave_s)
