"""Recording files as others made them: axes missing, values that are none, odd units, damage."""

import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fedmotion.host.recording_files import MAX_TAKE_BYTES, load_recordings
from fedmotion.models.takes import Take

G_MPS2 = 9.80665


def write(path: Path, **changed: Any) -> Path:
    """Write a file of two takes, three and two rows long; a key given as None is left out."""
    arrays: dict[str, Any] = {
        "data": np.arange(30, dtype=np.float32).reshape(5, 6),
        "offsets": np.array([0, 3, 5]),
        "label": np.array(["wave", "rest"]),
        "subject": np.array([7, 8]),
        "trial": np.array([1, 2]),
        "columns": np.array(["ax", "ay", "az", "gx", "gy", "gz"]),
        "units": np.array(["m/s2"] * 3 + ["rad/s"] * 3),
        "fs_hz": np.array(50.0),
    }
    arrays.update(changed)
    np.savez(path, **{key: value for key, value in arrays.items() if value is not None})
    return path


def read(path: Path) -> list[Take]:
    return list(load_recordings(path))


def test_takes_come_in_order_with_who_performed_what(tmp_path: Path) -> None:
    file = load_recordings(write(tmp_path / "two.npz"))
    assert (len(file), file.rate_hz, file.has_stamps) == (2, 50.0, False)
    assert file.axes_present == ("ax", "ay", "az", "gx", "gy", "gz")
    first, second = file
    assert (first.name, first.label, first.person, first.trial) == ("two.npz#0", "wave", "7", "1")
    assert (second.name, second.label, second.person, second.trial) == ("two.npz#1", "rest", "8", "2")
    assert first.samples.tolist() == np.arange(18).reshape(3, 6).tolist()
    assert second.t_us.tolist() == [0, 20_000]
    assert first.samples.dtype == np.float32
    # It may be read again.
    assert [take.name for take in file] == ["two.npz#0", "two.npz#1"]


@pytest.mark.parametrize(
    ("accel", "gyro", "factors"),
    [
        ("g", "deg/s", (G_MPS2, np.pi / 180)),
        ("mm/s^2 (int16, divide by 1000)", "mrad/s (int16, divide by 1000)", (1e-3, 1e-3)),
        ("m/s²", "dps", (1.0, np.pi / 180)),
    ],
)
def test_known_units_become_si(tmp_path: Path, accel: str, gyro: str, factors: tuple[float, float]) -> None:
    path = write(tmp_path / "f.npz", data=np.ones((5, 6), np.int16), units=np.array([accel] * 3 + [gyro] * 3))
    assert load_recordings(path).unknown_units == ()
    assert read(path)[0].samples[0] == pytest.approx([factors[0]] * 3 + [factors[1]] * 3, rel=1e-6)


def test_an_unknown_unit_is_named_and_its_values_stay(tmp_path: Path) -> None:
    path = write(tmp_path / "f.npz", units=np.array(["README says m/s^2"] * 3 + ["rad/s"] * 3))
    file = load_recordings(path)
    assert file.unknown_units == ("ax", "ay", "az")
    assert file.units[0] == "README says m/s^2"
    assert read(path)[0].samples[0].tolist() == [0, 1, 2, 3, 4, 5]


def test_absent_axes_are_nan_and_named(tmp_path: Path) -> None:
    path = write(
        tmp_path / "f.npz",
        data=np.ones((5, 3)),
        columns=np.array(["az", "ay", "ax"]),
        units=None,
        subject=None,
        trial=None,
    )
    assert load_recordings(path).axes_present == ("ax", "ay", "az")
    take = read(path)[0]
    assert np.isnan(take.samples[:, 3:]).all()
    assert np.isfinite(take.samples[:, :3]).all()
    assert (take.person, take.trial) == ("unset", "")


@pytest.mark.parametrize(("column", "tick_us"), [("t", 1e6), ("t_ms", 1e3), ("t_us", 1.0)])
def test_a_column_of_times_is_the_stamps_and_the_rate_may_be_unknown(
    tmp_path: Path, column: str, tick_us: float
) -> None:
    data = np.zeros((5, 7))
    data[:, 6] = np.array([0, 20_000, 40_000, 0, np.nan]) / tick_us
    path = write(
        tmp_path / "f.npz",
        data=data,
        columns=np.array(["ax", "ay", "az", "gx", "gy", "gz", column]),
        units=np.array(["g"] * 3 + ["dps"] * 3 + ["?"]),
        fs_hz=np.array(0.0),
    )
    first, second = read(path)
    assert (first.has_stamps, first.declared_rate_hz) == (True, None)
    assert first.t_us.tolist() == [0, 20_000, 40_000]
    # A time that is no number stands still, for a check to find.
    assert second.t_us.tolist() == [0, 0]


def test_values_that_are_no_numbers_and_empty_takes_are_read(tmp_path: Path) -> None:
    data = np.ones((5, 6))
    data[1, 2] = np.inf
    first, second, third = read(
        write(
            tmp_path / "f.npz",
            data=data,
            offsets=np.array([0, 3, 3, 5]),
            label=np.array(["a", "b", "c"]),
            subject=None,
            trial=None,
        )
    )
    assert np.isinf(first.samples[1, 2])
    assert second.samples.shape == (0, 6)
    assert len(third.samples) == 2


