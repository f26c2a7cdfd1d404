"""The check on real recordings: what is known to be wrong with them is found, and little else."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fedmotion.host.recording_files import load_recordings
from fedmotion.models.recording_check import check
from fedmotion.models.recording_findings import Finding
from fedmotion.models.takes import Take


def of(data_folder: Path, name: str) -> list[Finding]:
    return check(load_recordings(data_folder / f"{name}.npz"))


def count(found: list[Finding]) -> dict[tuple[str, str], int]:
    return dict(Counter((each.kind, each.severity) for each in found))


def test_of_utd_its_saturations_are_found_and_one_step(data_folder: Path) -> None:
    found = of(data_folder, "utd_mhad_inertial")
    assert count(found) == {
        ("saturated", "doubtful"): 12,
        ("saturated", "note"): 15,
        ("spike", "doubtful"): 1,
    }
    file = load_recordings(data_folder / "utd_mhad_inertial.npz")
    labels = {file.labels[int(each.take.partition("#")[2])] for each in found if each.severity == "doubtful"}
    assert labels <= {"bowling", "tennis_swing", "tennis_serve", "throw", "baseball_swing", "jog", "clap"}


def test_of_airletters_the_stumps_the_forgotten_stop_and_the_missing_gravity(data_folder: Path) -> None:
    found = of(data_folder, "airletters_iphone5")
    assert count(found) == {
        ("length", "unusable"): 2,
        ("length", "doubtful"): 8,
        ("units", "doubtful"): 1,
        ("turned", "doubtful"): 1,
    }
    said = "\n".join(each.sentence for each in found)
    assert "this one has 6 and lasts 0.05 s" in said
    assert "28.22 s long" in said
    assert "gravity was taken out before" in said


def test_of_ambiq_the_units_and_the_clipped_gyroscope(data_folder: Path) -> None:
    found = of(data_folder, "ambiq_mpu6050_har")
    units = [each.sentence for each in found if each.kind == "units"]
    assert "|a| at rest is 8.02 m/s²" in units[0]
    assert "multiplied by 1.22" in units[0]
    assert "look like deg/s" in units[1]
    clipped = {each.axis for each in found if each.kind == "saturated" and each.severity == "doubtful"}
    assert {"gx", "gz"} <= clipped


@pytest.mark.parametrize("name", ["techin515_mpu6050_wand", "bikelock_fl_accel"])
def test_takes_without_a_gyroscope_are_named_once(data_folder: Path, name: str) -> None:
    found = of(data_folder, name)
    assert [each.axis for each in found if each.kind == "absent_axis"] == ["gx gy gz"]
    assert count(found)["absent_axis", "unusable"] == 1
    saturated = [each for each in found if each.kind == "saturated"]
    assert {each.axis for each in saturated} <= {"ax", "ay", "az"}
    assert 10 <= len(saturated) <= 20


def test_of_oneplus_the_claimed_rate_is_wrong_and_nothing_else(data_folder: Path) -> None:
    file = load_recordings(data_folder / "oneplus_imu_digits.npz")
    assert check(file) == []

    def as_its_readme_says() -> Iterator[Take]:
        for take in file:
            yield replace(take, declared_rate_hz=100.0)

    (found,) = check(as_its_readme_says())
    assert found.kind == "rate"
    assert "100 samples a second are declared, and by the time stamps of 500 of 500 takes there are 5" in (
        found.sentence
    )


def test_of_cs3237_the_gyroscope_clips_at_500_and_leaps_to_2000(data_folder: Path) -> None:
    found = of(data_folder, "cs3237_mpu6050_actions")
    assert [(each.kind, each.axis) for each in found] == [
        ("saturated", "gx"),
        ("saturated", "gy"),
        ("length", ""),
        ("spike", "gy"),
    ]
    assert {each.take for each in found if each.axis} == {"cs3237_mpu6050_actions.npz#22"}
    assert "gy reaches 34.9, beyond the 8.7 rad/s" in found[3].sentence


def test_of_arduino_the_punches_clip_at_4_g(data_folder: Path) -> None:
    found = of(data_folder, "arduino_punch_flex")
    assert count(found) == {("saturated", "doubtful"): 22, ("saturated", "note"): 2}
    assert {each.axis for each in found} == {"ay", "az"}
