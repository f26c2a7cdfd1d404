"""What every model family must do in a federation: from clients' windows to an average and into a file."""

from uuid import UUID

import msgspec
import numpy as np
import pytest
from model_families import FAMILIES, SETTINGS, THREE, Case, close, performed, same_bits, train
from numpy.typing import NDArray
from safetensors.numpy import load
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from fedmotion.aggregator.aggregation import STRATEGIES, next_basis, next_parameters
from fedmotion.aggregator.refusal import Expectation, check_body, check_header
from fedmotion.aggregator.strategies.strategy import Update
from fedmotion.models.family import decide
from fedmotion.models.features import features
from fedmotion.models.model_file import StoredModel, decode_model_file, encode_model_file
from fedmotion.models.model_report import report_on
from fedmotion.models.parameters import check_arrays, initial_parameters, select
from fedmotion.models.specification import Parameters, Specification
from fedmotion.protocol.messages import Contribution
from fedmotion.protocol.tensors import decode_arrays, encode_arrays, sha256_of

Data = tuple[NDArray[np.float32], NDArray[np.int64]]
FEDAVG = STRATEGIES["fedavg"]


@pytest.fixture(params=FAMILIES)
def case(request: pytest.FixtureRequest) -> Case:
    return FAMILIES[request.param]


def founded(case: Case, specification: Specification, homes: dict[str, Data]) -> Parameters:
    """The initial model, with the basis that the aggregator makes of what the clients send."""
    parameters = initial_parameters(specification)
    if not specification.has_statistics:
        return parameters
    updates = [
        Update(client_id, len(windows), case.model.moments(specification, windows).arrays())
        for client_id, (windows, _) in sorted(homes.items())
    ]
    return next_basis(specification, parameters, travelled(updates))


def a_round(
    case: Case, specification: Specification, current: Parameters, homes: dict[str, Data], seed: int = 5
) -> Parameters:
    """One train round over the arrays' encoding and the aggregator's own averaging."""
    settings = msgspec.structs.replace(SETTINGS, seed=seed)
    updates = [
        Update(client_id, len(data[0]), train(case, specification, current, *data, settings))
        for client_id, data in sorted(homes.items())
    ]
    return next_parameters(specification, current, travelled(updates), FEDAVG)


def travelled(updates: list[Update]) -> list[Update]:
    return [
        Update(each.client_id, each.n_windows, decode_arrays(encode_arrays(each.arrays))) for each in updates
    ]


def recalls(case: Case, specification: Specification, parameters: Parameters, data: Data) -> list[float]:
    windows, truth = data
    decided = decide(specification, case.model.probabilities(specification, parameters, windows))
    return [float((decided[truth == label] == label).mean()) for label in range(specification.n_classes)]


@pytest.mark.parametrize("activities", [THREE, ("swipe", "other")])
def test_a_federation_of_one_client_is_its_local_training_to_the_bit(
    case: Case, activities: tuple[str, ...]
) -> None:
    specification = case.specify(activities)
    data = performed(specification)
    federated = founded(case, specification, {"ada": data})
    local = case.start(specification, data[0])
    assert same_bits(federated, local)
    for seed in (5, 6, 7):
        federated = a_round(case, specification, federated, {"ada": data}, seed)
        settings = msgspec.structs.replace(SETTINGS, seed=seed)
        local |= train(case, specification, local, *data, settings)
    assert same_bits(federated, local)
    assert any(array.any() for array in select(federated, "trained", specification).values())


def test_clients_with_the_same_windows_average_to_what_each_of_them_has(case: Case) -> None:
    specification = case.specify(THREE)
    data = performed(specification)
    one = a_round(case, specification, case.start(specification, data[0]), {"ada": data})
    three = a_round(
        case, specification, case.start(specification, data[0]), dict.fromkeys(("ada", "ben", "cy"), data)
    )
    assert close(one, three, 1e-12)


