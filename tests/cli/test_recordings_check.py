"""`fedmotion recordings check`: what it says of files and profiles, draws, writes and exits with."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from synthetic_takes import clean_set, take

from fedmotion.cli import recordings
from fedmotion.cli.main import command
from fedmotion.host.guided.plan import TakePlan
from fedmotion.host.recording_store import Recording, RecordingStore
from fedmotion.models.takes import Take


def run(*arguments: object) -> Result:
    words = ["recordings", "check", *map(str, arguments)]
    return CliRunner().invoke(command, words, env={"COLUMNS": "240"})


def write(path: Path, takes: list[Take]) -> Path:
    np.savez(
        path,
        data=np.concatenate([each.samples for each in takes]),
        offsets=np.cumsum([0, *(len(each.samples) for each in takes)]),
        label=np.array([each.label for each in takes]),
        subject=np.array([each.person for each in takes]),
        columns=np.array(["ax", "ay", "az", "gx", "gy", "gz"]),
        units=np.array(["m/s2"] * 3 + ["rad/s"] * 3),
        fs_hz=100.0,
    )
    return path


@pytest.fixture
def clean(tmp_path: Path) -> Path:
    return write(tmp_path / "clean.npz", list(clean_set().values()))


@pytest.fixture
def dirty(tmp_path: Path) -> Path:
    takes = clean_set()
    samples = takes["circle/2/1"].samples.copy()
    samples[:, 3] = 0.25
    takes["circle/2/1"] = replace(takes["circle/2/1"], samples=samples)
    takes["circle/1/0"] = replace(takes["circle/1/0"], label="cirlce")
    takes["copy"] = replace(takes["swipe_left/1/1"], name="copy", person="3")
    return write(tmp_path / "dirty.npz", list(takes.values()))


def recordings_of_one() -> list[Recording]:
    """Return four recordings, the third with a stuck axis."""
    scales = (4 * 9.80665 / 32768, np.radians(500) / 32768)
    made = []
    for trial, each in enumerate(list(clean_set().values())[:4]):
        counts = np.rint(each.samples / np.repeat(scales, 3)).astype(np.int16)
        if trial == 2:
            counts[:, 1] = -3000
        made.append(
            Recording(
                label=each.label,
                person=each.person,
                board_id=7,
                hand="right",
                mounting="wrist",
                start_us=300_000,
                stop_us=int(each.t_us[-1]) - 300_000,
                centre_us=800_000,
                accel_scale_mps2=scales[0],
                gyro_scale_radps=scales[1],
                t_us=each.t_us,
                counts=counts,
            )
        )
    return made


def profile(folder: Path) -> Path:
    """Make a profile of these recordings."""
    with RecordingStore(folder / "recordings.sqlite", clock=lambda: 0.0) as store:
        for recording in recordings_of_one():
            store.add(recording)
    return folder


def test_a_clean_file_ends_with_status_0(clean: Path) -> None:
    done = run(clean)
    assert done.exit_code == 0, done.output
    assert "clean.npz: takes 45, labels 3, people 3" in done.output
    assert "nothing wrong found" in done.output


def test_findings_are_grouped_named_and_end_with_status_1(dirty: Path) -> None:
    done = run(dirty)
    assert done.exit_code == 1
    said = " ".join(done.output.split())
    assert "gx never changes from 0.25 rad/s" in said
    assert "to the bit, of another person" in said
    assert "'cirlce' (1 take) is written almost as 'circle' (14 takes)" in said
    assert "Check the sensor's wiring" in said
    assert "takes that are unusable: 1, doubtful: 1" in said


def test_all_findings_are_written_as_json(dirty: Path, tmp_path: Path) -> None:
    run(dirty, "--json", tmp_path / "found.json")
    written = json.loads((tmp_path / "found.json").read_bytes())
    assert written["n_takes"] == 46
    assert [(each["kind"], each["severity"]) for each in written["findings"]] == [
        ("stuck", "unusable"),
        ("duplicate", "doubtful"),
        ("label", "doubtful"),
    ]
    assert written["findings"][0]["axis"] == "gx"


def test_a_claimed_rate_is_compared_with_stamps(clean: Path, tmp_path: Path) -> None:
    assert run(clean, "--claimed-rate", "52").exit_code == 0
    takes = list(clean_set().values())
    rows = np.concatenate([np.column_stack([each.samples, each.t_us / 1e6]) for each in takes])
    with np.load(clean) as stored:
        arrays = dict(stored)
    arrays |= {"data": rows, "columns": np.array([*arrays["columns"], "t"])}
    arrays["units"] = np.array([*arrays["units"], "s"])
    np.savez(tmp_path / "stamped.npz", **arrays)
    done = run(tmp_path / "stamped.npz", "--claimed-rate", "52")
    assert done.exit_code == 1
    assert "52 samples a second are declared" in " ".join(done.output.split())


def test_a_picture_is_drawn_of_the_gestures_asked_for(dirty: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    done = run(dirty, "--picture", tmp_path / "takes.png", "--gestures", "circle,swipe_left")
    assert done.exit_code == 1, done.output
    assert (tmp_path / "takes.png").read_bytes().startswith(b"\x89PNG")
    done = run(dirty, "--picture", tmp_path / "takes.png", "--gestures", "cirlce")
    assert isinstance(done.exception, ValueError)
    assert "3 takes or more, these are circle, swipe_left, swipe_right; got cirlce" in str(done.exception)


def test_a_profile_s_unusable_take_is_named_and_may_be_accepted(tmp_path: Path) -> None:
    folder = profile(tmp_path)
    done = run("--profile", folder)
    assert done.exit_code == 1
    assert "#3" in done.output
    assert "ay never changes" in " ".join(done.output.split())
    done = run("--profile", folder, "--accept", "3")
    assert done.exit_code == 0, done.output
    assert "1 accepted" in done.output
    assert len(json.loads((folder / "accepted.json").read_bytes())["takes"]) == 1
    assert run("--profile", folder).exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--profile", "./nowhere"), "has no recordings yet"),
        (("--profile", ".", "--accept", "9"), "whose ids are 1 to 4; got 9"),
        (("clean.npz", "--accept", "1"), "only a profile's can be accepted"),
        (("--claimed-rate", "50"), "--claimed-rate goes with FILES"),
        (("clean.npz", "--picture", "takes.docx"), "a picture's ending is one of "),
        (("clean.npz", "--json", "no/where.json"), "there is no folder no"),
        (("absent.npz",), "does not exist"),
        (("text.npz",), "not an npz file of plain arrays"),
    ],
)
def test_bad_input_is_refused_with_the_reason(
    tmp_path: Path, clean: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], said: str
) -> None:
    assert clean.exists()
    profile(tmp_path)
    (tmp_path / "text.npz").write_text("ax,ay\n")
    monkeypatch.chdir(tmp_path)
    done = run(*arguments)
    # What is raised here `main` turns into a sentence and status 2.
    assert done.exit_code in {1, 2}
    assert not isinstance(done.exception, SystemExit) or done.exit_code == 2
    assert said in done.output + str(done.exception)


def test_words_in_brackets_are_shown_as_they_are(tmp_path: Path) -> None:
    samples = clean_set()["circle/1/0"].samples.astype(np.float64)[:6]
    done = run(write(tmp_path / "odd.npz", [take(samples, label="[red]wave")]))
    assert done.exit_code == 1
    assert "[red]wave of 1" in done.output


def test_every_example_of_the_help_is_understood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "utd.npz").touch()
    lines = [line.split("   ")[0] for line in (recordings.check.epilog or "").splitlines()]
    examples = [line.split()[3:] for line in lines if line.strip().startswith("fedmotion recordings check")]
    assert len(examples) == 3
    for words in examples:
        recordings.check.make_context("check", list(words))


def test_record_says_at_once_which_take_to_repeat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def record_takes(
        _configuration: object,
        _store: object,
        plan: TakePlan,
        *,
        on_take: Callable[[Recording, int], object],
        **__: object,
    ) -> TakePlan:
        for number, recording in enumerate(recordings_of_one(), start=1):
            on_take(recording, number)
            plan = plan.with_one_more("swipe_left")
        return plan

    monkeypatch.setattr("fedmotion.cli.record_plain.record_takes", record_takes)
    words = ["record", "swipe_left", "--takes", "4", "--port", "none", "--profile", str(tmp_path / "ada")]
    done = CliRunner().invoke(command, words)
    assert done.exit_code == 0, done.output
    lines = done.output.splitlines()
    position = next(index for index, line in enumerate(lines) if line.startswith("  3/4"))
    assert lines[position + 1].startswith(
        "  not to be trained on, repeat it: swipe_left of 1: ay never changes"
    )
    assert "1 of these takes will not be trained on: record as many more of swipe_left" in lines
