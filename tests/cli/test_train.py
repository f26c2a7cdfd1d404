"""From a board to recognition without any federation, by the commands that a person types."""

import json
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from click.testing import CliRunner

from fedmotion.cli.models import command as models
from fedmotion.cli.record import command as record
from fedmotion.cli.train import command as train
from fedmotion.simulation.programs import Program

WAIT_S = 40.0

# Seven programs, one after another.
pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def start_board(stack: ExitStack, folder: Path, *arguments: str) -> str:
    name = f"board-{'-'.join(arguments)}".replace("=", "-").replace("/", "-")
    board = stack.enter_context(
        Program(name, ["sim-board", "--speed", "0", "--exit-at-end", "--person", "7", *arguments], folder)
    )
    return board.require_line(WAIT_S)


def run(*arguments: str, of: object = train) -> tuple[int, str, str]:
    done = CliRunner().invoke(of, arguments)  # type: ignore[arg-type]  # a click command
    return done.exit_code, done.stdout, done.stderr or str(done.exception)


def test_a_person_alone_records_trains_and_is_recognised_without_any_broker(
    tmp_path: Path, stack: ExitStack
) -> None:
    profile = str(tmp_path / "anna")
    for label in ("swipe_left", "swipe_right", "other"):
        port = start_board(stack, tmp_path, "--counts", f"{label}=12")
        status, _, said = run(label, "--takes", "10", "--port", port, "--profile", profile, of=record)
        assert status == 0, said
    out = tmp_path / "own.safetensors"
    status, said, trouble = run("--profile", profile, "--out", str(out))
    assert status == 0, trouble
    assert "of 30 takes are decided rightly by models that had not seen them" in said
    assert f"`fedmotion recognise --profile {profile} --port PORT` uses it" in said
    status, shown, _ = run("show", profile, "--json", of=models)
    assert json.loads(shown)["federation"] == "own"
    status, shown, _ = run("diff", str(out), f"{profile}@own", "--json", of=models)
    assert (status, json.loads(shown)["difference"]["is_same_specification"]) == (0, True)

    marks = tmp_path / "marks.json"
    counts = ("--counts", "swipe_left=4,swipe_right=4,other=3", "--seed", "3", "--marks", str(marks))
    port = start_board(stack, tmp_path, *counts)
    recogniser = stack.enter_context(
        Program("recognise", ["recognise", "--profile", profile, "--port", port, "--json"], tmp_path)
    )
    recognised = []
    while (event := json.loads(recogniser.require_line(WAIT_S)))["event"] != "lost":
        if event["event"] == "recognised":
            recognised.append(event["activity"])
    performed = Counter(mark["label"] for mark in json.loads(marks.read_bytes()))
    del performed["other"]
    assert performed == {"swipe_left": 4, "swipe_right": 4}
    # One may be missed and one invented: ten takes of each taught it.
    assert sum((performed - Counter(recognised)).values()) <= 1
    assert sum((Counter(recognised) - performed).values()) <= 1
    recogniser._process.send_signal(signal.SIGTERM)
    recogniser.wait(10.0)


def test_a_place_where_no_model_can_be_written_is_said_before_anything_is_trained(tmp_path: Path) -> None:
    taken = tmp_path / "taken.safetensors"
    taken.touch()
    for out, why in {
        "model.bin": "a model file ends in .safetensors, got model.bin",
        str(taken): "is there already",
        str(tmp_path / "no" / "m.safetensors"): "there is no folder",
    }.items():
        status, _, said = run("--profile", str(tmp_path / "nobody"), "--out", out)
        assert status == 1
        assert why in said


def test_who_has_not_recorded_is_told_to(tmp_path: Path) -> None:
    status, _, said = run("--profile", str(tmp_path / "nobody"))
    assert (status, "has no recordings yet: `fedmotion record LABEL` makes some" in said) == (1, True)
