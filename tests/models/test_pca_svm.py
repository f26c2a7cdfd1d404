import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.linear_model import SGDClassifier

from fedmotion.aggregator.strategies.fedavg import FedAvg
from fedmotion.aggregator.strategies.strategy import Update
from fedmotion.models import pca_svm
from fedmotion.models.features import features
from fedmotion.models.parameters import initial_parameters
from fedmotion.models.specification import Parameters, Specification
from fedmotion.models.specification import pca_svm as specify
from fedmotion.models.statistics import basis, merge
from fedmotion.protocol.messages import TrainSettings

N_WINDOWS = 45
ALPHA = 1e-3
ONE_BATCH = TrainSettings(learning_rate=0.01, n_epochs=1, batch_size=N_WINDOWS, seed=3)


def drawn(specification: Specification, seed: int = 1) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return windows that overlap between classes, and labels, the last class thrice as often."""
    rng = np.random.default_rng(seed)
    counts = np.arange(N_WINDOWS) % (specification.n_classes + 2)
    labels = counts.clip(max=specification.n_classes - 1)
    windows = rng.normal(size=(N_WINDOWS, specification.window_length, 6))
    windows[:, :, 3] += 0.3 * labels[:, None]
    return windows.astype(np.float32), labels


def start(specification: Specification, windows: NDArray[np.float32]) -> Parameters:
    return initial_parameters(specification) | basis(specification, pca_svm.moments(specification, windows))


def trained(
    specification: Specification,
    parameters: Parameters,
    data: tuple[NDArray[np.float32], NDArray[np.int64]],
    settings: TrainSettings,
    gradient_offset: Parameters | None = None,
) -> Parameters:
    return dict(pca_svm.train(specification, parameters, *data, settings, gradient_offset).trained)


@pytest.mark.parametrize("batch_size", [N_WINDOWS, 7, 1])
@pytest.mark.parametrize("activities", [("a", "b", "other"), ("a", "other")])
def test_two_trainings_one_after_another_are_scikit_learns_from_the_same_start(
    activities: tuple[str, ...], batch_size: int
) -> None:
    specification = specify(activities, n_components=6)
    windows, labels = drawn(specification)
    parameters = start(specification, windows)
    points = (features(windows) - parameters["mean"]) / parameters["scale"] @ parameters["components"].T
    counts = np.bincount(labels)
    weights = (N_WINDOWS / len(counts) / counts)[labels]
    peer = SGDClassifier(alpha=ALPHA, learning_rate="constant", eta0=0.01, shuffle=False)
    for seed in (3, 4):
        settings = msgspec.structs.replace(ONE_BATCH, seed=seed, batch_size=batch_size)
        parameters |= trained(specification, parameters, (windows, labels), settings)
        order = np.random.default_rng(seed).permutation(N_WINDOWS)
        classes = np.arange(len(activities))
        peer.partial_fit(points[order], labels[order], classes=classes, sample_weight=weights[order])
    n_planes = len(peer.coef_)
    np.testing.assert_allclose(parameters["coef"][-n_planes:], peer.coef_, atol=1e-12)
    np.testing.assert_allclose(parameters["intercept"][-n_planes:], peer.intercept_, atol=1e-12)
    assert np.abs(peer.coef_).max() > 0.01


def test_two_classes_are_one_hyperplane_held_twice() -> None:
    specification = specify(("a", "other"), n_components=6)
    data = drawn(specification)
    arrays = trained(specification, start(specification, data[0]), data, ONE_BATCH)
    assert arrays["coef"].shape == (2, 6)
    assert (arrays["coef"][0] == -arrays["coef"][1]).all()
    assert arrays["intercept"][0] == -arrays["intercept"][1]


@pytest.mark.parametrize("activities", [("a", "b", "other"), ("a", "other")])
def test_the_gradient_offset_moves_each_batch_by_rate_times_windows(activities: tuple[str, ...]) -> None:
    specification = specify(activities, n_components=6)
    data = drawn(specification)
    parameters = start(specification, data[0])
    plain = trained(specification, parameters, data, ONE_BATCH)
    coef = np.arange(6.0) * np.ones((len(activities), 1)) * np.linspace(-1, 1, len(activities))[:, None]
    offset = {"coef": coef, "intercept": np.linspace(-2, 2, len(activities))}
    moved = trained(specification, parameters, data, ONE_BATCH, offset)
    for name in ("coef", "intercept"):
        np.testing.assert_allclose(moved[name], plain[name] - 0.01 * 45 * offset[name], atol=1e-12)


def test_the_pull_goes_back_by_rate_times_windows_times_mu() -> None:
    specification = specify(("a", "b", "other"), n_components=6)
    data = drawn(specification)
    parameters = start(specification, data[0])
    parameters |= trained(specification, parameters, data, ONE_BATCH)
    plain = trained(specification, parameters, data, ONE_BATCH)
    pulled = trained(specification, parameters, data, msgspec.structs.replace(ONE_BATCH, proximal_mu=0.5))
    # 0.01 * 45 * 0.5 of the way back to the start.
    for name in ("coef", "intercept"):
        expected = plain[name] + 0.225 * (parameters[name] - plain[name])
        np.testing.assert_allclose(pulled[name], expected, atol=1e-12)


def test_steps_and_hinge_loss_are_told() -> None:
    specification = specify(("a", "b", "other"), n_components=6)
    windows, labels = drawn(specification)
    settings = msgspec.structs.replace(ONE_BATCH, n_epochs=3, batch_size=7)
    result = pca_svm.train(specification, start(specification, windows), windows, labels, settings)
    assert result.n_steps == 3 * 45
    assert 0 < result.metrics["hinge_loss"] < 1
    zero = msgspec.structs.replace(settings, n_epochs=0)
    untrained = pca_svm.train(specification, start(specification, windows), windows, labels, zero)
    assert (untrained.n_steps, untrained.metrics) == (0, {"hinge_loss": 1.0})


def test_the_federated_average_of_one_client_is_its_local_training() -> None:
    specification = specify(("a", "b", "other"), n_components=6)
    data = drawn(specification)
    parameters = initial_parameters(specification) | basis(
        specification, merge([pca_svm.moments(specification, data[0])])
    )
    local = trained(specification, parameters, data, ONE_BATCH)
    averaged = FedAvg().aggregate(specification, parameters, [Update("ada", N_WINDOWS, local)])
    assert averaged.keys() == local.keys()
    assert all(averaged[name].tobytes() == local[name].tobytes() for name in local)


def test_a_basis_of_zero_scale_gives_no_part_to_its_features() -> None:
    specification = specify(("a", "b", "other"), n_components=6)
    windows, _ = drawn(specification)
    parameters = start(specification, windows)
    parameters["coef"][:] = 1
    parameters["scale"][:] = 0
    assert (pca_svm.scores(specification, parameters, windows) == 0).all()


@pytest.mark.parametrize("changes", [{"coef": 1e308}, {"intercept": 1e308}])
def test_training_that_grows_without_bound_is_refused(changes: dict[str, float]) -> None:
    specification = specify(("a", "b", "other"), n_components=6)
    data = drawn(specification)
    parameters = start(specification, data[0])
    for name, value in changes.items():
        parameters[name][:] = value
    with pytest.raises(ValueError, match="training grew without bound"):
        trained(specification, parameters, data, ONE_BATCH)
