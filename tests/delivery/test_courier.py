"""The courier and an aggregator that commits once, over the twin that misbehaves."""

import hashlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest

from fedmotion.broker.door import Connected, Event, Received
from fedmotion.broker.memory import MemoryBroker, MemoryDoor, Misbehaviour
from fedmotion.delivery.chunks import Joiner, cut
from fedmotion.delivery.courier import Courier
from fedmotion.delivery.outbox import Outbox
from fedmotion.protocol.errors import MessageError
from fedmotion.protocol.messages import Receipt, decode_message, encode_message
from fedmotion.protocol.topics import Topics

TOPICS = Topics("home")
RESEND_S = 10.0


def receipt(message: bytes, client_id: str = "anna") -> Receipt:
    return Receipt(
        federation_id=UUID(int=1),
        lineage_id=UUID(int=2),
        round_id=1,
        client_id=client_id,
        contribution_sha256=hashlib.sha256(message).digest(),
        verdict="accepted",
    )


class Aggregator:
    """Commits each contribution once and sends a receipt for every arrival."""

    def __init__(self, broker: MemoryBroker) -> None:
        self.committed: list[bytes] = []
        self.n_arrivals = 0
        self._joiner = Joiner(2**20, 2**22)
        self._door = MemoryDoor(broker, name="aggregator", on_event=self._handle)
        self._door.subscribe(TOPICS.contribution())
        self._door.start()

    def _handle(self, event: Event) -> None:
        if not isinstance(event, Received):
            return
        message = self._joiner.feed(TOPICS.client_of(event.topic), event.payload)
        if message is None:
            return
        self.n_arrivals += 1
        if message not in self.committed:
            self.committed.append(message)
        self._door.publish(TOPICS.receipt("anna"), encode_message(receipt(message)))


class Client:
    """Owns a courier as the agent does."""

    def __init__(self, broker: MemoryBroker, outbox: Outbox) -> None:
        self.now_s = 0.0
        self.n_receipts = 0
        self.door = MemoryDoor(broker, name="anna", on_event=self._handle)
        self.door.subscribe(TOPICS.receipt("anna"))
        self.courier = Courier(self.door, outbox, TOPICS, "anna", RESEND_S)
        self.door.start()

    def _handle(self, event: Event) -> None:
        if isinstance(event, Connected):
            self.courier.on_connected(self.now_s)
        elif isinstance(event, Received):
            header, _ = decode_message(event.payload, Receipt)
            self.n_receipts += self.courier.on_receipt(header)


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    with Outbox(tmp_path / "outbox.sqlite") as opened:
        yield opened


def test_a_message_is_sent_committed_and_forgotten_once(outbox: Outbox) -> None:
    broker = MemoryBroker()
    aggregator, client = Aggregator(broker), Client(broker, outbox)
    broker.deliver()
    client.courier.send(1, b"update" * 100_000, 0.0)
    assert client.courier.n_pending == 1
    broker.deliver()
    assert aggregator.committed == [b"update" * 100_000]
    assert (aggregator.n_arrivals, client.n_receipts, client.courier.n_pending) == (1, 1, 0)
    assert outbox.pending() == []


def test_a_message_is_stored_before_its_first_byte_leaves(tmp_path: Path) -> None:
    with Outbox(tmp_path / "outbox.sqlite") as outbox:

        class Watching(MemoryDoor):
            def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> bool:
                with Outbox(tmp_path / "outbox.sqlite") as other:
                    assert [each.message for each in other.pending()] == [b"update"]
                return super().publish(topic, payload, retain=retain)

        broker = MemoryBroker()
        door = Watching(broker, name="anna", on_event=lambda _: None)
        door.start()
        broker.deliver()
        Courier(door, outbox, TOPICS, "anna", RESEND_S).send(1, b"update", 0.0)


def test_without_a_receipt_it_is_sent_again_when_it_is_due_and_not_before(outbox: Outbox) -> None:
    broker = MemoryBroker(Misbehaviour(drop=1))
    aggregator, client = Aggregator(broker), Client(broker, outbox)
    broker.deliver()
    client.courier.send(1, b"update", 0.0)
    broker.deliver()
    broker.misbehaviour = Misbehaviour()
    client.courier.tick(9.9)
    broker.deliver()
    assert aggregator.committed == []
    client.courier.tick(10.0)
    broker.deliver()
    assert aggregator.committed == [b"update"]
    assert client.courier.n_pending == 0


def test_what_was_sent_without_a_connection_goes_out_on_connecting(outbox: Outbox) -> None:
    broker = MemoryBroker()
    broker.stop()
    aggregator, client = Aggregator(broker), Client(broker, outbox)
    broker.deliver()
    client.courier.send(1, b"update", 0.0)
    client.courier.tick(100.0)
    broker.start()
    broker.deliver()
    assert aggregator.committed == [b"update"]
    assert client.courier.n_pending == 0


def test_an_earlier_life_of_the_program_is_continued(outbox: Outbox) -> None:
    outbox.put(1, b"from before")
    broker = MemoryBroker()
    aggregator, client = Aggregator(broker), Client(broker, outbox)
    broker.deliver()
    assert aggregator.committed == [b"from before"]
    assert client.courier.n_pending == 0


def test_receipts_for_others_or_for_nothing_change_nothing(outbox: Outbox) -> None:
    broker = MemoryBroker()
    client = Client(broker, outbox)
    client.courier.send(1, b"update", 0.0)
    assert not client.courier.on_receipt(receipt(b"another"))
    assert not client.courier.on_receipt(receipt(b"update", client_id="ben"))
    assert client.courier.n_pending == 1
    assert client.courier.on_receipt(receipt(b"update"))
    assert not client.courier.on_receipt(receipt(b"update"))


def test_a_time_to_resend_that_is_no_time_is_refused(outbox: Outbox) -> None:
    door = MemoryDoor(MemoryBroker(), name="anna", on_event=lambda _: None)
    with pytest.raises(ValueError, match="resend_s is positive, got 0"):
        Courier(door, outbox, TOPICS, "anna", 0)


@pytest.mark.parametrize("seed", range(10))
def test_whatever_the_line_does_each_message_is_committed_once(seed: int, outbox: Outbox) -> None:
    broker = MemoryBroker(
        Misbehaviour(drop=0.1, duplicate=0.2, delay=0.2, reorder=0.3, disconnect=0.02), seed=seed
    )
    aggregator, client = Aggregator(broker), Client(broker, outbox)
    broker.deliver()
    sent = [bytes([index]) * 400_000 for index in range(10)]
    for index, message in enumerate(sent):
        client.courier.send(index + 1, message, client.now_s)
        broker.deliver()
    for _ in range(200):
        if client.courier.n_pending == 0:
            break
        client.now_s += RESEND_S
        client.courier.tick(client.now_s)
        broker.deliver()
    assert client.courier.n_pending == 0
    assert sorted(aggregator.committed) == sent
    assert Counter(aggregator.committed).most_common(1)[0][1] == 1
    assert aggregator.n_arrivals >= 10


def test_a_contribution_cut_short_is_no_message() -> None:
    into = Joiner(2**20, 2**22)
    with pytest.raises(MessageError):
        into.feed("anna", cut(b"update")[0][:-1])
