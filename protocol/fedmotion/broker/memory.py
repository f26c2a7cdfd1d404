"""A broker inside the process and doors to it, which misbehave as asked: for tests and simulations.

It is the twin of a real broker and `PahoDoor` for an owner's code: the same events, retained messages
and wills. Nothing moves before `MemoryBroker.deliver`, and then in the caller's thread, so a run with the
same seed is the same run.
"""

import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

from paho.mqtt.client import topic_matches_sub

from fedmotion.broker.door import Connected, Disconnected, Event, Received, Refused, Will, check_message

_MAX_DELIVERIES = 1_000_000


@dataclass(frozen=True, slots=True)
class Misbehaviour:
    """How likely each fault is for one delivery of one message to one door, 0 to 1.

    A dropped message is gone, a delayed one waits for the next `deliver`, a reordered one goes behind
    everything now under way, and a disconnection loses the message and breaks the receiver's connection.
    """

    drop: float = 0.0
    duplicate: float = 0.0
    delay: float = 0.0
    reorder: float = 0.0
    disconnect: float = 0.0

    def __post_init__(self) -> None:
        for name in ("drop", "duplicate", "delay", "reorder", "disconnect"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"the probability of {name} is 0 to 1, got {getattr(self, name)}")


class MemoryBroker:
    """A broker whose every fault can be asked for.

    Parameters
    ----------
    misbehaviour
        What happens to messages; may be replaced at any time through the attribute.
    seed
        Of the generator that decides.
    passwords
        Who may connect, by user name; None lets everybody in.
    """

    def __init__(
        self,
        misbehaviour: Misbehaviour | None = None,
        seed: int = 0,
        passwords: dict[str, str] | None = None,
    ) -> None:
        self.misbehaviour = misbehaviour or Misbehaviour()
        self.is_running = True
        self.n_delivered = 0
        self._rng = random.Random(seed)
        self._passwords = passwords
        self._retained: dict[str, bytes] = {}
        self._doors: list[MemoryDoor] = []
        self._queue: deque[_Parcel] = deque()
        self._held: list[_Parcel] = []
        self._late_wills: list[Will] = []

    @property
    def retained(self) -> dict[str, bytes]:
        """A copy of what is retained, by topic."""
        return dict(self._retained)

    def deliver(self) -> int:
        """Let doors connect and deliver everything under way, also what the receivers publish meanwhile.

        Returns
        -------
        int
            How many events were delivered: 0 means that all is quiet.

        Raises
        ------
        RuntimeError
            If the owners answer each other without an end.
        """
        self._queue.extend(self._held)
        self._held.clear()
        late_wills, self._late_wills = self._late_wills, []
        for will in late_wills:
            self._spread(will.topic, will.payload, retain=will.retain)
        for door in tuple(self._doors):
            self._admit(door)
        n_delivered = 0
        while self._queue:
            n_delivered += self._deliver_one(self._queue.popleft())
            if n_delivered > _MAX_DELIVERIES:
                raise RuntimeError(f"{_MAX_DELIVERIES} deliveries and no end: two owners answer each other")
        self.n_delivered += n_delivered
        return n_delivered

    def stop(self) -> None:
        """Go away as a broker does that is restarted: every connection breaks, what is under way is lost."""
        self.is_running = False
        self._queue.clear()
        self._held.clear()
        for door in tuple(self._doors):
            door._end_connection("the broker stopped")

    def start(self, *, is_memory_kept: bool = True) -> None:
        """Come back, with the retained messages or without; doors reconnect at the next `deliver`."""
        self.is_running = True
        if not is_memory_kept:
            self._retained.clear()

    def disconnect(self, door: "MemoryDoor", *, is_will_late: bool = False) -> None:
        """Break one connection; the door reconnects at the next `deliver`."""
        if door._end_connection("the connection broke"):
            self._send_will(door, is_late=is_will_late)

    def kill(self, door: "MemoryDoor", *, is_will_late: bool = False) -> None:
        """End a door as the death of its process does: its will is sent and its owner hears nothing.

        A late will is sent at the beginning of the next `deliver`, before anything else but after whatever
        a successor published until then.
        """
        was_connected = door.is_connected
        self._forget(door)
        if was_connected:
            self._send_will(door, is_late=is_will_late)

    def inject(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Publish from nobody, as another program on the same broker would."""
        check_message(topic, payload)
        self._spread(topic, payload, retain=retain)

    def _enter(self, door: "MemoryDoor") -> None:
        self._doors.append(door)

    def _forget(self, door: "MemoryDoor") -> None:
        door.is_connected = False
        if door in self._doors:
            self._doors.remove(door)

    def _admit(self, door: "MemoryDoor") -> None:
        if door.is_connected:
            return
        if not self.is_running:
            door._fail(Disconnected("no broker answers: start it or correct the address"))
            return
        if self._passwords is not None and self._passwords.get(door.username) != door.password:
            door._fail(
                Refused(
                    f"the broker answers, but it refuses user {door.username!r} or the password: join again"
                )
            )
            return
        door._begin_connection()
        self._queue.append(_Parcel(door, door.connection, Connected()))
        for topic_filter in door.topic_filters:
            self._send_retained(door, topic_filter)

    def _send_retained(self, door: "MemoryDoor", topic_filter: str) -> None:
        for topic, payload in self._retained.items():
            if topic_matches_sub(topic_filter, topic):
                self._queue.append(_Parcel(door, door.connection, Received(topic, payload)))

    def _send_will(self, door: "MemoryDoor", *, is_late: bool) -> None:
        if door.will is None:
            return
        if is_late:
            self._late_wills.append(door.will)
        else:
            self._spread(door.will.topic, door.will.payload, retain=door.will.retain)

    def _spread(self, topic: str, payload: bytes, *, retain: bool) -> None:
        if not self.is_running:
            return
        if retain and payload:
            self._retained[topic] = payload
        elif retain:
            self._retained.pop(topic, None)
        for door in self._doors:
            if door.is_connected and any(topic_matches_sub(each, topic) for each in door.topic_filters):
                self._queue.append(_Parcel(door, door.connection, Received(topic, payload)))

    def _deliver_one(self, parcel: "_Parcel") -> int:
        door = parcel.door
        if not door.is_connected or door.connection != parcel.connection:
            return 0
        if isinstance(parcel.event, Received) and not parcel.is_spared and not self._passes(parcel):
            return 0
        door.on_event(parcel.event)
        return 1

    def _passes(self, parcel: "_Parcel") -> bool:
        """Decide what happens to a message; False where it is not delivered now."""
        faults = self.misbehaviour
        # Each message meets its faults once, so that a probability of 1 comes to an end as well.
        again = replace(parcel, is_spared=True)
        if self._rng.random() < faults.drop:
            return False
        if self._rng.random() < faults.disconnect:
            self.disconnect(parcel.door)
            return False
        if self._rng.random() < faults.delay:
            self._held.append(again)
            return False
        if self._rng.random() < faults.reorder:
            self._queue.append(again)
            return False
        if self._rng.random() < faults.duplicate:
            self._queue.append(again)
        return True


@dataclass(frozen=True, slots=True)
class _Parcel:
    """An event under way to one connection of one door."""

    door: "MemoryDoor"
    connection: int
    event: Event
    is_spared: bool = False


class MemoryDoor:
    """A `Door` to a `MemoryBroker`; events come from within `MemoryBroker.deliver`."""

    def __init__(
        self,
        broker: MemoryBroker,
        *,
        name: str,
        on_event: Callable[[Event], None],
        will: Will | None = None,
        username: str = "",
        password: str = "",
    ) -> None:
        self.name = name
        self.on_event = on_event
        self.will = will
        self.username = username
        self.password = password
        self.is_connected = False
        self.connection = 0
        self.topic_filters: dict[str, None] = {}
        self._broker = broker
        self._last_failure: Event | None = None

    def start(self) -> None:
        """Connect at the next `MemoryBroker.deliver`."""
        self._broker._enter(self)

    def subscribe(self, *topic_filters: str) -> None:
        """Subscribe now and on every later connection."""
        for each in topic_filters:
            if each in self.topic_filters:
                continue
            self.topic_filters[each] = None
            if self.is_connected:
                self._broker._send_retained(self, each)

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> bool:
        """Publish; False where there is no connection."""
        check_message(topic, payload)
        if not self.is_connected:
            return False
        self._broker._spread(topic, payload, retain=retain)
        return True

    def close(self) -> None:
        """Leave without the will."""
        self._broker._forget(self)

    def _begin_connection(self) -> None:
        self.is_connected = True
        self.connection += 1
        self._last_failure = None

    def _end_connection(self, reason: str) -> bool:
        was_connected, self.is_connected = self.is_connected, False
        if was_connected:
            self._fail(Disconnected(reason))
        return was_connected

    def _fail(self, event: Disconnected | Refused) -> None:
        if event != self._last_failure:
            self._last_failure = event
            self.on_event(event)
