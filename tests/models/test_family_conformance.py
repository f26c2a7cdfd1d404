"""What every model family must do by itself; test_family_federated.py has what it must do in a federation."""

import subprocess
import sys
from collections.abc import Callable

import msgspec
import numpy as np
import pytest
from model_families import FAMILIES, SETTINGS, THREE, Case, close, performed, same_bits, train
from numpy.typing import NDArray

from fedmotion.models import specification as specifications
from fedmotion.models.family import confusion, decide, family
from fedmotion.models.features import features
from fedmotion.models.parameters import check_arrays, initial_parameters, select
from fedmotion.models.specification import Array, Parameters
from fedmotion.models.statistics import merge, moments_from


@pytest.fixture(params=FAMILIES)
def case(request: pytest.FixtureRequest) -> Case:
    return FAMILIES[request.param]


@pytest.mark.parametrize("activities", [THREE, ("swipe", "other"), ("other", "a", "b", "c")])
def test_training_learns_what_can_be_told_apart(case: Case, activities: tuple[str, ...]) -> None:
    specification = case.specify(activities)
    windows, labels = performed(specification)
    parameters = case.start(specification, windows)
    for seed in range(10):
        settings = msgspec.structs.replace(SETTINGS, seed=seed)
        parameters |= train(case, specification, parameters, windows, labels, settings)
    unseen, truth = performed(specification, seed=2)
    counts = confusion(case.model, specification, parameters, unseen, truth)
    assert counts.tolist() == (20 * np.eye(specification.n_classes, dtype=int)).tolist()


def test_its_name_finds_it(case: Case) -> None:
    assert family(case.specify(THREE).family) is case.model


def test_unknown_names_are_refused() -> None:
    with pytest.raises(ValueError, match="a model family is one of pca_svm, mlp, cnn, got 'os'"):
        family("os")


@pytest.mark.parametrize("activities", [THREE, ("swipe", "other")])
def test_training_returns_the_trained_arrays_as_specified_and_leaves_its_arguments_alone(
    case: Case, activities: tuple[str, ...]
) -> None:
    specification = case.specify(activities)
    windows, labels = performed(specification)
    parameters = case.start(specification, windows)
    before = {name: array.copy() for name, array in parameters.items()}
    windows.flags.writeable = labels.flags.writeable = False
    for array in parameters.values():
        array.flags.writeable = False
    result = case.model.train(specification, parameters, windows, labels, SETTINGS)
    check_arrays(result.trained, specification.of_role("trained"))
    assert same_bits(parameters, before)
    assert not any(np.shares_memory(result.trained[name], parameters[name]) for name in result.trained)
    assert result.n_steps > 0
    assert all(np.isfinite(value) for value in result.metrics.values())


def test_the_same_seed_gives_the_same_bits_and_another_one_others(case: Case) -> None:
    specification = case.specify(THREE)
    windows, labels = performed(specification)
    parameters = case.start(specification, windows)
    first = train(case, specification, parameters, windows, labels)
    assert same_bits(first, train(case, specification, parameters, windows, labels))
    other = msgspec.structs.replace(SETTINGS, seed=6)
    assert not same_bits(first, train(case, specification, parameters, windows, labels, other))


def test_training_starts_from_the_given_parameters(case: Case) -> None:
    specification = case.specify(THREE)
    windows, labels = performed(specification)
    parameters = case.start(specification, windows)
    trained = parameters | train(case, specification, parameters, windows, labels)
    none = msgspec.structs.replace(SETTINGS, n_epochs=0)
    kept = train(case, specification, trained, windows, labels, none)
    assert same_bits(kept, select(trained, "trained", specification))


def test_two_classes_keep_their_start_too(case: Case) -> None:
    specification = case.specify(("swipe", "other"))
    windows, labels = performed(specification)
    parameters = case.start(specification, windows)
    trained = parameters | train(case, specification, parameters, windows, labels)
    none = msgspec.structs.replace(SETTINGS, n_epochs=0)
    kept = train(case, specification, trained, windows, labels, none)
    assert close(kept, select(trained, "trained", specification))


