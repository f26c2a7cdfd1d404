"""Performances of simulated people and of recorded takes, and their marks."""

import json
import random
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from fedmotion.boards.kinematics import STANDARD_GRAVITY_MPS2
from fedmotion.boards.recorded_takes import RecordedTakes, load_takes
from fedmotion.boards.script import Script, person_script, recorded_script, write_marks

COUNTS = {"swipe_right": 3, "swipe_left": 2, "other": 4}


def turning_radps(script: Script) -> np.ndarray:
    turning: np.ndarray = np.linalg.norm(script.motion.angular_rate_radps, axis=1)
    return turning


def is_marked(script: Script) -> np.ndarray:
    t_us = script.motion.t_s * 1e6
    marked = np.zeros(len(t_us), dtype=bool)
    for mark in script.marks:
        marked |= (t_us >= mark.start_us) & (t_us <= mark.stop_us)
    return marked


def test_a_person_performs_what_was_asked_for_in_shuffled_order() -> None:
    script = person_script(1, COUNTS)
    assert Counter(mark.label for mark in script.marks) == COUNTS
    assert [mark.label for mark in script.marks] != sorted(mark.label for mark in script.marks)
    assert all(
        a.stop_us + 1_000_000 < b.start_us for a, b in zip(script.marks, script.marks[1:], strict=False)
    )
    assert script.motion.t_s[0] == 0.0
    assert np.diff(script.motion.t_s) == pytest.approx(1 / 250)


@pytest.mark.parametrize("seed", range(4))
def test_energy_lies_inside_the_marks_and_rest_outside(seed: int) -> None:
    script = person_script(seed, COUNTS)
    turning, marked = turning_radps(script), is_marked(script)
    assert turning[~marked].max() < 0.1
    for mark in script.marks:
        t_us = script.motion.t_s * 1e6
        assert turning[(t_us >= mark.start_us) & (t_us <= mark.stop_us)].max() > 0.4
    outside = np.linalg.norm(script.motion.specific_force_mps2[~marked], axis=1)
    assert outside == pytest.approx(STANDARD_GRAVITY_MPS2, abs=0.3)


def test_a_performance_has_no_jump() -> None:
    axes = person_script(2, COUNTS).motion.axes()
    # 30 m/s2 within 0.1 s are 1.2 m/s2 a step of 4 ms; turning likewise.
    assert np.abs(np.diff(axes, axis=0)).max() < 3.0


def test_a_performance_is_reproducible_by_person_and_performance() -> None:
    first, again = person_script(1, COUNTS), person_script(1, COUNTS)
    assert first.marks == again.marks
    assert first.motion.axes().tolist() == again.motion.axes().tolist()
    assert person_script(2, COUNTS).marks != first.marks
    assert person_script(1, COUNTS, performance_seed=1).marks != first.marks


def test_a_kind_of_other_movement_is_marked_as_other() -> None:
    script = person_script(1, {"circle": 2})
    assert [mark.label for mark in script.marks] == ["other", "other"]


def test_unknown_activities_and_impossible_counts_are_refused() -> None:
    with pytest.raises(ValueError, match=r"performs one of swipe_right, .*, got 'juggle'"):
        person_script(1, {"juggle": 1})
    with pytest.raises(ValueError, match="the count of other is 0 to 10000, got -1"):
        person_script(1, {"other": -1})


def test_marks_are_written_as_json(tmp_path: Path) -> None:
    script = person_script(1, {"swipe_left": 1})
    write_marks(script, tmp_path / "marks.json")
    (mark,) = json.loads((tmp_path / "marks.json").read_text())
    assert mark == {
        "label": "swipe_left",
        "start_us": script.marks[0].start_us,
        "stop_us": script.marks[0].stop_us,
    }
    assert mark["start_us"] == 1_200_000


def write_takes(path: Path, **changes: object) -> Path:
    """Two people, three labels, two takes each of 40 rows at 50 Hz, in g and deg/s, columns out of order."""
    rng = np.random.default_rng(1)
    n_takes = 12
    data = rng.normal(0, 0.1, (40 * n_takes, 6)).astype(np.float32)
    data[:, 3:] *= 300
    data[:, 2] += 1.0
    arrays: dict[str, object] = {
        "data": data[:, [3, 4, 5, 0, 1, 2]],
        "offsets": np.arange(n_takes + 1) * 40,
        "label": np.array(["left", "right", "wave"] * 4),
        "subject": np.repeat([1, 2], 6),
        "trial": np.arange(n_takes),
        "columns": np.array(["gx", "gy", "gz", "ax", "ay", "az"]),
        "units": np.array(["deg/s"] * 3 + ["g"] * 3),
        "fs_hz": np.float64(50),
    }
    arrays |= changes
    np.savez(path, **{key: value for key, value in arrays.items() if value is not None})  # type: ignore[arg-type]  # savez's stub takes allow_pickle by keyword
    return path


@pytest.fixture
def takes(tmp_path: Path) -> RecordedTakes:
    return load_takes(write_takes(tmp_path / "takes.npz"))


def test_a_recording_file_is_read_in_si_units_and_in_the_order_of_the_axes(takes: RecordedTakes) -> None:
    stored = np.random.default_rng(1).normal(0, 0.1, (480, 6)).astype(np.float32)
    assert takes.axes(0)[:, 0] == pytest.approx(stored[:40, 0] * 9.80665)
    assert takes.axes(0)[:, 2] == pytest.approx((stored[:40, 2] + 1) * 9.80665, rel=1e-4)
    assert takes.axes(1)[:, 5] == pytest.approx(stored[40:80, 5] * 300 * np.pi / 180, rel=1e-4)
    assert takes.rate_hz == 50.0
    assert takes.people() == ("1", "2")