def test_standardisation_and_components_of_a_federation_are_scikit_learns_of_all_windows(case: Case) -> None:
    specification = case.specify(THREE)
    if not specification.has_statistics:
        pytest.skip("this family has no basis")
    windows, labels = performed(specification, n_each=50)
    # Each client has mostly one class, so that their means are far apart.
    parts = np.split(np.arange(len(labels)), [40, 61, 120])
    homes = {f"client-{i}": (windows[part], labels[part]) for i, part in enumerate(parts)}
    federated = founded(case, specification, homes)
    if not specification.n_components:
        scaler = StandardScaler().fit(windows.reshape(-1, 6).astype(np.float64))
        squares = scaler.var_ + scaler.mean_**2
        beside = squares[[1, 0, 0, 4, 3, 3]] + squares[[2, 2, 1, 5, 5, 4]]
        np.testing.assert_allclose(federated["mean"], scaler.mean_, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(
            federated["scale"] ** 2, scaler.var_ + np.radians(15) ** 2 * beside, rtol=1e-9
        )
        return
    rows = features(windows)
    scaler = StandardScaler().fit(rows)
    pca = PCA(specification.n_components, svd_solver="full").fit(scaler.transform(rows))
    np.testing.assert_allclose(federated["mean"], scaler.mean_, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(federated["scale"], scaler.scale_, rtol=1e-9)
    ours = federated["components"]
    ours = ours / np.linalg.norm(ours, axis=1, keepdims=True)
    signs = np.sign((ours * pca.components_).sum(axis=1))
    np.testing.assert_allclose(ours, pca.components_ * signs[:, None], atol=1e-9)


def test_clients_that_lack_classes_teach_each_other_what_none_of_them_has_alone(case: Case) -> None:
    specification = case.specify(THREE)
    windows, labels = performed(specification, n_each=30)
    homes = {
        "ada": (windows[labels != 1], labels[labels != 1]),
        "ben": (windows[labels != 0], labels[labels != 0]),
    }
    current = founded(case, specification, homes)
    for seed in range(10):
        current = a_round(case, specification, current, homes, seed)
    assert min(recalls(case, specification, current, performed(specification, seed=2))) == 1.0


def test_a_class_of_few_windows_is_learned_beside_one_of_many(case: Case) -> None:
    specification = case.specify(THREE)
    windows, labels = performed(specification, n_each=60)
    rare = np.flatnonzero(labels == 0)[3:]
    kept = np.setdiff1d(np.arange(len(labels)), rare)
    homes = {"ada": (windows[kept], labels[kept])}
    assert np.bincount(labels[kept]).tolist() == [3, 60, 60]
    current = founded(case, specification, homes)
    for seed in range(10):
        current = a_round(case, specification, current, homes, seed)
    assert min(recalls(case, specification, current, performed(specification, seed=2))) >= 0.95


def trained_model(case: Case) -> StoredModel:
    specification = case.specify(THREE)
    data = performed(specification)
    parameters = a_round(case, specification, case.start(specification, data[0]), {"ada": data})
    return StoredModel(
        federation="home",
        federation_id=UUID(int=1),
        lineage_id=UUID(int=2),
        round_id=3,
        sha256=sha256_of(parameters),
        specification=specification,
        parameters=parameters,
        written_utc="2026-03-01T12:00:00Z",
        written_by="fedmotion 0.1.0",
    )


def test_a_saved_model_is_loaded_to_the_bit_here_and_by_safetensors(case: Case) -> None:
    model = trained_model(case)
    data = encode_model_file(model)
    again = decode_model_file(data)
    assert again.specification == model.specification
    assert same_bits(again.parameters, model.parameters)
    assert same_bits(load(data), model.parameters)
    windows, _ = performed(model.specification, seed=2)
    before = case.model.scores(model.specification, model.parameters, windows)
    assert case.model.scores(again.specification, again.parameters, windows).tobytes() == before.tobytes()


@pytest.mark.parametrize("n_each", [1, 40])
def test_an_update_has_the_bytes_that_the_specification_says_whatever_the_windows(
    case: Case, n_each: int
) -> None:
    model = trained_model(case)
    specification = model.specification
    update = train(case, specification, model.parameters, *performed(specification, n_each=n_each))
    n_bytes = sum(
        array.n_elements * np.dtype(array.dtype).itemsize for array in specification.of_role("trained")
    )
    assert sum(array.nbytes for array in update.values()) == n_bytes
    encoded = encode_arrays(update)
    assert len(encoded) == report_on(model).update_bytes
    assert n_bytes < len(encoded) < n_bytes + 256 * len(update)


def contribution(model: StoredModel) -> Contribution:
    return Contribution(
        federation_id=model.federation_id,
        lineage_id=model.lineage_id,
        round_id=4,
        round_kind="train",
        client_id="ada",
        base_sha256=model.sha256,
        n_windows=60,
        n_steps=180,
        metrics={},
        declined="",
    )


def expectation(model: StoredModel) -> Expectation:
    return Expectation(
        federation_id=model.federation_id,
        lineage_id=model.lineage_id,
        round_id=4,
        round_kind="train",
        cohort=frozenset({"ada"}),
        base_sha256=model.sha256,
        last_round_id=4,
        max_windows=1000,
    )


def test_an_update_of_another_lineage_or_basis_is_refused(case: Case) -> None:
    model = trained_model(case)
    update = train(case, model.specification, model.parameters, *performed(model.specification))
    good = contribution(model)
    assert check_header(good, expectation(model)) is None
    assert check_body(good, update, model.specification) is None
    foreign = msgspec.structs.replace(good, lineage_id=UUID(int=3))
    refusal = check_header(foreign, expectation(model))
    assert refusal is not None
    assert refusal.reason == "other_lineage"
    # The model's SHA-256 is over all its arrays: another basis is another base.
    another = {name: array + 1 for name, array in model.parameters.items()}
    moved = msgspec.structs.replace(good, base_sha256=sha256_of(another))
    refusal = check_header(moved, expectation(model))
    assert refusal is not None
    assert refusal.reason == "wrong_base"


def test_an_update_of_other_activities_is_refused_and_never_averaged(case: Case) -> None:
    model = trained_model(case)
    four = case.specify((*THREE[:2], "circle", "other"))
    windows, labels = performed(four)
    update = train(case, four, case.start(four, windows), windows, labels)
    if four.arrays == model.specification.arrays:
        # A network has room for more classes, so only the header can tell: the base is another model's.
        header = msgspec.structs.replace(
            contribution(model), base_sha256=sha256_of(case.start(four, windows))
        )
        refusal = check_header(header, expectation(model))
        assert refusal is not None
        assert refusal.reason == "wrong_base"
        return
    refusal = check_body(contribution(model), update, model.specification)
    assert refusal is not None
    assert refusal.reason == "wrong_shape"
    with pytest.raises(ValueError, match="has shape"):
        check_arrays(update, model.specification.of_role("trained"))
