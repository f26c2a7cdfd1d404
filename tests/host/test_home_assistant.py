"""A recogniser in Home Assistant: a second client on a real mosquitto plays Home Assistant."""

import json
import queue
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest

from fedmotion.broker.accounts import Account, write_accounts
from fedmotion.broker.address import Address
from fedmotion.broker.door import Connected, Door, Event, Received, Will
from fedmotion.broker.embedded import RunningBroker, start_broker
from fedmotion.broker.memory import MemoryBroker, MemoryDoor
from fedmotion.broker.paho_door import PahoDoor
from fedmotion.host.gesture_output import Gesture
from fedmotion.host.home_assistant import HomeAssistant, home_address, home_door, read_secret
from fedmotion.host.home_assistant_discovery import Node, node_of, object_id
from fedmotion.host.released_model import LoadedModel
from fedmotion.models.specification import Parameters, Specification, pca_svm
from fedmotion.protocol.tensors import sha256_of

WAIT_S = 20.0
NODE = Node("anna", version="0.1.0")
TRIGGER = "homeassistant/device_automation/anna/{}/config"
DEVICE = {
    "identifiers": ["fedmotion_anna"],
    "name": "fedmotion anna",
    "manufacturer": "fedmotion",
    "model": "gesture recogniser",
    "sw_version": "0.1.0",
}
ORIGIN = {"name": "fedmotion", "sw_version": "0.1.0"}


class HomeAssistantItself:
    """What Home Assistant does with MQTT: remembers configurations, fires triggers, knows who is there."""

    def __init__(self, address: Address) -> None:
        self.configurations: dict[str, dict[str, object]] = {}
        self.n_configured = 0
        self.fired: list[str] = []
        self.states: list[dict[str, object]] = []
        self.availability: list[str] = []
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._is_connected = False
        self.door: Door = PahoDoor(address, name="home-assistant", on_event=self._events.put)
        self.door.subscribe("homeassistant/+/+/+/config", "fedmotion/gestures/#")
        self.door.start()

    def look(self) -> None:
        while True:
            try:
                event = self._events.get_nowait()
            except queue.Empty:
                return
            if isinstance(event, Connected):
                # Its birth message, not retained.
                self.door.publish("homeassistant/status", b"online")
            if isinstance(event, Received):
                self._receive(event.topic, event.payload)

    def _receive(self, topic: str, payload: bytes) -> None:
        if topic.endswith("/config"):
            self.n_configured += 1
            if payload:
                self.configurations[topic] = json.loads(payload)
            else:
                self.configurations.pop(topic, None)
        elif topic.endswith("/availability"):
            self.availability.append(payload.decode())
        elif topic.endswith("/state"):
            self.states.append(json.loads(payload))
        else:
            for each in self.configurations.values():
                if (each.get("topic"), each.get("payload")) == (topic, payload.decode()):
                    self.fired.append(str(each["subtype"]))


@pytest.fixture
def model(specification: Specification, basis_parameters: Parameters) -> LoadedModel:
    return LoadedModel(UUID(int=22), 7, sha256_of(basis_parameters), specification, basis_parameters)


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[RunningBroker]:
    directory = tmp_path / "broker"
    # An account that may all: the house's broker is not the federation's.
    write_accounts(directory, [Account("home", "of-home", "aggregator", "home")])
    with start_broker(directory, prefer="mosquitto") as running:
        acl = directory / "fedmotion.acl"
        acl.write_text("user home\ntopic readwrite #\n")
        running._process.send_signal(1)  # type: ignore[union-attr]
        yield running


def gesture(activity: str, number: int = 1) -> Gesture:
    return Gesture(
        number=number,
        activity=activity,
        probability=0.98765,
        start_us=1_000_000,
        stop_us=1_900_000,
        decided_us=2_300_000,
        round_id=5,
        probabilities={activity: 0.98765, "other": 0.01235},
    )


class House:
    """Both sides of one broker, and a way to wait for what one of them does."""

    def __init__(self, broker: RunningBroker, stack: ExitStack) -> None:
        self.broker = broker
        self.address = broker.address("home", "of-home")
        self.assistant = HomeAssistantItself(self.address)
        stack.callback(self._close_assistant)
        self.recogniser: HomeAssistant | None = None
        self._stack = stack

    def _close_assistant(self) -> None:
        # The present one: tests replace it.
        self.assistant.door.close()

    def recognise(self, model: LoadedModel | None) -> HomeAssistant:
        made = HomeAssistant(NODE, home_door(self.address, NODE))
        self._stack.callback(made.close)
        self.recogniser = made
        if model is not None:
            made.on_model(model)
        made.on_board(is_there=True)
        return made

    def wait(self, is_so: Callable[[], bool]) -> None:
        until_s = time.monotonic() + WAIT_S
        while not is_so():
            assert time.monotonic() < until_s, vars(self.assistant)
            if self.recogniser is not None:
                self.recogniser.tick()
            self.assistant.look()
            time.sleep(0.01)


@pytest.fixture
def house(mosquitto: RunningBroker) -> Iterator[House]:
    with ExitStack() as stack:
        yield House(mosquitto, stack)


