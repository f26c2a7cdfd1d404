import queue
import socket
import threading
from pathlib import Path

import pytest

from fedmotion.boards.posix_terminal import PtyLine
from fedmotion.host.serial_port import Bytes, Lost, Opened, SerialEvent, SerialPort, check_port

WAIT_S = 10


class Events:
    """Collects what a port reports, joining bytes."""

    def __init__(self) -> None:
        self.queue: queue.SimpleQueue[SerialEvent] = queue.SimpleQueue()

    def next(self) -> SerialEvent:
        return self.queue.get(timeout=WAIT_S)

    def data(self, n_bytes: int) -> bytes:
        data = b""
        while len(data) < n_bytes:
            event = self.next()
            assert isinstance(event, Bytes), event
            data += event.data
        return data

    def lost(self) -> str:
        event = self.next()
        assert isinstance(event, Lost), event
        return event.reason


def port_at(name: str, events: Events) -> SerialPort:
    return SerialPort(name, events.queue.put, first_retry_s=0.01, longest_retry_s=0.05)


def test_a_tcp_server_that_closes_is_lost_and_opened_again_and_what_came_before_arrives() -> None:
    events = Events()
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = port_at(f"socket://127.0.0.1:{server.getsockname()[1]}", events)
        port.start()
        first, _ = server.accept()
        assert isinstance(events.next(), Opened)
        first.sendall(b"before the end")
        first.close()
        assert events.data(14) == b"before the end"
        assert "went away" in events.lost()
        second, _ = server.accept()
        assert isinstance(events.next(), Opened)
        assert port.write(b"hello board")
        assert second.recv(100) == b"hello board"
        second.sendall(b"again")
        assert events.data(5) == b"again"
        port.close()
        second.close()


def test_a_server_that_is_absent_is_named_once_and_opened_when_it_comes() -> None:
    events = Events()
    probe = socket.create_server(("127.0.0.1", 0))
    number = probe.getsockname()[1]
    probe.close()
    port = port_at(f"socket://127.0.0.1:{number}", events)
    port.start()
    assert "does not answer" in events.lost()
    assert not port.write(b"lost")
    with socket.create_server(("127.0.0.1", number)) as server:
        # No second complaint stands between the first one and the opening.
        assert isinstance(events.next(), Opened)
        connection, _ = server.accept()
        port.close()
        connection.close()


def test_a_pty_opens_reads_writes_and_is_lost_when_its_board_goes() -> None:
    events = Events()
    line = PtyLine()
    port = port_at(line.address, events)
    port.start()
    assert isinstance(events.next(), Opened)
    line.send(b"\0from the board\0")
    assert events.data(16) == b"\0from the board\0"
    assert port.write(b"to the board")
    received = b""
    while len(received) < 12:
        received += line.receive() or b""
    assert received == b"to the board"
    line.close()
    assert f"{line.address} went away" in events.lost()
    assert not port.write(b"nobody is there")
    port.close()


def test_a_port_that_another_program_holds_is_said_to_be_in_use() -> None:
    line = PtyLine()
    first, second = Events(), Events()
    holder = port_at(line.address, first)
    holder.start()
    assert isinstance(first.next(), Opened)
    rival = port_at(line.address, second)
    rival.start()
    assert "in use by another program" in second.lost()
    rival.close()
    holder.close()
    line.close()


def test_a_port_that_is_not_there_is_told_with_what_to_do() -> None:
    events = Events()
    port = port_at("/dev/no-such-port", events)
    port.start()
    reason = events.lost()
    port.close()
    assert "there is no port /dev/no-such-port: plug the board in" in reason


def test_a_file_that_is_no_serial_port_is_told(tmp_path: Path) -> None:
    path = tmp_path / "plain.txt"
    path.write_text("text")
    events = Events()
    port = port_at(str(path), events)
    port.start()
    reason = events.lost()
    port.close()
    assert "cannot be opened as a serial port" in reason


def test_a_line_that_sends_faster_than_it_is_used_waits_and_loses_nothing() -> None:
    events = Events()
    sent = bytes(range(256)) * 100_000
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = SerialPort(
            f"socket://127.0.0.1:{server.getsockname()[1]}", events.queue.put, max_outstanding_bytes=100_000
        )
        port.start()
        connection, _ = server.accept()
        sender = threading.Thread(target=connection.sendall, args=(sent,))
        sender.start()
        assert isinstance(events.next(), Opened)
        received = bytearray()
        while len(received) < len(sent):
            # One read beyond the limit at most, and nothing more until this is told to be taken.
            data = events.data(1)
            while len(data) < 100_000 and len(received) + len(data) < len(sent):
                data += events.data(1)
            assert len(data) < 100_000 + 65_536
            assert events.queue.empty()
            received += data
            port.taken(len(data))
        assert received == sent
        sender.join()
        port.close()
        connection.close()


def test_closing_ends_the_thread_even_while_it_waits_for_what_nobody_takes() -> None:
    events = Events()
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"socket://127.0.0.1:{server.getsockname()[1]}"
        port = SerialPort(address, events.queue.put, max_outstanding_bytes=1)
        port.start()
        connection, _ = server.accept()
        connection.sendall(b"some")
        assert isinstance(events.next(), Opened)
        assert events.data(1) == b"some"
        port.close()
        connection.close()
    assert not any(thread.name == f"serial {address}" for thread in threading.enumerate())


def test_closing_ends_the_thread_even_while_it_waits_to_try_again() -> None:
    events = Events()
    port = SerialPort("/dev/no-such-port", events.queue.put, first_retry_s=3600, longest_retry_s=3600)
    port.start()
    events.lost()
    port.close()
    assert not any(thread.name == "serial /dev/no-such-port" for thread in threading.enumerate())


@pytest.mark.parametrize(
    "port", ["", "socket://", "socket://host", "socket://host:port", "socket://h:99999", "--profile"]
)
def test_an_impossible_port_is_refused_at_the_border(port: str) -> None:
    with pytest.raises(ValueError, match=r"a port is a device|socket://HOST:PORT"):
        check_port(port)
