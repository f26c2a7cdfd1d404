"""What the families `mlp` and `cnn` do beyond what every family does."""

import json
from typing import Any

import msgspec
import numpy as np
import pytest
from model_families import SETTINGS, THREE, performed, same_bits

from fedmotion.models import network_family
from fedmotion.models.augmentation import varied
from fedmotion.models.growth import grown, with_activities
from fedmotion.models.networks import NETWORKS
from fedmotion.models.parameters import initial_parameters
from fedmotion.models.specification import cnn, decode_specification, encode_specification, mlp
from fedmotion.models.statistics import basis

SPECIFICATION = cnn(THREE)


def changed(**changes: Any) -> bytes:
    return json.dumps({**json.loads(encode_specification(SPECIFICATION)), **changes}).encode()


def test_a_network_says_of_itself_what_an_aggregator_needs() -> None:
    for specify, family in ((cnn, "cnn"), (mlp, "mlp")):
        made = specify(THREE, seed=4)
        assert (made.version, made.family, made.window_length) == (1, family, 96)
        assert (made.n_features, made.n_components, made.n_fourier) == (6, 0, 0)
        assert made.has_statistics
        trained = {array.name: array.shape for array in made.of_role("trained")}
        assert trained == NETWORKS[family].shapes()
        assert {array.dtype for array in made.of_role("trained")} == {"float32"}
        assert {array.limit for array in made.of_role("trained")} == {100.0}
        assert decode_specification(encode_specification(made)) == made
    assert cnn(THREE, min_probability=0.6).version == 2


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"window_length": 50}, "window_length of cnn is 96 samples, for which its graph is made, got 50"),
        ({"n_components": 25}, "n_components of cnn is 0, got 25"),
        ({"n_features": 108}, "n_features of cnn is 6, got 108"),
        ({"version": 2, "n_fourier": 300, "gamma": 0.1}, "n_fourier of cnn is 0, got 300"),
        (
            {"activities": [*(f"g{index}" for index in range(32)), "other"]},
            "cnn has room for 32 activities, `other` among them, got 33",
        ),
        ({"arrays": json.loads(encode_specification(mlp(THREE)))["arrays"]}, "arrays of cnn are mean"),
    ],
)
def test_a_specification_that_no_graph_fits_is_refused(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        decode_specification(changed(**changes))


def test_initial_arrays_follow_from_the_seed_and_the_last_layer_prefers_nothing() -> None:
    first, again, other = (initial_parameters(cnn(THREE, seed=seed)) for seed in (4, 4, 5))
    assert same_bits(first, again)
    assert not same_bits(first, other)
    # The first of them, so that another machine's or version's are found to be others.
    assert first["conv1_kernel"][0, :3].tolist() == pytest.approx(
        [0.33491894602775574, 0.008562824688851833, 0.3600063920021057], abs=0
    )
    assert not first["head_kernel"].any()
    assert not np.signbit(first["head_kernel"]).any()


def test_steps_are_counted_as_batches() -> None:
    windows, labels = performed(SPECIFICATION)
    parameters = initial_parameters(SPECIFICATION)
    parameters |= basis(SPECIFICATION, network_family.moments(SPECIFICATION, windows))
    result = network_family.train(SPECIFICATION, parameters, windows, labels, SETTINGS)
    assert result.n_steps == 9  # 3 epochs of 60 windows in batches of 24
    assert set(result.metrics) == {"cross_entropy"}


def test_training_that_grows_without_bound_is_refused() -> None:
    windows, labels = performed(SPECIFICATION)
    parameters = initial_parameters(SPECIFICATION)
    parameters |= basis(SPECIFICATION, network_family.moments(SPECIFICATION, windows))
    wild = msgspec.structs.replace(SETTINGS, learning_rate=1e6)
    with pytest.raises(ValueError, match="training grew without bound"):
        network_family.train(SPECIFICATION, parameters, windows, labels, wild)


def test_a_set_that_grows_keeps_a_networks_arrays_and_decides_as_before() -> None:
    windows, labels = performed(SPECIFICATION)
    parameters = initial_parameters(SPECIFICATION)
    parameters |= basis(SPECIFICATION, network_family.moments(SPECIFICATION, windows))
    for seed in range(3):
        settings = msgspec.structs.replace(SETTINGS, learning_rate=0.1, seed=seed)
        parameters |= network_family.train(SPECIFICATION, parameters, windows, labels, settings).trained
    larger = with_activities(SPECIFICATION, (*THREE, "circle"))
    after = grown(SPECIFICATION, parameters, larger)
    assert same_bits(after, parameters)
    before = network_family.scores(SPECIFICATION, parameters, windows).argmax(axis=1)
    assert (network_family.scores(larger, after, windows).argmax(axis=1) == before).all()


def test_varied_windows_are_as_long_and_turn_both_sensors_alike() -> None:
    windows, _ = performed(SPECIFICATION)
    windows[:, :, :3] = windows[:, :, 3:]
    made = varied(windows, np.random.default_rng(3))
    assert (made.shape, made.dtype) == (windows.shape, windows.dtype)
    np.testing.assert_array_equal(made[:, :, :3], made[:, :, 3:])
    assert (made != windows).any(axis=(1, 2)).all()
    np.testing.assert_array_equal(made, varied(windows, np.random.default_rng(3)))
    # A turn keeps lengths, and what lies between two samples is no longer than either.
    longest = np.linalg.norm(windows[:, :, :3], axis=2).max(axis=1)
    assert (np.linalg.norm(made[:, :, :3], axis=2).max(axis=1) <= longest * (1 + 1e-5)).all()
