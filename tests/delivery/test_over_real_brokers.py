"""Contributions, models and presence over real brokers that are killed, restarted and frozen."""

import contextlib
import hashlib
import queue
import random
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID

import pytest
from paho.mqtt.client import Client as PahoClient
from paho.mqtt.client import MQTTv311
from paho.mqtt.enums import CallbackAPIVersion

from fedmotion.broker.backoff import Backoff
from fedmotion.broker.door import Connected, Event, Received
from fedmotion.broker.embedded import RunningBroker
from fedmotion.broker.paho_door import PahoDoor
from fedmotion.delivery.chunks import Joiner
from fedmotion.delivery.courier import Courier
from fedmotion.delivery.outbox import Outbox
from fedmotion.delivery.presence import PresenceBook, is_overwritten, presence_message
from fedmotion.delivery.retained_model import ModelMailbox, publish_retained
from fedmotion.protocol.messages import Receipt, decode_message, encode_message
from fedmotion.protocol.topics import Topics

TOPICS = Topics("home")
OLD, NEW = UUID(int=1), UUID(int=2)


class Program:
    """A door and the queue of its events, handled one at a time by whoever pumps."""

    def __init__(self, broker: RunningBroker, username: str, *topic_filters: str, seed: int = 1) -> None:
        self.events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self.door = PahoDoor(
            broker.address(username, "secret"),
            name=username,
            on_event=self.events.put,
            keepalive_s=1,
            backoff=Backoff(first_s=0.05, most_s=0.2, rng=random.Random(seed)),
        )
        self.door.subscribe(*topic_filters)
        self.door.start()

    def handle(self, event: Event) -> None:
        """Do nothing; programs below do more."""


class Aggregator(Program):
    """Commits a contribution once, and sends a receipt for every arrival after its commit."""

    def __init__(self, broker: RunningBroker) -> None:
        self.committed: list[bytes] = []
        self.presence = PresenceBook()
        self._joiner = Joiner(2**20, 2**24)
        super().__init__(broker, "aggregator", TOPICS.contribution(), TOPICS.presence(), seed=2)

    def handle(self, event: Event) -> None:
        if not isinstance(event, Received):
            return
        client_id = TOPICS.client_of(event.topic)
        if event.topic == TOPICS.presence(client_id):
            self.presence.receive(client_id, event.payload)
            return
        message = self._joiner.feed(client_id, event.payload)
        if message is None:
            return
        if message not in self.committed:
            self.committed.append(message)
        receipt = Receipt(
            federation_id=UUID(int=1),
            lineage_id=UUID(int=2),
            round_id=1,
            client_id=client_id,
            contribution_sha256=hashlib.sha256(message).digest(),
            verdict="accepted",
        )
        self.door.publish(TOPICS.receipt(client_id), encode_message(receipt))


class Agent(Program):
    """Owns a courier, a mailbox for the round's model and a presence."""

    def __init__(self, broker: RunningBroker, outbox: Outbox) -> None:
        self.models: list[bytes] = []
        self.n_connections = 0
        self.n_overwritten = 0
        self.mailbox = ModelMailbox(TOPICS, "round")
        super().__init__(
            broker, "anna", TOPICS.receipt("anna"), TOPICS.presence("anna"), self.mailbox.topic_filter
        )
        self.courier = Courier(self.door, outbox, TOPICS, "anna", resend_s=0.3)

    def handle(self, event: Event) -> None:
        if isinstance(event, Connected):
            self.n_connections += 1
            self.courier.on_connected(time.monotonic())
            self._show()
        elif isinstance(event, Received) and event.topic == TOPICS.receipt("anna"):
            self.courier.on_receipt(decode_message(event.payload, Receipt)[0])
        elif isinstance(event, Received) and event.topic == TOPICS.presence("anna"):
            if is_overwritten(event.payload, "anna", NEW):
                self.n_overwritten += 1
                self._show()
        elif isinstance(event, Received):
            message = self.mailbox.feed(event.topic, event.payload)
            if message is not None:
                self.models.append(message)

    def _show(self) -> None:
        message = presence_message("anna", NEW, is_online=True)
        self.door.publish(TOPICS.presence("anna"), message, retain=True)


class Pump:
    """Runs the programs in the test's thread; an event is handled as soon as it is there."""

    def __init__(self, aggregator: Aggregator, agent: Agent) -> None:
        self.aggregator, self.agent = aggregator, agent

    def until(self, is_done: Callable[[], bool], timeout_s: float = 20.0) -> None:
        until_s = time.monotonic() + timeout_s
        while not is_done():
            assert time.monotonic() < until_s, "it did not come to that"
            self.agent.courier.tick(time.monotonic())
            for program in (self.aggregator, self.agent):
                with contextlib.suppress(queue.Empty):
                    program.handle(program.events.get(timeout=0.005))


