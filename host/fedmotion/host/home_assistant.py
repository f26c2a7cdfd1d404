"""Gestures in Home Assistant over MQTT: announces itself, fires a trigger a gesture, says when it is gone.

The broker is Home Assistant's and not the federation's; nothing but labels and probabilities goes there.
"""

import logging
import queue
from collections.abc import Callable
from pathlib import Path

from fedmotion.broker.address import DEFAULT_PORT, DEFAULT_TLS_PORT, Address
from fedmotion.broker.door import Connected, Disconnected, Door, Event, Received, Refused, Will
from fedmotion.broker.paho_door import PahoDoor
from fedmotion.host.gesture_output import Gesture
from fedmotion.host.home_assistant_discovery import OFFLINE, ONLINE, Node
from fedmotion.host.recogniser import Decision
from fedmotion.host.released_model import LoadedModel
from fedmotion.protocol.identity import OTHER

OpenHomeDoor = Callable[[Callable[[Event], None], Will], Door]
"""Makes the door to the house's broker, not yet started."""

_MAX_PASSWORD_FILE_BYTES = 4096

_log = logging.getLogger(__name__)


class HomeAssistant:
    """A `GestureOutput` to Home Assistant.

    What there is and whether it is there is retained, for Home Assistant to read after a restart; gestures,
    which happen once, are not. One while there is no broker is dropped and counted: a light that goes on a
    minute late is worse than one that stays off.
    """

    def __init__(self, node: Node, open_door: OpenHomeDoor) -> None:
        self.is_connected = False
        self.n_dropped = 0
        self._node = node
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._gestures: tuple[str, ...] | None = None
        self._is_board_there = False
        self._retained_triggers: set[str] = set()
        self._door = open_door(self._events.put, Will(node.availability_topic, OFFLINE, retain=True))
        self._door.subscribe(node.status_topic, node.trigger_configurations)
        self._door.start()

    def on_model(self, model: LoadedModel) -> None:
        """Announce the model's gestures and take back those that it does not know."""
        gestures = tuple(each for each in model.specification.activities if each != OTHER)
        if gestures != self._gestures:
            self._gestures = gestures
            self._announce()

    def on_board(self, *, is_there: bool) -> None:
        """Say whether gestures can come."""
        self._is_board_there = is_there
        self._say_availability()

    def on_gesture(self, gesture: Gesture, decision: Decision) -> None:  # noqa: ARG002 - every output's signature
        """Fire the gesture's trigger, then tell the sensors."""
        label = gesture.activity.encode()
        if not self._door.publish(self._node.trigger_topic, label):
            self.n_dropped += 1
            _log.warning("Home Assistant is not told of %s: its broker is not reached", gesture.activity)
            return
        self._door.publish(self._node.state_topic, self._node.state(gesture))

    def tick(self) -> None:
        """Take what the broker said since the last time."""
        while True:
            try:
                event = self._events.get_nowait()
            except queue.Empty:
                return
            self._handle(event)

    def close(self) -> None:
        """Say that it is gone, and leave."""
        self._is_board_there = False
        self._say_availability()
        self._door.close()

    def _handle(self, event: Event) -> None:
        match event:
            case Connected():
                self.is_connected = True
                _log.info("Home Assistant's broker is reached")
                # It may have lost what it retained, or our last connection's will may have come late.
                self._announce()
                self._say_availability()
            case Disconnected(reason) | Refused(reason):
                self.is_connected = False
                _log.warning("Home Assistant is not told of gestures now: %s", reason)
            case Received(topic, payload) if topic == self._node.status_topic:
                if payload == ONLINE:
                    _log.info("Home Assistant has started: announced again")
                    self._announce()
                    self._say_availability()
            case Received(topic, payload) if self._node.is_trigger_configuration(topic):
                if payload:
                    self._retained_triggers.add(topic)
                    self._take_back()
                else:
                    self._retained_triggers.discard(topic)

    def _announce(self) -> None:
        if self._gestures is None:
            return
        for topic, payload in self._node.configurations(self._gestures).items():
            self._door.publish(topic, payload, retain=True)
        self._take_back()

    def _take_back(self) -> None:
        """Remove triggers of this node that an earlier model, or program, had announced."""
        if self._gestures is None:
            return
        present = self._node.configurations(self._gestures)
        for topic in self._retained_triggers - set(present):
            if self._door.publish(topic, b"", retain=True):
                self._retained_triggers.discard(topic)

    def _say_availability(self) -> None:
        payload = ONLINE if self._is_board_there else OFFLINE
        self._door.publish(self._node.availability_topic, payload, retain=True)


def home_door(address: Address, node: Node) -> OpenHomeDoor:
    """Return what opens the door to the broker at `address`."""

    def open_door(on_event: Callable[[Event], None], will: Will) -> Door:
        return PahoDoor(address, name=f"fm-{node.node_id}", on_event=on_event, will=will)

    return open_door


def home_address(
    text: str, *, user: str = "", password: str = "", is_tls: bool = False, authority: str = ""
) -> Address:
    """Return the address of HOST[:PORT], `[HOST]:PORT` for a number of IPv6.

    Raises
    ------
    ValueError
        If it is something else, or a password stands without a user.
    """
    is_tls = is_tls or bool(authority)
    host, port_text = text, ""
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        port_text = rest.removeprefix(":")
        is_wrong = not bracket or (bool(rest) and not rest.startswith(":"))
    else:
        host, colon, port_text = text.partition(":")
        is_wrong = (bool(colon) and not port_text) or ":" in port_text
    is_number = port_text.isascii() and port_text.isdigit()
    if is_wrong or not host or "/" in host or "@" in host or (port_text and not is_number):
        raise ValueError(
            f"Home Assistant's broker is HOST or HOST:PORT, such as homeassistant.local:1883, got {text!r}"
        )
    if password and not user:
        raise ValueError("a password for Home Assistant's broker belongs to a user, got none")
    default = DEFAULT_TLS_PORT if is_tls else DEFAULT_PORT
    return Address(host, int(port_text or default), user, password, authority if is_tls else None)


def read_secret(path: Path, what: str) -> str:
    """Return the one line in the file at `path`.

    Raises
    ------
    ValueError
        If it cannot be read or holds something else. The sentence does not repeat what it holds.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_PASSWORD_FILE_BYTES + 1)
        text = data.decode().rstrip("\r\n")
    except OSError as error:
        raise ValueError(f"{what} cannot be read from {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError(f"{what} in {path} is one line of text, got something else") from None
    if not text or len(data) > _MAX_PASSWORD_FILE_BYTES or not text.isprintable():
        raise ValueError(f"{what} in {path} is one line of text, got {len(data)} bytes of something else")
    return text