@pytest.mark.parametrize("activities", [THREE, ("swipe", "other")])
def test_a_strong_pull_keeps_the_start(case: Case, activities: tuple[str, ...]) -> None:
    specification = case.specify(activities)
    windows, labels = performed(specification)
    parameters = case.start(specification, windows)
    parameters |= train(case, specification, parameters, windows, labels)
    start = select(parameters, "trained", specification)
    free = train(case, specification, parameters, windows, labels)
    weak = msgspec.structs.replace(SETTINGS, proximal_mu=0.5)
    pulled = train(case, specification, parameters, windows, labels, weak)
    strong = msgspec.structs.replace(SETTINGS, proximal_mu=1e6)
    held = train(case, specification, parameters, windows, labels, strong)

    def distance(arrays: Parameters) -> float:
        return float(sum(np.square(arrays[name] - start[name]).sum() for name in start))

    assert 0 < distance(pulled) < distance(free)
    assert close(held, start, 1e-6)


def test_an_offset_of_zero_is_no_offset_and_another_one_shifts(case: Case) -> None:
    specification = case.specify(THREE)
    windows, labels = performed(specification)
    parameters = case.start(specification, windows)
    plain = train(case, specification, parameters, windows, labels)
    zero = {array.name: np.zeros(array.shape, array.dtype) for array in specification.of_role("trained")}
    assert same_bits(train(case, specification, parameters, windows, labels, gradient_offset=zero), plain)
    ones = {name: array + 1 for name, array in zero.items()}
    shifted = train(case, specification, parameters, windows, labels, gradient_offset=ones)
    assert all((shifted[name] < plain[name]).mean() > 0.5 for name in plain)


def test_an_offset_of_another_shape_is_refused_and_not_broadcast(case: Case) -> None:
    specification = case.specify(THREE)
    windows, labels = performed(specification)
    parameters = case.start(specification, windows)
    offset = {array.name: np.zeros(1, array.dtype) for array in specification.of_role("trained")}
    with pytest.raises(ValueError, match="has shape"):
        train(case, specification, parameters, windows, labels, gradient_offset=offset)


def test_a_client_may_lack_classes(case: Case) -> None:
    specification = case.specify(THREE)
    windows, labels = performed(specification)
    parameters = case.start(specification, windows)
    for present in ([0], [2], [0, 2]):
        is_here = np.isin(labels, present)
        trained = train(case, specification, parameters, windows[is_here], labels[is_here])
        check_arrays(trained, specification.of_role("trained"))
        result = case.model.probabilities(specification, parameters | trained, windows[is_here])
        decided = decide(specification, result)
        # What is not there is not learned to be.
        assert np.isin(decided, [*present, specification.other_index]).mean() > 0.9


def test_one_window_is_enough_to_train(case: Case) -> None:
    specification = case.specify(THREE)
    windows, labels = performed(specification)
    parameters = case.start(specification, windows)
    check_arrays(
        train(case, specification, parameters, windows[:1], labels[:1]), specification.of_role("trained")
    )


def test_no_window_is_not(case: Case) -> None:
    specification = case.specify(THREE)
    windows, labels = performed(specification)
    with pytest.raises(ValueError, match="training needs at least one window, got none"):
        train(case, specification, case.start(specification, windows), windows[:0], labels[:0])


def test_scores_and_decisions_have_their_shapes(case: Case) -> None:
    specification = case.specify(THREE)
    windows, labels = performed(specification)
    parameters = case.start(specification, windows)
    parameters |= train(case, specification, parameters, windows, labels)
    for n_windows in (60, 1, 0):
        scores = case.model.scores(specification, parameters, windows[:n_windows])
        probabilities = case.model.probabilities(specification, parameters, windows[:n_windows])
        decided = decide(specification, probabilities)
        assert (scores.shape, scores.dtype.name) == ((n_windows, 3), "float64")
        assert (probabilities.shape, probabilities.dtype.name) == ((n_windows, 3), "float64")
        assert (decided.shape, decided.dtype.name) == ((n_windows,), "int64")
        assert np.isin(decided, [0, 1, 2]).all()


