"""What Home Assistant is told of a recogniser so that it shows it by itself: topics and payloads, no I/O.

Keys and topics are those of Home Assistant's documentation, https://www.home-assistant.io/integrations/:
"MQTT" (mqtt/), sections "Discovery topic", "Single component discovery payload", "Adding information about
the origin of a discovery message" and "Birth and last will messages"; "MQTT device trigger"
(device_trigger.mqtt/); "MQTT sensor" (sensor.mqtt/).
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import msgspec

from fedmotion.host.gesture_output import Gesture

DEFAULT_PREFIX = "homeassistant"
ONLINE, OFFLINE = b"online", b"offline"

MAX_NODE_CHARACTERS = 64
_ID = re.compile(rf"[a-zA-Z0-9_-]{{1,{MAX_NODE_CHARACTERS}}}")
_PREFIX = re.compile(r"[^+#\0/]+(/[^+#\0/]+)*")


@dataclass(frozen=True, slots=True)
class Node:
    """One recogniser in Home Assistant: its id, unique in a house, the discovery prefix and our version.

    Raises
    ------
    ValueError
        If the id or the prefix cannot stand in a discovery topic.
    """

    node_id: str
    prefix: str = DEFAULT_PREFIX
    version: str = ""

    def __post_init__(self) -> None:
        if not _ID.fullmatch(self.node_id):
            raise ValueError(
                f"a node in Home Assistant is 1 to {MAX_NODE_CHARACTERS} of a-z, A-Z, 0-9, _ and -, "
                f"got {self.node_id!r}"
            )
        if not _PREFIX.fullmatch(self.prefix) or len(self.prefix) > 64:
            raise ValueError(
                f"a discovery prefix is a topic without + and #, 64 characters at most, got {self.prefix!r}"
            )

    @property
    def availability_topic(self) -> str:
        """Where `online` or `offline` is retained."""
        return f"{self._base}/availability"

    @property
    def trigger_topic(self) -> str:
        """Where a gesture's label is published, once for each."""
        return f"{self._base}/trigger"

    @property
    def state_topic(self) -> str:
        """Where the last gesture is published with its probability, as JSON."""
        return f"{self._base}/state"

    @property
    def status_topic(self) -> str:
        """Where Home Assistant says `online` when it has started."""
        return f"{self.prefix}/status"

    @property
    def trigger_configurations(self) -> str:
        """The filter of all topics that this node's triggers are configured on."""
        return f"{self.prefix}/device_automation/{self.node_id}/+/config"

    def is_trigger_configuration(self, topic: str) -> bool:
        """Tell whether `topic` is one that this node's triggers are configured on."""
        first, _, last = self.trigger_configurations.partition("+")
        middle = topic.removeprefix(first).removesuffix(last)
        return topic.startswith(first) and topic.endswith(last) and "/" not in middle

    def configurations(self, gestures: Iterable[str]) -> dict[str, bytes]:
        """Return the retained payloads by topic: a device trigger a gesture, and the two sensors."""
        configured: dict[str, dict[str, object]] = {
            f"{self.prefix}/device_automation/{self.node_id}/{object_id(gesture)}/config": {
                "automation_type": "trigger",
                # Shown as `"swipe_left" gesture`: subtype, type.
                "type": "gesture",
                "subtype": gesture,
                "topic": self.trigger_topic,
                "payload": gesture,
            }
            for gesture in gestures
        }
        of_both: dict[str, object] = {
            "state_topic": self.state_topic,
            # A gesture twice in a row is two events in the history.
            "force_update": True,
            "availability_topic": self.availability_topic,
        }
        configured[f"{self.prefix}/sensor/{self.node_id}/last_gesture/config"] = {
            "name": "Last gesture",
            "unique_id": f"fedmotion_{self.node_id}_last_gesture",
            "icon": "mdi:gesture",
            "value_template": "{{ value_json.gesture }}",
            **of_both,
        }
        configured[f"{self.prefix}/sensor/{self.node_id}/probability/config"] = {
            "name": "Probability",
            "unique_id": f"fedmotion_{self.node_id}_probability",
            "icon": "mdi:percent",
            "unit_of_measurement": "%",
            "state_class": "measurement",
            "value_template": "{{ (value_json.probability * 100) | round(1) }}",
            **of_both,
        }
        shared = {"qos": 1, "device": self._device(), "origin": self._origin()}
        return {topic: msgspec.json.encode({**each, **shared}) for topic, each in configured.items()}

    def state(self, gesture: Gesture) -> bytes:
        """Return what the sensors are told of a gesture."""
        return msgspec.json.encode(
            {
                "gesture": gesture.activity,
                "probability": round(gesture.probability, 4),
                "number": gesture.number,
                "round": gesture.round_id,
            }
        )

    @property
    def _base(self) -> str:
        return f"fedmotion/gestures/{self.node_id}"

    def _device(self) -> Mapping[str, object]:
        return {
            "identifiers": [f"fedmotion_{self.node_id}"],
            "name": f"fedmotion {self.node_id}",
            "manufacturer": "fedmotion",
            "model": "gesture recogniser",
            **({"sw_version": self.version} if self.version else {}),
        }

    def _origin(self) -> Mapping[str, object]:
        return {"name": "fedmotion", **({"sw_version": self.version} if self.version else {})}


def object_id(label: str) -> str:
    """Return what stands for `label` in a discovery topic: itself where it may, else it with a hash.

    A topic's level takes letters of English, digits, `_` and `-`; two labels never meet in one.
    """
    if _ID.fullmatch(label):
        return label
    plain = re.sub(r"[^a-zA-Z0-9_-]+", "_", label).strip("_")[:40]
    return f"{plain}-{hashlib.sha256(label.encode()).hexdigest()[:8]}".lstrip("-")


def node_of(*names: str) -> str:
    """Return a node id made of names that people gave."""
    plain = "-".join(re.sub(r"[^a-zA-Z0-9_-]+", "_", name).strip("_") for name in names if name)
    return plain.strip("-_")[:MAX_NODE_CHARACTERS] or "default"
