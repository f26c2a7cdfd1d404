"""What a person who records is told when nothing can be recorded."""

import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fedmotion.boards.kinematics import Motion
from fedmotion.boards.simulated_node import SimulatedNode
from fedmotion.boards.virtual_mpu6050 import VirtualMpu6050
from fedmotion.host.configuration import AgentConfiguration
from fedmotion.host.guided.plan import plan_takes
from fedmotion.host.recording_store import RecordingStore
from fedmotion.host.serial_port import Bytes, Opened, SerialEvent
from fedmotion.host.take_recording import record_takes
from fedmotion.models.specification import Specification


class OneBlockPort:
    """A port that opens, gives all of its bytes and then nothing more."""

    def __init__(self, data: bytes, on_event: Callable[[SerialEvent], object]) -> None:
        self._data = data
        self._on_event = on_event

    def start(self) -> None:
        self._on_event(Opened("fake"))
        self._on_event(Bytes(self._data))

    def write(self, data: bytes) -> bool:
        return bool(data)

    def taken(self, n_bytes: int) -> None:
        assert n_bytes == len(self._data)

    def close(self) -> None:
        pass


def heard(*, has_sensor: bool) -> bytes:
    """The first 2.5 s of a board."""
    sensor = VirtualMpu6050(Motion(np.array([0.0, 10.0]), np.full((2, 3), 5.0), np.zeros((2, 3))))
    if not has_sensor:
        sensor.unplug(0)
    return SimulatedNode(sensor).advance(2_500_000)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (heard(has_sensor=False), "no sample from the board in 15 s: it reports sensor absent"),
        (b"", "no sample from the board in 15 s: it is silent"),
        (
            b"ax:1,ay:2,az:3,gx:4,gy:5,gz:6\r\n" * 50,
            "no sample from the board in 15 s: the board prints text",
        ),
        (heard(has_sensor=True), "no movement in 15 s; the board streams (250 samples so far)"),
    ],
    ids=["no sensor", "silent", "text", "at rest"],
)
def test_after_a_silence_the_reason_is_said(
    tmp_path: Path, specification: Specification, data: bytes, said: str
) -> None:
    troubles: list[str] = []
    seconds = itertools.count(0, 4)
    with RecordingStore(tmp_path / "r.sqlite", clock=lambda: 0.0) as store:
        record_takes(
            AgentConfiguration(port="fake"),
            store,
            plan_takes(["wave"], 1),
            finding=specification,
            on_take=lambda *_: pytest.fail("nothing moved"),
            on_trouble=troubles.append,
            should_stop=lambda: bool(troubles),
            open_port=lambda _port, _baud, on_event: OneBlockPort(data, on_event),
            clock=lambda: float(next(seconds)),
        )
    assert troubles[0].startswith(said)
