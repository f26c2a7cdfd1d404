"""The door to a broker: what an owner asks of it and the events that come back.

`paho_door` opens it to a real broker and `memory` to one inside the process; nothing else of
fedmotion knows what stands behind it.
"""

from dataclasses import dataclass
from typing import Protocol

MAX_PAYLOAD_BYTES = 256 * 1024
"""No message is longer (protocol/mqtt.md); longer ones are cut by `fedmotion.delivery.chunks`."""


@dataclass(frozen=True, slots=True)
class Will:
    """What the broker publishes when the connection ends without a goodbye."""

    topic: str
    payload: bytes
    retain: bool = True


@dataclass(frozen=True, slots=True)
class Connected:
    """The broker took us and acknowledged the subscriptions: publish again what still matters."""


@dataclass(frozen=True, slots=True)
class Disconnected:
    """There is no connection, for `reason`; the door keeps trying. Sent again where the reason changes."""

    reason: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The broker answered and does not want us; `reason` says what to do. The door tries again slowly."""

    reason: str


@dataclass(frozen=True, slots=True)
class Received:
    """A message arrived, once or more often; a retained one may also come just before `Connected`."""

    topic: str
    payload: bytes


Event = Connected | Disconnected | Refused | Received


class Door(Protocol):
    """A connection that comes back by itself.

    Sessions are clean: the broker remembers retained messages and nothing else, and what was under way
    when a connection broke is lost. The owner publishes again on `Connected` what still matters.
    """

    def start(self) -> None:
        """Begin to connect, in the background, and to reconnect with jitter until `close`."""

    def subscribe(self, *topic_filters: str) -> None:
        """Subscribe at QoS 1, now and on every later connection."""

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> bool:
        """Hand a message to the connection at QoS 1; False where there is none or its queue is full.

        Raises
        ------
        ValueError
            If the payload has more than `MAX_PAYLOAD_BYTES` or the topic holds a wildcard.
        """

    def close(self) -> None:
        """Say goodbye, so that the will is not sent, and stop."""


def check_message(topic: str, payload: bytes) -> None:
    """Raise ValueError unless `payload` may be published on `topic`."""
    if not topic or "+" in topic or "#" in topic or "\0" in topic:
        raise ValueError(f"a topic to publish on is not empty and holds no wildcard, got {topic!r}")
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise ValueError(
            f"a payload has at most {MAX_PAYLOAD_BYTES} bytes, got {len(payload)} for {topic}: cut it"
        )
