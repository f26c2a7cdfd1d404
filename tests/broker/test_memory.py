import pytest

from fedmotion.broker.door import Connected, Disconnected, Event, Received, Refused, Will
from fedmotion.broker.memory import MemoryBroker, MemoryDoor, Misbehaviour


def joined(
    broker: MemoryBroker, *topic_filters: str, will: Will | None = None
) -> tuple[MemoryDoor, list[Event]]:
    events: list[Event] = []
    door = MemoryDoor(broker, name="door", on_event=events.append, will=will)
    door.subscribe(*topic_filters)
    door.start()
    broker.deliver()
    assert events.pop(0) == Connected()
    return door, events


def test_a_message_reaches_those_who_subscribed_and_nobody_else() -> None:
    broker = MemoryBroker()
    _, of_a = joined(broker, "a/+")
    sender, of_b = joined(broker, "b/#")
    assert sender.publish("a/1", b"x")
    assert of_a == []
    assert broker.deliver() == 1
    assert (of_a, of_b) == ([Received("a/1", b"x")], [])


def test_a_retained_message_waits_for_later_subscribers_until_it_is_cleared() -> None:
    broker = MemoryBroker()
    sender, _ = joined(broker)
    sender.publish("a", b"kept", retain=True)
    sender.publish("a", b"passing")
    _, late = joined(broker, "a")
    assert late == [Received("a", b"kept")]
    sender.publish("a", b"", retain=True)
    assert broker.retained == {}


def test_nothing_is_published_without_a_connection() -> None:
    broker = MemoryBroker()
    door, events = joined(broker, "a")
    broker.stop()
    assert not door.publish("a", b"x")
    assert events == [Disconnected("the broker stopped")]
    broker.deliver()
    broker.deliver()
    assert len(events) == 2
    broker.start()
    broker.deliver()
    assert events[2:] == [Connected()]


def test_a_wrong_password_is_refused_once_in_words() -> None:
    broker = MemoryBroker(passwords={"anna": "right"})
    events: list[Event] = []
    door = MemoryDoor(broker, name="anna", on_event=events.append, username="anna", password="wrong")
    door.start()
    broker.deliver()
    broker.deliver()
    assert len(events) == 1
    assert isinstance(events[0], Refused)


def test_the_will_of_a_killed_door_is_sent_and_that_of_a_closed_one_is_not() -> None:
    broker = MemoryBroker()
    _, watcher = joined(broker, "will")
    killed, _ = joined(broker, will=Will("will", b"gone"))
    closed, _ = joined(broker, will=Will("will", b"never"))
    broker.kill(killed)
    closed.close()
    broker.deliver()
    assert watcher == [Received("will", b"gone")]
    assert broker.retained == {"will": b"gone"}


def test_a_late_will_comes_after_what_a_successor_published() -> None:
    broker = MemoryBroker()
    _, watcher = joined(broker, "presence")
    old, _ = joined(broker, will=Will("presence", b"old is gone"))
    new, _ = joined(broker)
    broker.kill(old, is_will_late=True)
    new.publish("presence", b"new is here", retain=True)
    broker.deliver()
    assert [event.payload for event in watcher if isinstance(event, Received)] == [
        b"new is here",
        b"old is gone",
    ]


@pytest.mark.parametrize(
    ("fault", "first", "second"),
    [
        (Misbehaviour(drop=1), [], []),
        (Misbehaviour(duplicate=1), [b"1", b"2", b"1", b"2"], []),
        (Misbehaviour(delay=1), [], [b"1", b"2"]),
        (Misbehaviour(disconnect=1), [], []),
    ],
)
def test_faults_happen_as_asked(fault: Misbehaviour, first: list[bytes], second: list[bytes]) -> None:
    broker = MemoryBroker(fault)
    door, events = joined(broker, "a")
    broker.inject("a", b"1")
    broker.inject("a", b"2")
    for expected in (first, second):
        broker.deliver()
        assert [event.payload for event in events if isinstance(event, Received)] == expected
        events.clear()
    assert door.connection == (2 if fault.disconnect else 1)


def test_reordering_moves_messages_and_loses_none() -> None:
    broker = MemoryBroker(Misbehaviour(reorder=0.5), seed=4)
    _, events = joined(broker, "a")
    sent = [bytes([index]) for index in range(20)]
    for payload in sent:
        broker.inject("a", payload)
    broker.deliver()
    arrived = [event.payload for event in events if isinstance(event, Received)]
    assert arrived != sent
    assert sorted(arrived) == sent


def test_the_same_seed_is_the_same_run() -> None:
    runs = []
    for _ in range(2):
        broker = MemoryBroker(Misbehaviour(drop=0.2, duplicate=0.2, delay=0.2, reorder=0.2), seed=7)
        _, events = joined(broker, "a")
        for index in range(50):
            broker.inject("a", bytes([index]))
        broker.deliver()
        broker.deliver()
        runs.append(events)
    assert runs[0] == runs[1]
    assert runs[0] != [Received("a", bytes([index])) for index in range(50)]


def test_owners_that_answer_each_other_for_ever_are_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fedmotion.broker.memory._MAX_DELIVERIES", 1000)
    broker = MemoryBroker()

    def answer(_event: Event) -> None:
        door.publish("a", b"x")

    door = MemoryDoor(broker, name="echo", on_event=answer)
    door.subscribe("a")
    door.start()
    with pytest.raises(RuntimeError, match="two owners answer each other"):
        broker.deliver()


def test_a_probability_beyond_one_is_refused() -> None:
    with pytest.raises(ValueError, match=r"probability of drop is 0 to 1, got 1\.5"):
        Misbehaviour(drop=1.5)


@pytest.mark.parametrize("topic", ["", "a/+", "a/#"])
def test_nobody_publishes_on_a_wildcard(topic: str) -> None:
    broker = MemoryBroker()
    door, _ = joined(broker)
    with pytest.raises(ValueError, match="no wildcard"):
        door.publish(topic, b"x")
