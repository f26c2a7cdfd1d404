"""A board on a line that is watched: what comes of its events."""

from collections.abc import Callable
from uuid import UUID

import pytest

from fedmotion.boards.script import Script, person_script
from fedmotion.boards.simulated_node import SimulatedNode
from fedmotion.boards.virtual_mpu6050 import VirtualMpu6050
from fedmotion.host.board_line import BoardLine
from fedmotion.host.plot.live_board import LiveBoard
from fedmotion.host.plot.trace import Span, Trace
from fedmotion.host.released_model import LoadedModel, load_model
from fedmotion.host.serial_port import Bytes, Lost, Opened, SerialEvent
from fedmotion.models.specification import Parameters


class SilentPort:
    """A port that takes everything and says nothing."""

    def start(self) -> None:
        pass

    def write(self, data: bytes) -> bool:
        return bool(data)

    def taken(self, n_bytes: int) -> None:
        assert n_bytes > 0

    def close(self) -> None:
        pass


@pytest.fixture
def model(model_message: Callable[..., bytes], trained_parameters: Parameters) -> LoadedModel:
    return load_model(
        model_message(trained_parameters, round_id=5), federation_id=UUID(int=11), purpose="released"
    )


@pytest.fixture(scope="module")
def short_script() -> Script:
    return person_script(3, {"swipe_left": 2, "swipe_right": 2})


def watched(model: LoadedModel | None = None) -> LiveBoard:
    def open_port(_port: str, _baud: int, _on_event: Callable[[SerialEvent], object]) -> SilentPort:
        return SilentPort()

    line = BoardLine("fake", 500_000, lambda _: None, open_port=open_port)
    return LiveBoard(line, Trace(10.0), model)


def events(script: Script) -> list[SerialEvent]:
    """A performance as a line gives it, in pieces of a tenth of a second."""
    node = SimulatedNode(VirtualMpu6050(script.motion, seed=1), seed=1)
    node.announce()
    n_pieces = script.marks[-1].stop_us // 100_000 + 30
    return [Opened("fake"), *(Bytes(node.advance(100_000 * (1 + piece))) for piece in range(n_pieces))]


def test_gestures_are_marked_where_they_were_performed(model: LoadedModel, short_script: Script) -> None:
    board = watched(model)
    spans: list[Span] = []
    for index, event in enumerate(events(short_script)):
        spans += board.handle(event, index / 10).spans
    assert [span.label for span in spans] == [mark.label for mark in short_script.marks]
    for span, mark in zip(spans, short_script.marks, strict=True):
        assert span.start_s < mark.stop_us / 1e6
        assert span.stop_s > mark.start_us / 1e6
        assert span.probability is not None
        assert span.probability > 0.5


def test_rows_come_once_each_and_without_a_model_no_gesture(short_script: Script) -> None:
    board = watched()
    news = [board.handle(event, index / 10) for index, event in enumerate(events(short_script))]
    assert sum(len(t_s) for each in news for t_s, _ in each.rows) == board.counters.n_samples > 1000
    assert all(each.spans == () for each in news)
    assert board.trouble == ""


def test_trouble_is_said_in_words() -> None:
    board = watched()
    assert board.trouble == "the port is not open yet"
    board.handle(Opened("fake"), 0.0)
    assert board.trouble == ""
    board.handle(Bytes(b"ax:1,ay:2,az:3,gx:4,gy:5,gz:6\r\n" * 50), 0.0)
    assert board.trouble.startswith("the board prints text")
    board.handle(Lost("it went away: plug it in"), 1.0)
    assert board.trouble == "it went away: plug it in"


def test_a_board_without_its_sensor_says_so(short_script: Script) -> None:
    board = watched()
    sensor = VirtualMpu6050(short_script.motion)
    sensor.unplug(0)
    node = SimulatedNode(sensor)
    node.announce()
    board.handle(Opened("fake"), 0.0)
    board.handle(Bytes(node.advance(2_500_000)), 0.0)
    assert board.trouble == "reported: sensor absent"