def test_it_announces_a_trigger_a_gesture_and_two_sensors(house: House, model: LoadedModel) -> None:
    house.recognise(model)
    house.wait(
        lambda: len(house.assistant.configurations) == 4 and house.assistant.availability[-1:] == ["online"]
    )
    of_both = {
        "state_topic": "fedmotion/gestures/anna/state",
        "force_update": True,
        "availability_topic": "fedmotion/gestures/anna/availability",
        "qos": 1,
        "device": DEVICE,
        "origin": ORIGIN,
    }
    triggers = {
        TRIGGER.format(label): {
            "automation_type": "trigger",
            "type": "gesture",
            "subtype": label,
            "topic": "fedmotion/gestures/anna/trigger",
            "payload": label,
            "qos": 1,
            "device": DEVICE,
            "origin": ORIGIN,
        }
        for label in ("swipe_left", "swipe_right")
    }
    assert house.assistant.configurations == {
        **triggers,
        "homeassistant/sensor/anna/last_gesture/config": {
            "name": "Last gesture",
            "unique_id": "fedmotion_anna_last_gesture",
            "icon": "mdi:gesture",
            "value_template": "{{ value_json.gesture }}",
            **of_both,
        },
        "homeassistant/sensor/anna/probability/config": {
            "name": "Probability",
            "unique_id": "fedmotion_anna_probability",
            "icon": "mdi:percent",
            "unit_of_measurement": "%",
            "state_class": "measurement",
            "value_template": "{{ (value_json.probability * 100) | round(1) }}",
            **of_both,
        },
    }


def test_each_gesture_fires_its_trigger_once_and_is_the_sensors_state(
    house: House, model: LoadedModel
) -> None:
    recogniser = house.recognise(model)
    house.wait(lambda: len(house.assistant.configurations) == 4)
    for number, label in enumerate(("swipe_left", "swipe_right", "swipe_left"), 1):
        recogniser.on_gesture(gesture(label, number), None)  # type: ignore[arg-type]  # not looked at
    house.wait(lambda: len(house.assistant.states) == 3)
    assert house.assistant.fired == ["swipe_left", "swipe_right", "swipe_left"]
    assert house.assistant.states[0] == {
        "gesture": "swipe_left",
        "probability": 0.9877,
        "number": 1,
        "round": 5,
    }
    # Not retained: a Home Assistant that comes later fires nothing.
    house.assistant.door.close()
    house.assistant = HomeAssistantItself(house.address)
    house.wait(lambda: len(house.assistant.configurations) == 4)
    assert (house.assistant.fired, house.assistant.states) == ([], [])


def test_a_board_that_goes_is_unavailable_and_a_goodbye_too(house: House, model: LoadedModel) -> None:
    recogniser = house.recognise(model)
    house.wait(lambda: house.assistant.availability[-1:] == ["online"])
    recogniser.on_board(is_there=False)
    house.wait(lambda: house.assistant.availability[-1:] == ["offline"])
    recogniser.on_board(is_there=True)
    house.wait(lambda: house.assistant.availability[-1:] == ["online"])
    recogniser.close()
    house.wait(lambda: house.assistant.availability[-1:] == ["offline"])


def test_gestures_that_a_new_model_lacks_lose_their_configuration(house: House, model: LoadedModel) -> None:
    recogniser = house.recognise(model)
    house.wait(lambda: TRIGGER.format("swipe_right") in house.assistant.configurations)
    other = replace(model, specification=pca_svm(("swipe_left", "Kreis über dem Kopf", "other")))
    recogniser.on_model(other)
    house.wait(lambda: TRIGGER.format("swipe_right") not in house.assistant.configurations)
    house.wait(lambda: len(house.assistant.configurations) == 4)
    topic = TRIGGER.format("Kreis_ber_dem_Kopf-552df886")
    assert house.assistant.configurations[topic]["payload"] == "Kreis über dem Kopf"


def test_gestures_of_a_program_that_ran_before_are_taken_back_once_there_is_a_model(
    house: House, model: LoadedModel
) -> None:
    before = replace(model, specification=pca_svm(("wave", "other")))
    recogniser = house.recognise(before)
    house.wait(lambda: TRIGGER.format("wave") in house.assistant.configurations)
    recogniser.close()
    recogniser = house.recognise(None)
    house.wait(lambda: recogniser.is_connected)
    assert TRIGGER.format("wave") in house.assistant.configurations
    recogniser.on_model(model)
    house.wait(lambda: TRIGGER.format("wave") not in house.assistant.configurations)
    house.wait(lambda: len(house.assistant.configurations) == 4)


def test_home_assistant_that_starts_again_is_told_again(house: House, model: LoadedModel) -> None:
    house.recognise(model)
    house.wait(lambda: len(house.assistant.configurations) == 4)
    house.wait(lambda: house.assistant.availability[-1:] == ["online"])
    house.assistant.look()
    n_before, n_available = house.assistant.n_configured, len(house.assistant.availability)
    house.assistant.door.publish("homeassistant/status", b"offline")
    house.assistant.door.publish("homeassistant/status", b"online")
    house.wait(lambda: house.assistant.n_configured == n_before + 4)
    house.wait(lambda: house.assistant.availability[n_available:] == ["online"])


