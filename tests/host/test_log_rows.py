"""What other people's MPU6050 sketches print, as serial monitors kept it."""

from collections.abc import Callable
from itertools import chain, islice
from pathlib import Path

import numpy as np
import pytest
from import_files import motion
from numpy.typing import NDArray

from fedmotion.host.import_rows import ImportOptions, Sieve
from fedmotion.host.log_rows import LogRows, NoLogError
from fedmotion.host.recording_import import import_file
from fedmotion.host.recording_staging import StagingStore
from fedmotion.host.sample_units import parse_units
from fedmotion.host.text_lines import TextLines
from fedmotion.models.specification import pca_svm

G = 9.80665


def read(
    path: Path, rate_hz: float = 100.0, **options: object
) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    rows = LogRows(TextLines(path), ImportOptions(label="wave", rate_hz=rate_hz, **options), Sieve(False))  # type: ignore[arg-type]  # likewise
    samples = np.concatenate([each.samples for each in rows])
    return samples, rows.notes


def adafruit(a: list[float], g: list[float]) -> str:
    return (
        f"Acceleration X: {a[0]:.2f}, Y: {a[1]:.2f}, Z: {a[2]:.2f} m/s^2\r\n"
        f"Rotation X: {g[0]:.2f}, Y: {g[1]:.2f}, Z: {g[2]:.2f} rad/s\r\nTemperature: 34.88 degC\r\n\r\n"
    )


def unified(a: list[float], g: list[float]) -> str:
    return (
        f"\t\tTemperature 33.10 deg C\r\n\t\tAccel X: {a[0]:.2f} \tY: {a[1]:.2f} \tZ: {a[2]:.2f} m/s^2 \r\n"
        f"\t\tGyro X: {g[0]:.2f} \tY: {g[1]:.2f} \tZ: {g[2]:.2f} radians/s \r\n\r\n"
    )


def oled(a: list[float], g: list[float]) -> str:
    return (
        f"Accelerometer X: {a[0]:.2f} m/s^2, Y: {a[1]:.2f} m/s^2, Z: {a[2]:.2f} m/s^2\r\n"
        f"Gyroscope X: {g[0]:.2f} rps, Y: {g[1]:.2f} rps, Z: {g[2]:.2f} rps\r\n"
    )


def plotter(a: list[float], g: list[float]) -> str:
    accel = ",".join(f"Accel{axis}:{value:.2f}" for axis, value in zip("XYZ", a, strict=True))
    return f"{accel}, {','.join(f'Gyro{axis}:{value:.2f}' for axis, value in zip('XYZ', g, strict=True))}\r\n"


def light(a: list[float], g: list[float]) -> str:
    a, g = [value / G for value in a], [np.degrees(value) for value in g]
    return (
        f"TEMPERATURE: 30.1\r\nACCELERO  X: {a[0]:.4f}\tY: {a[1]:.4f}\tZ: {a[2]:.4f}\r\n"
        f"GYRO      X: {g[0]:.2f}\tY: {g[1]:.2f}\tZ: {g[2]:.2f}\r\nACC ANGLE X: 1.00\tY: 2.00\r\n"
        "ANGLE     X: 1.00\tY: 2.00\tZ: 3.00\r\n=====\r\n\r\n"
    )


def tockn(a: list[float], g: list[float]) -> str:
    a, g = [value / G for value in a], [np.degrees(value) for value in g]
    return (
        f"=====\r\ntemp : 30.1\r\naccX : {a[0]:.4f}\taccY : {a[1]:.4f}\taccZ : {a[2]:.4f}\r\n"
        f"gyroX : {g[0]:.2f}\tgyroY : {g[1]:.2f}\tgyroZ : {g[2]:.2f}\r\n"
        "accAngleX : 1.00\taccAngleY : 2.00\r\nangleX : 1.00\tangleY : 2.00\tangleZ : 3.00\r\n=====\r\n\r\n"
    )


@pytest.mark.parametrize("sketch", [adafruit, unified, oled, plotter, light, tockn])
def test_what_a_sketch_prints_is_read_in_its_own_units(
    tmp_path: Path, sketch: Callable[[list[float], list[float]], str]
) -> None:
    wanted = motion().astype(np.float64)
    path = tmp_path / "monitor.log"
    path.write_text("hello\r\n" + "".join(sketch(row[:3].tolist(), row[3:].tolist()) for row in wanted))
    samples, notes = read(path)
    np.testing.assert_allclose(samples, wanted, atol=0.006)
    assert notes[0].startswith("values taken as ")
    assert not any("not whole" in note for note in notes)


