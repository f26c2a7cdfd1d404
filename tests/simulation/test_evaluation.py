"""The contests: who trains on what, and that nobody meets the newcomer before."""

from collections.abc import Callable

import msgspec
import numpy as np
import pytest

from fedmotion.models.one_place import train_by_round
from fedmotion.simulation.evaluation import run as runs
from fedmotion.simulation.evaluation.contest import contest
from fedmotion.simulation.evaluation.federation import federate
from fedmotion.simulation.evaluation.figures import figures
from fedmotion.simulation.evaluation.homes import Homes, deal, local_windows, personal_takes
from fedmotion.simulation.evaluation.movements import Movements
from fedmotion.simulation.evaluation.plan import Plan
from fedmotion.simulation.evaluation.run import complete, n_steps, run
from fedmotion.simulation.evaluation.training import Models, pooled
from fedmotion.simulation.evaluation.tuning import Choice, tune

Swing = Callable[..., Movements]

SMALL = Plan(
    gestures=("left", "right", "up"),
    window_length=16,
    n_components=6,
    n_rounds=4,
    n_seeds=2,
)
CHOICE = Choice(n_components=6, learning_rate=0.05, n_rounds=4)
THREE = ["left", "right", "up"] * 8


def test_a_federation_of_one_is_that_client_alone_to_the_bit(swing: Swing) -> None:
    homes = deal(swing({"anna": THREE}), SMALL, 3)
    configuration = SMALL.configuration(3)
    federated = federate(configuration, homes, 4)
    specification, by_round = train_by_round(
        configuration.specification(),
        homes["client-1"].windows,
        homes["client-1"].labels,
        configuration.train_settings(0),
        4,
        "client-1",
    )
    assert federated.specification == specification
    assert len(federated.by_round) == len(by_round) == 5
    for ours, theirs in zip(federated.by_round, by_round, strict=True):
        assert ours.keys() == theirs.keys()
        assert all(np.array_equal(ours[name], theirs[name]) for name in ours)
    assert np.abs(by_round[-1]["coef"]).sum() > 1  # and it has learned


def test_a_round_costs_its_messages(swing: Swing) -> None:
    homes = deal(swing({"anna": THREE, "bert": THREE}), SMALL, 0)
    one, three = (federate(SMALL.configuration(0), homes, n_rounds) for n_rounds in (1, 3))
    # Four planes of 6 numbers and an intercept, float64, twice, beside headers.
    up = (three.n_bytes_up - one.n_bytes_up) / 2 / 2
    assert 4 * 7 * 8 < up < 4 * 7 * 8 + 600
    # 108 features: mean, scale and 6 components, in two models, beside headers.
    down = (three.n_bytes_down - one.n_bytes_down) / 2 / 2
    assert 2 * 8 * 108 * 8 < down < 2 * 8 * 108 * 8 + 6000


def test_clients_below_twenty_windows_give_no_statistics_unless_all_are(swing: Swing) -> None:
    homes = deal(swing({"anna": THREE, "bert": ["left", "right"] * 9}), SMALL, 0)
    of_both = federate(SMALL.configuration(0), homes, 0).by_round[0]
    anna, bert = ({name: homes[name]} for name in homes)
    of_anna = federate(SMALL.configuration(0), anna, 0).by_round[0]
    of_bert = federate(SMALL.configuration(0), bert, 0).by_round[0]
    assert np.array_equal(of_both["mean"], of_anna["mean"])
    assert not np.array_equal(of_both["mean"], of_bert["mean"])


def test_a_client_is_a_person_or_has_some_of_the_gestures_of_everybody(swing: Swing) -> None:
    movements = swing({"anna": THREE, "bert": ["left"] * 5, "carl": ["up", "right"]})
    by_people = deal(movements, SMALL, 0)
    assert {name: len(home.windows) for name, home in by_people.items()} == {
        "client-1": 24,
        "client-2": 5,
        "client-3": 2,
    }
    by_classes = deal(movements, msgspec.structs.replace(SMALL, split="classes"), 0)
    assert sorted(np.unique(home.labels).tolist() for home in by_classes.values()) == [[0], [1], [2]]
    assert sum(len(home.windows) for home in by_classes.values()) == 31
    dealt = {
        seed: deal(movements, msgspec.structs.replace(SMALL, split="classes"), seed)["client-1"].labels[0]
        for seed in range(6)
    }
    assert len(set(dealt.values())) > 1


