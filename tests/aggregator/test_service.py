"""The service over a broker in memory: whole federations, restarts, and kills at every point."""

import queue
import threading
from collections.abc import Callable
from typing import Any
from uuid import UUID

import numpy as np
import pytest

from fedmotion.aggregator.federation_records import Client
from fedmotion.aggregator.federation_store import FederationStore
from fedmotion.aggregator.service import POINTS
from fedmotion.broker.door import Received
from fedmotion.broker.memory import Misbehaviour
from fedmotion.delivery.presence import presence_message
from fedmotion.delivery.sqlite_store import StoreError
from fedmotion.protocol.messages import Announcement, Presence, decode_message, encode_message
from fedmotion.protocol.tensors import decode_arrays

Make = Callable[..., Any]
KINDS = ["statistics", "train", "evaluate", "train", "evaluate"]


def records(rig: Any) -> list[tuple[int, str, str]]:
    return [(each.round_id, each.kind, each.state) for each in rig.store.rounds()]


def test_a_federation_goes_through_all_its_rounds_and_releases_its_model(make_rig: Make) -> None:
    rig = make_rig(min_clients=3)
    rig.invite("ann", "bob", "cid")
    rig.settle()
    assert records(rig) == [(index + 1, kind, "finished") for index, kind in enumerate(KINDS)]
    assert rig.service.is_done
    rounds = rig.store.rounds()
    assert [each.n_windows for each in rounds] == [90] * 5
    assert rounds[2].metrics["accuracy"] == 75 / 90
    assert rounds[2].metrics["confusion"] == [[75, 0, 0], [0, 0, 0], [0, 15, 0]]
    assert rounds[1].base_sha256 == rounds[0].result_sha256
    for client in rig.clients.values():
        assert [receipt.verdict for receipt in client.receipts] == ["accepted"] * 5
        assert client.released is not None
        assert client.released.round_id == 4
        assert client.model is not None
        assert client.model.model_sha256 == rounds[3].result_sha256 == client.released.model_sha256
        assert client.announcement is None
    assert rig.store.refusals() == {}
    assert set(rig.points) == set(POINTS)
    basis = decode_arrays(rig.model())
    assert np.abs(basis["components"]).min() > 0


def test_rounds_do_not_wait_for_clients_that_are_silent_or_decline(make_rig: Make) -> None:
    rig = make_rig(min_clients=4, evaluate_every=0, n_rounds=1, deadline_s=30)
    rig.invite("ann", "bob", "cid", "dee")
    rig.clients["cid"].script = lambda *_: []
    rig.clients["dee"].script = lambda client, said, header, arrays: [
        encode_message(type(header)(**{**as_dict(header), "declined": "too few windows", "n_windows": 0}))
    ]
    rig.spin()
    assert rig.service.state.open is not None
    assert rig.service.state.open.n_missing == 1
    for _ in range(2):
        rig.now_s += 30
        rig.spin()
    assert records(rig) == [(1, "statistics", "finished"), (2, "train", "finished")]
    assert [each.verdict for each in rig.store.contributions(1)] == ["accepted", "accepted", "declined"]
    assert rig.clients["dee"].receipts[0].verdict == "accepted"


def as_dict(struct: Any) -> dict[str, Any]:
    return {name: getattr(struct, name) for name in struct.__struct_fields__}


def test_a_round_without_enough_updates_fails_by_name_and_the_next_one_succeeds(make_rig: Make) -> None:
    rig = make_rig(min_clients=2, n_rounds=1, evaluate_every=0, deadline_s=10)
    rig.invite("ann", "bob")
    script = rig.clients["bob"].script
    rig.clients["bob"].script = lambda *_: []
    rig.spin()
    rig.now_s += 10
    rig.spin()
    assert records(rig) == [(1, "statistics", "failed")]
    assert rig.store.rounds()[0].reason.startswith("too_few_updates: the deadline passed with 1 accepted")
    assert rig.clients["ann"].announcement is None
    assert list(rig.store.spooled(1)) == []
    rig.clients["bob"].script = script
    rig.now_s += 5
    rig.settle()
    assert records(rig)[1:] == [(2, "statistics", "finished"), (3, "train", "finished")]


