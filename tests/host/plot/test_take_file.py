from pathlib import Path

import numpy as np
import pytest

from fedmotion.host.plot.take_file import load_csv, open_takes

CSV = "t_ms;ax [g];gz_dps;note\n0;1.0;180;first\n10;;-90;\n20;0.5;0;\n"


def npz(path: Path, n_takes: int = 3) -> Path:
    np.savez(
        path,
        data=np.arange(n_takes * 4 * 6, dtype=np.float32).reshape(-1, 6),
        offsets=np.arange(n_takes + 1) * 4,
        label=[f"wave{index}" for index in range(n_takes)],
        columns=["ax", "ay", "az", "gx", "gy", "gz"],
        units=["m/s2"] * 3 + ["rad/s"] * 3,
        fs_hz=100,
    )
    return path


def test_any_take_of_an_npz_can_be_read_in_any_order(tmp_path: Path) -> None:
    take_at, n_takes = open_takes(npz(tmp_path / "waves.npz"))
    assert n_takes == 3
    assert [take_at(index).name for index in (2, 0, 2)] == ["waves.npz#2", "waves.npz#0", "waves.npz#2"]
    assert take_at(1).label == "wave1"
    assert take_at(1).samples[0].tolist() == [24, 25, 26, 27, 28, 29]


def test_a_table_is_read_into_si_units_and_an_empty_field_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text(CSV, "utf-8")
    take_at, n_takes = open_takes(path)
    assert n_takes == 1
    take = take_at(0)
    assert take.t_us.tolist() == [0, 10_000, 20_000]
    np.testing.assert_allclose(take.samples[:, 0], [9.80665, np.nan, 4.903325], rtol=1e-6)
    np.testing.assert_allclose(take.samples[:, 5], [np.pi, -np.pi / 2, 0], rtol=1e-6)
    assert np.isnan(take.samples[:, 1:5]).all()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", r"its first line names the columns, one of them a time \(t, t_s, t_ms, t_us\), got ''"),
        ("ax,ay\n1,2\n", "its first line names the columns, one of them a time .*, got 'ax,ay'"),
        ("t,speed\n0,2\n", "a table has some of ax, ay, az, gx, gy, gz, its columns are t, speed"),
        ("t,ax [furlong]\n0,2\n", r"the unit of ax is one of m/s2, .*, got 'ax \[furlong\]'"),
        ("t,ax\n0,2\n1,fast\n", "line 3: expected numbers for t, ax, got '1,fast'"),
        ("t,ax\n0,2\n1\n", "line 3: expected numbers for t, ax, got '1'"),
    ],
)
def test_what_is_wrong_with_a_table_is_said_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "table.csv"
    path.write_text(text, "utf-8")
    with pytest.raises(ValueError, match=rf"^table\.csv(:|, )\s?{said}"):
        load_csv(path)


def test_what_is_no_text_is_no_table(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_bytes(b"\xff\xfe\x00\x9c")
    with pytest.raises(ValueError, match=r"^x\.csv is no table: it is not text"):
        load_csv(tmp_path / "x.csv")


def test_a_file_without_takes_says_so(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^none\.npz holds no takes"):
        open_takes(npz(tmp_path / "none.npz", 0))
