"""`fedmotion ports`: which boards are there, what keeps them from being opened, and what runs on them."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from still_boards import node, served

from fedmotion.boards.posix_terminal import PtyLine
from fedmotion.cli.main import command
from fedmotion.host.ports import board_of, survey, users_of
from fedmotion.host.serial_port import ListedPort
from fedmotion.protocol.serial_frames import Hello
from fedmotion.protocol.serial_framing import encode_frame


def run(*arguments: str) -> Result:
    return CliRunner().invoke(command, ["ports", *arguments], env={"COLUMNS": "200"})


def saying(data: bytes) -> Iterator[str]:
    """Yield the address of a TCP line that says `data` to whoever opens it."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(data)
                connection.recv(1)
                connection.settimeout(20)
                while connection.recv(100):
                    pass

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"socket://127.0.0.1:{server.getsockname()[1]}"
        thread.join(20)


@pytest.fixture
def other_format() -> Iterator[str]:
    hello = Hello((9, 0, 0), "future", 1, 0x68, 8, 1000, 10_000, format_version=7)
    yield from saying(encode_frame(hello, 0))


@pytest.fixture
def text() -> Iterator[str]:
    yield from saying(b"temperature: 21.5 degrees\r\n" * 20)


@pytest.fixture
def bytes_of_others() -> Iterator[str]:
    yield from saying(bytes(range(1, 256)))


def test_a_board_says_what_it_is() -> None:
    with served(node()) as port:
        done = run(port, "--listen")
    assert done.exit_code == 0, done.output
    assert "fedmotion 0.1.0 for 'simulated', board id 77, 100 Hz, ±8 g, ±1000 deg/s, serial format 1" in (
        done.output
    )
    assert done.stderr.endswith("s ...\n")


def test_json_holds_all_of_it() -> None:
    with served(node()) as address:
        done = run(address, "--listen", "--json")
    told = json.loads(done.stdout)
    assert told["serial_format"] == 1
    assert told["problems"] == []
    (port,) = told["ports"]
    assert port["port"] == address
    assert port["heard"]["hello"]["board_id"] == 77


def test_both_numbers_are_said_of_a_board_of_another_format(other_format: str) -> None:
    done = run(other_format, "--listen", "--seconds", "3")
    assert done.exit_code == 1
    assert (
        f"{other_format}: the board speaks serial format 7 and this program reads 1: flash the firmware that "
        "comes with this fedmotion, or update fedmotion\n"
    ) in done.stderr


def test_text_of_another_program_is_told_from_frames(text: str) -> None:
    done = run(text, "--listen", "--seconds", "0.3")
    assert done.exit_code == 1
    assert "the board prints text and no frames: flash fedmotion's firmware" in done.stderr


def test_bytes_without_a_frame_are_another_programs(bytes_of_others: str) -> None:
    done = run(bytes_of_others, "--listen", "--seconds", "0.3")
    assert done.exit_code == 1
    assert "255 bytes came in 0.3 s and no HELLO among them: another program is on the board" in done.stderr
    assert "`fedmotion flash uno`" in done.stderr


def test_a_silent_port_is_said_with_what_to_press() -> None:
    pty = PtyLine()
    done = run(pty.address, "--listen", "--seconds", "0.3")
    pty.close()
    assert done.exit_code == 1
    assert f"{pty.address}: not a byte came in 0.3 s at 500000 baud: press the board's reset button" in (
        done.stderr
    )


def test_without_listen_nothing_is_opened() -> None:
    pty = PtyLine()
    done = run(pty.address)
    assert not pty.is_open()
    pty.close()
    assert done.exit_code == 0
    assert "opening a port starts an Arduino anew" in done.output


def test_a_port_that_is_not_there_ends_with_1_and_the_ports_that_are() -> None:
    done = run("/dev/ttyNONE", "--listen")
    assert done.exit_code == 1
    assert "there is no port /dev/ttyNONE: plug the board in (ports on this machine: " in done.stderr


def test_what_can_be_no_port_ends_with_2(monkeypatch: pytest.MonkeyPatch) -> None:
    done = run("tcp:5000")
    assert isinstance(done.exception, ValueError)
    assert "did you mean socket://127.0.0.1:5000?" in str(done.exception)


def test_a_port_without_permission_names_its_group_and_the_command(tmp_path: Path) -> None:
    port = tmp_path / "ttyACM0"
    port.touch()
    port.chmod(0o660)
    with contextlib.suppress(PermissionError):  # who may not give files away has a group of their own
        os.chown(port, -1, 20)
    (report,) = survey([str(port)], may_open=lambda _: False)
    assert report.problem.startswith(f"no permission to open {port}: join its group (sudo usermod -aG ")
    assert report.problem.endswith("and log in again")


def test_nobody_is_told_to_join_the_group_of_administrators(tmp_path: Path) -> None:
    port = tmp_path / "ttyS0"
    port.touch()
    port.chmod(0o600)
    (report,) = survey([str(port)], may_open=lambda _: False)
    assert "it is its owner's alone, so it is hardly a board's; name another port" in report.problem


def test_boards_are_known_by_their_usb_ids() -> None:
    listed = [
        ListedPort("/dev/ttyACM0", "ttyACM0", 0x2341, 0x0043),
        ListedPort("/dev/ttyUSB0", "USB Serial", 0x1A86, 0x7523),
        ListedPort("/dev/ttyS0", "ttyS0", None, None),
    ]
    uno, nano, onboard = survey(listed=lambda: listed)
    assert (uno.board, uno.usb) == ("Arduino Uno", "2341:0043")
    assert (nano.board, nano.usb) == ("CH340 (most Nanos, copies of the Uno)", "1a86:7523")
    assert (onboard.board, onboard.usb) == ("", "")
    assert board_of(0x2341, 0x8057) == "another Arduino"
    assert board_of(0x1234, 0x5678) == ""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux shows by /proc who has a file open")
def test_who_has_a_port_open_is_named_with_the_process() -> None:
    pty = PtyLine()
    script = "import sys; file = open(sys.argv[1]); print('open', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", script, pty.address], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        other.stdout.readline()
        assert other.pid in {user.pid for user in users_of(pty.address)}
        (report,) = survey([pty.address])
        other.communicate(b"")
    pty.close()
    assert f"(process {other.pid}): end that first, one program at a time has a port" in report.problem
    assert users_of(pty.address) == ()


def test_processes_that_may_not_be_looked_at_are_passed_over(tmp_path: Path) -> None:
    fd = tmp_path / "12" / "fd"
    fd.mkdir(parents=True)
    (fd / "3").symlink_to("/dev/ttyACM0")
    (tmp_path / "12" / "comm").write_text("minicom\n")
    (tmp_path / "13").mkdir()
    assert [user.name for user in users_of("/dev/ttyACM0", tmp_path)] == ["minicom"]


def test_a_machine_without_ports_says_what_to_plug(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fedmotion.cli.ports.survey", lambda _: [])
    done = run()
    assert done.exit_code == 1
    assert (
        "this machine lists no serial port: plug the board in with a cable that carries data" in done.stderr
    )
    assert os.linesep in done.stderr
