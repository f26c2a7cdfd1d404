"""A federation in memory: a real service, a broker that may misbehave, and scripted clients."""

import hashlib
import queue
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest

from fedmotion.aggregator.configuration import AggregatorConfiguration
from fedmotion.aggregator.federation_records import Client
from fedmotion.aggregator.federation_store import FederationStore
from fedmotion.aggregator.founding import new_id, open_federation
from fedmotion.aggregator.publisher import aggregator_will
from fedmotion.aggregator.service import Service
from fedmotion.broker.door import Connected, Event, Received
from fedmotion.broker.memory import MemoryBroker, MemoryDoor
from fedmotion.delivery.chunks import cut
from fedmotion.delivery.presence import presence_message
from fedmotion.delivery.retained_model import ModelMailbox
from fedmotion.models.specification import (
    Array,
    ArraySpecification,
    Parameters,
    Specification,
    decode_specification,
)
from fedmotion.protocol.messages import (
    Announcement,
    Contribution,
    Model,
    Receipt,
    decode_message,
    encode_message,
)
from fedmotion.protocol.tensors import decode_arrays, encode_arrays
from fedmotion.protocol.topics import Topics

SPECIFICATION = Specification(
    family="test",
    activities=("left", "right", "other"),
    rate_hz=50,
    window_length=8,
    n_features=3,
    n_components=2,
    arrays=(
        ArraySpecification("mean", (3,), "float64", "basis", 100.0),
        ArraySpecification("scale", (3,), "float64", "basis"),
        ArraySpecification("components", (2, 3), "float64", "basis"),
        ArraySpecification("coef", (3, 2), "float32", "trained", 1000.0),
        ArraySpecification("intercept", (3,), "float64", "trained"),
    ),
)
RESEND_S = 5.0


class Killed(BaseException):
    """What the tests end a service with, as `kill -9` would: nothing of the service may catch it."""


class ScriptedClient:
    """A client that answers each round once, honestly or by `script`, and sends again until a receipt.

    `script` gets the client, the announcement and the honest contribution with its arrays, and returns the
    messages to send.
    """

    def __init__(self, broker: MemoryBroker, client_id: str, n_windows: int = 30) -> None:
        self.client_id = client_id
        self.n_windows = n_windows
        self.script: Callable[[ScriptedClient, Announcement, Contribution, Parameters], list[bytes]] = honest
        self.topics = Topics("gestures")
        self.receipts: list[Receipt] = []
        self.pending: dict[bytes, bytes] = {}
        self.announcement: Announcement | None = None
        self.model: Model | None = None
        self.arrays: Parameters = {}
        self.released: Model | None = None
        self.answered: set[int] = set()
        self._session = UUID(bytes=hashlib.sha256(client_id.encode()).digest()[:16])
        self._mailboxes = [ModelMailbox(self.topics, purpose) for purpose in ("round", "released")]
        self.door = MemoryDoor(broker, name=client_id, on_event=self.on_event)
        self.door.subscribe(
            self.topics.announcement,
            self.topics.receipt(client_id),
            *(mailbox.topic_filter for mailbox in self._mailboxes),
        )
        self.door.start()

    def on_event(self, event: Event) -> None:
        if isinstance(event, Connected):
            presence = presence_message(self.client_id, self._session, is_online=True)
            self.door.publish(self.topics.presence(self.client_id), presence, retain=True)
        if not isinstance(event, Received):
            return
        if event.topic == self.topics.receipt(self.client_id):
            receipt, _ = decode_message(event.payload, Receipt)
            self.receipts.append(receipt)
            self.pending.pop(receipt.contribution_sha256, None)
        elif event.topic == self.topics.announcement:
            self.announcement = decode_message(event.payload, Announcement)[0] if event.payload else None
        else:
            self._take_model(event)
        self._answer()

    def send(self, message: bytes) -> None:
        self.pending[hashlib.sha256(message).digest()] = message
        for chunk in cut(message):
            self.door.publish(self.topics.contribution(self.client_id), chunk)

    def resend(self) -> None:
        for message in list(self.pending.values()):
            self.send(message)

    def honest(self, announcement: Announcement) -> tuple[Contribution, Parameters]:
        """What follows from the client's id and the round, so that runs can be compared."""
        seed = int.from_bytes(hashlib.sha256(self.client_id.encode()).digest()[:4], "big")
        rng = np.random.default_rng([seed, announcement.round_id])
        header = Contribution(
            federation_id=announcement.federation_id,
            lineage_id=announcement.lineage_id,
            round_id=announcement.round_id,
            round_kind=announcement.round_kind,
            client_id=self.client_id,
            base_sha256=announcement.model_sha256,
            n_windows=self.n_windows,
        )
        if announcement.round_kind == "evaluate":
            assert self.model is not None
            n_classes = decode_specification(self.model.specification).n_classes
            confusion = np.zeros((n_classes, n_classes), np.int64)
            confusion[0, 0], confusion[2, 1] = self.n_windows - 5, 5
            return header, {"confusion": confusion}
        if announcement.round_kind == "statistics":
            features = rng.normal(size=(self.n_windows, 3))
            deviations = features - features.mean(axis=0)
            return header, {"mean": features.mean(axis=0), "scatter": deviations.T @ deviations}
        names: dict[str, tuple[int, ...]] = {"coef": (3, 2), "intercept": (3,)}
        trained: dict[str, Array] = {
            name: (self.arrays[name] + rng.normal(size=shape)).astype(self.arrays[name].dtype)
            for name, shape in names.items()
        }
        return header, trained

    def _take_model(self, event: Received) -> None:
        for mailbox, purpose in zip(self._mailboxes, ("round", "released"), strict=True):
            message = mailbox.feed(event.topic, event.payload)
            if message is None:
                continue
            model, body = decode_message(message, Model)
            assert hashlib.sha256(body).digest() == model.model_sha256
            if purpose == "round":
                self.model, self.arrays = model, decode_arrays(body)
            else:
                self.released = model

    def _answer(self) -> None:
        said = self.announcement
        if said is None or self.model is None or said.model_sha256 != self.model.model_sha256:
            return
        if said.round_id in self.answered or self.client_id not in said.cohort:
            return
        self.answered.add(said.round_id)
        for message in self.script(self, said, *self.honest(said)):
            self.send(message)


