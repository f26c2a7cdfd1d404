"""Each kind of fault, planted in clean takes, is found and named; clean takes pass."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from synthetic_takes import RATE_HZ, clean_set, stroke, take

from fedmotion.models import recording_check
from fedmotion.models.recording_check import check, why_unusable
from fedmotion.models.recording_findings import Finding
from fedmotion.models.set_faults import is_one_edit

VICTIM = "swipe_left/2/3"
FULL_SCALE = np.array([39.2266] * 3 + [8.7266] * 3, np.float32)

Floats = NDArray[np.float64]


def planted(change: Callable[[Floats], Floats], *names: str, seed: int = 0) -> list[Finding]:
    """Return what is found where the samples of the named takes (or of VICTIM) were changed."""
    takes = clean_set(seed)
    for name in names or (VICTIM,):
        changed = change(takes[name].samples.astype(np.float64))
        takes[name] = replace(takes[name], samples=changed.astype(np.float32), t_us=times(len(changed)))
    return check(takes.values())


def times(n_samples: int, rate_hz: float = RATE_HZ) -> NDArray[np.int64]:
    return (np.arange(n_samples) * 1e6 / rate_hz).round().astype(np.int64)


def told(found: list[Finding]) -> list[tuple[str, str, str, str]]:
    return [(each.kind, each.severity, each.take, each.axis) for each in found]


def with_value(row: int, axis: int, value: float) -> Callable[[Floats], Floats]:
    def change(samples: Floats) -> Floats:
        samples[row, axis] = value
        return samples

    return change


@pytest.mark.parametrize("seed", range(12))
def test_clean_takes_pass(seed: int) -> None:
    assert check(clean_set(seed).values()) == []


def test_nothing_and_empty_takes_are_judged_without_a_complaint_of_numpy() -> None:
    assert check([]) == []
    (found,) = check([take(np.empty((0, 6)))])
    assert told([found]) == [("length", "unusable", "take", "")]
    assert "has 0 and lasts 0.00 s" in found.sentence


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_no_numbers(value: float) -> None:
    (found,) = planted(with_value(50, 4, value))
    assert told([found]) == [("no_number", "unusable", VICTIM, "")]
    assert found.sentence.startswith("swipe_left of 2: 1 of ")


def test_an_axis_that_one_take_lacks_and_axes_that_all_lack() -> None:
    def without_gyro(samples: Floats) -> Floats:
        samples[:, 3:] = np.nan
        return samples

    assert told(planted(without_gyro)) == [("absent_axis", "unusable", VICTIM, "gx gy gz")]
    (found,) = planted(without_gyro, *clean_set())
    assert told([found]) == [("absent_axis", "unusable", "", "gx gy gz")]
    assert found.sentence.startswith("none of the 45 takes has gx, gy, gz")


def test_samples_at_a_declared_end_of_range_whose_share_decides() -> None:
    takes = clean_set()
    for name, n_rows in ((VICTIM, 3), ("circle/1/0", 70), ("circle/1/1", 1)):
        samples = takes[name].samples.copy()
        samples[80 : 80 + n_rows, 1] = -FULL_SCALE[1]
        takes[name] = replace(takes[name], samples=samples, full_scale=FULL_SCALE)
    found = [each for each in check(takes.values()) if each.kind == "saturated"]
    assert told(found) == [
        ("saturated", "unusable", "circle/1/0", "ay"),
        ("saturated", "doubtful", VICTIM, "ay"),
        ("saturated", "note", "circle/1/1", "ay"),
    ]
    assert "ay is at the end of its range in 3 of the movement's " in found[1].sentence
    assert "ay is at the end" in why_unusable(takes["circle/1/0"])
    assert why_unusable(takes[VICTIM]) == ""


@pytest.mark.parametrize(("axis", "end"), [(3, 8.7266), (0, 12.25)], ids=["usual full scale", "any value"])
def test_ends_of_ranges_that_nobody_declared(axis: int, end: float) -> None:
    """Of a usual full scale, and where samples of several takes pile up at one value."""

    def clip(samples: Floats) -> Floats:
        samples[:, axis] *= 6.0 if axis == 3 else 2.5
        samples[:, axis] = samples[:, axis].clip(-end, end)
        return samples

    names = [f"swipe_left/2/{trial}" for trial in range(5)]
    found = [each for each in planted(clip, *names) if each.kind == "saturated"]
    assert len({each.take for each in found} & set(names)) >= 2
    assert {each.take for each in found} <= set(names)
    assert {each.axis for each in found} == {"gx" if axis == 3 else "ax"}


def test_an_axis_that_never_changes_and_a_sensor_that_stands_still() -> None:
    def hold(samples: Floats) -> Floats:
        samples[60:85] = samples[60]
        return samples

    def constant(samples: Floats) -> Floats:
        samples[:, 2] = 1.5
        return samples

    found = planted(constant)
    assert ("stuck", "unusable", VICTIM, "az") in told(found)
    assert "az never changes from 1.5 m/s²" in found[0].sentence
    assert told(planted(hold)) == [("stuck", "doubtful", VICTIM, "")]


@pytest.mark.parametrize(
    ("steps", "severity", "said"),
    [
        ({70: -30_000}, "unusable", "time goes back once"),
        ({70: 0, 90: 0}, "unusable", "time stands still 2 times"),
        ({70: 400_000}, "doubtful", "a gap of 0.40 s between samples that are 10.0 ms apart"),
    ],
)
def test_time_that_goes_back_stands_still_or_has_a_gap(
    steps: dict[int, int], severity: str, said: str
) -> None:
    takes = clean_set()
    for name, each in takes.items():
        periods = np.full(len(each.samples), 10_000)
        if name == VICTIM:
            for row, step in steps.items():
                periods[row] = step
        takes[name] = replace(each, t_us=np.cumsum(periods), has_stamps=True)
    (found,) = check(takes.values())
    assert told([found]) == [("time", severity, VICTIM, "")]
    assert said in found.sentence


def test_a_declared_rate_that_the_stamps_contradict_is_one_finding_of_the_set() -> None:
    takes = [
        replace(each, t_us=times(len(each.samples), 52.3), has_stamps=True) for each in clean_set().values()
    ]
    (found,) = check(takes)
    assert told([found]) == [("rate", "doubtful", "", "")]
    assert "100 samples a second are declared, and by the time stamps of 45 of 45 takes there are 52.3" in (
        found.sentence
    )


def test_one_take_of_another_rate() -> None:
    takes = {name: replace(each, has_stamps=True) for name, each in clean_set().items()}
    takes[VICTIM] = replace(takes[VICTIM], t_us=times(len(takes[VICTIM].samples), 80.0))
    (found,) = check(takes.values())
    assert told([found]) == [("rate", "doubtful", VICTIM, "")]


@pytest.mark.parametrize(
    ("factor", "said"),
    [
        (1 / 9.80665, "look like g; multiply by 9.80665"),
        (1000 / 9.80665, "look like milli-g"),
        (9.80665, "taken for g; divide by 9.80665"),
        (16384 / 9.80665, "counts of a sensor at +-2 g"),
        (8.02 / 9.80665, "multiplied by 1.22"),
    ],
)
def test_accelerations_in_another_unit_with_the_factor(factor: float, said: str) -> None:
    found = planted(lambda samples: samples * ([factor] * 3 + [1.0] * 3), *clean_set())
    found = [each for each in found if each.kind == "units"]
    assert told(found) == [("units", "doubtful", "", "ax ay az")]
    assert found[0].sentence.startswith("all takes: |a| at rest is ")
    assert said in found[0].sentence


def test_one_person_in_another_unit() -> None:
    names = [name for name in clean_set() if "/3/" in name]
    found = [
        each
        for each in planted(lambda samples: samples * ([1.0] * 3 + [180 / np.pi] * 3), *names)
        if each.kind == "units"
    ]
    assert told(found) == [("units", "doubtful", "", "gx gy gz")]
    assert found[0].sentence.startswith("takes of 3: they turn at up to ")
    assert "multiply by pi / 180" in found[0].sentence


def test_accelerations_without_gravity() -> None:
    found = planted(lambda samples: samples - [2.0, -4.0, 8.726, 0, 0, 0], *clean_set())
    assert [each.kind for each in found] == ["units"]
    assert "gravity was taken out before" in found[0].sentence


def test_takes_that_are_too_short_and_too_long() -> None:
    found = planted(lambda samples: samples[:6])
    assert told(found)[0] == ("length", "unusable", VICTIM, "")
    found = planted(lambda samples: np.vstack([samples[:40].repeat(40, axis=0), samples]))
    assert ("length", "doubtful", VICTIM, "") in told(found)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("axis", range(6))
def test_a_single_damaged_sample(seed: int, axis: int) -> None:
    row = 30 + 17 * seed
    leap = 20.0 if axis < 3 else 8.0

    def damage(samples: Floats) -> Floats:
        samples[row, axis] += leap
        return samples

    (found,) = planted(damage, seed=seed)
    assert told([found]) == [("spike", "doubtful", VICTIM, ("ax", "ay", "az", "gx", "gy", "gz")[axis])]
    assert f"sample {row} of " in found.sentence


def test_a_knock_that_all_axes_feel_is_no_damage() -> None:
    def knock(samples: Floats) -> Floats:
        samples[90] += [15, 9, -12, 3, 2, -4]
        return samples

    assert planted(knock) == []


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    ("matrix", "said"),
    [
        ([[0, 1, 0], [1, 0, 0], [0, 0, 1]], "both sensors had x = y, y = x"),
        ([[-1, 0, 0], [0, -1, 0], [0, 0, 1]], "both sensors had x = -x, y = -y"),
        ([[1, 0, 0], [0, 1, 0], [0, 0, -1]], "both sensors had z = -z"),
        ([[0, 1, 0], [0, 0, 1], [1, 0, 0]], "both sensors had x = z, y = x, z = y"),
    ],
)
def test_swapped_and_turned_axes_with_the_permutation_that_mends_them(
    seed: int, matrix: list[list[int]], said: str
) -> None:
    turn = np.kron(np.eye(2), np.array(matrix))
    found = planted(lambda samples: samples @ turn.T, seed=seed)
    assert told(found) == [("turned", "doubtful", VICTIM, "")]
    assert said in found[0].sentence


def test_a_gyroscope_with_its_signs_turned_alone() -> None:
    found = planted(lambda samples: samples * [1, 1, 1, -1, -1, -1])
    assert told(found) == [("turned", "doubtful", VICTIM, "")]
    assert "the gyroscope alone had x = -x, y = -y, z = -z" in found[0].sentence


@pytest.mark.parametrize(
    ("label", "person", "said"),
    [
        ("swipe_left", "2", "to the bit"),
        ("swipe_left", "3", "to the bit, of another person"),
        ("circle", "2", "to the bit, with another label"),
    ],
)
def test_exact_copies(label: str, person: str, said: str) -> None:
    takes = clean_set()
    copy = replace(takes[VICTIM], name="copy", label=label, person=person)
    found = [each for each in check([*takes.values(), copy]) if each.kind == "duplicate"]
    assert told(found) == [("duplicate", "doubtful", "copy", "")]
    assert said in found[0].sentence
    assert f"{VICTIM} (swipe_left of 2)" in found[0].sentence


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda samples: np.vstack([samples[:1].repeat(15, axis=0), samples[:-15]]), "a shifted or cut copy"),
        (lambda samples: samples[50:-30], "a shifted or cut copy"),
        (lambda samples: samples * 1.07, "a rescaled copy"),
        (
            lambda samples: samples + np.random.default_rng(1).normal(0, 0.01, samples.shape),
            "a rescaled copy",
        ),
    ],
    ids=["shifted", "cut", "rescaled", "rounded"],
)
def test_copies_that_were_shifted_cut_or_rescaled(
    change: Callable[[Floats], Floats], said: str, seed: int
) -> None:
    takes = clean_set(seed)
    samples = change(stroke("swipe_left", 2, 3, seed))
    copy = take(samples, "copy", person="3")
    found = [each for each in check([*takes.values(), copy]) if each.kind == "duplicate"]
    assert told(found) == [("duplicate", "doubtful", "copy", "")]
    assert f"{said}, of another person" in found[0].sentence


def test_labels_that_are_typing_errors_single_or_lacking() -> None:
    takes = clean_set()
    takes["circle/1/0"] = replace(takes["circle/1/0"], label="cirlce")
    takes["swipe_left/1/0"] = replace(takes["swipe_left/1/0"], label="Swipe-Left")
    takes["swipe_left/1/1"] = replace(takes["swipe_left/1/1"], label="push")
    for trial in range(5):
        del takes[f"swipe_right/3/{trial}"]
    found = [each for each in check(takes.values()) if each.kind in {"label", "coverage"}]
    assert [each.sentence for each in found] == [
        "'Swipe-Left' (1 take) is written almost as 'swipe_left' (13 takes): is the same meant?",
        "'cirlce' (1 take) is written almost as 'circle' (14 takes): is the same meant?",
        "'push' has one take: a model can learn nothing of how it varies",
        "3 has no take of 'swipe_right', which everybody else has",
    ]
    assert [each.severity for each in found] == ["doubtful"] * 3 + ["note"]


def test_one_edit_is_a_letter_more_less_other_or_swapped() -> None:
    assert all(
        is_one_edit("swipe", other) for other in ("swpe", "swiype", "swype", "sipwe"[:1] + "iwpe", "swip")
    )
    assert not any(is_one_edit("swipe", other) for other in ("swipe", "swap", "ewips", "sw", "swipely"))


@pytest.mark.parametrize("other", ["walk1", "walks away", "wake up"])
def test_labels_that_differ_on_purpose_are_left_alone(other: str) -> None:
    takes = [
        replace(each, label={"circle": other, "swipe_left": "walk2"}.get(each.label, each.label))
        for each in clean_set().values()
    ]
    assert check(takes) == []


def test_more_takes_than_memory_is_meant_for_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording_check, "MAX_TAKES", 10)
    with pytest.raises(ValueError, match="10 takes are compared at once at most, and here are more"):
        check(clean_set().values())
