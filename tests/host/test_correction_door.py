"""Corrections over a broker at home: in the process, and over a real one."""

import socket
import subprocess
import time
from collections.abc import Callable

import pytest

from fedmotion.broker.address import Address
from fedmotion.broker.door import Event
from fedmotion.broker.embedded import find_broker
from fedmotion.broker.memory import MemoryBroker, MemoryDoor
from fedmotion.broker.paho_door import PahoDoor
from fedmotion.host.correction_door import CorrectionDoor, correction_topic
from fedmotion.host.corrections import Correction


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        assert isinstance(port, int)
        return port


def test_what_is_said_is_taken_and_what_waited_for_the_connection_is_not() -> None:
    broker, now_s = MemoryBroker(), [0.0]
    taken: list[Correction] = []
    troubles: list[str] = []
    button = MemoryDoor(broker, name="button", on_event=lambda _: None)
    button.start()
    broker.deliver()
    button.publish("fedmotion/corrections/anna", b'{"correct": "wrong"}', retain=True)
    broker.deliver()

    def open_door(on_event: Callable[[Event], None]) -> MemoryDoor:
        return MemoryDoor(broker, name="anna", on_event=on_event)

    door = CorrectionDoor(
        "anna", open_door, take=taken.append, on_trouble=troubles.append, clock=lambda: now_s[0]
    )
    broker.deliver()
    door.poll()
    assert taken == []
    now_s[0] = 2.0
    button.publish("fedmotion/corrections/anna", b'{"correct": "was", "label": "wave"}')
    button.publish("fedmotion/corrections/anna", b"on")
    button.publish("fedmotion/corrections/bert", b'{"correct": "wrong"}')
    broker.deliver()
    door.poll()
    assert taken == [Correction("was", "wave")]
    assert len(troubles) == 1
    door.close()


def test_a_profiles_name_never_widens_its_topic() -> None:
    assert correction_topic("an+na/#") == "fedmotion/corrections/an-na--"


def test_a_button_says_it_over_a_real_broker() -> None:
    kind, program = find_broker("mosquitto")
    assert kind == "mosquitto"
    port = free_port()
    # Without a configuration it serves this machine only, and everybody on it.
    with subprocess.Popen([program, "-p", str(port)], stderr=subprocess.DEVNULL) as mosquitto:
        taken: list[Correction] = []
        address = Address(host="127.0.0.1", port=port)
        door = CorrectionDoor(
            "anna",
            lambda on_event: PahoDoor(address, name="anna", on_event=on_event),
            take=taken.append,
            on_trouble=pytest.fail,
        )
        button = PahoDoor(address, name="button", on_event=lambda _: None)
        button.start()
        until_s = time.monotonic() + 20
        try:
            while not taken:
                assert time.monotonic() < until_s
                button.publish("fedmotion/corrections/anna", b'{"correct": "nothing"}')
                time.sleep(0.05)
                door.poll()
        finally:
            button.close()
            door.close()
            mosquitto.terminate()
    assert taken[0] == Correction("nothing")
