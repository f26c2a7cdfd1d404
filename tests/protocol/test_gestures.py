"""Names and sentences of gestures, names that are alike, and examples."""

import numpy as np
import pytest

from fedmotion.protocol.example_trace import example_of, points_of
from fedmotion.protocol.gestures import alike, check_gesture, check_sentence

SPELLING = "is the same but for case, spaces, hyphens, accents or letters that look alike"


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("swipe-left", SPELLING),
        ("Swipe Left", SPELLING),
        ("swipeleft", SPELLING),
        ("swipe.left", SPELLING),
        ("\uff53\uff57\uff49\uff50\uff45_left", SPELLING),
        # Cyrillic letters for i and e.
        ("sw\u0456p\u0435_left", SPELLING),
        ("sw1pe_1eft", "differs by one letter"),
        ("swïpe_left", SPELLING),
        ("swipe_lefts", "is the same but for the plural"),
        ("left_swipe", "has the same words in another order"),
        ("swipe_lfet", "differs by one letter"),
        ("swip_left", "differs by one letter"),
        ("swope_lift", "differs by two letters"),
    ],
)
def test_another_spelling_of_a_name_is_reported_with_how(name: str, how: str) -> None:
    assert [(each.name, each.how) for each in alike(name, ["wave", "swipe_left", "swipe_right"])] == [
        ("swipe_left", how)
    ]


@pytest.mark.parametrize("name", ["swipe_left", "swipe_up", "circle", "wave 2", "👋"])
def test_another_gesture_is_not_reported_nor_the_name_itself(name: str) -> None:
    assert alike(name, ["swipe_left", "swipe_right", "wave", "✋", "!"]) == ()


def test_short_names_may_differ_by_a_letter() -> None:
    assert alike("wave", ["save", "wav", "waves"])[0].name == "waves"
    assert alike("boxes", ["box"])[0].how == "is the same but for the plural"
    assert str(alike("circel", ["circle"])[0]) == "'circle' differs by one letter"


def test_other_is_no_gesture() -> None:
    assert check_gesture("circle") == "circle"
    with pytest.raises(ValueError, match="'other' is movement that is no gesture"):
        check_gesture("other")
    with pytest.raises(ValueError, match="a gesture's name is in Unicode form NFC"):
        check_gesture("gro\u0308\u00dfe")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "is not empty"),
        (" a", "no spaces around it"),
        ("x" * 201, "at most 200 characters, got 201"),
        ("two\nlines", "one line without control characters"),
        ("red \x1b[31m", "one line without control characters"),
        ("o\u0308", "NFC"),
    ],
)
def test_a_sentence_is_one_line_of_at_most_200_characters(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        check_sentence(text)
    assert check_sentence("ä" * 200) == "ä" * 200


def test_an_example_keeps_the_outline_of_a_movement_in_144_bytes() -> None:
    t_us = np.arange(101, dtype=np.int64) * 10_000
    samples = np.zeros((101, 6), np.float32)
    samples[:, 0] = np.linspace(0, 12.7, 101)
    samples[:, 5] = -2 * np.sin(np.linspace(0, 2 * np.pi, 101))
    example = example_of(t_us, samples)
    assert len(example.counts) == 144
    assert example.duration_s == 1.0
    assert example.acceleration_mps2 == pytest.approx(12.7)
    points = points_of(example)
    assert points.shape == (24, 6)
    np.testing.assert_allclose(points[:, 0], np.linspace(0, 12.7, 24), atol=0.05 + 1e-6)
    np.testing.assert_allclose(points[:, 5], -2 * np.sin(np.linspace(0, 2 * np.pi, 24)), atol=0.02)
    assert not points[:, 1:5].any()


def test_an_example_of_a_sensor_that_lies_still_or_of_no_samples() -> None:
    t_us = np.array([0, 500_000], np.int64)
    still = example_of(t_us, np.zeros((2, 6), np.float32))
    assert not points_of(still).any()
    with pytest.raises(ValueError, match=r"at least two samples of six axes, got \(1, 6\)"):
        example_of(t_us[:1], np.zeros((1, 6), np.float32))
