"""`fedmotion plot` as a person starts it: pictures without a screen, and what it says where it cannot."""

import importlib.util
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import matplotlib.image
import numpy as np
import pytest
from click.testing import CliRunner, Result
from websockets.sync.client import connect

from fedmotion.cli.main import command as fedmotion


def plot(*arguments: str) -> Result:
    return CliRunner().invoke(fedmotion, ["plot", *arguments])


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    rng = np.random.default_rng(3)
    t_s = np.arange(400) / 100
    t_s[200:] += 0.5
    np.savez(
        tmp_path / "take.npz",
        data=np.column_stack([t_s, rng.normal(size=(400, 6)).cumsum(axis=0)]),
        offsets=[0, 300, 400],
        label=["wave", "swipe"],
        columns=["t", "ax", "ay", "az", "gx", "gy", "gz"],
    )
    return tmp_path / "take.npz"


def test_a_recording_is_drawn_into_a_file_without_a_screen(
    recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    pictures = []
    for take in ("0", "1"):
        path = tmp_path / f"{take}.png"
        result = plot("--file", str(recording), "--take", take, "--save", str(path))
        assert (result.exit_code, result.output) == (0, f"picture: {path}\n")
        pictures.append(matplotlib.image.imread(path)[:, :, :3])
    first, second = pictures
    assert first.shape == second.shape == (726, 1210, 3)
    # Lines, words and the band of the gap in one take, other lines in the other.
    assert (first != second).any(axis=2).mean() > 0.02


@pytest.mark.parametrize("ending", ["svg", "pdf"])
def test_other_kinds_of_pictures_are_written_too(recording: Path, tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"take.{ending}"
    assert plot("--file", str(recording), "--degrees", "--save", str(path)).exit_code == 0
    assert path.read_bytes()[:5] in {b"<?xml", b"%PDF-"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "a plot is of a board (--port) or of a recording (--file): give one of them"),
        (("--port", "x", "--file", "take.npz"), "a plot is of a board (--port) or of a recording (--file)"),
        (("--file", "take.npz", "--web", "0"), "--web shows a board"),
        (("--file", "take.npz", "--save", "x.tiff9"), "a picture's ending is one of"),
        (("--file", "take.npz", "--save", "no/x.png"), "a picture goes into a folder that exists"),
        (("--file", "take.npz", "--take", "2", "--save", "x.png"), "a take of this file is 0 to 1, got 2"),
        (("--file", "text.npz", "--save", "x.png"), "text.npz is not an npz file of plain arrays"),
        (("--file", "text.csv", "--save", "x.png"), "text.csv: its first line names the columns"),
        (("--port", "x", "--web", "0", "--save", "x.png"), "--save writes one picture and --web shows it"),
        (("--port", "x", "--web", "http"), "--web is PORT or HOST:PORT with a port of 0 to 65535"),
        (("--port", "localhost:4000"), "did you mean socket://127.0.0.1:4000?"),
        (("--port", "socket://127.0.0.1:4000", "--profile", "A B"), "a profile is a name of 1 to 32"),
    ],
)
def test_what_cannot_be_is_said_in_one_sentence(
    recording: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], said: str
) -> None:
    monkeypatch.chdir(recording.parent)
    for name in ("text.npz", "text.csv"):
        Path(name).write_text("dear diary\n", "utf-8")
    result = plot(*arguments)
    assert result.exit_code != 0
    assert said in f"{result.output}{result.exception}"


def test_without_a_display_the_ways_to_see_it_are_named(
    recording: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "MPLBACKEND"):
        monkeypatch.delenv(name, raising=False)
    result = plot("--file", str(recording))
    assert str(result.exception).startswith("no window can be opened here")
    assert "--save FILE.png writes a picture, --web PORT shows the plot in a browser" in str(result.exception)


def test_without_matplotlib_it_is_said_what_to_install(
    recording: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    present = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "matplotlib" else present(name)
    )
    result = plot("--file", str(recording))
    assert str(result.exception) == "plots and pictures need matplotlib: pip install 'fedmotion[demo]'"


def test_without_websockets_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    result = plot("--port", "socket://127.0.0.1:1", "--web", "0")
    assert str(result.exception) == "--web needs websockets: pip install 'fedmotion[web]'"


def status_of(url: str) -> dict[str, Any]:
    with connect(url.replace("http", "ws") + "stream") as connection:
        while True:
            message = connection.recv(timeout=20)
            if isinstance(message, str) and (told := json.loads(message))["kind"] == "status":
                return dict(told)


@pytest.mark.parametrize(("host", "warning"), [("", ""), ("0.0.0.0:", "everybody in this network can watch")])
def test_the_web_serves_until_it_is_told_to_end(
    host: str, warning: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    # Nobody listens at TCP port 1.
    arguments = ("plot", "--port", "socket://127.0.0.1:1", "--web", f"{host}0")
    with subprocess.Popen(
        [sys.executable, "-m", "fedmotion.cli", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            url = process.stdout.readline().strip()
            port = url.rstrip("/").rpartition(":")[2]
            status = status_of(f"http://127.0.0.1:{port}/")
            assert status["trouble"].startswith(
                ("socket://127.0.0.1:1 does not answer", "the port is not open")
            )
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=20) == 0
        finally:
            process.kill()
        said = process.stderr.read()
        assert said.startswith(warning)
        assert len(said.splitlines()) == bool(warning)