@pytest.fixture
def pump(broker: RunningBroker, tmp_path: Path) -> Iterator[Pump]:
    with Outbox(tmp_path / "outbox.sqlite") as outbox:
        aggregator, agent = Aggregator(broker), Agent(broker, outbox)
        pump = Pump(aggregator, agent)
        try:
            pump.until(lambda: agent.n_connections == 1 and aggregator.presence.is_online("anna"))
            yield pump
        finally:
            agent.door.close()
            aggregator.door.close()


def send(pump: Pump, index: int) -> bytes:
    message = random.Random(index).randbytes(300_000)
    pump.agent.courier.send(index, message, time.monotonic())
    return message


def assert_each_once(pump: Pump, sent: list[bytes]) -> None:
    pump.until(lambda: pump.agent.courier.n_pending == 0)
    assert sorted(pump.aggregator.committed) == sorted(sent)


def test_a_broker_killed_right_after_it_took_a_message_costs_nothing(
    pump: Pump, broker: RunningBroker
) -> None:
    sent = [send(pump, 1)]
    broker.kill()
    broker.restart()
    assert_each_once(pump, sent)


def test_a_broker_killed_between_commit_and_receipt_costs_no_second_commit(
    pump: Pump, broker: RunningBroker
) -> None:
    sent = [send(pump, 1)]
    pump.until(lambda: len(pump.aggregator.committed) == 1)
    broker.kill()
    broker.restart()
    assert_each_once(pump, sent)


def test_a_contribution_made_while_the_broker_is_away_arrives(pump: Pump, broker: RunningBroker) -> None:
    broker.kill()
    sent = [send(pump, index) for index in range(3)]
    broker.restart()
    assert_each_once(pump, sent)


def test_a_broker_killed_and_restarted_at_random_moments_costs_nothing(
    pump: Pump, broker: RunningBroker
) -> None:
    rng = random.Random(6)
    sent = []
    for index in range(8):
        sent.append(send(pump, index))
        n_steps = iter(range(rng.randrange(12)))
        pump.until(lambda steps=n_steps: next(steps, None) is None)  # type: ignore[misc]  # bound per loop
        if rng.random() < 0.5:
            broker.kill()
        broker.restart()
    assert_each_once(pump, sent)


def test_a_frozen_broker_delays_and_loses_nothing(pump: Pump, broker: RunningBroker) -> None:
    process = broker._process
    assert process is not None
    process.send_signal(signal.SIGSTOP)
    sent = [send(pump, 1)]
    # Both notice the silence and leave; what was under way is resent on the next connection.
    pump.until(lambda: not pump.agent.door.publish(TOPICS.presence("anna"), b"", retain=True))
    process.send_signal(signal.SIGCONT)
    assert_each_once(pump, sent)
    pump.until(lambda: pump.agent.n_connections >= 2)


def test_a_model_of_many_chunks_arrives_once_and_again_from_nobody_after_a_kill(
    pump: Pump, broker: RunningBroker
) -> None:
    model = random.Random(3).randbytes(2_000_000)
    assert publish_retained(pump.aggregator.door, TOPICS, "round", model)
    pump.until(lambda: pump.agent.models == [model])
    broker.kill()
    broker.restart()
    pump.until(lambda: pump.agent.n_connections >= 2)
    small = b"a smaller model"
    pump.until(lambda: publish_retained(pump.aggregator.door, TOPICS, "round", small, n_previous_chunks=8))
    pump.until(lambda: pump.agent.models[-1] == small)
    assert pump.agent.models == [model, small]


def test_the_late_will_of_a_silent_session_does_not_take_the_new_one_down(
    pump: Pump, broker: RunningBroker
) -> None:
    silent = PahoClient(CallbackAPIVersion.VERSION2, "old", protocol=MQTTv311, reconnect_on_failure=False)
    silent.username_pw_set("anna", "secret")
    will = presence_message("anna", OLD, is_online=False)
    silent.will_set(TOPICS.presence("anna"), will, qos=1, retain=True)
    silent.connect("127.0.0.1", broker.port, keepalive=1)
    while silent.loop(0.2) == 0 and not silent.is_connected():
        pass
    # Nobody runs its loop any more: the broker hears no ping and sends the will on its own time.
    pump.until(lambda: pump.agent.n_overwritten >= 1)
    assert pump.aggregator.presence.is_online("anna")
    # The agent showed itself again, so that an aggregator that starts now knows as well.
    late = Aggregator(broker)
    try:
        Pump(late, pump.agent).until(lambda: late.presence.is_online("anna"))
    finally:
        late.door.close()
    with contextlib.suppress(OSError):
        silent.disconnect()
