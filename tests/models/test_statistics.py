import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from fedmotion.models.specification import Specification, pca_svm
from fedmotion.models.statistics import (
    MIN_WINDOWS,
    Moments,
    basis,
    merge,
    moment_arrays,
    moments_from,
    moments_of,
)

SPECIFICATION = pca_svm(("swipe", "other"), n_components=5)
N_FEATURES = SPECIFICATION.n_features


def drawn(n_windows: int, seed: int = 1, mean: float = 3.0) -> NDArray[np.float64]:
    """Features that few directions explain, each by far more than the next."""
    rng = np.random.default_rng(seed)
    latent = rng.normal(size=(n_windows, 8)) * 0.5 ** np.arange(8)
    mixing = np.linalg.qr(np.random.default_rng(99).normal(size=(N_FEATURES, 8)))[0].T
    rows: NDArray[np.float64] = mean + 20 * latent @ mixing
    return rows + 1e-3 * rng.normal(size=rows.shape)


def relative(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    return float(np.abs(a - b).max() / np.abs(b).max())


def test_moments_by_hand() -> None:
    moments = moments_of(np.array([[1.0, 0.0], [3.0, 4.0]]))
    assert moments.n_windows == 2
    assert moments.mean.tolist() == [2.0, 2.0]
    assert moments.scatter.tolist() == [[2.0, 4.0], [4.0, 8.0]]


def test_a_merge_by_hand() -> None:
    one = Moments(1, np.array([0.0]), np.array([[0.0]]))
    three = Moments(3, np.array([4.0]), np.array([[2.0]]))
    merged = merge([one, three])
    # 0 and three values about 4: the mean is 3 and the step of 4 counts 4 * 4 * 1 * 3 / 4 = 12.
    assert (merged.n_windows, merged.mean.tolist(), merged.scatter.tolist()) == (4, [3.0], [[14.0]])


@pytest.mark.parametrize("mean", [0.0, 3.0, 1e6])
def test_merged_moments_are_those_of_all_windows_in_one_place(mean: float) -> None:
    rows = drawn(500, mean=mean)
    parts = [moments_of(part) for part in np.split(rows, [20, 27, 300, 420])]
    merged, pooled = merge(parts), moments_of(rows)
    assert merged.n_windows == 500
    assert relative(merged.mean, pooled.mean) < 1e-12
    # With a mean of 1e6 the rows themselves have lost six digits of their deviations.
    assert relative(merged.scatter, pooled.scatter) < (1e-12 if mean < 1e6 else 1e-9)


def test_the_order_of_clients_changes_rounding_alone_and_the_same_order_nothing() -> None:
    parts = [moments_of(drawn(n_windows, seed)) for seed, n_windows in enumerate((20, 33, 250, 41))]
    there, back, again = merge(parts), merge(parts[::-1]), merge(parts)
    assert relative(there.mean, back.mean) < 1e-12
    assert relative(there.scatter, back.scatter) < 1e-12
    assert there.mean.tobytes() == again.mean.tobytes()
    assert there.scatter.tobytes() == again.scatter.tobytes()


def test_one_client_is_the_identity() -> None:
    moments = moments_of(drawn(30))
    assert merge([moments]) is moments


def test_nothing_has_no_moments() -> None:
    with pytest.raises(ValueError, match="moments of at least one client are needed"):
        merge([])
    with pytest.raises(ValueError, match="moments of at least one window are needed"):
        moments_of(np.empty((0, 3)))


def test_moments_survive_the_way_to_the_aggregator() -> None:
    moments = moments_of(drawn(MIN_WINDOWS))
    again = moments_from(SPECIFICATION, MIN_WINDOWS, moments.arrays())
    assert again.mean.tobytes() == moments.mean.tobytes()
    assert again.scatter.tobytes() == moments.scatter.tobytes()
    assert set(moments.arrays()) == {array.name for array in moment_arrays(SPECIFICATION)}


def test_a_scatter_of_features_within_their_limit_is_within_its_own() -> None:
    mean, scatter = moment_arrays(SPECIFICATION, 40)
    assert (mean.limit, scatter.limit) == (1000, 40e6)
    signs = np.random.default_rng(1).permuted(np.tile([-1.0, 1.0], (N_FEATURES, 20)), axis=1).T
    assert np.abs(moments_of(1000 * signs).scatter).max() == 40e6
    assert [array.limit for array in moment_arrays(SPECIFICATION)] == [1000, 0]


def test_moments_of_axes_that_stand_still_are_taken() -> None:
    rows = drawn(40)
    rows[:, :10] = 9.80665
    moments = moments_of(rows)
    assert moments_from(SPECIFICATION, 40, moments.arrays()).n_windows == 40


def poisoned(what: str) -> dict[str, NDArray[np.float64]]:
    arrays = {name: array.copy() for name, array in moments_of(drawn(40)).arrays().items()}
    scatter = arrays["scatter"]
    if what == "not a number":
        scatter[3, 4] = np.nan
    elif what == "asymmetric":
        scatter[3, 4] += 1e-3 * scatter.max()
    elif what == "negative variance":
        scatter[7, :] = scatter[:, 7] = 0
        scatter[7, 7] = -1
    elif what == "covariance beyond variances":
        scatter[3, 4] = scatter[4, 3] = 1.1 * np.sqrt(scatter[3, 3] * scatter[4, 4])
    elif what == "huge":
        scatter[3, 4], scatter[4, 3] = 1e308, -1e308
    elif what == "another shape":
        arrays["scatter"] = scatter[:1]
    elif what == "infinite mean":
        arrays["mean"][0] = np.inf
    return arrays


@pytest.mark.parametrize(
    ("what", "sentence"),
    [
        ("not a number", "array 'scatter' is finite, got nan"),
        ("asymmetric", "a scatter is symmetric"),
        ("negative variance", "no negative variance"),
        ("covariance beyond variances", "no covariance beyond its variances"),
        ("huge", "a scatter is symmetric"),
        ("another shape", "array 'scatter' has shape"),
        ("infinite mean", "array 'mean' is finite, got inf"),
    ],
)
def test_moments_that_no_windows_can_give_are_refused(what: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        moments_from(SPECIFICATION, 40, poisoned(what))


@pytest.mark.parametrize("n_windows", [-1, 0, 1, 19])
def test_moments_of_few_windows_are_refused(n_windows: int) -> None:
    with pytest.raises(ValueError, match="statistics are of at least 20 windows"):
        moments_from(SPECIFICATION, n_windows, moments_of(drawn(40)).arrays())


def test_the_basis_is_the_one_that_scikit_learn_computes_from_all_windows() -> None:
    rows = drawn(400)
    arrays = basis(SPECIFICATION, merge([moments_of(part) for part in np.split(rows, [50, 130])]))
    scaler = StandardScaler().fit(rows)
    pca = PCA(5, svd_solver="full").fit(scaler.transform(rows))
    np.testing.assert_allclose(arrays["mean"], scaler.mean_, rtol=1e-9)
    np.testing.assert_allclose(arrays["scale"], scaler.scale_, rtol=1e-9)
    # Ours are divided by the root of the largest eigenvalue, of n and not of n - 1 windows.
    largest = pca.explained_variance_[0] * 399 / 400
    ours = arrays["components"] * np.sqrt(largest)
    signs = np.sign((ours * pca.components_).sum(axis=1))
    np.testing.assert_allclose(ours, pca.components_ * signs[:, None], atol=1e-9)
    # Its own rows, projected: the first component has the variance 1.
    points = (rows - arrays["mean"]) / arrays["scale"] @ arrays["components"].T
    assert points.var(axis=0)[0] == pytest.approx(1, rel=1e-9)


def test_the_same_moments_give_the_same_bits_and_signs_are_fixed() -> None:
    moments = moments_of(drawn(100))
    first, second = basis(SPECIFICATION, moments), basis(SPECIFICATION, moments)
    assert all(first[name].tobytes() == second[name].tobytes() for name in first)
    components = first["components"]
    largest = np.abs(components).argmax(axis=1)
    assert (components[np.arange(5), largest] > 0).all()


@pytest.mark.parametrize("constant", [0.0, 9.80665, -1e6])
def test_constant_features_have_no_part_in_the_basis(constant: float) -> None:
    rows = drawn(100)
    rows[:, [0, 17]] = constant
    rows[:, 30] = 1e-16 * np.random.default_rng(5).normal(size=100)
    arrays = basis(SPECIFICATION, merge([moments_of(rows[:40]), moments_of(rows[40:])]))
    for feature in (0, 17, 30):
        assert arrays["scale"][feature] == 1
        assert (arrays["components"][:, feature] == 0).all()
    assert np.isfinite(arrays["components"]).all()


def without_spread() -> NDArray[np.float64]:
    return np.ones((30, N_FEATURES))


def of_three_directions() -> NDArray[np.float64]:
    rng = np.random.default_rng(1)
    mixed: NDArray[np.float64] = rng.normal(size=(30, 3)) @ rng.normal(size=(3, N_FEATURES))
    return mixed


@pytest.mark.parametrize(
    ("rows", "n_spanned"), [(without_spread(), 0), (of_three_directions(), 3), (drawn(4), 3)]
)
def test_windows_that_span_too_little_are_refused(rows: NDArray[np.float64], n_spanned: int) -> None:
    with pytest.raises(
        ValueError,
        match=f"5 components need windows that span .*, these {len(rows)} windows span {n_spanned}",
    ):
        basis(SPECIFICATION, moments_of(rows))


def test_all_directions_can_be_components() -> None:
    whole: Specification = pca_svm(("swipe", "other"), n_components=N_FEATURES)
    rows = np.random.default_rng(2).normal(size=(300, N_FEATURES))
    components = basis(whole, moments_of(rows))["components"]
    assert components.shape == (N_FEATURES, N_FEATURES)
