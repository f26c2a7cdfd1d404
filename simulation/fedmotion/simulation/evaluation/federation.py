"""A federation in one process: the agents' training, the aggregator's checks and averages, the wire's bytes.

Nothing of the algorithm stands here: a client's side is its model family's, the other side the aggregator's.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from fedmotion.aggregator.aggregation import STRATEGIES, next_basis, next_parameters
from fedmotion.aggregator.configuration import AggregatorConfiguration
from fedmotion.aggregator.founding import new_id
from fedmotion.aggregator.refusal import check_body
from fedmotion.aggregator.strategies.strategy import Update
from fedmotion.delivery.chunks import ENVELOPE_BYTES, count_chunks
from fedmotion.host.trainer import LocalWindows
from fedmotion.models.family import family
from fedmotion.models.one_place import FIRST_TRAIN_ROUND, fitting, training_seed
from fedmotion.models.parameters import initial_parameters
from fedmotion.models.specification import Parameters, Specification, encode_specification
from fedmotion.models.statistics import MIN_WINDOWS, basis, merge
from fedmotion.protocol.messages import (
    Announcement,
    Contribution,
    Header,
    Model,
    Purpose,
    Receipt,
    RoundKind,
    encode_message,
)
from fedmotion.protocol.tensors import encode_arrays, sha256_of

_FEDERATION_ID, _LINEAGE_ID = (new_id(random.Random(seed)) for seed in (1, 2))
_PURPOSES: tuple[Purpose, ...] = ("round", "released")


@dataclass(frozen=True, slots=True)
class Federated:
    """What a federation came to: the model that training starts from, and that after each train round.

    The bytes are those of all clients and rounds together, in messages and their chunks, without what MQTT
    and TCP add.
    """

    specification: Specification
    by_round: tuple[Parameters, ...]
    n_bytes_up: int
    n_bytes_down: int


def federate(
    configuration: AggregatorConfiguration, homes: Mapping[str, LocalWindows], n_rounds: int
) -> Federated:
    """Return the models of a federation whose clients, by id, have the windows in `homes`.

    Every client answers every round: who has too few windows for statistics gives none, as an agent does.
    Where all have too few, a real federation would wait for more recordings; here all sums count then.
    Components beyond what the clients' windows span are left out; the specification returned says how many
    there are.

    Raises
    ------
    ValueError
        If a contribution is one that the aggregator refuses.
    """
    specification = configuration.specification()
    model = family(specification.family)
    clients = sorted(client_id for client_id, home in homes.items() if len(home.windows))
    moments = {client_id: model.moments(specification, homes[client_id].windows) for client_id in clients}
    enough = {client_id: part for client_id, part in moments.items() if part.n_windows >= MIN_WINDOWS}
    total = merge((enough or moments).values())
    specification = fitting(specification, total)
    post = _Post(specification, len(clients))
    start = initial_parameters(specification)
    sums = [
        post.contribute("statistics", 1, client_id, part.n_windows, part.arrays())
        for client_id, part in enough.items()
    ]
    by_round = [next_basis(specification, start, sums) if sums else {**start, **basis(specification, total)}]
    strategy = STRATEGIES[configuration.strategy]
    for round_id in range(FIRST_TRAIN_ROUND, FIRST_TRAIN_ROUND + n_rounds):
        settings = configuration.train_settings(round_id)
        updates = []
        for client_id in clients:
            seed = training_seed(settings.seed, round_id, client_id)
            home = homes[client_id]
            result = model.train(
                specification,
                by_round[-1],
                home.windows,
                home.labels,
                msgspec.structs.replace(settings, seed=seed),
            )
            updates.append(
                post.contribute("train", round_id, client_id, len(home.windows), dict(result.trained))
            )
        by_round.append(next_parameters(specification, by_round[-1], updates, strategy))
    return Federated(specification, tuple(by_round), post.n_bytes_up, post.n_bytes_down(n_rounds))


class _Post:
    """Checks contributions as the aggregator does, and counts the bytes of what is sent."""

    def __init__(self, specification: Specification, n_clients: int) -> None:
        self._specification = specification
        self._n_clients = n_clients
        self._n_bytes: dict[tuple[RoundKind, str], int] = {}
        self._sha256 = sha256_of(initial_parameters(specification))
        self.n_bytes_up = 0

    def contribute(
        self,
        kind: RoundKind,
        round_id: int,
        client_id: str,
        n_windows: int,
        arrays: Parameters,
    ) -> Update:
        """Return the update of one contribution, which the aggregator would take."""
        header = Contribution(
            federation_id=_FEDERATION_ID,
            lineage_id=_LINEAGE_ID,
            round_id=round_id,
            round_kind=kind,
            client_id=client_id,
            base_sha256=self._sha256,
            n_windows=n_windows,
        )
        if refusal := check_body(header, arrays, self._specification):
            raise ValueError(f"the aggregator refuses {client_id}: {refusal.text}")
        # Arrays of one kind have one size, so one message stands for all.
        if (kind, client_id) not in self._n_bytes:
            self._n_bytes[kind, client_id] = _n_bytes(header, encode_arrays(arrays))
        self.n_bytes_up += self._n_bytes[kind, client_id]
        return Update(client_id, n_windows, arrays)

    def n_bytes_down(self, n_rounds: int) -> int:
        """Return what all clients read: each round's announcement, two models and a receipt."""
        arrays = encode_arrays(initial_parameters(self._specification))
        models = sum(
            _n_bytes(
                Model(
                    federation_id=_FEDERATION_ID,
                    lineage_id=_LINEAGE_ID,
                    purpose=purpose,
                    round_id=1,
                    model_sha256=self._sha256,
                    specification=encode_specification(self._specification),
                    specification_version=self._specification.version,
                ),
                arrays,
            )
            for purpose in _PURPOSES
        )
        announcement = Announcement(
            federation_id=_FEDERATION_ID,
            lineage_id=_LINEAGE_ID,
            round_id=1,
            round_kind="train",
            cohort=tuple(f"client-{index + 1}" for index in range(self._n_clients)),
            deadline_s=60.0,
            model_sha256=self._sha256,
        )
        receipt = Receipt(
            federation_id=_FEDERATION_ID,
            lineage_id=_LINEAGE_ID,
            round_id=1,
            client_id="client-1",
            contribution_sha256=self._sha256,
            verdict="accepted",
        )
        each = models + len(encode_message(announcement)) + len(encode_message(receipt))
        return (n_rounds + 1) * self._n_clients * each


def _n_bytes(header: Header, arrays: bytes) -> int:
    n_bytes = len(encode_message(header, arrays))
    return n_bytes + count_chunks(n_bytes) * ENVELOPE_BYTES