def honest(
    client: ScriptedClient, announcement: Announcement, header: Contribution, arrays: Parameters
) -> list[bytes]:
    return [encode_message(header, encode_arrays(arrays))]


class Rig:
    """The federation "gestures" whose service can be killed at a point and started again."""

    def __init__(self, folder: Path, seed: int = 0, **keys: Any) -> None:
        given = {
            "federation": "gestures",
            "activities": SPECIFICATION.activities,
            "n_rounds": 2,
            "evaluate_every": 1,
            "interval_s": 0.0,
            **keys,
        }
        self.configuration = AggregatorConfiguration(**given).check()
        self.path = folder / "federation.sqlite"
        self.broker = MemoryBroker(seed=seed)
        self.rng = random.Random(seed)
        self.now_s = 1000.0
        self.points: list[str] = []
        self.kill_at = -1
        self.clients: dict[str, ScriptedClient] = {}
        self.events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self.start()

    def start(self) -> None:
        self.store = FederationStore(self.path)
        open_federation(self.store, "gestures", SPECIFICATION, self.rng)
        session = new_id(self.rng)
        self.events = queue.SimpleQueue()
        self.door = MemoryDoor(
            self.broker,
            name="aggregator",
            on_event=self.events.put,
            will=aggregator_will("gestures", session),
        )
        self.service = Service(
            self.store, self.door, self.configuration, lambda: self.now_s, session, on_point=self.on_point
        )
        self.door.start()

    def stop(self) -> None:
        self.broker.kill(self.door)
        self.store.close()

    def on_point(self, point: str) -> None:
        self.points.append(point)
        if len(self.points) - 1 == self.kill_at:
            raise Killed(point)

    def invite(self, *client_ids: str, n_windows: int = 30) -> None:
        with self.store.transaction():
            for client_id in client_ids:
                self.store.put_client(Client(client_id, "secret"))
        for client_id in client_ids:
            self.clients[client_id] = ScriptedClient(self.broker, client_id, n_windows)
        # Told as another program's writing would be; this one wrote through the service's own connection.
        self.service._clients = frozenset(self.clients)

    def settle(self, n_resends: int = 20) -> None:
        """Let everything happen that happens without time, and then what time brings, until all is quiet."""
        for _ in range(n_resends):
            self.spin()
            self.now_s += RESEND_S
            pending = [client for client in self.clients.values() if client.pending]
            if not pending and self.service.tick() > 0 and not self.broker.deliver() and self.events.empty():
                return
            for client in pending:
                client.resend()

    def spin(self) -> None:
        """Let everything happen that happens without time."""
        while True:
            try:
                self.service.tick()
                if not self.broker.deliver() and self.events.empty():
                    return
                self.service.handle_all([self.events.get() for _ in range(self.events.qsize())])
            except Killed:
                self.stop()
                self.start()

    def model(self) -> bytes:
        return self.store.arrays_of(self.store.current_model())


@pytest.fixture
def make_rig(tmp_path: Path) -> Iterator[Callable[..., Rig]]:
    rigs: list[Rig] = []

    def make(**keys: Any) -> Rig:
        folder = tmp_path / f"rig{len(rigs)}"
        folder.mkdir()
        rigs.append(Rig(folder, **keys))
        return rigs[-1]

    yield make
    for rig in rigs:
        rig.stop()
