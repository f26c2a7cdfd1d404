"""`fedmotion doctor`: what it prints, writes as JSON and exits with."""

import json
from io import StringIO
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from rich.console import Console
from still_boards import captured_at_once, node, served, turned_by_hand

from fedmotion.boards.posix_terminal import PtyLine
from fedmotion.cli import doctor
from fedmotion.cli.doctor_table import show
from fedmotion.cli.main import command
from fedmotion.host.doctor_checks import Check


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))


def run(*arguments: str) -> Result:
    return CliRunner().invoke(command, ["doctor", *arguments], env={"COLUMNS": "200"})


def test_a_sound_board_in_real_time() -> None:
    with served(node()) as port:
        done = run("--port", port, "--seconds", "4", "--only", "board", "--only", "sensor", "--json")
    told = json.loads(done.stdout)
    # How evenly bytes come is this machine's: it may be busy.
    found = [each["name"] for each in told["checks"] if each["state"] not in {"ok", "not checked"}]
    assert set(found) <= {"jitter at the host"}
    assert [each["name"] for each in told["checks"] if each["state"] == "not checked"] == ["axes agree"]
    assert told["is_well"] == (not found)
    assert done.exit_code == bool(found)
    assert f"{port}: measuring for 4 s, leave the board alone ..." in done.stderr


def test_findings_are_listed_with_what_to_do_and_end_with_1() -> None:
    pty = PtyLine()
    address = pty.address
    pty.close()
    done = run("--port", address)
    assert done.exit_code == 1
    assert "\x1b" not in done.output
    said = " ".join(done.output.split())
    assert f"✗ port: there is no port {address}: plug the board in" in said
    assert "no federation joined: `fedmotion join FILE` joins one" in said
    assert "✗ 1 failed" in said


def test_a_narrow_terminal_gets_fewer_columns() -> None:
    checks = [
        Check("machine", "disk", "ok", "9 MB", "at least 8 MB"),
        Check("machine", "clock", "failed", "1970"),
    ]
    for width, columns in ((80, "check measured"), (110, "check state measured limit")):
        console = Console(width=width, file=StringIO())
        show(console, checks)
        assert isinstance(console.file, StringIO)
        said = console.file.getvalue()
        said = " ".join(said.split())
        assert f"{columns} ─" in said
        assert ("9 MB (limit: at least 8 MB)" in said) == (width == 80)
        assert "2 checks: ✓ 1 ok, ✗ 1 failed" in said


def test_turning_is_asked_for_and_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    board = node(motion=turned_by_hand(), said={"axis_order": (2, 1, 3, 4, 5, 6)})
    captured = captured_at_once(board, 8.0)
    monkeypatch.setattr(doctor, "capture", lambda *_, **__: captured)
    pty = PtyLine()
    done = run("--port", pty.address, "--turn", "--only", "sensor")
    pty.close()
    assert done.exit_code == 1
    assert "turn the board slowly over in your hand like a die" in done.stderr
    assert "ax and ay are exchanged" in done.output
    assert "✗ axes agree: correct the axis order in the firmware" in done.output


def test_without_a_board_it_says_what_to_plug(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "usb_ports", dict)
    done = run("--only", "board")
    assert done.exit_code == 1
    assert "plug the board in with a cable that carries data" in done.output


def test_the_machine_alone_needs_no_board() -> None:
    done = run("--only", "machine", "--only", "federation")
    assert done.exit_code == 0, done.output
    assert "nothing is wrong with what was checked" in done.output
    assert "HELLO" not in done.output


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--port", "tcp:5"], "did you mean socket://127.0.0.1:5?"),
        (["--profile", "No Name"], "a profile is a name of 1 to 32 of a-z, 0-9 and hyphen"),
    ],
)
def test_wrong_use_is_a_sentence(arguments: list[str], sentence: str) -> None:
    done = run(*arguments)
    assert isinstance(done.exception, ValueError)
    assert sentence in str(done.exception)


def test_more_than_one_board_must_be_chosen_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "usb_ports", lambda: {"/dev/ttyACM0": "Uno", "/dev/ttyUSB0": "USB Serial"})
    done = run()
    assert isinstance(done.exception, ValueError)
    assert "give --port with one of /dev/ttyACM0 (Uno), /dev/ttyUSB0 (USB Serial)" in str(done.exception)


def test_a_profile_of_another_user_is_said_and_does_not_end_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "may_use", lambda _: False)
    done = run("--only", "federation", "--profile", "anna")
    assert done.exit_code == 1
    assert "you may not read" in done.output
    assert "`fedmotion doctor --only machine` says what to do" in done.output


def test_a_check_that_breaks_does_not_end_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("by a slip")

    monkeypatch.setattr(doctor, "capture", broken)
    pty = PtyLine()
    done = run("--port", pty.address)
    pty.close()
    assert done.exit_code == 1
    assert "and this is a defect: RuntimeError: by a slip" in done.output
    assert "disk" in done.output
