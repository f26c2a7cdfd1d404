"""What is wrong with an input is one sentence that says what is allowed, and exit status 2."""

import signal
import sqlite3
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from fedmotion.cli.main import main

Run = Callable[..., tuple[int, str]]
FOUNDED = 'federation = "home"\nactivities = ["swipe", "other"]\nn_components = 4\n'


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """Run the command in an empty folder; return its exit status and what it said to standard error."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def run_it(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["fedmotion", *arguments])
        status: object = 0
        try:
            main()
        except SystemExit as end:
            status = end.code
        return int(str(status)), capsys.readouterr().err

    yield run_it
    for number, handler in handlers.items():
        signal.signal(number, handler)


def assert_is_one_sentence(error: str) -> None:
    *usage, sentence = error.rstrip("\n").splitlines()
    assert sentence.startswith(("fedmotion: ", "Error: "))
    # click shows how the command is used above its own sentences.
    assert not usage or (sentence.startswith("Error: ") and usage[0].startswith("Usage: fedmotion"))
    assert "Errno" not in error


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nonsense"], "No such command 'nonsense'"),
        (["agent", "--nonsense"], "No such option '--nonsense'"),
        (["agent"], "has joined no federation: run `fedmotion join FILE`"),
        (["agent", "--profile", "No Name"], "a profile is a name of 1 to 32 of a-z, 0-9 and hyphen"),
        (["agent", "--config", "absent.toml"], "File 'absent.toml' does not exist"),
        (["agent", "--baud", "1"], "`int` >= 300"),
        (["agent", "--log-level", "loud"], "'loud' is not one of 'debug', 'info', 'warning', 'error'"),
        (["agent", "--is-other-recorded"], "is_other_recorded needs marks"),
        (["agent", "--marks", "absent.json"], "the marks absent.json cannot be read"),
        (["recognise"], "has nothing to recognise by: `fedmotion train` makes a model of its recordings"),
        (["recognise", "--port", "socket://x"], "socket://HOST:PORT with a port of 1 to 65535"),
        (["record"], "Missing argument 'LABEL'"),
        (["record", "swipe"], "recording needs a board: give --port"),
        (["record", "swipe", "--takes", "0", "--port", "x"], "0 is not in the range 1<=x<=10000"),
        (["record", "swipe", "--hand", "third", "--port", "x"], "'third' is not one of"),
        (["join", "absent.invitation"], "File 'absent.invitation' does not exist"),
        (["invite", "Anna!"], "a client id is 1 to 32 of a-z, 0-9 and hyphen, got 'Anna!'"),
        (["invite", "anna"], "holds no federation yet"),
        (["aggregator"], "holds no federation yet"),
        (["aggregator", "--federation", "A B", "--activities", "a,other"], "1 to 32 of a-z, 0-9 and hyphen"),
        (["aggregator", "--federation", "home", "--activities", "a,b"], "'other' and at least one gesture"),
        (["aggregator", "--federation", "home", "--activities", "a,,b"], "without empty parts"),
        (["aggregator", "--port", "x"], "'x' is not a valid integer"),
        (["demo", "--labels", "a"], "--labels and --unseen go with --recordings"),
        (["demo", "--seed", "-1"], "the seed is 0 to 1000000, got -1"),
        (["demo", "--rounds", "0"], "0 is not in the range 1<=x<=1000"),
        (["demo", "--broker", "mine"], "'mine' is not one of 'mosquitto', 'nats'"),
        (["demo", "--picture", "picture.foo"], "a picture's ending is one of"),
        (["demo", "--json", "absent/figures.json"], "there is no folder absent"),
        (["demo", "--keep", "."], "--keep names a new folder, . is there already"),
        (["sim-board", "--counts", "swipe_left"], "--counts is LABEL=N,..., got 'swipe_left'"),
        (["sim-board", "--counts", "swipe_left=-1"], "--counts is LABEL=N,..., got 'swipe_left=-1'"),
        (["sim-board", "--counts", "dance=1"], "performs one of swipe_right, swipe_left, other"),
        (["sim-board", "--person", "bob"], "a simulated person is named by a number"),
        (["sim-board", "--port", "udp:1"], "a port is tcp:PORT with PORT 0 to 65535, or pty"),
        (["sim-board", "--rate-hz", "5"], "the rate is 16 to 1000 Hz, got 5.0"),
        (["sim-board", "--accel-full-scale-g", "3"], "accel full scale is one of (2, 4, 8, 16) g, got 3"),
        (["sim-board", "--marks", "absent/marks.json"], "absent/marks.json: No such file or directory"),
        (["sim-board", "--fault", "reset"], "a fault is NAME@SECONDS or NAME:ARGUMENT@SECONDS, got 'reset'"),
        (["sim-board", "--fault", "reset@-1"], "a fault's time is 0 or more seconds"),
        (["sim-board", "--fault", "hold_scl@1"], "got 'hold_scl': that takes --board uno"),
        (["sim-board", "--board", "uno", "--fault", "nack_data@1"], "nack_data takes how many, 1 to 65535"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_wrong_command_line_is_explained(run: Run, arguments: list[str], said: str) -> None:
    status, error = run(*arguments)
    assert status == 2
    assert said in error
    assert_is_one_sentence(error)


def test_a_demo_of_a_network_without_its_runtime_is_refused_before_anything_starts(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fedmotion.models.tflite_door._of_thread", threading.local())
    for module in ("ai_edge_litert", "ai_edge_litert.interpreter", "tflite_runtime"):
        monkeypatch.setitem(sys.modules, module, None)
    status, error = run("demo", "--model", "cnn")
    assert status == 2
    assert "the TFLite runtime, which is not installed: pip install 'fedmotion[tflite]'" in error


def test_a_key_that_does_not_exist_is_named_with_the_nearest_that_does(run: Run) -> None:
    Path("agent.toml").write_text('portt = "/dev/null"\n')
    status, error = run("agent", "--config", "agent.toml")
    assert (status, error) == (
        2,
        "fedmotion: the agent's configuration (agent.toml): there is no key 'portt': did you mean 'port'?\n",
    )
    Path("federation").mkdir()
    Path("federation/aggregator.toml").write_text(FOUNDED + "deadline = 3\n")
    for command in (("aggregator",), ("invite", "anna")):
        status, error = run(*command)
        assert status == 2
        assert "there is no key 'deadline': did you mean 'deadline_s'?" in error
        assert_is_one_sentence(error)


def test_a_configuration_that_is_no_toml_is_named(run: Run) -> None:
    Path("agent.toml").write_text("port: yes\n")
    status, error = run("agent", "--config", "agent.toml")
    assert status == 2
    assert "agent.toml is not TOML" in error
    assert_is_one_sentence(error)


@pytest.mark.parametrize("content", [b"", b"garbage\n", b"\xff\xfe\x00", b"version = 1\n", b"x" * 100_000])
def test_what_is_no_invitation_is_not_joined(run: Run, content: bytes, tmp_path: Path) -> None:
    Path("it.invitation").write_bytes(content)
    status, error = run("join", "it.invitation")
    assert status == 2
    assert "invitation" in error
    assert_is_one_sentence(error)
    assert not (tmp_path / "data").exists()


@pytest.fixture
def founded(run: Run) -> Path:
    folder = Path("federation")
    folder.mkdir()
    (folder / "aggregator.toml").write_text(FOUNDED)
    return folder


def test_a_profile_joins_one_client_of_one_federation(run: Run, founded: Path) -> None:
    assert run("invite", "anna") == (0, "")
    assert run("invite", "bert") == (0, "")
    assert run("join", "anna.invitation") == (0, "")
    # The same again renews it.
    assert run("join", "anna.invitation") == (0, "")
    status, error = run("join", "bert.invitation")
    assert status == 2
    assert "is anna of home already: give another --profile" in error
    assert_is_one_sentence(error)
    assert run("join", "bert.invitation", "--profile", "second") == (0, "")


def test_an_invitation_is_readable_to_its_owner_only_even_where_the_file_was_not(
    run: Run, founded: Path
) -> None:
    Path("anna.invitation").write_text("an older file")
    Path("anna.invitation").chmod(0o644)
    assert run("invite", "anna") == (0, "")
    assert Path("anna.invitation").stat().st_mode & 0o777 == 0o600
    status, error = run("invite", "anna", "--output", "absent/anna.invitation")
    assert status == 2
    assert "there is no folder absent" in error


def test_nobody_is_called_like_the_aggregator(run: Run, founded: Path) -> None:
    status, error = run("invite", "aggregator")
    assert status == 2
    assert "'aggregator'" in error


def test_a_damaged_store_is_one_sentence_for_everyone_who_opens_it(run: Run, founded: Path) -> None:
    assert run("invite", "anna") == (0, "")
    assert run("join", "anna.invitation", "--profile", "./anna") == (0, "")
    (founded / "federation.sqlite").write_bytes(b"no database" * 100)
    Path("anna/recordings.sqlite").write_bytes(b"no database" * 100)
    for arguments in (
        ["invite", "bert"],
        ["aggregator"],
        ["agent", "--profile", "./anna"],
        ["recognise", "--profile", "./anna"],
        ["record", "swipe", "--profile", "./anna", "--port", "socket://127.0.0.1:1"],
    ):
        status, error = run(*arguments)
        assert status == 2, arguments
        assert "damaged" in error
        assert error.startswith("fedmotion: the ")
        assert len(error.splitlines()) == 1


def test_a_store_of_a_newer_version_is_said_to_be_one(run: Run, founded: Path) -> None:
    assert run("invite", "anna") == (0, "")
    with closing(sqlite3.connect(founded / "federation.sqlite")) as connection:
        connection.execute("PRAGMA user_version = 99")
    status, error = run("invite", "bert")
    assert status == 2
    assert "is of version 99" in error
    assert "newer fedmotion" in error


def test_what_a_federation_learns_stays_for_good(run: Run, founded: Path) -> None:
    assert run("invite", "anna") == (0, "")
    status, error = run("aggregator", "--activities", "clap,other")
    assert status == 2
    assert "keep the old keys, or name another store" in error
    assert_is_one_sentence(error)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "--recordings needs --labels GESTURE,... and --unseen PERSON"),
        (["--labels", "swipe_left"], "--recordings needs --labels GESTURE,... and --unseen PERSON"),
        (["--labels", "swipe_left,dance", "--unseen", "5"], "has no label 'dance'; it has arm_cross"),
        (["--labels", "other", "--unseen", "5"], "one or more gestures and not 'other', got other"),
        (["--labels", "swipe_left", "--unseen", "99"], "has no person '99'; it has 1, 2, 3, 4, 5"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_demo_with_wrong_recordings_is_explained(
    run: Run, data_folder: Path, options: list[str], said: str
) -> None:
    status, error = run("demo", "--recordings", str(data_folder / "utd_mhad_inertial.npz"), *options)
    assert status == 2
    assert said in error
    assert_is_one_sentence(error)


def test_a_file_that_holds_no_recordings_is_named(run: Run) -> None:
    Path("takes.npz").write_bytes(b"PK\x03\x04 and no more")
    for command in (
        ["demo", "--recordings", "takes.npz", "--labels", "a", "--unseen", "1"],
        ["sim-board", "--recordings", "takes.npz", "--labels", "a"],
    ):
        status, error = run(*command)
        assert status == 2
        assert "takes.npz is not an npz file of plain arrays" in error
        assert_is_one_sentence(error)
