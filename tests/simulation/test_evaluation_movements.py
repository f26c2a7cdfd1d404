"""From files and profiles to windows, and from figures to words and pictures."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from fedmotion.cli.evaluate import command
from fedmotion.host.profile import Profile
from fedmotion.host.recording_store import Recording, RecordingStore
from fedmotion.models.movements import centre_of_energy_us
from fedmotion.simulation.evaluation.movements import load_movements
from fedmotion.simulation.evaluation.plan import Plan

PLAN = Plan(gestures=())
UTD = "utd_mhad_inertial.npz"


def write(
    path: Path, takes: list[tuple[str, str, int]], axes: str = "ax ay az gx gy gz", **changed: object
) -> Path:
    """Write takes of (person, label, n_rows) at 100 Hz; sample i of a take is i on each axis."""
    columns = axes.split()
    arrays: dict[str, object] = {
        "data": np.concatenate([np.arange(n)[:, None] * np.ones(len(columns)) / 100 for _, _, n in takes]),
        "offsets": np.cumsum([0, *(n for _, _, n in takes)]),
        "label": np.array([label for _, label, _ in takes]),
        "subject": np.array([person for person, _, _ in takes]),
        "columns": np.array(columns),
        "units": np.array(["m/s2" if column[0] == "a" else "rad/s" for column in columns]),
        "fs_hz": np.array(100.0),
        **changed,
    }
    np.savez(path, **arrays)  # type: ignore[arg-type]
    return path


def test_a_recording_gives_one_window_at_the_models_rate_round_its_centre(tmp_path: Path) -> None:
    path = write(tmp_path / "some.npz", [("anna", "wave", 400), ("bert", "wave", 400), ("bert", "nod", 200)])
    movements = load_movements([path], PLAN)
    assert movements.windows.shape == (3, 96, 6)
    assert movements.labels.tolist() == ["wave", "wave", "nod"]
    assert movements.names() == ("anna", "bert")
    assert movements.activities() == ("nod", "wave")
    assert movements.duration_s.tolist() == pytest.approx([4.0, 4.0, 2.0])
    # Samples 0.02 s apart rise by 0.02; the rate rises evenly, so its centre is at two thirds: 2.66 s.
    assert np.diff(movements.windows[0, 5:40, 0]) == pytest.approx(0.02, abs=1e-5)
    assert movements.windows[0, 48, 0] == pytest.approx(2.66, abs=0.03)
    assert len(movements.sha256[0]) == 64
    assert movements.notes == ()


def test_fixed_windows_overlap_by_half_and_share_the_time(tmp_path: Path) -> None:
    path = write(
        tmp_path / "long.npz", [("anna", "walk", 1000), ("bert", "walk", 150), ("carl", "walk", 300)]
    )
    movements = load_movements([path], Plan(gestures=(), cut="fixed"))
    # Windows of 1.92 s every 0.96 s: nine in 9.99 s, two in 2.99 s, none in 1.49 s.
    assert movements.people.tolist() == ["anna"] * 9 + ["carl"] * 2
    assert movements.duration_s.tolist() == pytest.approx([10 / 9] * 9 + [1.5] * 2)
    assert movements.takes.tolist() == [0] * 9 + [1] * 2
    # Not the first sample: the first window begins half a sample before the recording, and repeats it.
    assert movements.windows[1, 1:, 0] - movements.windows[0, 1:, 0] == pytest.approx(0.96, abs=1e-3)
    assert movements.notes == ("long.npz: 1 takes left out, shorter than a window",)


def test_axes_that_there_are_not_are_zeros_and_said_so(tmp_path: Path) -> None:
    path = write(
        tmp_path / "accel.npz",
        [("anna", "a", 200), ("bert", "a", 200)],
        "ax ay az",
        units=np.array(["stones"] * 3),
    )
    movements = load_movements([path], PLAN)
    assert not movements.windows[:, :, 3:].any()
    assert movements.windows[:, :, :3].any()
    assert movements.notes == (
        "accel.npz: no gx, gy, gz, zeros stand for them",
        "accel.npz: the unit of ax, ay, az is not known, taken as SI",
    )


def test_samples_that_are_none_are_left_out_and_takes_of_nothing_counted(tmp_path: Path) -> None:
    takes = [("anna", "a", 200), ("bert", "a", 200), ("bert", "a", 1)]
    path = write(tmp_path / "dirty.npz", takes)
    stored = dict(np.load(path))
    stored["data"][50, 2] = np.nan
    np.savez(path, **stored)
    movements = load_movements([path], PLAN)
    assert len(movements) == 2
    assert np.isfinite(movements.windows).all()
    assert movements.notes == ("dirty.npz: 1 takes left out, of fewer than two good samples",)


def test_profiles_give_the_windows_that_their_agents_cut(tmp_path: Path) -> None:
    t_us = np.arange(300, dtype=np.int64) * 10_000
    for person in ("anna", "bert"):
        profile = Profile(tmp_path / person)
        profile.create()
        with RecordingStore(profile.recordings, clock=lambda: 0.0) as store:
            counts = np.tile(np.arange(300, dtype=np.int16)[:, None], 6)
            store.add(
                Recording(
                    "wave",
                    person,
                    7,
                    "right",
                    "unset",
                    1_000_000,
                    2_000_000,
                    1_500_000,
                    0.01,
                    0.01,
                    t_us,
                    counts,
                )
            )
    movements = load_movements([tmp_path / "anna", tmp_path / "bert"], PLAN)
    assert (movements.source, movements.names()) == ("anna, bert", ("anna", "bert"))
    assert movements.windows[0, 48, 0] == pytest.approx(1.5, abs=0.02)


def test_an_agents_folder_without_recordings_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no profile with recordings: there is no recordings\.sqlite in it"):
        load_movements([tmp_path], PLAN)


def test_one_person_only_leaves_nobody_out(tmp_path: Path) -> None:
    path = write(tmp_path / "alone.npz", [("anna", "a", 200), ("anna", "b", 200)])
    with pytest.raises(ValueError, match="two people or more, got those of anna"):
        load_movements([path], PLAN)


def test_the_centre_of_energy_follows_the_gyroscope_or_else_the_acceleration() -> None:
    t_us = 5_000_000 + np.arange(100, dtype=np.int64) * 10_000
    samples = np.zeros((100, 6), np.float32)
    assert centre_of_energy_us(t_us, samples) == 5_495_000
    samples[:, 2] = 9.8
    samples[20, 0] = 3.0
    assert centre_of_energy_us(t_us, samples) == 5_200_000
    samples[70, 4] = 1.0
    assert centre_of_energy_us(t_us, samples) == 5_700_000


def evaluated(*arguments: str | Path) -> str:
    result = CliRunner().invoke(command, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.mark.timeout(240)
def test_the_command_on_real_people_writes_what_repeats_it(data_folder: Path, tmp_path: Path) -> None:
    options = (
        "--labels",
        "swipe_left,swipe_right,wave",
        "--rounds",
        "3",
        "--seeds",
        "1",
        "--newcomers",
        "5",
    )
    table = evaluated(data_folder / UTD, *options, "--components", "20", "--json", tmp_path / "a.json")
    assert "| **federated** | " in table
    assert "3 gestures, 1 newcomer, 12 windows asked, 4 clients (each a person)" in table
    stored = json.loads((tmp_path / "a.json").read_text())
    assert set(stored["pca_svm"]) == {"alone", "federated", "personalised", "pooled"}
    assert stored["pca_svm"]["federated"] >= 0.9
    assert stored["pca_svm"]["alone"] <= stored["pca_svm"]["federated"]
    assert len(stored["sha256"][0]) == 64
    assert stored["seeds"] == [0]
    plan = stored["results"]["six"]["plan"]
    assert (plan["n_rounds"], plan["n_components"], plan["newcomers"]) == (3, 20, ["5"])
    evaluated(data_folder / UTD, *options, "--components", "20", "--json", tmp_path / "b.json")
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


def test_the_command_draws_and_writes_its_tables(tmp_path: Path) -> None:
    takes = [(person, label, 200) for person in "ab" for label in ("left", "still") for _ in range(12)]
    path = write(tmp_path / "few.npz", takes)
    stored = dict(np.load(path))
    is_still = np.repeat(stored["label"] == "still", 200)
    stored["data"][is_still] = np.random.default_rng(0).normal(size=(is_still.sum(), 6))
    np.savez(path, **stored)
    folder = tmp_path / "pictures"
    out = evaluated(
        path, "--seeds", "1", "--rounds", "2", "--components", "3", "--personal", "0", "--axes", "both",
        "--pictures", folder, "--markdown", tmp_path / "tables.md",
    )  # fmt: skip
    assert out == ""
    names = {file.name for file in folder.iterdir()}
    assert names == {f"{what}-{axes}.png" for what in ("confusion", "learning") for axes in ("six", "accel")}
    tables = (tmp_path / "tables.md").read_text()
    assert "**six axes**" in tables
    assert "**accelerometer only**" in tables
    assert "personalised" not in tables


def test_the_command_says_where_it_cannot_write_before_it_works(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cannot be written: there is no folder"):
        evaluated(tmp_path / "some.npz", "--json", tmp_path / "nowhere" / "a.json")
