"""Imports: what of a file becomes recordings, and the sentence, with its place, for what does not."""

import gzip
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from import_files import HEAD, lines, motion, write, write_npz

from fedmotion.host.import_rows import ImportOptions
from fedmotion.host.recording_import import ImportReport, import_file
from fedmotion.host.recording_staging import StagingStore
from fedmotion.host.recording_store import Recording
from fedmotion.host.sample_units import parse_units
from fedmotion.models.specification import pca_svm

FINDING = pca_svm(("gesture", "other"))
Import = Callable[..., ImportReport]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[StagingStore]:
    with StagingStore(tmp_path / "r.sqlite", clock=lambda: 0.0) as opened:
        yield opened


@pytest.fixture
def take_in(store: StagingStore) -> Import:
    def run(path: Path, *, trusts_units: bool = False, is_dry: bool = False, **options: Any) -> ImportReport:
        if isinstance(units := options.get("units"), str):
            options["units"] = parse_units(units)
        return import_file(
            store,
            path,
            ImportOptions(**options),
            finding=FINDING,
            trusts_units=trusts_units,
            is_dry=is_dry,
        )

    return run


def only(store: StagingStore) -> Recording:
    (recording,) = store
    return recording


def test_a_table_becomes_a_recording_to_the_bit(tmp_path: Path, store: StagingStore, take_in: Import) -> None:
    samples = motion()
    report = take_in(
        write(tmp_path / "a.csv", *lines(samples, first_us=7)),
        label="swipe",
        person="anna",
        hand="left",
        mounting="wrist",
    )
    assert (report.n_takes, report.n_added, report.findings) == (1, 1, ())
    recording = only(store)
    np.testing.assert_array_equal(recording.samples(), samples)
    assert recording.t_us.tolist()[:3] == [7, 10_007, 20_007]
    assert (recording.label, recording.person, recording.hand) == ("swipe", "anna", "left")
    assert (recording.mounting, recording.source) == ("wrist", "a.csv#0")


@pytest.mark.parametrize(
    ("head", "options"),
    [
        ("t_s,aX,aY,aZ,gX,gY,gZ", {"units": "m/s2,rad/s"}),
        ("timestamp,accel_x,accel_y,accel_z,gyro_x,gyro_y,gyro_z", {"units": "m/s2,rad/s", "time_unit": "s"}),
        ("time [s];AccX [m/s^2];AccY [m/s2];AccZ (m/s²);GyrX [rad/s];GyrY [rad/s];GyrZ [rad/s]", {}),
        ("t\tax_mps2\tay_mps2\taz_mps2\tgx_radps\tgy_radps\tgz_radps", {}),
        ('"t_s","ax (mps2)","ay (mps2)","az (mps2)","gx (rps)","gy (rps)","gz (rps)"', {}),
    ],
)
def test_columns_are_known_by_the_names_that_people_give_them(
    tmp_path: Path, store: StagingStore, take_in: Import, head: str, options: dict[str, Any]
) -> None:
    samples = motion()
    delimiter = next(mark for mark in (";", "\t", ",") if mark in head)
    rows = [delimiter.join([str(row / 100), *map(str, sample)]) for row, sample in enumerate(samples)]
    take_in(write(tmp_path / "a.csv", *rows, head=head, end="\r\n"), label="swipe", **options)
    np.testing.assert_array_equal(only(store).samples(), samples)
    assert only(store).t_us.tolist()[:3] == [0, 10_000, 20_000]


def test_each_column_has_its_own_unit(tmp_path: Path, store: StagingStore, take_in: Import) -> None:
    samples = motion().astype(np.float64)
    factors = [9.80665, 1, 9.80665e-3, np.pi / 180, 1, 1e-3]
    rows = [",".join([str(row * 10), *map(str, sample)]) for row, sample in enumerate(samples / factors)]
    head = "t_ms,ax [g],ay [m/s2],az [mg],gx [dps],gy [rad/s],gz [mrad/s]"
    take_in(write(tmp_path / "a.csv", *rows, head=head), label="swipe")
    np.testing.assert_allclose(only(store).samples(), samples, rtol=1e-6, atol=1e-9)


def test_a_boards_own_counts_stay_counts(tmp_path: Path, store: StagingStore, take_in: Import) -> None:
    scale = np.repeat([2 * 9.80665 / 32768, np.radians(250) / 32768], 3)
    counts = np.rint(motion() / scale).clip(-32768, 32767).astype(np.int16)
    rows = [",".join(map(str, row)) for row in counts]
    path = write(tmp_path / "a.csv", *rows, head="ax,ay,az,gx,gy,gz")
    take_in(path, label="swipe", units="counts@2g,counts@250dps", rate_hz=100.0)
    recording = only(store)
    assert recording.si is None
    np.testing.assert_array_equal(recording.counts, counts)
    assert recording.accel_scale_mps2 == 2 * 9.80665 / 32768
    assert recording.t_us.tolist()[:3] == [0, 10_000, 20_000]