def test_one_sided_clients_share_no_kind_of_other(swing: Swing) -> None:
    plan = msgspec.structs.replace(SMALL, gestures=("left", "right"), other=("up", "down"), is_one_sided=True)
    movements = swing({"anna": ["left", "up", "down"] * 3, "bert": ["right", "up", "down"] * 3})
    homes = deal(movements, plan, 0)
    assert [np.bincount(home.labels, minlength=3).tolist() for home in homes.values()] == [
        [3, 0, 3],
        [0, 3, 3],
    ]
    swinging_axis = [np.abs(home.windows[home.labels == 2][:, 4, 1].mean()) for home in homes.values()]
    signs = [np.sign(home.windows[home.labels == 2][:, 4, 1]).tolist() for home in homes.values()]
    assert min(swinging_axis) > 2
    assert sorted(signs) == [[-1.0] * 3, [1.0] * 3]


def test_own_takes_are_as_many_of_each_gesture_as_asked_and_change_with_the_seed(swing: Swing) -> None:
    movements = swing({"anna": THREE})
    plan = msgspec.structs.replace(SMALL, n_personal=2)
    chosen = [personal_takes(movements, plan, seed) for seed in (0, 0, 1)]
    assert np.bincount(local_windows(movements.where(chosen[0]), plan).labels).tolist() == [2, 2, 2]
    assert np.array_equal(chosen[0], chosen[1])
    assert not np.array_equal(chosen[0], chosen[2])


def test_nothing_is_trained_on_the_newcomer_but_the_personalised_model(swing: Swing) -> None:
    people = {"anna": THREE, "bert": THREE, "carl": THREE}
    honest = contest(swing(people), SMALL, "carl", 0, CHOICE, with_fewer=False)
    planted = contest(swing(people, tell_tale="carl"), SMALL, "carl", 0, CHOICE, with_fewer=False)
    assert (honest.federated == honest.truth).all()
    assert (honest.pooled == honest.truth).all()
    # Left is performed as right, right as left: who had seen one of carl's would know.
    for decided in (planted.federated, planted.pooled, planted.pooled_alike, *planted.alone.values()):
        is_swapped = np.isin(planted.truth, [0, 1])
        assert (decided[is_swapped] == 1 - planted.truth[is_swapped]).all()
    assert planted.federated_by_round[-1] <= 1 / 3
    assert planted.personal is not None
    assert (planted.personal.before != planted.personal.truth)[np.isin(planted.personal.truth, [0, 1])].all()
    assert len(planted.personal.truth) == 21


def test_the_nested_choice_never_touches_the_newcomer(swing: Swing, monkeypatch: pytest.MonkeyPatch) -> None:
    met: list[Homes] = []

    def noting(plan: Plan, homes: Homes) -> Choice:
        met.append(homes)
        return CHOICE

    monkeypatch.setattr(runs, "tune", noting)
    movements = swing({"anna": THREE, "bert": THREE, "carl": THREE})
    plan = complete(msgspec.structs.replace(SMALL, n_seeds=1, n_personal=0), movements)
    run(movements, plan)
    assert [sorted(homes) for homes in met] == [["client-1", "client-2"]] * 3
    for newcomer, homes in zip(("anna", "bert", "carl"), met, strict=True):
        theirs = {window.tobytes() for window in movements.of(newcomer).windows}
        seen = [window.tobytes() for home in homes.values() for window in home.windows]
        assert len(seen) == 48
        assert theirs.isdisjoint(seen)


