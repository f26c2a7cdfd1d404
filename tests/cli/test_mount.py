"""How a board is said to be turned, by every way of saying it."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from fedmotion.boards import simulated_board, worn
from fedmotion.cli.main import command as fedmotion
from fedmotion.host.mounting_file import mounting_of, read_turn
from fedmotion.models.mounting import AS_PICTURED, in_words


@pytest.fixture
def board(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A simulated board worn upside down, in the two poses, in a hurry; its address."""
    monkeypatch.setattr(worn.poses_script, "__kwdefaults__", {"hanging_s": 3.0})
    stop, addresses, is_there = threading.Event(), list[str](), threading.Event()

    def announce(address: str) -> None:
        addresses.append(address)
        is_there.set()

    thread = threading.Thread(
        target=simulated_board.run,
        kwargs={"turned": "x", "is_posing": True, "speed": 4.0, "announce": announce, "stop": stop},
    )
    thread.start()
    assert is_there.wait(10)
    yield addresses[0]
    stop.set()
    thread.join(10)


def mount(profile: Path, *options: str) -> None:
    fedmotion.main(["mount", "--profile", str(profile), *options], standalone_mode=False)


def test_two_poses_say_that_a_board_is_upside_down(
    board: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mount(tmp_path / "p", "--port", board, "--hand", "right", "--no-wait", "--seconds", "1")
    said = capsys.readouterr().out
    assert "let the arm hang" in said
    assert "the board is turned by 180 degrees about its x axis" in said
    assert "before: turned as pictured" in said
    assert in_words(mounting_of(tmp_path / "p" / "turn.toml")) == "turned by 180 degrees about its x axis"
    mount(tmp_path / "p", "--show")
    assert "about its x axis (by two-poses, 20" in capsys.readouterr().out


def test_the_left_hand_is_mirrored_and_that_is_said(
    board: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mount(tmp_path / "p", "--port", board, "--hand", "left", "--no-wait", "--seconds", "1")
    assert "taken as mirror images" in capsys.readouterr().out
    assert mounting_of(tmp_path / "p" / "turn.toml").is_mirrored


def test_as_pictured_is_kept_and_replaces_a_damaged_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mount(tmp_path / "p", "--show")
    assert "nobody has said otherwise" in capsys.readouterr().out
    mount(tmp_path / "p", "--as-pictured")
    assert "that is as before" in capsys.readouterr().out
    kept = read_turn(tmp_path / "p" / "turn.toml")
    assert kept is not None
    assert (kept.mounting, kept.found_by) == (AS_PICTURED, "as-pictured")
    (tmp_path / "p" / "turn.toml").write_text("version = 1")
    with pytest.raises(ValueError, match="run `fedmotion mount` again"):
        mount(tmp_path / "p", "--show")
    mount(tmp_path / "p", "--as-pictured")
    assert mounting_of(tmp_path / "p" / "turn.toml") == AS_PICTURED


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ((), "read from a board: give --port"),
        (("--port", "socket://127.0.0.1:1", "--no-wait"), "give --hand left or --hand right"),
        (
            ("--port", "socket://127.0.0.1:1", "--no-wait", "--hand", "left", "--timeout", "1"),
            "no pose within 1 s: .*127.0.0.1",
        ),
        (("--by-gestures",), "has joined no federation"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_kept(
    tmp_path: Path, options: tuple[str, ...], sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        mount(tmp_path / "p", *options)
    assert not (tmp_path / "p").exists()


def test_two_ways_at_once_are_refused(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="name one"):
        mount(tmp_path / "p", "--as-pictured", "--show")