def test_other_writings_of_the_same_table_give_the_same_take(tmp_path: Path, take_in: Import) -> None:
    rows = lines(motion())
    text = "\n".join([HEAD, *rows, ""])
    take_in(write(tmp_path / "a.csv", *rows), label="swipe")
    written = {
        "b.csv.gz": gzip.compress(text.encode()),
        "c.csv": text.encode("utf-8-sig"),
        "d.csv": text.encode("utf-16"),
        "e.csv": f"hello from the board\nready\n{text}".encode(),
        "f.csv": f"# a comment\n{text}# the end\n".encode(),
        "g.csv": text.replace(",", ";").replace(".", ",").encode(),
        "h.csv": text.replace(",", "\t").encode(),
    }
    for name, data in written.items():
        (tmp_path / name).write_bytes(data)
        report = take_in(tmp_path / name, label="swipe")
        assert (report.n_added, report.duplicates) == (0, (f"{name}#0 is recording 1",)), name


def test_takes_of_a_table_are_told_apart_by_a_column_a_blank_line_or_their_rows(
    tmp_path: Path, store: StagingStore, take_in: Import
) -> None:
    takes = [motion(seed) for seed in range(3)]
    rows = [
        f"{trial},{'ab'[trial % 2]},p{trial},{row}" for trial, take in enumerate(takes) for row in lines(take)
    ]
    head = f"trial,gesture,subject,{HEAD}"
    assert take_in(write(tmp_path / "a.csv", *rows, head=head)).n_added == 3
    assert [(each.label, each.person) for each in store] == [("a", "p0"), ("b", "p1"), ("a", "p2")]
    parted = [row for seed in (3, 4) for row in [*lines(motion(seed)), ""]]
    assert take_in(write(tmp_path / "b.csv", *parted), label="c").n_takes == 2
    plain = [line.split(",", 1)[1] for seed in (5, 6) for line in lines(motion(seed))]
    path = write(tmp_path / "c.csv", *plain, head=HEAD.removeprefix("t_us,"))
    assert take_in(path, label="c", rate_hz=100.0, rows_per_take=200).n_takes == 2
    spaced = [row for line in lines(motion(7)) for row in (line, "")]
    assert take_in(write(tmp_path / "d.csv", *spaced), label="c").n_takes == 1


def test_a_table_without_a_head_gets_its_columns_names(tmp_path: Path, take_in: Import) -> None:
    first, *rest = lines(motion())
    path = write(tmp_path / "a.csv", *rest, head=first)
    with pytest.raises(ValueError, match="a table whose first line names its columns"):
        take_in(path, label="swipe")
    report = take_in(path, label="swipe", columns=tuple(HEAD.split(",")))
    assert (report.n_added, report.n_skipped_rows) == (1, 0)


def spoiled(index: int, text: str) -> list[str]:
    rows = lines(motion())
    rows[index] = text
    return rows


@pytest.mark.parametrize(
    ("rows", "options", "sentence"),
    [
        (spoiled(5, "1,2,3"), {}, "a.csv, line 7: 7 fields as in the head, got 3: correct it, or leave"),
        (spoiled(5, "50000,1,2,x,4,5,6"), {}, "a.csv, line 7: az_mps2 is a number, got 'x'"),
        (spoiled(5, "50000,1,2,nan,4,inf,6"), {}, "a.csv, line 7: az, gy are no finite number"),
        (spoiled(5, "50000,1,,3,4,5,6"), {}, "a.csv, line 7: ay is no finite number"),
        (spoiled(5, "nan,1,2,3,4,5,6"), {}, "a.csv, line 7: the time is no number"),
        (
            spoiled(5, "20000,1,2,3,4,5,6"),
            {},
            r"a.csv, line 7: time goes back from 0.040000 s to 0.020000 s \(does another take begin",
        ),
        (spoiled(5, "40000,1,2,3,4,5,6"), {}, "a.csv, line 7: time stands still at 0.040000 s"),
        (lines(motion()), {"label": ""}, "a.csv, line 2: the file says no label: give --label"),
        (lines(motion()), {"label": "a\tb"}, "a.csv, line 2: a label holds no control characters"),
        (lines(motion()), {"rate_hz": 100.0}, "has times of its own .t_us.: leave --rate-hz out"),
        (spoiled(5, "x" * 70_000), {}, "a.csv, line 7: a line has fewer than 65536 characters"),
    ],
)
def test_a_row_that_is_none_ends_the_import_with_its_place_and_nothing_is_there(
    tmp_path: Path,
    store: StagingStore,
    take_in: Import,
    rows: list[str],
    options: dict[str, Any],
    sentence: str,
) -> None:
    path = write(tmp_path / "a.csv", *rows)
    with pytest.raises(ValueError, match=sentence):
        take_in(path, **{"label": "swipe", **options})
    assert store.count_by_label() == {}


