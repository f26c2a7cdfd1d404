"""Corrections over MQTT, from a broker at home: what a button or an automation says of the last movement.

It is not the federation's broker: when somebody moved, and what it was, is nobody else's business.
"""

import logging
import queue
import time
from collections.abc import Callable

from fedmotion.broker.door import Connected, Disconnected, Door, Event, Received, Refused
from fedmotion.host.corrections import Correction, parse_correction

_SETTLE_S = 1.0
"""What comes sooner after connecting may be a retained message, said of a movement long ago."""

_log = logging.getLogger(__name__)


def correction_topic(profile_name: str) -> str:
    """Return where the corrections of a profile are published; characters that MQTT keeps become `-`."""
    return f"fedmotion/corrections/{''.join('-' if c in '+#/' else c for c in profile_name)}"


class CorrectionDoor:
    """Takes each message on the profile's topic as one correction, JSON as in `corrections`.

    `open_door` makes the connection and is given what it reports to. `take` is given each correction,
    `on_trouble` is told in words of a message that is none, both within `poll`.
    """

    def __init__(
        self,
        profile_name: str,
        open_door: Callable[[Callable[[Event], None]], Door],
        *,
        take: Callable[[Correction], object],
        on_trouble: Callable[[str], object],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._events: queue.SimpleQueue[tuple[float, Event]] = queue.SimpleQueue()
        self._take = take
        self._on_trouble = on_trouble
        self._taken_from_s: float | None = None
        self.topic = correction_topic(profile_name)
        self._door = open_door(lambda event: self._events.put((clock(), event)))
        self._door.subscribe(self.topic)
        self._door.start()

    def poll(self) -> None:
        """Take what the broker said since the last time."""
        while not self._events.empty():
            self._handle(*self._events.get())

    def close(self) -> None:
        """Leave the broker."""
        self._door.close()

    def _handle(self, now_s: float, event: Event) -> None:
        match event:
            case Connected():
                self._taken_from_s = now_s + _SETTLE_S
                _log.info("corrections are taken from topic %s", self.topic)
            case Disconnected(reason) | Refused(reason):
                self._taken_from_s = None
                _log.warning("no corrections over MQTT: %s", reason)
            case Received(_, payload):
                if self._taken_from_s is None or now_s < self._taken_from_s:
                    _log.warning("a correction that came with connecting is not taken: it may be an old one")
                    return
                try:
                    self._take(parse_correction(payload))
                except ValueError as error:
                    self._on_trouble(str(error))
