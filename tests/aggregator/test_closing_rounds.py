"""A cohort's round closes to the same bits for any order of arrival, in memory that does not grow with it."""

import itertools
import random
import tracemalloc
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest

from fedmotion.aggregator.configuration import AggregatorConfiguration
from fedmotion.aggregator.federation_store import FederationStore
from fedmotion.aggregator.founding import open_federation
from fedmotion.aggregator.intake import Intake
from fedmotion.aggregator.round_keeper import Batch, RoundKeeper
from fedmotion.aggregator.rounds import Answered, Eligible, Linked, State
from fedmotion.delivery.chunks import cut
from fedmotion.models.specification import ArraySpecification, Specification, pca_svm
from fedmotion.protocol.messages import Contribution, RoundKind, decode_message, encode_message
from fedmotion.protocol.tensors import decode_arrays, encode_arrays

LINEAR = pca_svm(("left", "right", "other"), n_components=4)


class Round:
    """A store whose first round is open for `n_clients`, fed without broker and service."""

    def __init__(self, path: Path, specification: Specification, n_clients: int) -> None:
        configuration = AggregatorConfiguration(
            federation="gestures", activities=specification.activities, min_clients=n_clients, min_updates=1
        )
        self.points: list[str] = []
        self.store = FederationStore(path)
        self.federation = open_federation(self.store, "gestures", specification, random.Random(1))
        self.keeper = RoundKeeper(self.store, specification, configuration, lambda: 0.0, self.points.append)
        self.intake = Intake(self.store, self.federation, 1000, self.points.append)
        self.batch = Batch(self.store.current_model())
        self.base = self.batch.current
        self.clients = [f"c{index:03}" for index in range(n_clients)]
        self.state = State()
        with self.store.transaction():
            self.state = self.keeper.move(self.state, Linked(True), self.batch)
            self.state = self.keeper.move(self.state, Eligible(frozenset(self.clients)), self.batch)

    def message(self, client_id: str, kind: RoundKind) -> bytes:
        rng = np.random.default_rng(int(client_id[1:]))
        n_windows = 20 + int(client_id[1:])
        if kind == "statistics":
            features = rng.normal(size=(n_windows, LINEAR.n_features))
            deviations = features - features.mean(axis=0)
            arrays = {"mean": features.mean(axis=0), "scatter": deviations.T @ deviations}
        else:
            arrays = {
                each.name: rng.normal(size=each.shape).astype(each.dtype)
                for each in self.federation.specification.of_role("trained")
            }
        header = Contribution(
            federation_id=self.federation.federation_id,
            lineage_id=self.base.lineage_id,
            round_id=1,
            round_kind=kind,
            client_id=client_id,
            base_sha256=self.base.sha256,
            n_windows=n_windows,
        )
        return encode_message(header, encode_arrays(arrays))

    def feed(self, client_id: str, kind: RoundKind) -> None:
        with self.store.transaction():
            for chunk in cut(self.message(client_id, kind)):
                outcome = self.intake.take(client_id, chunk, self.state, self.base, is_known=True)
            assert outcome is not None
            assert outcome.receipt.verdict == "accepted", outcome.receipt.text
            assert outcome.answered == Answered(client_id, "accepted")
            self.state = self.keeper.move(self.state, outcome.answered, self.batch)

    def result(self) -> bytes:
        assert self.store.rounds()[0].state == "finished", self.store.rounds()[0].reason
        return self.store.arrays_of(self.store.current_model())


def big(n_elements: int) -> Specification:
    return Specification(
        family="test",
        activities=("left", "other"),
        rate_hz=50,
        window_length=8,
        n_features=0,
        n_components=0,
        arrays=(ArraySpecification("w", (n_elements,), "float32", "trained"),),
    )


@pytest.mark.parametrize("kind", ["statistics", "train"])
def test_any_order_of_arrival_gives_the_same_bits(kind: RoundKind, tmp_path: Path) -> None:
    specification = LINEAR if kind == "statistics" else big(1000)
    results = set()
    for index, order in enumerate(itertools.permutations(range(4))):
        run = Round(tmp_path / f"{index}.sqlite", specification, 4)
        for position in order:
            run.feed(run.clients[position], kind)
        results.add(run.result())
        run.store.close()
    assert len(results) == 1


def peak_bytes(path: Path, n_clients: int) -> int:
    run = Round(path, big(5_000), n_clients)
    tracemalloc.start()
    try:
        for client_id in run.clients:
            run.feed(client_id, "train")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(run.result()) > 20_000
    run.store.close()
    return peak


def test_memory_does_not_grow_with_the_cohort(tmp_path: Path) -> None:
    small = peak_bytes(tmp_path / "small.sqlite", 5)
    large = peak_bytes(tmp_path / "large.sqlite", 500)
    # 500 updates are 10 MB; what grows is names, some hundred bytes each.
    assert large < small + 500_000


def test_statistics_that_determine_no_basis_fail_the_round_by_name(tmp_path: Path) -> None:
    run = Round(tmp_path / "store.sqlite", pca_svm(("left", "other"), n_components=60), 2)
    for client_id in run.clients:
        run.feed(client_id, "statistics")
    (record,) = run.store.rounds()
    assert record.state == "failed"
    assert record.reason.startswith("not_aggregated: 60 components need windows that span as many directions")
    assert run.store.current_model() == run.base
    run.store.close()


def test_the_client_that_spoils_the_statistics_of_the_others_is_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = Round(tmp_path / "store.sqlite", pca_svm(("left", "other"), n_components=60), 4)
    honest = run.message

    def message(client_id: str, kind: RoundKind) -> bytes:
        header, body = decode_message(honest(client_id, kind), Contribution)
        scatter = decode_arrays(body)["scatter"].astype(np.float64) * 1e-6
        if client_id == "c003":
            scatter = np.full_like(scatter, 2e7)  # one direction, which drowns all others
        return encode_message(header, encode_arrays({"mean": np.zeros(len(scatter)), "scatter": scatter}))

    run.message = message  # type: ignore[method-assign]  # what the clients send is the test's own
    for client_id in run.clients:
        run.feed(client_id, "statistics")
    (record,) = run.store.rounds()
    assert record.state == "failed"
    assert "round=1 the statistics would do without c003" in caplog.text
    run.store.close()


def test_another_configuration_does_not_open_the_store(tmp_path: Path) -> None:
    store = FederationStore(tmp_path / "store.sqlite")
    rng = random.Random(5)
    first = open_federation(store, "gestures", LINEAR, rng)
    assert open_federation(store, "gestures", LINEAR, rng) == first
    assert first.federation_id.version == 4
    assert first.federation_id != UUID(int=0)
    with pytest.raises(ValueError, match="holds federation 'gestures', the configuration names 'other'"):
        open_federation(store, "other", LINEAR, rng)
    with pytest.raises(ValueError, match=r"activities left, right, other.*asks for.*activities up, other"):
        open_federation(store, "gestures", pca_svm(("up", "other")), rng)
    store.close()