@pytest.mark.parametrize(
    ("head", "sentence"),
    [
        ("t_us,ax,ay,az,gx,gy,gz", "does not say in which units ax, ay, az, gx, gy, gz are: give --units"),
        ("t_us,ax [furlong],ay,az,gx,gy,gz", r"\(it says 'furlong'\): give --units"),
        ("t_us,ax_g,ay_g,az_g,temp,x,y", "has no a gyroscope|has no columns? for"),
        ("t_us,ax_g,ay_g,az_g,gx_dps,gy_dps,roll", "has no columns for gz, and gestures are learned from"),
        ("n,ax_g,ay_g,az_g,gx_dps,gy_dps,gz_dps", "has no column of times .*say with --rate-hz"),
        ("time,ax_g,ay_g,az_g,gx_dps,gy_dps,gz_dps", "does not say in what time counts: give --time-unit"),
        ("t_us,ax_g,ay_g,az_g,ax_g,gy_dps,gz_dps", "two columns for ax: 'ax_g' and 'ax_g'"),
    ],
)
def test_what_a_head_does_not_say_is_asked_for(
    tmp_path: Path, take_in: Import, head: str, sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        take_in(write(tmp_path / "a.csv", *lines(motion()), head=head), label="swipe")


def test_bad_rows_are_left_out_and_counted_where_that_is_asked_for(
    tmp_path: Path, store: StagingStore, take_in: Import
) -> None:
    rows = lines(motion())
    rows[5], rows[9], rows[20] = "1,2", "90000,1,2,nan,4,5,6", "10000,1,2,3,4,5,6"
    report = take_in(write(tmp_path / "a.csv", *rows), label="swipe", skips_bad_rows=True)
    assert report.n_skipped_rows == 3
    assert report.first_skipped_row == "a.csv, line 7: 7 fields as in the head, got 2"
    assert len(only(store).t_us) == 197


def test_units_that_contradict_the_values_are_refused_unless_trusted(
    tmp_path: Path, store: StagingStore, take_in: Import
) -> None:
    head = HEAD.replace("mps2", "g")
    rows = [f"{take},{row}" for take in range(4) for row in lines(motion(take))]
    path = write(tmp_path / "a.csv", *rows, head=f"take,{head}")
    with pytest.raises(
        ValueError, match=r"a.csv was not imported, its units contradict its values: .*96.\d m/s².*--units"
    ):
        take_in(path, label="swipe")
    assert store.count_by_label() == {}
    assert take_in(path, label="swipe", units="m/s2,rad/s").n_added == 4
    assert take_in(path, label="swipe", trusts_units=True).n_added == 4


def test_duplicates_in_the_file_and_with_the_store_are_named(
    tmp_path: Path, store: StagingStore, take_in: Import
) -> None:
    takes = [motion(0), motion(1), motion(0)]
    assert take_in(write_npz(tmp_path / "a.npz", takes)).duplicates == ("a.npz#2 is a.npz#0",)
    again = take_in(write_npz(tmp_path / "b.npz", [motion(2), motion(1)]))
    assert (again.n_added, again.duplicates) == (1, ("b.npz#1 is recording 2",))
    store.delete([2])
    back = take_in(tmp_path / "b.npz")
    assert (back.n_added, back.duplicates) == (1, ("b.npz#0 is recording 3",))
    assert store.entries(is_deleted=True) == []


@pytest.mark.parametrize(
    ("changes", "options", "sentence"),
    [
        ({"units": None}, {}, "a.npz does not say in which units ax, ay, az, gx, gy, gz are"),
        ({"columns": np.array(["ax", "ay", "az", "mx", "my", "mz"])}, {}, "has no columns for gx, gy, gz"),
        ({"fs_hz": 0.0}, {}, "say in fs_hz how many samples a second"),
        ({}, {"rate_hz": 50.0}, "a.npz has a rate or times of its own: leave --rate-hz out"),
        ({}, {"label": "x"}, "a.npz#0: the file says the label itself .'swipe'.: leave --label out, and rel"),
        ({}, {"person": "x"}, "a.npz#0: the file says the person itself .'anna'.: leave --person out"),
        ({"hand": np.array(["third", "left"])}, {}, "a.npz#0: a hand is one of unset, left, right"),
        ({"hand": np.array(["left"])}, {}, r"a.npz: hand has a value a take, got \(1,\) of 2"),
    ],
)
def test_what_an_npz_lacks_is_said(
    tmp_path: Path, take_in: Import, changes: dict[str, Any], options: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        take_in(write_npz(tmp_path / "a.npz", [motion(0), motion(1)], **changes), **options)


def test_a_bad_row_of_an_npz_is_named_by_take_and_row(
    tmp_path: Path, store: StagingStore, take_in: Import
) -> None:
    spoilt = motion(1)
    spoilt[7, 2] = np.nan
    path = write_npz(tmp_path / "a.npz", [motion(0), spoilt])
    with pytest.raises(ValueError, match=r"a.npz#1, row 7: az is no finite number"):
        take_in(path)
    assert store.count_by_label() == {}
    assert take_in(path, skips_bad_rows=True).n_skipped_rows == 1
    assert [len(each.t_us) for each in store] == [200, 199]


def test_an_npz_takes_units_and_rate_that_it_lacks_from_its_owner(
    tmp_path: Path, store: StagingStore, take_in: Import
) -> None:
    path = write_npz(tmp_path / "a.npz", [motion(0) / 9.80665], units=None, fs_hz=0.0)
    take_in(path, units="g,deg/s", rate_hz=50.0, trusts_units=True)
    assert only(store).t_us.tolist()[:2] == [0, 20_000]
    np.testing.assert_allclose(only(store).samples()[:, 2], motion(0)[:, 2], rtol=1e-6)


def test_a_dry_run_says_the_same_and_stores_nothing(
    tmp_path: Path, store: StagingStore, take_in: Import
) -> None:
    path = write_npz(tmp_path / "a.npz", [motion(0), motion(1)])
    said = take_in(path, is_dry=True)
    assert store.count_by_label() == {}
    assert take_in(path) == said


def test_what_is_no_recording_says_what_is(tmp_path: Path, take_in: Import) -> None:
    for name, data in {
        "empty.csv": b"",
        "text.txt": b"dear diary\n" * 100,
        "noise.bin": np.random.default_rng(1).bytes(100_000),
        "head.csv": HEAD.encode(),
        "damaged.csv.gz": gzip.compress(b"x" * 1000)[:-20],
        "damaged.npz": b"PK\x03\x04 nothing",
    }.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(ValueError, match=name):
            take_in(tmp_path / name, label="x", rate_hz=None)


STREAMED = """
import json, resource, sys
from pathlib import Path
from fedmotion.host.import_rows import ImportOptions
from fedmotion.host.recording_import import import_file
from fedmotion.host.recording_staging import StagingStore
from fedmotion.models.specification import pca_svm

peaks = []
for path in map(Path, sys.argv[1:]):
    with StagingStore(path.with_suffix(".sqlite"), clock=lambda: 0.0) as store:
        report = import_file(store, path, ImportOptions(label="wave"), finding=pca_svm(("gesture", "other")))
    peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    assert report.n_long == 1, report
print(json.dumps([report.n_added + len(report.duplicates), peaks]))
"""


def test_a_table_of_any_length_needs_no_more_memory_than_a_short_one(tmp_path: Path) -> None:
    rest = motion(1, 4.0)
    rest[:, 3:] *= 0.02
    loud, still = (
        "".join(f"{{}}{line.partition(',')[2]}\n" for line in lines(samples))
        for samples in (motion(0, 4.0), rest)
    )
    for name, n_parts in (("short.csv", 3), ("long.csv", 600)):
        with (tmp_path / name).open("w") as file:
            file.write(f"{HEAD}\n")
            for part in range(n_parts):
                # A movement in every hundredth part, so that what is kept does not grow as well.
                stamps = (f"{(part * 400 + row) * 10_000}," for row in range(400))
                file.write((loud if part % 100 == 1 else still).format(*stamps))
    assert (tmp_path / "long.csv").stat().st_size > 15_000_000
    done = subprocess.run(
        [sys.executable, "-c", STREAMED, tmp_path / "short.csv", tmp_path / "long.csv"],
        capture_output=True,
        text=True,
        check=True,
    )
    n_found, (short_kb, long_kb) = json.loads(done.stdout)
    assert n_found == 6
    assert long_kb - short_kb < 6_000
