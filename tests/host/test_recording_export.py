"""Exports: what a file holds, that it comes back as the same recordings, and what a failed one leaves."""

import csv
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from import_files import motion

from fedmotion.host.import_rows import ImportOptions
from fedmotion.host.recording_export import export
from fedmotion.host.recording_files import load_recordings
from fedmotion.host.recording_import import import_file
from fedmotion.host.recording_staging import StagingStore
from fedmotion.host.recording_store import Recording, RecordingStore
from fedmotion.models.mounting import Mounting
from fedmotion.models.specification import pca_svm
from fedmotion.models.turns import about_axis

SCALES = (2 * 9.80665 / 32768, np.radians(250) / 32768)


def recordings(takes: list[Recording]) -> list[Recording]:
    """Return a board's takes, one of them turned, one imported and one with a name that csv must quote."""
    samples = motion()
    own = [replace(take, person=f"p{index % 2}") for index, take in enumerate(takes[:4])]
    own[1] = replace(own[1], turn=Mounting(about_axis(0, 33.3) @ about_axis(2, 71), is_mirrored=True))
    own[2] = replace(own[2], label='wink, "twice"', board_id=2**64 - 1, mounting="Gürtel")
    own.append(
        Recording(
            label="= wave",
            person="bert",
            board_id=0,
            hand="unset",
            mounting="unset",
            start_us=2**40,
            stop_us=2**40 + 1_990_000,
            centre_us=2**40 + 1_000_001,
            accel_scale_mps2=0.0,
            gyro_scale_radps=0.0,
            t_us=np.arange(200, dtype=np.int64) * 10_000 + 2**40,
            counts=np.empty((0, 6), np.int16),
            si=samples,
            source="other.csv#1",
        )
    )
    return own


@pytest.fixture
def store(tmp_path: Path, takes: list[Recording]) -> Iterator[RecordingStore]:
    with RecordingStore(tmp_path / "r.sqlite", clock=lambda: 5.5) as opened:
        for recording in recordings(takes):
            assert opened.add(recording)
        yield opened


def assert_same(one: Recording, two: Recording) -> None:
    for name in Recording.__slots__:
        if name == "source":
            continue
        a, b = getattr(one, name), getattr(two, name)
        if isinstance(a, np.ndarray):
            np.testing.assert_array_equal(a, b)
            assert a.dtype == b.dtype
        else:
            assert a == b, name


@pytest.mark.parametrize("place", ["takes.npz", "takes.csv", "folder"])
def test_what_is_exported_comes_back_as_the_same_recordings(
    tmp_path: Path, store: RecordingStore, place: str
) -> None:
    files = export(store, store.entries(), tmp_path / place)
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert len(files) == (5 if place == "folder" else 1)
    with StagingStore(tmp_path / "back.sqlite", clock=lambda: 0.0) as back:
        for file in files:
            report = import_file(back, file, ImportOptions(), finding=pca_svm(("gesture", "other")))
            assert not report.duplicates
        assert len(back.recording_ids()) == 5
        for one, two in zip(store, back, strict=True):
            assert_same(one, two)
        assert [take for _, take in back.takes().values()] == [take for _, take in store.takes().values()]
    with StagingStore(store.path, clock=lambda: 0.0) as again:
        for file in files:
            report = import_file(again, file, ImportOptions(), finding=pca_svm(("gesture", "other")))
            assert report.n_added == 0
        assert len(again.recording_ids()) == 5


def test_an_npz_is_one_that_the_check_and_the_demo_read(tmp_path: Path, store: RecordingStore) -> None:
    (path,) = export(store, store.entries()[:2], tmp_path / "takes.npz")
    file = load_recordings(path)
    first, second = file
    assert (file.labels[0], file.people, file.rate_hz) == (store.entries()[0].label, ("p0", "p1"), None)
    assert file.units == ("m/s2",) * 3 + ("rad/s",) * 3
    own = store.get(1)
    assert own is not None
    np.testing.assert_array_equal(first.samples, own.samples())
    np.testing.assert_array_equal(first.t_us, own.t_us)
    assert second.has_stamps
    with np.load(path) as arrays:
        assert arrays["recorded_unix_s"].tolist() == [5.5, 5.5]


def test_a_csv_is_a_table_with_a_line_a_sample(tmp_path: Path, store: RecordingStore) -> None:
    (path,) = export(store, store.entries()[2:3], tmp_path / "takes.csv")
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    own = store.get(3)
    assert own is not None
    assert len(rows) == len(own.t_us)
    assert (rows[0]["label"], rows[0]["mounting"], rows[0]["board_id"]) == (
        'wink, "twice"',
        "Gürtel",
        "f" * 16,
    )
    assert np.float32(rows[9]["gz_radps"]) == own.samples()[9, 5]
    assert int(rows[9]["t_us"]) == own.t_us[9]


def test_what_is_there_is_not_written_over_and_a_missing_folder_is_said(
    tmp_path: Path, store: RecordingStore
) -> None:
    (tmp_path / "takes.csv").write_text("mine")
    with pytest.raises(ValueError, match=r"takes.csv is there already: give another name"):
        export(store, store.entries(), tmp_path / "takes.csv")
    assert (tmp_path / "takes.csv").read_text() == "mine"
    with pytest.raises(ValueError, match=r"there is no folder .*nowhere"):
        export(store, store.entries(), tmp_path / "nowhere" / "takes.npz")


def test_an_export_that_fails_leaves_nothing(tmp_path: Path, store: RecordingStore) -> None:
    entries = store.entries()
    store.delete([3])
    for name in ("takes.npz", "takes.csv"):
        with pytest.raises(ValueError, match="recording 3 was deleted meanwhile"):
            export(store, entries, tmp_path / name)
    assert [path.name for path in tmp_path.iterdir() if "takes" in path.name] == []


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("board_id", "xyz", "takes.csv, line 2: invalid literal"),
        ("board_id", "-1", "a board id has up to 16 hexadecimal digits, got '-1'"),
        ("accel_scale_mps2", "nan", "a scale is above 0, or 0 where there are no counts, got 'nan'"),
        ("rotation", "1 2 3", "a rotation is 9 finite numbers, got '1 2 3'"),
        ("rotation", "2 0 0 0 1 0 0 0 1", "a mounting's rotation is proper"),
        ("is_mirrored", "yes", "is_mirrored is 0 or 1, got 'yes'"),
        ("start_us", "-5", "a movement lies within its samples"),
        ("centre_us", "1", "a movement's centre lies within its samples"),
    ],
)
def test_an_export_that_was_spoiled_is_refused_with_its_place(
    tmp_path: Path, store: RecordingStore, name: str, text: str, sentence: str
) -> None:
    (path,) = export(store, store.entries()[:1], tmp_path / "takes.csv")
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows({**row, name: text} for row in rows)
    with (
        StagingStore(tmp_path / "back.sqlite", clock=lambda: 0.0) as back,
        pytest.raises(ValueError, match=sentence),
    ):
        import_file(back, path, ImportOptions(), finding=pca_svm(("gesture", "other")))