def test_raw_counts_are_taken_in_the_ranges_that_the_sensor_starts_with_or_those_told(tmp_path: Path) -> None:
    path = tmp_path / "monitor.log"
    path.write_text("MPU6050 connection successful\r\n" + "a/g:\t-3972\t-1292\t16384\t-893\t-57\t131\r\n" * 3)
    samples, notes = read(path)
    np.testing.assert_allclose(samples[1, 2], G, rtol=1e-6)
    np.testing.assert_allclose(np.degrees(samples[1, 5]), 131 * 250 / 32768, rtol=1e-6)
    assert notes == ("values taken as counts@2g and counts@250dps", "1 lines that hold no sample left out")
    samples, _ = read(path, units=parse_units("counts@8g,counts@1000dps"))
    np.testing.assert_allclose(samples[1, 2], 4 * G, rtol=1e-6)


def test_samples_that_are_not_whole_are_left_out_and_counted(tmp_path: Path) -> None:
    whole = adafruit([1.0, 2.0, 9.0], [0.1, 0.2, 0.3])
    accel, gyro, *_ = whole.splitlines(keepends=True)
    path = tmp_path / "monitor.log"
    # It begins in the middle of a sample, and loses a line in each of two others.
    path.write_text(gyro + whole * 2 + accel + whole + gyro + "FIFO overflow!\r\n" + whole + accel)
    samples, notes = read(path)
    assert len(samples) == 4
    assert "4 samples that were not whole left out" in notes


def test_escape_sequences_of_a_terminal_are_no_part_of_a_line(tmp_path: Path) -> None:
    path = tmp_path / "monitor.log"
    path.write_text("\x1b[?1049h\x1b[2J" + plotter([1, 2, 9], [0, 0, 1]).replace("GyroX", "\x1b[0mGyroX") * 3)
    assert len(read(path)[0]) == 3


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (plotter([1, 2, 9], [0, 0, 1]).partition(", Gyro")[0], "has no lines of a gyroscope, and gestures"),
        (
            adafruit([1, 2, 9], [0, 0, 1]) * 300 + adafruit([1, 2, 9], [0, 0, 1]).replace("rad/s", "deg/s"),
            r"line 1202: deg/s, and rad/s before: a log has one unit",
        ),
    ],
)
def test_a_log_that_cannot_be_samples_says_why(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "monitor.log"
    path.write_text(text)
    with pytest.raises(ValueError, match=sentence):
        read(path)


def test_a_log_has_no_times_and_its_rate_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "monitor.log"
    path.write_text(plotter([1, 2, 9], [0, 0, 1]))
    with pytest.raises(ValueError, match=r"monitor.log has no times: say with --rate-hz"):
        LogRows(TextLines(path), ImportOptions(label="wave"), Sieve(False))


def test_real_peoples_logs_are_read(data_folder: Path) -> None:
    logs = data_folder / "serial_formats"
    samples, _ = read(logs / "real_logs" / "adafruit_basic_readings_A.log")
    assert samples[0].tolist() == pytest.approx([-0.56, 1.53, 8.92, -0.06, -0.02, 0.03])
    samples, notes = read(logs / "real_logs" / "playground_AcX_pipe.log")
    assert len(samples) == 10 - sum("left out" in note for note in notes)
    truth = np.loadtxt(logs / "synthesised_from_real" / "truth_int16.csv", delimiter=",", skiprows=1)
    eight = parse_units("counts@8g,counts@1000dps")
    samples, _ = read(logs / "synthesised_from_real" / "i2cdevlib_MPU6050_raw_readable.log", units=eight)
    scale = np.repeat([8 * G / 32768, np.radians(1000) / 32768], 3)
    np.testing.assert_allclose(samples, truth * scale, rtol=1e-6)


def test_no_capture_of_a_terminal_breaks_the_reader(data_folder: Path, tmp_path: Path) -> None:
    paths = sorted((data_folder / "raw_serial_logs").iterdir())
    binary = sorted((data_folder / "serial_formats" / "synthesised_from_real").glob("*.bin"))
    assert len(paths) > 10
    finding = pca_svm(("gesture", "other"))
    with StagingStore(tmp_path / "r.sqlite", clock=lambda: 0.0) as store:
        for path in chain(paths, binary):
            with pytest.raises(ValueError, match=path.name):
                import_file(store, path, ImportOptions(label="x", rate_hz=100.0), finding=finding)
            with pytest.raises((NoLogError, ValueError), match=path.name):
                read(path)
            # The same as six columns without a head: three of them do not become six.
            columns = tuple(f"{axis}_g" for axis in ("ax", "ay", "az"))
            with pytest.raises(ValueError, match=path.name):
                import_file(
                    store, path, ImportOptions(label="x", rate_hz=100.0, columns=columns), finding=finding
                )
        assert store.count_by_label() == {}


def test_lines_are_read_one_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "monitor.log"
    path.write_text("x" * 100 + "\n" + "y" * 10_000_000)
    assert list(islice(TextLines(path), 1)) == ["x" * 100]