@pytest.mark.parametrize("size", [0.0, 1.0, 1e3, 1e150, 1e308])
def test_probabilities_are_some_whatever_the_parameters(case: Case, size: float) -> None:
    specification = case.specify(THREE)
    windows, _ = performed(specification)
    parameters = case.start(specification, windows)
    rng = np.random.default_rng(1)
    for array in specification.of_role("trained"):
        largest = min(size, float(np.finfo(array.dtype).max))
        parameters[array.name] = (largest * rng.uniform(-1, 1, array.shape)).astype(array.dtype)
    probabilities = case.model.probabilities(specification, parameters, windows)
    assert ((probabilities >= 0) & (probabilities <= 1)).all()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-12)
    decided = decide(specification, probabilities)
    is_gesture = decided != specification.other_index
    assert (probabilities.argmax(axis=1)[is_gesture] == decided[is_gesture]).all()


def test_a_windows_scores_do_not_depend_on_its_company(case: Case) -> None:
    specification = case.specify(THREE)
    windows, labels = performed(specification)
    parameters = case.start(specification, windows)
    parameters |= train(case, specification, parameters, windows, labels)
    together = case.model.scores(specification, parameters, windows)
    alone = [case.model.scores(specification, parameters, windows[i : i + 1]) for i in range(60)]
    np.testing.assert_allclose(np.concatenate(alone), together, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("activities", [THREE, ("other", "a", "b")])
def test_the_initial_model_recognises_nothing(case: Case, activities: tuple[str, ...]) -> None:
    specification = case.specify(activities)
    windows, _ = performed(specification)
    parameters = initial_parameters(specification)
    decided = decide(specification, case.model.probabilities(specification, parameters, windows))
    assert (decided == specification.other_index).all()


def test_decisions_by_hand() -> None:
    specification = specifications.pca_svm(("a", "other", "b"))
    probabilities = np.array([[0.6, 0.1, 0.3], [0.2, 0.5, 0.3], [0.4, 0.4, 0.2], [0.1, 0.2, 0.7]])
    assert decide(specification, probabilities).tolist() == [0, 1, 1, 2]


@pytest.mark.parametrize(("least", "decided"), [(0.0, [0, 1, 2, 2]), (0.5, [0, 1, 1, 2]), (0.9, [1] * 4)])
def test_a_gesture_less_probable_than_asked_is_other(least: float, decided: list[int]) -> None:
    specification = specifications.pca_svm(("a", "other", "b"), min_probability=least)
    probabilities = np.array([[0.5, 0.1, 0.4], [0.2, 0.5, 0.3], [0.3, 0.3, 0.4], [0.1, 0.1, 0.8]])
    assert decide(specification, probabilities).tolist() == decided


def test_probabilities_that_are_no_numbers_decide_for_other() -> None:
    assert decide(specifications.pca_svm(THREE), np.full((2, 3), np.nan)).tolist() == [2, 2]


def test_moments_reach_the_aggregator_and_merge_to_those_of_all_windows(case: Case) -> None:
    specification = case.specify(THREE)
    windows, _ = performed(specification)
    parts = [case.model.moments(specification, part) for part in (windows[:25], windows[25:])]
    received = [moments_from(specification, part.n_windows, part.arrays()) for part in parts]
    merged, pooled = merge(received), case.model.moments(specification, windows)
    assert merged.n_windows == 60
    np.testing.assert_allclose(merged.mean, pooled.mean, rtol=1e-12, atol=1e-14)
    assert np.abs(merged.scatter - pooled.scatter).max() < 1e-12 * np.abs(pooled.scatter).max()


def spoiled(windows: NDArray[np.float32], what: float) -> NDArray[np.float32]:
    windows = windows.copy()
    windows[3, 4, 5] = what
    return windows


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda w: w[:, :-1], r"windows have shape \(n_windows, 96, 6\), got \(60, 95, 6\)"),
        (lambda w: w[:, :, :3], r"got \(60, 96, 3\)"),
        (lambda w: w[0], r"got \(96, 6\)"),
        (lambda w: spoiled(w, np.nan), "windows are finite, got NaN or infinity"),
        (lambda w: spoiled(w, np.inf), "windows are finite, got NaN or infinity"),
        (lambda w: w.astype(np.int16), "windows are of float32, got int16"),
        (lambda w: w.astype(object), "windows are of float32, got object"),
    ],
)
def test_windows_of_another_shape_or_not_finite_are_refused(
    case: Case, change: Callable[[NDArray[np.float32]], NDArray[np.float32]], sentence: str
) -> None:
    specification = case.specify(THREE)
    windows, labels = performed(specification)
    parameters = case.start(specification, windows)
    bad = change(windows)
    with pytest.raises(ValueError, match=sentence):
        train(case, specification, parameters, bad, labels)
    with pytest.raises(ValueError, match=sentence):
        case.model.scores(specification, parameters, bad)
    with pytest.raises(ValueError, match=sentence):
        case.model.moments(specification, bad)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda y: y - 1, "labels are 0 to 2, got -1 to 1"),
        (lambda y: y + 1, "labels are 0 to 2, got 1 to 3"),
        (lambda y: y[:-1], r"labels are 60 integers, got shape \(59,\) of int64"),
        (lambda y: y[:, None], r"got shape \(60, 1\)"),
        (lambda y: y.astype(np.float64), "of float64"),
    ],
)
def test_labels_out_of_range_or_of_another_shape_are_refused(
    case: Case, change: Callable[[NDArray[np.int64]], NDArray[np.int64]], sentence: str
) -> None:
    specification = case.specify(THREE)
    windows, labels = performed(specification)
    parameters = case.start(specification, windows)
    with pytest.raises(ValueError, match=sentence):
        train(case, specification, parameters, windows, change(labels))
    with pytest.raises(ValueError, match=sentence):
        confusion(case.model, specification, parameters, windows, change(labels))


