"""Which decisions become gestures that are told."""

import math
from uuid import UUID

import numpy as np
import pytest

from fedmotion.host.gesture_output import Gesture, GestureFilter, parse_quiet
from fedmotion.host.recogniser import Decision
from fedmotion.host.released_model import LoadedModel
from fedmotion.models.specification import Parameters, Specification
from fedmotion.protocol.tensors import sha256_of


@pytest.fixture
def model(specification: Specification, basis_parameters: Parameters) -> LoadedModel:
    return LoadedModel(UUID(int=22), 7, sha256_of(basis_parameters), specification, basis_parameters)


def decided(model: LoadedModel, activity: str, stop_s: float, probability: float = 0.8) -> Decision:
    rest = (1 - probability) / 2
    return Decision(
        activity=activity,
        probabilities=tuple(
            probability if each == activity else rest for each in model.specification.activities
        ),
        start_us=round(stop_s * 1e6) - 900_000,
        stop_us=round(stop_s * 1e6),
        decided_us=round(stop_s * 1e6) + 400_000,
        window=np.zeros((96, 6), np.float32),
        model=model,
    )


def test_a_gesture_is_told_with_the_probability_of_every_activity(model: LoadedModel) -> None:
    verdict, gesture = GestureFilter().judge(decided(model, "swipe_left", 12.5, 0.75))
    assert verdict == "told"
    assert gesture == Gesture(
        number=1,
        activity="swipe_left",
        probability=0.75,
        start_us=11_600_000,
        stop_us=12_500_000,
        decided_us=12_900_000,
        round_id=7,
        probabilities={"swipe_left": 0.75, "swipe_right": 0.125, "other": 0.125},
    )


def test_other_movement_and_unlikely_gestures_are_counted_and_not_told(model: LoadedModel) -> None:
    chosen = GestureFilter(min_probability=0.7)
    verdicts = [
        chosen.judge(decided(model, *what))[0]
        for what in (("other", 1, 0.9), ("swipe_left", 2, 0.69), ("swipe_left", 3, 0.7))
    ]
    assert verdicts == ["other", "unlikely", "told"]
    assert chosen.n_by_verdict == {"other": 1, "unlikely": 1, "told": 1}


def test_the_same_gesture_is_told_again_after_its_quiet_time_and_another_at_once(model: LoadedModel) -> None:
    chosen = GestureFilter(quiet_s=2.0)
    told = [
        (activity, stop_s, chosen.judge(decided(model, activity, stop_s))[0])
        for activity, stop_s in (
            ("swipe_left", 1.0),
            ("swipe_left", 2.9),
            ("swipe_right", 2.95),
            # What was not told does not prolong the quiet.
            ("swipe_left", 3.0),
            ("swipe_right", 4.0),
        )
    ]
    assert [verdict for _, _, verdict in told] == ["told", "repeated", "told", "told", "repeated"]


def test_a_gesture_may_have_a_quiet_time_of_its_own(model: LoadedModel) -> None:
    chosen = GestureFilter(quiet_s=5.0, quiet={"swipe_left": 0.0})
    verdicts = [
        chosen.judge(decided(model, activity, stop_s))[0]
        for stop_s in (1, 2)
        for activity in ("swipe_left", "swipe_right")
    ]
    assert verdicts == ["told", "told", "told", "repeated"]


def test_a_board_that_restarts_begins_a_time_of_its_own(model: LoadedModel) -> None:
    chosen = GestureFilter(quiet_s=10.0)
    assert chosen.judge(decided(model, "swipe_left", 500))[0] == "told"
    assert chosen.judge(decided(model, "swipe_left", 2))[0] == "told"
    chosen.forget()
    verdict, gesture = chosen.judge(decided(model, "swipe_left", 3))
    assert (verdict, gesture and gesture.number) == ("told", 3)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"min_probability": 1.5}, "the least probability is 0 to 1, got 1.5"),
        ({"quiet_s": -1.0}, "the quiet time of any gesture is 0 to 3600 s, got -1.0"),
        ({"quiet": {"wave": math.nan}}, "the quiet time of wave is 0 to 3600 s, got nan"),
    ],
)
def test_impossible_settings_are_refused(arguments: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValueError, match=f"^{sentence}$"):
        GestureFilter(**arguments)  # type: ignore[arg-type]


def test_quiet_times_are_read_from_words() -> None:
    assert parse_quiet(["wave=2", "swipe_left = 0.5"]) == {"wave": 2.0, "swipe_left": 0.5}
    for wrong in ("wave", "=2", "wave=soon", "wave="):
        with pytest.raises(ValueError, match="a quiet time is GESTURE=SECONDS, got"):
            parse_quiet([wrong])
    with pytest.raises(ValueError, match="'other' is movement that is no gesture and is never told"):
        parse_quiet(["other=2"])