def test_memory_holds_a_take_and_not_the_file(tmp_path: Path) -> None:
    n_takes, n_rows = 200, 5_000
    rows = np.tile(np.arange(n_rows, dtype=np.float32)[:, None], (n_takes, 6))
    path = tmp_path / "large.npz"
    np.savez_compressed(
        path,
        data=rows,
        offsets=np.arange(n_takes + 1) * n_rows,
        label=np.array(["wave"] * n_takes),
        columns=np.array(["ax", "ay", "az", "gx", "gy", "gz"]),
        fs_hz=50.0,
    )
    n_bytes = rows.nbytes
    assert n_bytes == 24_000_000
    tracemalloc.start()
    try:
        assert sum(len(take.samples) for take in load_recordings(path)) == n_takes * n_rows
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < n_bytes / 20


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"data": None}, "data missing"),
        ({"label": None, "columns": None}, "label, columns missing"),
        ({"columns": np.array(["x", "y", "z", "u", "v", "w"])}, "its columns are x, y, z, u, v, w"),
        ({"units": np.array(["g"])}, "got 6, 6 and 1"),
        ({"offsets": np.array([0, 3])}, "offsets ascend from 0 to the 5 rows"),
        ({"offsets": np.array([0, 3, 2, 5])}, "offsets ascend"),
        ({"offsets": np.array(["0", "x", "5"])}, "offsets are whole numbers"),
        ({"label": np.array(["wave"])}, "got 3, 1, 2 and 2"),
        ({"fs_hz": None}, "how many samples a second"),
        ({"fs_hz": np.array(-1.0)}, "rate above 0"),
        ({"fs_hz": np.array([1.0, 2.0])}, "one number for all takes"),
        ({"data": np.zeros(30)}, "numbers in rows and columns"),
        ({"data": np.asfortranarray(np.zeros((5, 6)))}, "column by column"),
        ({"data": np.array([["a"] * 6] * 5)}, "numbers in rows and columns"),
    ],
)
def test_what_cannot_be_takes_is_refused_with_the_reason(
    tmp_path: Path, changed: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValueError, match=r"f\.npz: ") as caught:
        load_recordings(write(tmp_path / "f.npz", **changed))
    assert said in str(caught.value)


def test_pickles_text_and_cut_off_files_are_refused(tmp_path: Path) -> None:
    pickled = write(tmp_path / "pickled.npz", label=np.array([{"a": 1}, None], dtype=object))
    text = tmp_path / "text.npz"
    text.write_text("ax,ay,az\n")
    whole = write(tmp_path / "whole.npz").read_bytes()
    cut = tmp_path / "cut.npz"
    cut.write_bytes(whole[: len(whole) // 2])
    for path in (pickled, text, cut):
        with pytest.raises(ValueError, match="not an npz file of plain arrays"):
            load_recordings(path)


def test_damage_inside_of_the_data_is_said_when_it_is_met(tmp_path: Path) -> None:
    n_rows = 20_000
    path = write(tmp_path / "f.npz", data=np.ones((n_rows, 6)), offsets=np.array([0, 3, n_rows]))
    content = bytearray(path.read_bytes())
    content[content.rindex(np.ones(6).tobytes())] ^= 0xFF
    path.write_bytes(content)
    file = load_recordings(path)
    with pytest.raises(ValueError, match=r"f\.npz is damaged: Bad CRC-32"):
        list(file)


def test_a_take_that_is_too_large_for_the_memory_is_refused(tmp_path: Path) -> None:
    n_rows = MAX_TAKE_BYTES // 6 + 1
    path = tmp_path / "f.npz"
    np.savez_compressed(
        path,
        data=np.zeros((n_rows, 6), np.int8),
        offsets=np.array([0, n_rows]),
        label=np.array(["wave"]),
        columns=np.array(["ax", "ay", "az", "gx", "gy", "gz"]),
        fs_hz=50.0,
    )
    with pytest.raises(ValueError, match=f"the longest here has {n_rows}: cut it into takes"):
        load_recordings(path)


@pytest.mark.parametrize(
    ("name", "n_takes", "axes", "unknown", "rate_hz"),
    [
        ("utd_mhad_inertial", 539, 6, 0, 50.0),
        ("airletters_iphone5", 700, 6, 3, 94.0),
        ("ambiq_mpu6050_har", 16, 6, 6, 20.0),
        ("techin515_mpu6050_wand", 1582, 3, 0, 100.0),
        ("cs3237_mpu6050_actions", 439, 6, 0, None),
        ("wisdm_watch_60s_int16", 646, 6, 0, 20.0),
    ],
)
def test_real_files_are_read(
    data_folder: Path, name: str, n_takes: int, axes: int, unknown: int, rate_hz: float | None
) -> None:
    file = load_recordings(data_folder / f"{name}.npz")
    assert (len(file), len(file.axes_present), len(file.unknown_units)) == (n_takes, axes, unknown)
    assert file.rate_hz == rate_hz
    assert sum(len(take.samples) for take in file) == file.offsets[-1]
