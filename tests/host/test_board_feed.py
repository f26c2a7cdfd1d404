"""What a recording session is told of its board, and of whatever else is at the port."""

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fedmotion.boards import simulated_board
from fedmotion.boards.posix_terminal import PtyLine
from fedmotion.host.board_feed import Away, BoardFeed, FeedEvent, Ready, Samples
from fedmotion.host.board_identity import BoardIdentity
from fedmotion.host.serial_port import Bytes, Lost, Opened, SerialEvent
from fedmotion.protocol.serial_frames import Hello


class Line:
    """A port at which a test speaks as whatever is behind it, and its clock."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.on_event: Callable[[SerialEvent], object] = lambda _: None

    def open(self, _port: str, _baud: int, on_event: Callable[[SerialEvent], object]) -> "Line":
        self.on_event = on_event
        return self

    def clock(self) -> float:
        return self.now_s

    def start(self) -> None:
        self.on_event(Opened("x"))

    def write(self, data: bytes) -> bool:
        return bool(data)

    def taken(self, n_bytes: int) -> None:
        pass

    def close(self) -> None:
        pass


@pytest.fixture
def line() -> Line:
    return Line()


@pytest.fixture
def feed(line: Line) -> Iterator[BoardFeed]:
    with BoardFeed("x", 500_000, open_port=line.open, clock=line.clock) as feed:
        yield feed


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "not a byte came in 4 s at 500000 baud: press the board's reset button"),
        (b"temperature: 21.5 C\r\n" * 40, "the board prints text and no frames: flash fedmotion's firmware"),
        (bytes(range(1, 256)) * 3, "765 bytes came in 4 s and no HELLO among them: another program is on"),
    ],
    ids=["nothing", "text", "bytes"],
)
def test_a_port_without_our_firmware_is_said_once_and_waited_for(
    line: Line, feed: BoardFeed, data: bytes, said: str
) -> None:
    came = feed.poll(0)
    if data:
        line.on_event(Bytes(data))
    for _ in range(60):
        line.now_s += 0.1
        came += feed.poll(0)
    assert [each.reason[: len(said)] for each in came if isinstance(each, Away)] == [said]
    assert feed.hello is None
    line.on_event(Lost("gone"))
    assert feed.poll(0) == [Away("gone")]


def test_a_port_that_another_program_holds_is_said_and_opened_once_it_is_free(tmp_path: Path) -> None:
    stop, addresses, is_there = threading.Event(), list[str](), threading.Event()

    def announce(address: str) -> None:
        addresses.append(address)
        is_there.set()

    board = threading.Thread(
        target=simulated_board.run,
        kwargs={"port": "pty", "counts": {"other": 1}, "announce": announce, "stop": stop},
    )
    board.start()
    try:
        assert is_there.wait(10)
        came: list[FeedEvent] = []
        with BoardFeed(addresses[0], 500_000) as first:
            while not any(isinstance(each, Ready) for each in came):
                came += first.poll(1.0)
            with BoardFeed(addresses[0], 500_000) as second:
                (away,) = second.poll(10)
                assert isinstance(away, Away)
                assert away.reason.startswith(f"{addresses[0]} is in use by another program: close")
                first.__exit__(None, None, None)
                later: list[FeedEvent] = []
                while not any(isinstance(each, Samples) for each in later):
                    later += second.poll(10)
                assert isinstance(later[0], Ready)
    finally:
        stop.set()
        board.join(10)


def test_a_port_that_vanishes_is_said_with_its_name() -> None:
    pty = PtyLine()
    with BoardFeed(pty.address, 500_000) as feed:
        while not pty.is_open():
            feed.poll(0.01)
        pty.close()
        came: list[FeedEvent] = []
        while not came:
            came = feed.poll(1.0)
    assert isinstance(came[0], Away)
    # Where it vanishes while it is being set up, it "cannot be opened".
    assert came[0].reason.startswith(pty.address)
    assert not os.path.exists(pty.address)  # noqa: PTH110 - a name, not ours to make a Path of


def test_a_second_board_at_the_same_port_is_noticed() -> None:
    identity = BoardIdentity(None, {})
    hello = Hello((0, 1, 0), "nano", 7, 0x68, 8, 1000, 10_000)
    assert identity.meet(hello) == ""
    assert identity.meet(hello) == ""
    other = Hello((0, 1, 0), "nano", 8, 0x68, 8, 1000, 10_000)
    assert identity.meet(other) == "board 8 answers now, before it was 7"
    assert identity.warning == "board 8 answers now, before it was 7"
