"""Federated averaging: a case by hand, invariants, and what it refuses."""

import itertools

import numpy as np
import pytest

from fedmotion.aggregator.aggregation import score
from fedmotion.aggregator.strategies.fedavg import FedAvg
from fedmotion.aggregator.strategies.strategy import Strategy, Update
from fedmotion.models.specification import ArraySpecification, Dtype, Parameters, Specification


def specification(dtype: Dtype = "float32") -> Specification:
    return Specification(
        family="test",
        activities=("left", "other"),
        rate_hz=50,
        window_length=8,
        n_features=0,
        n_components=0,
        arrays=(ArraySpecification("w", (2, 3), dtype, "trained"),),
    )


def update(client_id: str, n_windows: int, values: object, dtype: str = "float32") -> Update:
    return Update(client_id, n_windows, {"w": np.broadcast_to(np.array(values, dtype), (2, 3)).copy()})


def averaged(updates: list[Update], dtype: Dtype = "float32") -> Parameters:
    strategy: Strategy = FedAvg()
    return strategy.aggregate(specification(dtype), {}, updates)


def test_the_mean_is_weighted_by_windows() -> None:
    result = averaged([update("a", 10, [1, 2, 3]), update("b", 30, [5, 6, 7])])
    assert result["w"].dtype == np.float32
    assert result["w"].tolist() == [[4, 5, 6], [4, 5, 6]]


def test_equal_weights_give_the_mean() -> None:
    rng = np.random.default_rng(1)
    arrays = [rng.normal(size=(2, 3)).astype(np.float32) for _ in range(7)]
    result = averaged([Update(f"c{index}", 5, {"w": array}) for index, array in enumerate(arrays)])
    np.testing.assert_allclose(result["w"], np.mean(np.array(arrays, np.float64), axis=0), rtol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64"])
def test_one_client_and_equal_clients_come_back_bit_for_bit(dtype: Dtype) -> None:
    values = (np.random.default_rng(2).normal(size=(2, 3)) * 100).astype(dtype)
    for n_windows in (1, 3, 999_983):
        one = averaged([Update("a", n_windows, {"w": values})], dtype)["w"]
        many = averaged([Update(f"c{n}", n_windows + n, {"w": values}) for n in range(5)], dtype)["w"]
        assert one.tobytes() == values.tobytes()
        assert many.tobytes() == values.tobytes()


def test_a_client_without_weight_has_no_part() -> None:
    assert averaged([update("a", 0, 9), update("b", 2, 1)])["w"].tolist() == [[1, 1, 1], [1, 1, 1]]


@pytest.mark.parametrize("updates", [[], [update("a", 0, 1), update("b", 0, 2)]])
def test_no_weight_at_all_is_refused(updates: list[Update]) -> None:
    with pytest.raises(ValueError, match="total weight above 0, got 0 windows"):
        averaged(updates)


def test_a_negative_weight_and_a_shape_that_would_broadcast_are_refused() -> None:
    with pytest.raises(ValueError, match="client a weighs -3, which is negative"):
        averaged([update("a", -3, 1), update("b", 9, 1)])
    with pytest.raises(ValueError, match=r"client a: array 'w' has shape \(2, 3\), got \(3,\)"):
        averaged([Update("a", 1, {"w": np.zeros(3, np.float32)})])


def test_integers_are_rounded_and_not_cut_off() -> None:
    result = averaged([update("a", 1, [1, 2, -1], "int64"), update("b", 2, [2, 4, -3], "int64")], "int64")
    assert result["w"].tolist() == [[2, 3, -2], [2, 3, -2]]


def test_every_order_of_the_clients_agrees_within_rounding() -> None:
    rng = np.random.default_rng(3)
    updates = [Update(f"c{n}", n + 1, {"w": rng.normal(size=(2, 3)).astype(np.float32)}) for n in range(5)]
    results = [averaged(list(order))["w"] for order in itertools.permutations(updates)]
    for result in results:
        np.testing.assert_allclose(result, results[0], rtol=1e-6)


def test_confusions_are_summed_and_scored() -> None:
    first = Update("a", 10, {"confusion": np.array([[4, 1], [2, 3]])})
    second = Update("b", 10, {"confusion": np.array([[5, 0], [0, 5]])})
    assert score(specification(), [first, second]) == {
        "accuracy": 0.85,
        "n_windows": 20.0,
        "confusion": [[9, 1], [2, 8]],
        "recall left": 0.9,
        "recall other": 0.8,
    }
    with pytest.raises(ValueError, match="at least one window"):
        score(specification(), [])
