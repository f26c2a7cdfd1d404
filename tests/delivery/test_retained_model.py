import random

import pytest

from fedmotion.broker.door import Event, Received
from fedmotion.broker.memory import MemoryBroker, MemoryDoor, Misbehaviour
from fedmotion.delivery.chunks import count_chunks, cut
from fedmotion.delivery.retained_model import ModelMailbox, publish_retained
from fedmotion.protocol.errors import MessageError
from fedmotion.protocol.topics import Topics

TOPICS = Topics("home")
LONG, SHORT = random.Random(1).randbytes(900_000), b"a smaller model"


class Agent:
    def __init__(self, broker: MemoryBroker) -> None:
        self.models: list[bytes] = []
        self.mailbox = ModelMailbox(TOPICS, "round")
        self.door = MemoryDoor(broker, name="anna", on_event=self._handle)
        self.door.subscribe(self.mailbox.topic_filter)
        self.door.start()

    def _handle(self, event: Event) -> None:
        if isinstance(event, Received):
            message = self.mailbox.feed(event.topic, event.payload)
            if message is not None:
                self.models.append(message)


def aggregator(broker: MemoryBroker) -> MemoryDoor:
    door = MemoryDoor(broker, name="aggregator", on_event=lambda _: None)
    door.start()
    broker.deliver()
    return door


def test_a_model_in_chunks_arrives_once_also_after_reconnecting_and_publishing_again() -> None:
    broker = MemoryBroker()
    agent, door = Agent(broker), aggregator(broker)
    assert publish_retained(door, TOPICS, "round", LONG)
    broker.deliver()
    assert agent.models == [LONG]
    broker.disconnect(agent.door)
    publish_retained(door, TOPICS, "round", LONG)
    broker.deliver()
    assert agent.models == [LONG]


def test_a_shorter_successor_clears_what_is_left_of_a_longer_one() -> None:
    broker = MemoryBroker()
    agent, door = Agent(broker), aggregator(broker)
    publish_retained(door, TOPICS, "round", LONG)
    assert set(broker.retained) == {f"fedmotion/v1/home/model/round/{index}" for index in range(4)}
    publish_retained(door, TOPICS, "round", SHORT, n_previous_chunks=count_chunks(len(LONG)))
    assert set(broker.retained) == {"fedmotion/v1/home/model/round/0"}
    broker.deliver()
    assert agent.models == [LONG, SHORT]
    late = Agent(broker)
    broker.deliver()
    assert late.models == [SHORT]


def test_a_former_model_that_returns_is_yielded_again() -> None:
    broker = MemoryBroker()
    agent, door = Agent(broker), aggregator(broker)
    for message in (LONG, SHORT, LONG):
        publish_retained(door, TOPICS, "round", message)
        broker.deliver()
    assert agent.models == [LONG, SHORT, LONG]


def test_chunks_of_two_models_never_mix() -> None:
    broker = MemoryBroker()
    door = aggregator(broker)
    other = random.Random(2).randbytes(len(LONG))
    publish_retained(door, TOPICS, "round", LONG)
    for index, chunk in enumerate(cut(other)[:2]):
        door.publish(TOPICS.model("round", index), chunk, retain=True)
    agent = Agent(broker)
    broker.deliver()
    assert agent.models == []
    publish_retained(door, TOPICS, "round", other)
    broker.deliver()
    assert agent.models == [other]


@pytest.mark.parametrize("seed", range(5))
def test_reordered_and_repeated_chunks_give_the_model(seed: int) -> None:
    broker = MemoryBroker(Misbehaviour(reorder=0.5, duplicate=0.5, delay=0.3), seed=seed)
    agent, door = Agent(broker), aggregator(broker)
    publish_retained(door, TOPICS, "round", LONG)
    broker.deliver()
    broker.deliver()
    assert agent.models == [LONG]


def test_without_a_connection_the_publisher_hears_it() -> None:
    broker = MemoryBroker()
    door = aggregator(broker)
    broker.stop()
    assert not publish_retained(door, TOPICS, "round", SHORT)


def test_other_topics_are_not_its_business_and_a_chunk_on_a_wrong_one_is_an_error() -> None:
    mailbox = ModelMailbox(TOPICS, "round")
    chunk = cut(SHORT)[0]
    assert mailbox.feed(TOPICS.model("released", 0), chunk) is None
    assert mailbox.feed(TOPICS.announcement, b"x") is None
    assert mailbox.feed(TOPICS.model("round", 0), b"") is None
    with pytest.raises(MessageError, match="chunk 0 of a model came on fedmotion/v1/home/model/round/1"):
        mailbox.feed(TOPICS.model("round", 1), chunk)
    with pytest.raises(MessageError, match="starts with"):
        mailbox.feed(TOPICS.model("round", 0), b"nonsense")
    assert mailbox.feed(TOPICS.model("round", 0), chunk) == SHORT