def test_a_client_that_is_online_and_silent_is_named_and_costs_few_rounds_their_deadline(
    make_rig: Make, caplog: pytest.LogCaptureFixture
) -> None:
    rig = make_rig(min_clients=2, n_rounds=10, evaluate_every=0, deadline_s=10, quorum=0)
    rig.invite("ann", "bob", "mute")
    rig.clients["mute"].script = lambda *_: []
    start_s = rig.now_s
    for _ in range(5):
        rig.spin()
        rig.now_s += 10
    # Of 11 rounds 1, 2, 4 and 7 invite the silent one.
    assert [state for _, _, state in records(rig)] == ["finished"] * 11
    assert rig.now_s - start_s == 50
    assert [each.round_id for each in rig.store.rounds() if "mute" in each.cohort] == [1, 2, 4, 7]
    assert "round=2 left out where others are enough: mute (silent in 2 rounds, until round 3)" in caplog.text


def test_a_client_that_missed_the_model_gets_it_after_the_round_that_failed_without_it(
    make_rig: Make,
) -> None:
    rig = make_rig(min_clients=2, n_rounds=1, evaluate_every=0, deadline_s=10)
    rig.invite("ann", "bob")
    bob = rig.clients["bob"]
    take_model = bob._take_model
    bob._take_model = lambda _event: None
    rig.spin()
    bob._take_model = take_model
    rig.now_s += 10
    rig.spin()
    assert records(rig) == [(1, "statistics", "failed")]
    assert bob.model is not None
    rig.now_s += 5
    rig.settle()
    assert records(rig)[1:] == [(2, "statistics", "finished"), (3, "train", "finished")]


def whole_run(make_rig: Make, **keys: Any) -> Any:
    rig = make_rig(min_clients=4, **keys)
    rig.invite("ann", "bob", "cid", "dee")
    return rig


@pytest.fixture
def undisturbed(make_rig: Make) -> Any:
    rig = whole_run(make_rig)
    rig.settle()
    assert len(records(rig)) == 5
    return rig


@pytest.mark.parametrize("point", POINTS)
def test_a_kill_at_each_point_loses_nothing_and_repeats_nothing(
    point: str, make_rig: Make, undisturbed: Any
) -> None:
    indices = [index for index, name in enumerate(undisturbed.points) if name == point]
    for index in indices:
        rig = whole_run(make_rig)
        rig.kill_at = index
        rig.settle()
        assert rig.points[index] == point
        assert records(rig) == records(undisturbed)
        assert rig.model() == undisturbed.model()
        assert rig.store.refusals() == {}
        assert all(not client.pending for client in rig.clients.values())


@pytest.mark.parametrize("seed", range(8))
def test_kills_again_and_again_over_a_bad_line_end_in_the_same_model(
    seed: int, make_rig: Make, undisturbed: Any
) -> None:
    rig = whole_run(make_rig, seed=0)
    rig.broker.misbehaviour = Misbehaviour(drop=0.05, duplicate=0.2, delay=0.2, reorder=0.2, disconnect=0.01)
    rng = np.random.default_rng(seed)
    for _ in range(60):
        rig.kill_at = len(rig.points) + int(rng.integers(1, 8))
        rig.settle(3)
        if rig.service.is_done:
            break
        for client in rig.clients.values():
            rig.broker.disconnect(client.door)
    assert records(rig) == records(undisturbed)
    assert rig.model() == undisturbed.model()


def test_a_broker_that_lost_everything_is_told_everything_again(make_rig: Make) -> None:
    rig = make_rig(min_clients=2, deadline_s=30)
    rig.invite("ann", "bob")
    rig.clients["bob"].script = lambda *_: []
    rig.spin()
    before = rig.broker.retained
    rig.broker.stop()
    rig.spin()
    rig.now_s += 1000
    rig.spin()
    assert records(rig) == [(1, "statistics", "open")]
    rig.broker.start(is_memory_kept=False)
    rig.spin()
    after = rig.broker.retained
    assert set(after) == set(before)
    topics = rig.clients["ann"].topics
    said, _ = decode_message(after[topics.announcement], Announcement)
    assert said.round_id == 1
    assert said.deadline_s == 30
    assert records(rig) == [(1, "statistics", "open")]


def test_what_a_full_door_did_not_take_is_said_again(make_rig: Make) -> None:
    rig = make_rig(min_clients=2, n_rounds=1, evaluate_every=0)
    publish = rig.door.publish
    refused: list[str] = []

    def full(topic: str, payload: bytes, *, retain: bool = False) -> bool:
        if len(refused) < 7:
            refused.append(topic)
            return False
        return bool(publish(topic, payload, retain=retain))

    rig.door.publish = full
    rig.invite("ann", "bob")
    for _ in range(5):
        rig.spin()
        rig.now_s += 1
    rig.settle()
    assert len(refused) == 7
    assert records(rig) == [(1, "statistics", "finished"), (2, "train", "finished")]