def test_each_setting_is_asked_of_people_left_out_and_the_best_is_chosen(
    swing: Swing, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: list[tuple[int, float, tuple[str, ...]]] = []

    def noting(plan: Plan, homes: Homes, seed: int) -> Models:
        trained.append((plan.n_components, plan.learning_rate, tuple(homes)))
        return pooled(msgspec.structs.replace(plan, n_components=3), homes, seed)

    monkeypatch.setattr("fedmotion.simulation.evaluation.tuning.pooled", noting)
    homes = deal(swing({"anna": THREE, "bert": THREE}), SMALL, 0)
    choice = tune(SMALL, homes)
    assert len(trained) == 2 * 2 * 2
    assert {kept for *_, kept in trained} == {("client-1",), ("client-2",)}
    # All are right everywhere: the first is chosen.
    assert choice == Choice(n_components=25, learning_rate=0.02, n_rounds=12)


def test_with_one_person_there_is_nothing_to_choose_by(swing: Swing) -> None:
    assert tune(SMALL, deal(swing({"anna": THREE}), SMALL, 0)) == Choice(6, 0.02, 4)


def test_figures_hold_all_newcomers_and_seeds(swing: Swing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "tune", lambda plan, homes: CHOICE)
    movements = swing({"anna": THREE, "bert": THREE, "carl": ["left"] * 24}, noise=0.05)
    plan = complete(msgspec.structs.replace(SMALL, n_rounds=12), movements)
    told: list[str] = []
    result = figures(run(movements, plan, told.append))
    assert len(told) == n_steps(plan) == 9
    assert plan.newcomers == ("anna", "bert", "carl")
    assert (result.n_windows, result.n_clients, result.n_components) == (72, 2, 6)
    assert result.federated.accuracy.mean >= 0.97
    assert result.federated.by_person.keys() == {"anna", "bert", "carl"}
    # Two seeds of 8 + 8 + 24 lefts, 16 rights, 16 ups.
    assert np.sum(result.federated.confusion, axis=1).tolist() == [80, 32, 32, 0]
    # Who has lefts only takes all for lefts: of 48 windows asked, one in three.
    assert result.alone_worst.mean == pytest.approx((8 + 8 + 24) / 72)
    assert result.alone_best.mean == 1.0
    gained = result.differences["federated - alone"]
    assert gained.mean == pytest.approx(result.federated.accuracy.mean - result.alone.accuracy.mean)
    assert gained.lowest < gained.mean < gained.highest
    assert [len(curve) for curve in (result.federated_by_round, result.pooled_by_round)] == [13, 13]
    assert list(result.by_n_clients) == [1]
    # A linear model is all head, so that the ways of the head alone are not asked again.
    assert list(result.personal) == ["fine-tuned", "normalised", "normalised, fine-tuned"]
    assert result.personalised == result.personal["fine-tuned"]
    assert {"personalised - federated", "normalised - federated"} <= result.differences.keys()


def test_the_accelerometer_alone_cannot_tell_what_the_gyroscope_shows(swing: Swing) -> None:
    movements = swing({"anna": ["nod", "rest"] * 12, "bert": ["nod", "rest"] * 12})
    plan = complete(
        Plan(gestures=(), window_length=16, n_components=6, n_rounds=4, n_seeds=1, n_personal=0), movements
    )
    assert plan.gestures == ("nod", "rest")
    six, accel = (
        contest(which, plan, "bert", 0, CHOICE, with_fewer=False)
        for which in (movements, movements.without_gyroscope())
    )
    assert (six.federated == six.truth).all()
    assert (accel.federated == accel.truth).mean() < 0.8
    assert (six.pooled == six.truth).all()


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"gestures": ("left", "wave")}, "made up has no label 'wave'; it has left, right, up"),
        ({"gestures": ("left",)}, "two gestures are told apart, or one and labels to train as 'other'"),
        ({"gestures": ("left", "right"), "other": ("right",)}, "or unseen, got 'right' twice"),
        ({"gestures": ("left", "right"), "unseen": ("up",)}, "say which labels to train as `other` too"),
        ({"newcomers": ("dora",)}, "made up has no person 'dora'; it has anna, bert"),
        ({"gestures": ("up", "right"), "other": ("up",)}, "got 'up' twice"),
    ],
)
def test_what_cannot_be_evaluated_is_said_in_words(
    swing: Swing, asked: dict[str, tuple[str, ...]], sentence: str
) -> None:
    movements = swing({"anna": THREE, "bert": THREE})
    plan = msgspec.structs.replace(Plan(gestures=(), window_length=16), **asked)
    with pytest.raises(ValueError, match=sentence):
        complete(plan, movements)


def test_gestures_of_one_person_only_leave_nobody_to_learn_from(swing: Swing) -> None:
    movements = swing({"anna": ["left", "right"], "bert": ["up"]})
    with pytest.raises(ValueError, match="takes two people or more who perform left, right, got anna"):
        complete(Plan(gestures=("left", "right"), window_length=16), movements)
