import dataclasses
from collections.abc import Callable
from uuid import UUID

import msgspec
import numpy as np
import pytest

from fedmotion.boards.script import Script
from fedmotion.host.imu_stream import ImuBlock
from fedmotion.host.recogniser import Decision, Recogniser, Recognition
from fedmotion.host.released_model import LoadedModel, load_model
from fedmotion.models.specification import Parameters, Specification


@pytest.fixture
def model(model_message: Callable[..., bytes], trained_parameters: Parameters) -> LoadedModel:
    return load_model(
        model_message(trained_parameters, round_id=5), federation_id=UUID(int=11), purpose="released"
    )


def pieces(block: ImuBlock, length: int) -> list[ImuBlock]:
    return [
        dataclasses.replace(
            block,
            t_us=block.t_us[start : start + length],
            samples=block.samples[start : start + length],
            counts=block.counts[start : start + length],
            has_gap_before=block.has_gap_before and start == 0,
        )
        for start in range(0, len(block.t_us), length)
    ]


def recognise(recogniser: Recogniser, block: ImuBlock, length: int) -> list[Recognition]:
    return [each for piece in pieces(block, length) for each in recogniser.feed(piece)]


def test_every_gesture_gives_one_decision_and_other_movement_none(
    model: LoadedModel, script: Script, performance: ImuBlock
) -> None:
    recogniser = Recogniser()
    recogniser.swap(model)
    recognitions = recognise(recogniser, performance, 10)
    gestures = [mark for mark in script.marks if mark.label != "other"]
    assert [each.activity for each in recognitions] == [mark.label for mark in gestures]
    for recognition, mark in zip(recognitions, gestures, strict=True):
        assert recognition.start_us < mark.stop_us
        assert recognition.stop_us > mark.start_us
        assert 0.5 < recognition.probability <= 1
        assert recognition.round_id == 5
    assert (recogniser.n_by_activity["swipe_left"], recogniser.n_by_activity["swipe_right"]) == (10, 10)
    assert recogniser.n_by_activity["other"] >= 10


def test_without_a_model_nothing_is_recognised(performance: ImuBlock) -> None:
    recogniser = Recogniser()
    assert recognise(recogniser, performance, 500) == []
    assert recogniser.round_id is None
    assert recogniser.flush() == []


def test_a_model_swapped_within_a_movement_decides_it_and_none_is_lost(
    model: LoadedModel, script: Script, performance: ImuBlock
) -> None:
    third = [mark for mark in script.marks if mark.label != "other"][2]
    middle = int(np.searchsorted(performance.t_us, (third.start_us + third.stop_us) // 2))
    before, after = (
        dataclasses.replace(
            performance,
            t_us=performance.t_us[part],
            samples=performance.samples[part],
            counts=performance.counts[part],
            has_gap_before=part.start is None,
        )
        for part in (slice(None, middle), slice(middle, None))
    )
    recogniser = Recogniser()
    recogniser.swap(model)
    recognitions = recogniser.feed(before)
    assert [each.round_id for each in recognitions] == [5, 5]
    recogniser.swap(dataclasses.replace(model, round_id=6))
    recognitions = recogniser.feed(after)
    assert len(recognitions) == 18
    assert {each.round_id for each in recognitions} == {6}
    assert recognitions[0].start_us < third.stop_us


def test_a_model_with_other_windows_starts_anew(
    model: LoadedModel, specification: Specification, performance: ImuBlock
) -> None:
    recogniser = Recogniser()
    recogniser.swap(model)
    recogniser.feed(performance)
    slower = msgspec.structs.replace(specification, rate_hz=25.0)
    recogniser.swap(dataclasses.replace(model, specification=slower, round_id=6))
    assert {each.round_id for each in recogniser.feed(performance)} == {6}


def test_no_decision_reaches_across_a_gap(model: LoadedModel, script: Script, performance: ImuBlock) -> None:
    recogniser = Recogniser()
    recogniser.swap(model)
    first = next(mark for mark in script.marks if mark.label != "other")
    middle = int(np.searchsorted(performance.t_us, (first.start_us + first.stop_us) // 2))
    for piece in pieces(performance, middle)[:1]:
        recogniser.feed(piece)
    (far, *_) = pieces(performance, middle)
    still = dataclasses.replace(
        far, t_us=far.t_us + 60_000_000, samples=np.zeros_like(far.samples), has_gap_before=True
    )
    n_before = recogniser.n_by_activity.total()
    recogniser.feed(still)
    assert recogniser.n_by_activity.total() == n_before


def test_each_decision_is_told_with_all_probabilities_and_when_it_could_be_made(
    model: LoadedModel, script: Script, performance: ImuBlock
) -> None:
    decisions: list[Decision] = []
    recogniser = Recogniser(on_decision=decisions.append)
    recogniser.swap(model)
    # The whole stream in one block, as where a board plays faster than it is read.
    recognitions = recogniser.feed(performance)
    gestures = [each for each in decisions if each.activity != "other"]
    assert [each.start_us for each in gestures] == [each.start_us for each in recognitions]
    assert len(decisions) == recogniser.n_by_activity.total()
    for decision in decisions:
        assert sum(decision.probabilities) == pytest.approx(1)
        assert decision.window.shape == (96, 6)
        assert decision.decided_us > decision.stop_us
    for decision, recognition in zip(gestures, recognitions, strict=True):
        # A movement ends after 0.4 s of rest; its window, 1.92 s about its centre, may end later.
        assert 0.35e6 < decision.decided_us - decision.stop_us < 1.5e6
        assert max(decision.probabilities) == recognition.probability


def test_a_long_block_is_decided_as_short_ones_are(model: LoadedModel, performance: ImuBlock) -> None:
    by_length = []
    for length in (5, 100_000):
        decisions: list[Decision] = []
        recogniser = Recogniser(on_decision=decisions.append)
        recogniser.swap(model)
        recognise(recogniser, performance, length)
        by_length.append([(each.activity, each.start_us, each.decided_us) for each in decisions])
    short, long = by_length
    assert [each[:2] for each in short] == [each[:2] for each in long]
    for one, other in zip(short, long, strict=True):
        assert abs(one[2] - other[2]) <= 50_000
