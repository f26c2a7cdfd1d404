"""A line that is held open: over a pty and over TCP, where a reset is an opening."""

import contextlib
import os
import socket
import time
from pathlib import Path

import pytest
import serial

from fedmotion.boards.posix_terminal import PtyLine
from fedmotion.host import serial_port
from fedmotion.host.serial_line import SerialLine

WAIT_S = 10


def test_a_pty_carries_bytes_at_the_baud_rate_that_is_set() -> None:
    pty = PtyLine()
    line = SerialLine(pty.address, 115_200)
    assert pty.baud() == 115_200
    line.write(b"ask")
    assert pty.receive() == b"ask"
    pty.send(b"answer")
    assert line.read() == b"answer"
    line.set_baud(57_600)
    assert pty.baud() == 57_600
    line.close()
    pty.close()


def test_a_reset_opens_a_pty_anew_at_the_same_rate_and_forgets_what_came() -> None:
    pty = PtyLine()
    line = SerialLine(pty.address, 115_200)
    pty.send(b"old")
    line.reset()
    assert pty.is_open()
    assert pty.baud() == 115_200
    assert line.read() == b""
    pty.send(b"new")
    assert line.read() == b"new"
    line.close()
    assert not pty.is_open()
    pty.close()


def test_a_reset_connects_a_socket_anew() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        line = SerialLine(f"socket://127.0.0.1:{server.getsockname()[1]}", 115_200)
        first, _ = server.accept()
        line.reset()
        assert first.recv(10) == b""
        second, _ = server.accept()
        second.sendall(b"old")
        deadline_s = time.monotonic() + WAIT_S
        while line.read() != b"old":
            assert time.monotonic() < deadline_s
        line.set_baud(57_600)
        line.write(b"ask")
        assert second.recv(10) == b"ask"
        first.close()
        second.close()
        line.close()


def test_a_device_is_reset_by_its_dtr_and_rts_and_stays_open(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[tuple[str, bool]] = []
    monkeypatch.setattr(serial.Serial, "dtr", property(None, lambda _, on: said.append(("dtr", on))))
    monkeypatch.setattr(serial.Serial, "rts", property(None, lambda _, on: said.append(("rts", on))))
    pty = PtyLine()
    line = SerialLine(pty.address, 115_200)
    said.clear()
    line.reset()
    assert said == [("dtr", False), ("rts", False), ("dtr", True), ("rts", True)]
    line.close()
    pty.close()


def test_a_line_that_goes_is_an_oserror_at_each_use() -> None:
    pty = PtyLine()
    line = SerialLine(pty.address, 115_200)
    pty.close()
    with pytest.raises(OSError, match=r"."):
        line.read()
    line.close()
    with pytest.raises(ConnectionResetError, match="is closed"):
        line.write(b"ask")


def test_a_port_that_cannot_be_opened_says_why_and_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConnectionError, match=r"there is no port .*none: plug the board in \(ports on this"):
        SerialLine(str(tmp_path / "none"), 115_200)
    pty = PtyLine()
    line = SerialLine(pty.address, 115_200)
    with pytest.raises(ConnectionError, match="in use by another program: close the serial monitor"):
        SerialLine(pty.address, 115_200)
    line.close()
    pty.close()


def test_a_port_without_permission_names_the_group_to_join(tmp_path: Path) -> None:
    port = tmp_path / "port"
    port.touch()
    port.chmod(0o660)
    with contextlib.suppress(PermissionError):  # who may not give files away has a group of their own
        os.chown(port, -1, 20)
    denied = PermissionError(13, "Permission denied", str(port))
    said = serial_port.why_not_open(str(port), denied)
    assert f"join its group (sudo usermod -aG {port.group()} $USER) and log in again" in said
    assert "usermod -aG dialout" in serial_port.why_not_open(str(tmp_path / "none"), denied)