def test_a_late_will_of_an_earlier_session_is_overwritten(make_rig: Make) -> None:
    rig = make_rig(min_clients=2)
    topic = rig.service._publisher.topics.aggregator
    rig.spin()
    rig.broker.inject(topic, presence_message("aggregator", UUID(int=7), is_online=False), retain=True)
    rig.spin()
    rig.spin()
    presence, _ = decode_message(rig.broker.retained[topic], Presence)
    assert presence.is_online
    rig.service.close()
    presence, _ = decode_message(rig.broker.retained[topic], Presence)
    assert not presence.is_online


def test_clients_invited_by_another_program_are_noticed(make_rig: Make) -> None:
    rig = make_rig(min_clients=2, n_rounds=1, evaluate_every=0)
    told: list[int] = []
    rig.service._on_clients = lambda: told.append(1)
    clients = rig.clients
    rig.invite("ann", "bob")
    with rig.store.transaction():
        rig.store._execute("DELETE FROM clients")
    rig.service._clients = frozenset()
    rig.spin()
    assert records(rig) == []
    other = FederationStore(rig.path)
    with other.transaction():
        for client_id in clients:
            other._execute("INSERT INTO clients (client_id, password) VALUES (?, 'x')", (client_id,))
    other.close()
    rig.spin()
    for client in clients.values():
        rig.broker.disconnect(client.door)
    rig.settle()
    assert told == [1]
    other = FederationStore(rig.path)
    with other.transaction():
        other.put_client(Client("ann", "another password"))
    other.close()
    rig.service.tick()
    rig.service.tick()
    assert told == [1, 1]
    assert records(rig) == [(1, "statistics", "finished"), (2, "train", "finished")]


def test_a_store_that_fails_for_a_while_costs_a_while(make_rig: Make) -> None:
    rig = make_rig(min_clients=2, n_rounds=1, evaluate_every=0)
    rig.store._execute("PRAGMA busy_timeout = 0")
    rig.invite("ann", "bob")
    blocker = FederationStore(rig.path)
    blocker._execute("BEGIN IMMEDIATE")
    rig.spin()
    assert records(rig) == []
    assert rig.service.tick() <= 0.5
    blocker._execute("ROLLBACK")
    blocker.close()
    rig.settle()
    assert records(rig) == [(1, "statistics", "finished"), (2, "train", "finished")]


def test_a_second_aggregator_on_one_store_is_refused(make_rig: Make) -> None:
    rig = make_rig(min_clients=2)
    second = FederationStore(rig.path)
    with pytest.raises(StoreError, match="in use by another program"):
        second.claim()
    second.close()


def test_run_serves_until_its_rounds_are_done(make_rig: Make) -> None:
    rig = make_rig(min_clients=2, n_rounds=1)
    rig.invite("ann", "bob")
    rig.settle()
    rig.service.run(queue.SimpleQueue(), threading.Event(), until_done=True)
    assert not rig.door.is_connected


def test_run_tells_first_what_the_one_before_may_not_have_told(make_rig: Make) -> None:
    rig = make_rig(min_clients=2, n_rounds=1)
    rig.invite("ann", "bob")
    rig.settle()
    rig.stop()
    rig.broker._retained.clear()
    rig.start()
    tick = rig.service.tick

    def tick_and_deliver() -> float:
        rig.broker.deliver()
        return float(tick())

    rig.service.tick = tick_and_deliver
    rig.service.run(rig.events, threading.Event(), until_done=True)
    rig.broker.deliver()
    assert {"fedmotion/v1/gestures/model/round/0", "fedmotion/v1/gestures/model/released/0"} <= set(
        rig.broker.retained
    )


def test_run_survives_an_event_that_breaks_it(make_rig: Make, caplog: pytest.LogCaptureFixture) -> None:
    rig = make_rig(min_clients=2)
    stop = threading.Event()
    events: queue.SimpleQueue[Any] = queue.SimpleQueue()
    rig.service._intake.take = lambda *_, **__: 1 / 0
    rig.invite("ann")
    rig.spin()
    rig.broker.deliver()
    topic = rig.clients["ann"].topics.contribution("ann")
    for event in (Received(topic, b"x"), Received("nonsense", b"y")):
        events.put(event)
    tick = rig.service.tick

    def tick_and_stop() -> float:
        if events.empty():
            stop.set()
        return float(tick())

    rig.service.tick = tick_and_stop
    rig.service.run(events, stop)
    assert "dropped an event of kind Received" in caplog.text
