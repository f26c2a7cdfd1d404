"""Movements that nobody trained on, boards worn another way, and measures computed by hand."""

from collections.abc import Callable
from dataclasses import replace

import msgspec
import numpy as np
import pytest

from fedmotion.simulation.evaluation.alarms import false_alarms
from fedmotion.simulation.evaluation.measures import Spread, accuracy_of, confusion_of, macro_f1_of, spread
from fedmotion.simulation.evaluation.mounting import WAYS, turned, wear
from fedmotion.simulation.evaluation.movements import Movements
from fedmotion.simulation.evaluation.plan import Plan
from fedmotion.simulation.evaluation.rejection import Answers, Rejection, Trial, reject, threshold_of

Swing = Callable[..., Movements]

OPEN = Plan(
    gestures=("left", "right"),
    other=("up", "down"),
    unseen=("nod",),
    window_length=16,
    n_components=6,
    n_rounds=8,
    n_seeds=1,
    n_personal=0,
)
EVERYTHING = ["left", "right", "up", "down", "nod"] * 6


def answers(right: list[float], wrong: list[float]) -> Answers:
    return Answers(np.array(right), np.array(wrong))


def test_measures_by_hand() -> None:
    confusion = confusion_of(np.array([0, 0, 0, 1, 1]), np.array([0, 0, 1, 1, 2]), 3)
    assert confusion.tolist() == [[2, 1, 0], [0, 1, 1], [0, 0, 0]]
    assert accuracy_of(confusion) == pytest.approx(3 / 5)
    # F1 of the two classes performed: 4 / (3 + 2) and 2 / (2 + 2).
    assert macro_f1_of(confusion) == pytest.approx((0.8 + 0.5) / 2)
    assert (accuracy_of(confusion * 0), macro_f1_of(confusion * 0)) == (0.0, 0.0)
    assert spread([1.0, 3.0]) == Spread(2.0, 2**0.5)
    assert spread([1.0]) == Spread(1.0, 0.0)


def test_a_threshold_counts_from_itself_on_and_what_was_wrong_never_becomes_right() -> None:
    given = answers([0.9, 0.6, 0.0], [0.7, 0.0])
    assert [given.recognised(threshold) for threshold in (0.0, 0.6, 0.61, 0.95)] == pytest.approx(
        [2 / 3, 2 / 3, 1 / 3, 0]
    )
    assert [given.n_alarms(threshold) for threshold in (0.0, 0.7, 0.71)] == [1, 1, 0]


def test_the_threshold_is_no_higher_than_needed_and_costs_no_gesture_in_training() -> None:
    # Above the two alarms that lie below every gesture; the one at 0.9 cannot be avoided.
    chosen = threshold_of([answers([0.8, 0.7], [0.5]), answers([0.6], [0.55, 0.9, 0.0])])
    assert 0.55 < chosen < 0.5501
    assert threshold_of([answers([0.8, 0.7], [0.0, 0.0])]) == 0.0
    assert threshold_of([answers([0.0], [0.5])]) == 0.0
    assert threshold_of([]) == 0.0


def test_one_gesture_in_a_hundred_may_be_given_up_for_an_alarm() -> None:
    right = [0.3, *[0.8] * 99]
    assert threshold_of([answers(right, [0.5])]) == pytest.approx(0.5)
    assert threshold_of([answers(right[:50], [0.5])]) == 0.0


def test_alarms_are_counted_by_the_hour_that_the_unseen_movements_last() -> None:
    def rejection(seed: int, n_alone: int, n_federated: int) -> Rejection:
        def trial(n_alarms: int, threshold: float) -> Trial:
            return Trial(answers([0.9, 0.4], [0.6] * n_alarms + [0.0] * (4 - n_alarms)), threshold)

        homes = {"client-1": trial(n_alone, 0.0), "client-2": trial(4, 0.5)}
        return Rejection("anna", seed, homes, trial(n_federated, 0.7), trial(0, 0.0), 4, hours=0.5)

    result = false_alarms([rejection(0, 2, 1), rejection(1, 4, 1)])
    assert (result.n_unseen, result.hours) == (4, 0.5)
    assert result.alone["client-1"].per_hour == Spread(6.0, 8**0.5)
    assert result.alone["client-2"].per_hour.mean == 8.0
    assert result.alone_fewest_per_hour.mean == 6.0
    assert result.federated.per_hour == Spread(2.0, 0.0)
    assert result.federated.recognised.mean == 1.0
    assert (result.federated.chosen_per_hour.mean, result.federated.chosen_recognised.mean) == (0.0, 0.5)
    by_threshold = {point.threshold: point for point in result.federated.curve}
    assert (by_threshold[0.5].per_hour, by_threshold[0.5].recognised) == (2.0, 0.5)
    assert by_threshold[0.95].recognised == 0.0


def test_unseen_movements_are_trained_on_by_nobody_and_timed(swing: Swing) -> None:
    people = {"anna": EVERYTHING, "bert": EVERYTHING, "carl": EVERYTHING}
    movements = swing(people)
    result = reject(movements, OPEN, "carl", 0)
    # Six nods of two seconds.
    assert result.n_unseen == 6
    assert result.hours == pytest.approx(12 / 3600)
    assert sorted(result.alone) == ["client-1", "client-2"]
    assert result.federated.answers.recognised(0.0) == 1.0
    assert len(result.federated.answers.right) == 12
    # Other nods elsewhere leave every model as it was.
    windows = movements.windows.copy()
    windows[(movements.labels == "nod") & (movements.people != "carl")] = 50.0
    again = reject(replace(movements, windows=windows), OPEN, "carl", 0)
    assert np.array_equal(again.federated.answers.wrong, result.federated.answers.wrong)


def test_of_one_sided_clients_federated_there_are_at_most_half_the_alarms_of_each_alone(swing: Swing) -> None:
    plan = msgspec.structs.replace(OPEN, other=("up", "nod"), unseen=("down",), is_one_sided=True)
    performed = ["left", "right", "up", "nod", "down"] * 8
    result = reject(swing({"anna": performed, "bert": performed, "carl": performed}), plan, "carl", 0)
    alone = [trial.answers.n_alarms(0.0) for trial in result.alone.values()]
    # Who knows `up`, the way back of `down`, is alarmed by none of them; who knows `nod` only by all.
    assert sorted(alone) == [0, 8]
    assert result.federated.answers.n_alarms(0.0) <= 8 / 2
    assert result.federated.answers.recognised(0.0) == 1.0


def test_a_turned_board_is_wrong_as_it_is_and_right_when_calibrated(swing: Swing) -> None:
    performed = ["left", "right", "up", "down"] * 6
    movements = swing({"anna": performed, "bert": performed, "carl": performed})
    plan = Plan(gestures=("left", "right", "up", "down"), window_length=16, n_components=6, n_rounds=12)
    figures = turned(wear(movements, plan, "carl", 0))
    assert list(figures) == list(WAYS)
    assert figures["as recorded"].uncalibrated.mean == 1.0
    # Left and right, and up and down, are exchanged.
    assert figures["180° about z"].uncalibrated.mean == 0.0
    assert figures["180° about x"].uncalibrated.mean == 0.5
    assert all(figure.calibrated[2].mean == 1.0 for figure in figures.values())