def test_a_broker_that_restarts_and_forgets_is_told_all_again(house: House, model: LoadedModel) -> None:
    recogniser = house.recognise(model)
    house.wait(lambda: len(house.assistant.configurations) == 4)
    house.broker.kill()
    house.wait(lambda: not recogniser.is_connected)
    recogniser.on_gesture(gesture("swipe_left"), None)  # type: ignore[arg-type]  # not looked at
    assert recogniser.n_dropped == 1
    house.assistant.door.close()
    for stored in house.broker.directory.glob("*.db*"):
        stored.unlink()
    house.broker.restart()
    (house.broker.directory / "fedmotion.acl").write_text("user home\ntopic readwrite #\n")
    house.broker._process.send_signal(1)  # type: ignore[union-attr]
    house.assistant = HomeAssistantItself(house.address)
    house.wait(lambda: len(house.assistant.configurations) == 4)
    house.wait(lambda: house.assistant.availability[-1:] == ["online"])
    recogniser.on_gesture(gesture("swipe_right", 2), None)  # type: ignore[arg-type]  # not looked at
    house.wait(lambda: house.assistant.fired == ["swipe_right"])
    assert recogniser.n_dropped == 1


def test_a_stranger_s_messages_change_nothing(model: LoadedModel) -> None:
    broker = MemoryBroker()

    def open_door(on_event: Callable[[Event], None], will: Will) -> Door:
        return MemoryDoor(broker, name="anna", on_event=on_event, will=will)

    recogniser = HomeAssistant(NODE, open_door)
    broker.inject("homeassistant/device_automation/bert/wave/config", b"{}", retain=True)
    broker.inject("homeassistant/sensor/anna/old/config", b"{}", retain=True)
    recogniser.on_model(model)
    broker.deliver()
    recogniser.tick()
    broker.deliver()
    for topic, payload in (
        ("homeassistant/status", b"\xff\x00"),
        ("homeassistant/device_automation/anna/a/b/config", b"{}"),
        ("homeassistant/device_automation/anna//config", b"not JSON"),
    ):
        broker.inject(topic, payload)
    broker.deliver()
    recogniser.tick()
    broker.deliver()
    assert set(broker.retained) == {
        "homeassistant/device_automation/bert/wave/config",
        "homeassistant/sensor/anna/old/config",
        TRIGGER.format("swipe_left"),
        TRIGGER.format("swipe_right"),
        "homeassistant/sensor/anna/last_gesture/config",
        "homeassistant/sensor/anna/probability/config",
        "fedmotion/gestures/anna/availability",
    }
    # Its board has not come yet.
    assert broker.retained["fedmotion/gestures/anna/availability"] == b"offline"


def test_labels_and_names_become_what_a_discovery_topic_may_hold() -> None:
    assert object_id("swipe_left") == "swipe_left"
    assert object_id("wave up") == "wave_up-7ae00fe3"
    assert object_id("波") == "36d5d011"
    assert node_of("anna", "pi 4") == "anna-pi_4"
    assert node_of("") == "default"
    for wrong in ("", "a b", "a/b", "x" * 65):
        with pytest.raises(ValueError, match="a node in Home Assistant is 1 to 64 of a-z"):
            Node(wrong)
    for wrong in ("", "a/+", "#", "/a"):
        with pytest.raises(ValueError, match="a discovery prefix is a topic without"):
            Node("anna", wrong)


def test_the_broker_s_address_is_host_and_port(tmp_path: Path) -> None:
    assert home_address("homeassistant.local") == Address("homeassistant.local", 1883)
    assert home_address("[fd00::1]:1999", user="u", password="p") == Address("fd00::1", 1999, "u", "p")
    assert home_address("ha", is_tls=True) == Address("ha", 8883, tls_ca="")
    assert home_address("ha:1", authority="/ca.pem") == Address("ha", 1, tls_ca="/ca.pem")
    for wrong in ("", ":1883", "ha:", "ha:x", "mqtt://ha", "a:1:2", "[::1", "[::1]1883", "u@ha"):
        with pytest.raises(ValueError, match="Home Assistant's broker is HOST or HOST:PORT"):
            home_address(wrong)
    with pytest.raises(ValueError, match="a broker's port is 1 to 65535, got 0"):
        home_address("ha:0")
    with pytest.raises(ValueError, match="belongs to a user, got none"):
        home_address("ha", password="p")


def test_a_secret_is_one_line_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "password"
    path.write_text("correct horse\n")
    assert read_secret(path, "the password") == "correct horse"
    for wrong in (b"", b"\n", b"two\nlines\n", b"\xff", b"x" * 5000):
        path.write_bytes(wrong)
        with pytest.raises(ValueError, match=r"the password in .* is one line of text, got"):
            read_secret(path, "the password")
    with pytest.raises(ValueError, match=r"the password cannot be read from .*: No such file"):
        read_secret(tmp_path / "absent", "the password")