def test_takes_are_played_whole_between_their_marks_with_rests_between(takes: RecordedTakes) -> None:
    script = recorded_script(takes, "2", ["left", "right"], n_other=1, performance_seed=3)
    assert Counter(mark.label for mark in script.marks) == {"left": 2, "right": 2, "other": 1}
    axes = script.motion.axes()
    played = []
    for mark in script.marks:
        start, stop = round(mark.start_us / 20_000), round(mark.stop_us / 20_000)
        (index,) = [i for i in range(12) if np.array_equal(takes.axes(i), axes[start : stop + 1])]
        assert takes.subjects[index] == "2"
        assert mark.label == ("other" if takes.labels[index] == "wave" else takes.labels[index])
        played.append(index)
    assert len(set(played)) == 5
    rests_us = [b.start_us - a.stop_us for a, b in zip(script.marks, script.marks[1:], strict=False)]
    assert all(rest_us == 1_220_000 for rest_us in rests_us)


def test_rests_between_takes_neither_jump_nor_move(takes: RecordedTakes) -> None:
    script = recorded_script(takes, "1", ["left", "right"])
    turning = turning_radps(script)
    for mark in script.marks[:-1]:
        stop = round(mark.stop_us / 20_000)
        rest = slice(stop + 10, stop + 51)  # 0.2 s after the take to 0.2 s before the next
        assert turning[rest].max() < 0.1
        force = script.motion.specific_force_mps2[stop : stop + 62]
        ends = np.abs(force[-1] - force[0])
        assert (np.abs(np.diff(force, axis=0)) < 0.1 * ends + 0.3).all()
    assert turning[-1] == 0.0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"label": None}, "label missing"),
        ({"columns": np.array(["gx", "gy", "gz", "ax", "ay", "up"])}, "az missing, got gx, gy"),
        (
            {"units": np.array(["deg/s"] * 3 + ["furlong"] * 3)},
            "unit of ax is one of g, m/s2, .* got 'furlong'",
        ),
        ({"units": np.array(["deg/s"])}, "a column for each of columns and units"),
        ({"fs_hz": np.full(12, 50.0)}, "fs_hz is one number for all takes, got 12"),
        ({"fs_hz": np.float64(0)}, "fs_hz is the takes' rate, above 0, got 0"),
        ({"offsets": np.arange(13)}, "offsets ascend from 0 to the 480 rows"),
        (
            {"offsets": np.arange(5) * 40},
            "offsets has one more entry than label and subject, got 5, 12 and 12",
        ),
        ({"data": np.full((480, 6), np.nan)}, "all values are finite"),
        ({"label": np.array([" left"] * 12)}, "no spaces around it"),
    ],
)
def test_a_file_that_lacks_something_is_refused_by_name(
    tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        load_takes(write_takes(tmp_path / "takes.npz", **changes))


def test_a_pickle_is_not_opened(tmp_path: Path) -> None:
    path = write_takes(tmp_path / "takes.npz", label=np.array([{"a": 1}] * 12, dtype=object))
    with pytest.raises(
        ValueError, match=r"takes\.npz is not an npz file of plain arrays \(pickled ones are not read\)"
    ):
        load_takes(path)
    (tmp_path / "text.npz").write_text("not an archive")
    with pytest.raises(ValueError, match=r"text\.npz"):
        load_takes(tmp_path / "text.npz")


def test_a_damaged_archive_is_refused_or_read_as_it_was(tmp_path: Path, takes: RecordedTakes) -> None:
    rng = random.Random(2)
    with np.load(write_takes(tmp_path / "takes.npz")) as arrays:
        np.savez_compressed(tmp_path / "packed.npz", **arrays)
    whole = (tmp_path / "packed.npz").read_bytes()
    n_refused = 0
    for _ in range(200):
        data = bytearray(whole)
        for _ in range(rng.choice((1, 10))):
            data[rng.randrange(len(data))] = rng.randrange(256)
        (tmp_path / "damaged.npz").write_bytes(data[: rng.choice((len(data), rng.randrange(len(data))))])
        try:
            back = load_takes(tmp_path / "damaged.npz")
        except ValueError as error:
            assert "damaged.npz" in str(error)  # noqa: PT017 - some damages lie between the arrays
            n_refused += 1
        else:
            np.testing.assert_array_equal(back.data, takes.data)
    assert n_refused >= 150


def test_missing_labels_subjects_and_takes_are_refused_with_what_there_is(takes: RecordedTakes) -> None:
    with pytest.raises(ValueError, match="no label 'jump'; it has left, right, wave"):
        recorded_script(takes, "1", ["jump"])
    with pytest.raises(ValueError, match="no subject '3'; it has 1, 2"):
        recorded_script(takes, "3", ["left"])
    with pytest.raises(ValueError, match="subject 1 has 2 takes of left, asked for 5"):
        recorded_script(takes, "1", ["left"], counts={"left": 5})
    with pytest.raises(ValueError, match="subject 1 has 2 takes of other labels, asked for 3"):
        recorded_script(takes, "1", ["left", "right"], n_other=3)
    with pytest.raises(ValueError, match="at least one take"):
        recorded_script(takes, "1", ["left"], counts={"left": 0})


def test_real_people_are_played_from_their_recordings(data_folder: Path) -> None:
    takes = load_takes(data_folder / "utd_mhad_inertial.npz")
    script = recorded_script(takes, "3", ["swipe_left", "swipe_right"], n_other=8)
    assert Counter(mark.label for mark in script.marks) == {"swipe_left": 4, "swipe_right": 4, "other": 8}
    for mark in script.marks:
        inside = (script.motion.t_s * 1e6 >= mark.start_us) & (script.motion.t_s * 1e6 <= mark.stop_us)
        assert turning_radps(script)[inside].max() > 1.0
