"""The store: what it keeps, what it forgets, and how it says that it cannot be used."""

import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest

from fedmotion.aggregator.federation_records import Client, Federation, ModelReference
from fedmotion.aggregator.federation_store import FederationStore
from fedmotion.delivery.sqlite_store import StoreError
from fedmotion.models.specification import pca_svm
from fedmotion.protocol.messages import Contribution
from fedmotion.protocol.tensors import encode_arrays

FEDERATION = Federation(UUID(int=1), "gestures", pca_svm(("left", "other"), n_components=4))
LINEAGE = UUID(int=2)


def model_bytes(number: int) -> bytes:
    return encode_arrays({"w": np.array([number], np.float64)})


def contribution(round_id: int, client_id: str) -> Contribution:
    return Contribution(
        federation_id=FEDERATION.federation_id,
        lineage_id=LINEAGE,
        round_id=round_id,
        round_kind="train",
        client_id=client_id,
        base_sha256=bytes(32),
        n_windows=7,
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "federation.sqlite"


@pytest.fixture
def store(path: Path) -> Iterator[FederationStore]:
    store = FederationStore(path)
    with store.transaction():
        store.found(FEDERATION)
        store.begin_lineage(LINEAGE, model_bytes(0))
    yield store
    store.close()


def train_round(store: FederationStore, round_id: int, n_kept: int, *, is_released: bool = False) -> None:
    with store.transaction():
        store.open_round(round_id, "train", ("ann",), store.current_model())
        model = store.add_model(LINEAGE, round_id, model_bytes(round_id), n_kept)
        store.finish_round(round_id, 7, model.sha256, {})
        if is_released:
            store.release(model)


def test_a_federation_and_its_rounds_are_read_as_they_were_written(
    store: FederationStore, path: Path
) -> None:
    assert store.federation() == FEDERATION
    assert store.released_model() is None
    with store.transaction():
        store.put_client(Client("bob", "x"))
        store.put_client(Client("ann", "y"))
        store.put_client(Client("bob", "z"))
        store.open_round(1, "evaluate", ("ann", "bob"), store.current_model())
        store.finish_round(1, 40, None, {"accuracy": 0.5, "confusion": [[1, 2], [3, 4]]})
        store.open_round(2, "train", ("bob",), store.current_model())
        store.fail_round(2, "too_few_updates")
        store.count_refusal("bob", "late")
        store.count_refusal("bob", "late")
    assert [client.client_id for client in store.clients()] == ["ann", "bob"]
    assert store.clients()[1].password == "z"
    onlooker = FederationStore(path, read_only=True)
    first, second = onlooker.rounds()
    onlooker.close()
    assert (first.kind, first.state, first.cohort, first.n_windows) == (
        "evaluate",
        "finished",
        ("ann", "bob"),
        40,
    )
    assert first.metrics == {"accuracy": 0.5, "confusion": [[1, 2], [3, 4]]}
    assert (second.state, second.reason) == ("failed", "too_few_updates")
    assert store.rounds(after=1) == [second]
    assert store.last_round_id() == 2
    assert store.refusals() == {("bob", "late"): 2}


def test_closing_a_round_empties_its_spool_and_keeps_what_became_of_each_answer(
    store: FederationStore,
) -> None:
    with store.transaction():
        store.open_round(1, "train", ("ann", "bob"), store.current_model())
        store.add_contribution(contribution(1, "bob"), b"b" * 32, "accepted", body=b"bob's")
        store.add_contribution(contribution(1, "ann"), b"x" * 32, "refused", reason="late")
        store.add_contribution(contribution(1, "ann"), b"a" * 32, "accepted", body=b"ann's")
    assert [(header.client_id, body) for header, body in store.spooled(1)] == [
        ("ann", b"ann's"),
        ("bob", b"bob's"),
    ]
    with store.transaction():
        store.fail_round(1, "why not")
    assert list(store.spooled(1)) == []
    assert [(each.client_id, each.sha256[:1], each.verdict) for each in store.contributions(1)] == [
        ("ann", b"a", "accepted"),
        ("bob", b"b", "accepted"),
    ]


def test_the_newest_models_and_the_released_one_are_kept(store: FederationStore) -> None:
    for round_id in range(1, 11):
        train_round(store, round_id, n_kept=3, is_released=round_id == 4)
    kept = store._execute("SELECT round_id FROM models ORDER BY round_id")
    assert kept == [(4,), (8,), (9,), (10,)]
    assert store.current_model().round_id == 10
    released = store.released_model()
    assert released is not None
    assert store.arrays_of(released) == model_bytes(4)
    with pytest.raises(StoreError, match="has lost the model of round 5"):
        store.arrays_of(ModelReference(LINEAGE, 5, b"5" * 32))


def test_a_round_that_changes_nothing_gives_its_base_again(store: FederationStore) -> None:
    with store.transaction():
        model = store.add_model(LINEAGE, 1, model_bytes(0), 100)
    assert store.current_model() == model
    assert store.arrays_of(model) == model_bytes(0)


def test_at_most_one_round_is_open(store: FederationStore) -> None:
    with store.transaction():
        store.open_round(1, "train", ("ann",), store.current_model())
    with pytest.raises(StoreError, match="UNIQUE"), store.transaction():
        store.open_round(2, "train", ("ann",), store.current_model())


def test_a_damaged_store_says_so_whatever_it_is_asked(store: FederationStore, path: Path) -> None:
    rng = random.Random(5)
    with store.transaction():
        store.put_client(Client("ann", "x"))
        store.open_round(1, "train", ("ann",), store.current_model())
        store.add_contribution(contribution(1, "ann"), b"a" * 32, "accepted", body=b"ann's" * 1000)
        store.count_refusal("ann", "late")
    store.close()
    whole = path.read_bytes()
    n_told = 0
    for _ in range(15):
        data = bytearray(whole)
        for _ in range(rng.choice((1, 30, 300))):
            data[rng.randrange(100, len(data))] = rng.randrange(256)
        path.write_bytes(data)
        try:
            with FederationStore(path, busy_timeout_s=0.0) as damaged:
                damaged.federation()
                damaged.arrays_of(damaged.current_model())
                damaged.released_model()
                damaged.clients()
                damaged.rounds()
                damaged.the_open_round()
                damaged.progress(LINEAGE)
                damaged.contributions(1)
                list(damaged.spooled(1))
                damaged.refusals()
        except StoreError as error:
            assert str(path) in str(error)  # noqa: PT017 - some damages are survived, some are told
            n_told += 1
    assert n_told >= 5


@pytest.mark.parametrize(
    ("damage", "what"),
    [
        ("UPDATE federation SET federation_id = x'00'", "a federation"),
        ("UPDATE federation SET specification = x'00'", "a federation"),
        ("DELETE FROM lineages", "lineages"),
        ("UPDATE rounds SET cohort = 'ann'", "rounds"),
        ("UPDATE rounds SET cohort = 'ann'", "a round"),
        ("UPDATE spool SET header = x'ff'", "an answer of ann"),
    ],
)
def test_what_cannot_be_read_is_named(store: FederationStore, damage: str, what: str) -> None:
    with store.transaction():
        store.open_round(1, "train", ("ann",), store.current_model())
        store.add_contribution(contribution(1, "ann"), b"a" * 32, "accepted", body=b"ann's")
        store._execute(damage)
    ask: dict[str, Callable[[], object]] = {
        "a federation": store.federation,
        "lineages": store.current_model,
        "rounds": store.rounds,
        "a round": store.the_open_round,
        "an answer of ann": lambda: list(store.spooled(1)),
    }
    with pytest.raises(StoreError, match=f"is damaged, it holds {what} that cannot be read"):
        ask[what]()


WRITER = """
import sys
from pathlib import Path
from fedmotion.aggregator.federation_records import Client
from fedmotion.aggregator.federation_store import FederationStore
store = FederationStore(Path(sys.argv[1]))
store.claim()
for number in range(1_000_000):
    with store.transaction():
        store.put_client(Client(f"c{number}", "x"))
    print(number, flush=True)
"""


def test_what_was_committed_survives_kill_9_and_the_claim_ends_with_the_process(
    store: FederationStore, path: Path
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout is not None
        last = -1
        for line in writer.stdout:
            last = int(line)
            if last == 50:
                with pytest.raises(StoreError, match="in use by another program"):
                    store.claim()
                os.kill(writer.pid, signal.SIGKILL)
    names = {client.client_id for client in store.clients()}
    assert names >= {f"c{number}" for number in range(last + 1)}
    assert len(names) <= last + 2
    store.claim()