def test_parameters_that_are_not_as_specified_are_refused(case: Case) -> None:
    specification = case.specify(THREE)
    windows, labels = performed(specification)
    parameters = case.start(specification, windows)
    name = specification.of_role("trained")[0].name
    poison: Array = np.full_like(parameters[name], np.nan)
    with pytest.raises(ValueError, match=f"array '{name}' is finite"):
        train(case, specification, {**parameters, name: poison}, windows, labels)
    with pytest.raises(ValueError, match=f"array '{name}' has shape"):
        train(case, specification, {**parameters, name: poison[:1] * 0}, windows, labels)


def test_recognising_imports_no_trainer(case: Case) -> None:
    name = case.specify(THREE).family
    program = (
        "import sys, numpy\n"
        "from fedmotion.models.family import decide, family\n"
        "from fedmotion.models.parameters import initial_parameters\n"
        "from fedmotion.models import specification\n"
        f"made = specification.{name}(('swipe', 'other'))\n"
        f"model = family({name!r})\n"
        "windows = numpy.zeros((2, made.window_length, 6), numpy.float32)\n"
        "decide(made, model.probabilities(made, initial_parameters(made), windows))\n"
        "print([name for name in ('sklearn', 'scipy', 'tensorflow') if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_windows_lie_where_their_own_kind_does(case: Case) -> None:
    specification = case.specify(THREE)
    windows, labels = performed(specification)
    parameters = case.start(specification, windows)
    points = case.model.points(specification, parameters, windows)
    assert points.shape[0] == len(windows)
    distances = np.linalg.norm(points[:, None] - points[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    assert np.mean(labels[distances.argmin(axis=1)] == labels) > 0.95
    with pytest.raises(ValueError, match="windows have shape"):
        case.model.points(specification, parameters, windows[:, 1:])


def test_features_computed_before_are_decided_as_their_windows_are_or_are_refused(case: Case) -> None:
    specification = case.specify(THREE)
    windows, labels = performed(specification)
    parameters = case.start(specification, windows)
    parameters |= train(case, specification, parameters, windows, labels)
    rows = features(windows)
    if not specification.n_components:
        name = specification.family
        with pytest.raises(ValueError, match=f"a {name} takes windows as they are and no features"):
            case.model.probabilities_of_features(specification, parameters, rows)
        return
    expected = case.model.probabilities(specification, parameters, windows)
    assert (case.model.probabilities_of_features(specification, parameters, rows) == expected).all()
    for wrong in (rows[:, 1:], rows[0], np.full_like(rows, np.nan)):
        with pytest.raises(ValueError, match=r"features (have shape|are finite)"):
            case.model.probabilities_of_features(specification, parameters, wrong)
