"""An agent without a board on an in-memory broker, opposite an aggregator that does as the test says."""

import hashlib
import logging
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from fedmotion.broker.door import Connected, Event, Received
from fedmotion.broker.memory import MemoryBroker, MemoryDoor, Misbehaviour
from fedmotion.delivery.chunks import Joiner
from fedmotion.delivery.outbox import Outbox
from fedmotion.delivery.presence import presence_message
from fedmotion.delivery.retained_model import publish_retained
from fedmotion.delivery.sqlite_store import StoreError
from fedmotion.host.agent import Agent
from fedmotion.host.configuration import AgentConfiguration
from fedmotion.host.federated_client import AnsweredRound, FederatedClient, Point
from fedmotion.host.profile import Profile, join
from fedmotion.host.recording_store import Recording, RecordingStore
from fedmotion.host.released_model import LoadedModel
from fedmotion.host.trainer import Answer
from fedmotion.models.specification import Parameters, Specification
from fedmotion.protocol.invitation import Invitation, encode_invitation
from fedmotion.protocol.messages import (
    Announcement,
    Contribution,
    Presence,
    Purpose,
    Receipt,
    RoundKind,
    TrainSettings,
    decode_message,
    encode_message,
)
from fedmotion.protocol.tensors import decode_arrays, sha256_of
from fedmotion.protocol.topics import Topics

FEDERATION_ID = UUID(int=11)
LINEAGE_ID = UUID(int=22)
TOPICS = Topics("kitchen")
INVITATION = Invitation(
    federation="kitchen",
    federation_id=FEDERATION_ID,
    host="broker.example",
    port=1883,
    client_id="ada",
    password="secret",
)
ALL_POINTS: tuple[Point, ...] = ("received", "trained", "queued", "sent", "receipted")


class Killed(BaseException):
    """What kill -9 is to a process: nothing after this line happens."""


@dataclass(frozen=True, slots=True)
class Arrived:
    header: Contribution
    arrays: dict[str, NDArray[np.generic]]
    sha256: bytes


class Aggregator:
    """Publishes what it is told to, collects contributions and answers each with a receipt."""

    def __init__(self, broker: MemoryBroker) -> None:
        self.gives_receipts = True
        self.verdict: str = "accepted"
        self.text = ""
        self.arrived: list[Arrived] = []
        self.presence: list[Presence] = []
        self.announcement = b""
        self.models: dict[Purpose, bytes] = {}
        self._joiner = Joiner(10**7, 10**8)
        self._door = MemoryDoor(broker, name="aggregator", on_event=self._on_event)
        self._door.subscribe(TOPICS.contribution(), TOPICS.presence())
        self._door.start()

    def announce(self, kind: RoundKind, model_sha256: bytes, round_id: int = 1, **changes: object) -> None:
        announcement = Announcement(
            **{  # type: ignore[arg-type]  # a test names the fields it changes
                "federation_id": FEDERATION_ID,
                "lineage_id": LINEAGE_ID,
                "round_id": round_id,
                "round_kind": kind,
                "cohort": ("ada", "bob"),
                "deadline_s": 60.0,
                "model_sha256": model_sha256,
                "settings": TrainSettings(n_epochs=2, seed=3),
                **changes,
            }
        )
        self.announcement = encode_message(announcement)
        self._publish()

    def publish_model(self, purpose: Purpose, message: bytes) -> None:
        self.models[purpose] = message
        self._publish()

    def _publish(self) -> None:
        if self.announcement:
            self._door.publish(TOPICS.announcement, self.announcement, retain=True)
        for purpose, message in self.models.items():
            publish_retained(self._door, TOPICS, purpose, message)

    def _on_event(self, event: Event) -> None:
        if isinstance(event, Connected):
            self._publish()
        if not isinstance(event, Received):
            return
        if event.topic == TOPICS.presence("ada"):
            self.presence.append(decode_message(event.payload, Presence)[0])
        if event.topic != TOPICS.contribution("ada"):
            return
        message = self._joiner.feed("ada", event.payload)
        if message is None:
            return
        header, body = decode_message(message, Contribution)
        sha256 = hashlib.sha256(message).digest()
        self.arrived.append(Arrived(header, decode_arrays(body), sha256))
        if self.gives_receipts:
            self.give_receipt(self.arrived[-1])

    def give_receipt(self, arrived: Arrived) -> None:
        receipt = Receipt(
            federation_id=FEDERATION_ID,
            lineage_id=LINEAGE_ID,
            round_id=arrived.header.round_id,
            client_id="ada",
            contribution_sha256=arrived.sha256,
            verdict=self.verdict,  # type: ignore[arg-type]  # one of the two
            text=self.text,
        )
        self._door.publish(TOPICS.receipt("ada"), encode_message(receipt))


class World:
    """A broker, an aggregator and one agent's house, all in the test's thread and time."""

    def __init__(self, folder: Path, finding: Specification) -> None:
        self.now_s = 0.0
        self.broker = MemoryBroker()
        self.aggregator = Aggregator(self.broker)
        self.profile = Profile(folder / "ada")
        self.points: list[Point] = []
        self.dies_at: Point | None = None
        self.jobs: list[Callable[[], None]] = []
        self.works_at_once = True
        self._finding = finding
        self._agents: list[Agent] = []
        self.doors: list[MemoryDoor] = []
        join(self.profile, encode_invitation(INVITATION).encode())

    def start_agent(self, **keys: object) -> Agent:
        def open_door(
            _profile: Profile, _invitation: Invitation, on_event: Callable[[Event], None], will: object
        ) -> MemoryDoor:
            door = MemoryDoor(self.broker, name="ada", on_event=on_event, will=will)  # type: ignore[arg-type]
            self.doors.append(door)
            return door

        agent = Agent(
            self.profile,
            AgentConfiguration(resend_s=5.0, **keys),  # type: ignore[arg-type]  # likewise
            finding=self._finding,
            open_door=open_door,
            submit=self._submit,
            clock=lambda: self.now_s,
            wall_clock=lambda: 0.0,
            on_point=self._on_point,
        )
        self._agents.append(agent)
        agent.start()
        return agent

    def settle(self, agent: Agent) -> None:
        """Deliver and handle until nothing moves any more."""
        while self.broker.deliver() or not agent.queue.empty():
            while not agent.queue.empty():
                agent.handle(agent.queue.get())

    def kill(self, agent: Agent) -> None:
        """End the agent as kill -9 does: no goodbye, the files as they are."""
        self.broker.kill(self.doors[-1])
        agent.store.close()
        assert agent._outbox is not None
        agent._outbox.close()
        assert agent._book is not None
        agent._book.close()
        self._agents.remove(agent)

    def close(self) -> None:
        for agent in self._agents:
            agent.close()

    def _submit(self, job: Callable[[], None]) -> None:
        if self.works_at_once:
            job()
        else:
            self.jobs.append(job)

    def _on_point(self, point: Point) -> None:
        self.points.append(point)
        if point == self.dies_at:
            self.dies_at = None
            raise Killed


@pytest.fixture
def world(tmp_path: Path, specification: Specification) -> Iterator[World]:
    made = World(tmp_path, specification)
    yield made
    made.close()


@pytest.fixture
def full(world: World, takes: list[Recording]) -> World:
    """A house with recordings in it."""
    with RecordingStore(world.profile.recordings, clock=lambda: 0.0) as store:
        for take in takes:
            store.add(take)
    return world


@pytest.fixture
def round_model(model_message: Callable[..., bytes], basis_parameters: Parameters) -> bytes:
    return model_message(basis_parameters, "round", round_id=0)


@pytest.fixture
def model_sha256(basis_parameters: Parameters) -> bytes:
    return sha256_of(basis_parameters)


def test_an_invited_client_trains_from_the_rounds_model_and_sends_until_it_has_a_receipt(
    full: World, round_model: bytes, model_sha256: bytes
) -> None:
    agent = full.start_agent()
    full.aggregator.publish_model("round", round_model)
    full.aggregator.announce("train", model_sha256, round_id=4)
    full.settle(agent)
    (arrived,) = full.aggregator.arrived
    header = arrived.header
    assert (header.round_id, header.round_kind, header.client_id) == (4, "train", "ada")
    assert (header.base_sha256, header.lineage_id) == (model_sha256, LINEAGE_ID)
    assert (header.n_windows, header.n_steps, header.declined) == (23, 46, "")
    assert arrived.arrays["coef"].shape == (3, 8)
    assert full.points == list(ALL_POINTS)
    assert agent.client.n_pending == 0
    assert agent.client.counters == {"rounds_answered": 1, "contributions_accepted": 1}


@pytest.mark.parametrize("is_model_first", [True, False])
def test_announcement_and_model_may_come_in_either_order(
    full: World, round_model: bytes, model_sha256: bytes, is_model_first: bool
) -> None:
    agent = full.start_agent()
    steps: list[Callable[[], None]] = [
        lambda: full.aggregator.publish_model("round", round_model),
        lambda: full.aggregator.announce("train", model_sha256),
    ]
    for step in steps if is_model_first else reversed(steps):
        assert full.aggregator.arrived == []
        step()
        full.settle(agent)
    assert len(full.aggregator.arrived) == 1


def test_a_round_waits_for_the_model_that_it_names(
    full: World,
    round_model: bytes,
    model_sha256: bytes,
    model_message: Callable[..., bytes],
    trained_parameters: Parameters,
    basis_parameters: Parameters,
) -> None:
    agent = full.start_agent()
    full.aggregator.announce("train", model_sha256)
    full.aggregator.publish_model("round", model_message(trained_parameters, "round"))
    full.settle(agent)
    other_lineage = model_message(basis_parameters, "round", lineage_id=UUID(int=23))
    full.aggregator.publish_model("round", other_lineage)
    full.settle(agent)
    assert full.aggregator.arrived == []
    full.aggregator.publish_model("round", round_model)
    full.settle(agent)
    assert len(full.aggregator.arrived) == 1


def test_who_is_not_invited_does_nothing_and_a_foreign_federation_is_counted(
    full: World, round_model: bytes, model_sha256: bytes
) -> None:
    agent = full.start_agent()
    full.aggregator.publish_model("round", round_model)
    full.aggregator.announce("train", model_sha256, 1, cohort=("bob",))
    full.settle(agent)
    full.aggregator.announce("train", model_sha256, 2, federation_id=UUID(int=99))
    full.settle(agent)
    assert full.aggregator.arrived == []
    assert full.points == []
    assert agent.client.counters == {"bad_messages": 1}


def test_a_repeated_announcement_is_not_trained_twice(
    full: World, round_model: bytes, model_sha256: bytes
) -> None:
    agent = full.start_agent()
    full.aggregator.publish_model("round", round_model)
    for _ in range(3):
        full.aggregator.announce("train", model_sha256)
        full.settle(agent)
    full.broker.disconnect(full.doors[0])
    full.settle(agent)
    assert len(full.aggregator.arrived) == 1
    agent.close()
    full._agents.clear()
    # After a restart too: the retained announcement is that of a round with a receipt.
    full.settle(full.start_agent())
    assert len(full.aggregator.arrived) == 1
    assert full.points.count("trained") == 1


def test_without_a_receipt_the_same_bytes_go_again_after_a_while_and_after_a_restart(
    full: World, round_model: bytes, model_sha256: bytes
) -> None:
    full.aggregator.gives_receipts = False
    agent = full.start_agent()
    full.aggregator.publish_model("round", round_model)
    full.aggregator.announce("train", model_sha256)
    full.settle(agent)
    full.now_s = 4.9
    agent.tick()
    full.settle(agent)
    assert len(full.aggregator.arrived) == 1
    full.now_s = 5.0
    agent.tick()
    full.settle(agent)
    assert len(full.aggregator.arrived) == 2
    full.kill(agent)
    again = full.start_agent()
    full.settle(again)
    assert len(full.aggregator.arrived) == 3
    assert len({arrived.sha256 for arrived in full.aggregator.arrived}) == 1
    assert full.points.count("trained") == 1
    full.aggregator.give_receipt(full.aggregator.arrived[0])
    full.settle(again)
    assert again.client.n_pending == 0


@pytest.mark.parametrize("point", ALL_POINTS)
def test_killed_at_any_point_it_answers_the_round_after_a_restart_with_the_same_bytes(
    full: World, round_model: bytes, model_sha256: bytes, point: Point
) -> None:
    full.aggregator.publish_model("round", round_model)
    full.aggregator.announce("train", model_sha256)
    agent = full.start_agent()
    full.dies_at = point
    with pytest.raises(Killed):
        full.settle(agent)
    full.kill(agent)
    again = full.start_agent()
    full.settle(again)
    assert again.client.n_pending == 0
    assert len({arrived.sha256 for arrived in full.aggregator.arrived}) == 1
    assert full.points.count("trained") == (2 if point == "trained" else 1)


@pytest.mark.parametrize("seed", range(5))
def test_a_broker_that_misbehaves_delays_rounds_and_spoils_none(
    full: World, round_model: bytes, model_sha256: bytes, seed: int
) -> None:
    full.broker.misbehaviour = Misbehaviour(drop=0.2, duplicate=0.2, delay=0.2, reorder=0.2, disconnect=0.05)
    full.broker._rng.seed(seed)
    agent = full.start_agent()
    full.aggregator.publish_model("round", round_model)
    for round_id in range(1, 6):
        for _ in range(200):
            full.aggregator.announce("train", model_sha256, round_id)
            full.aggregator.publish_model("round", round_model)
            full.settle(agent)
            full.now_s += 5.0
            agent.tick()
            if agent.client.counters["contributions_accepted"] == round_id:
                break
        assert agent.client.counters["contributions_accepted"] == round_id
    by_round: dict[int, set[bytes]] = {}
    for arrived in full.aggregator.arrived:
        by_round.setdefault(arrived.header.round_id, set()).add(arrived.sha256)
    assert {round_id: len(sha256s) for round_id, sha256s in by_round.items()} == dict.fromkeys(range(1, 6), 1)
    assert full.points.count("trained") == 5


def test_an_answer_to_a_round_that_is_over_is_dropped_and_the_next_one_answered(
    full: World, round_model: bytes, model_sha256: bytes
) -> None:
    full.works_at_once = False
    agent = full.start_agent()
    full.aggregator.publish_model("round", round_model)
    full.aggregator.announce("train", model_sha256, 1)
    full.settle(agent)
    full.aggregator.announce("train", model_sha256, 2)
    full.settle(agent)
    assert len(full.jobs) == 1
    full.jobs.pop()()
    full.settle(agent)
    full.jobs.pop()()
    full.settle(agent)
    assert [arrived.header.round_id for arrived in full.aggregator.arrived] == [2]
    assert agent.client.counters["rounds_missed"] == 1


def test_a_refused_contribution_is_not_sent_again(
    full: World, round_model: bytes, model_sha256: bytes
) -> None:
    full.aggregator.verdict = "refused"
    agent = full.start_agent()
    full.aggregator.publish_model("round", round_model)
    full.aggregator.announce("train", model_sha256)
    full.settle(agent)
    full.now_s = 100.0
    agent.tick()
    full.settle(agent)
    assert len(full.aggregator.arrived) == 1
    assert agent.client.counters["contributions_refused"] == 1


def test_statistics_and_evaluation_are_answered_too(
    full: World,
    round_model: bytes,
    model_sha256: bytes,
) -> None:
    agent = full.start_agent()
    full.aggregator.publish_model("round", round_model)
    full.aggregator.announce("statistics", model_sha256, 1)
    full.settle(agent)
    full.aggregator.announce("evaluate", model_sha256, 2)
    full.settle(agent)
    statistics, evaluation = full.aggregator.arrived
    assert set(statistics.arrays) == {"mean", "scatter"}
    assert set(evaluation.arrays) == {"confusion"}
    assert int(evaluation.arrays["confusion"].astype(int).sum()) == 23


def test_a_client_without_recordings_declines_at_once(
    world: World, round_model: bytes, model_sha256: bytes
) -> None:
    agent = world.start_agent()
    world.aggregator.publish_model("round", round_model)
    world.aggregator.announce("train", model_sha256)
    world.settle(agent)
    (arrived,) = world.aggregator.arrived
    assert arrived.header.declined == "there are no recordings here yet"
    assert (arrived.header.n_windows, arrived.arrays) == (0, {})
    assert agent.client.counters["rounds_declined"] == 1


def test_a_model_of_an_unknown_family_is_declined(
    full: World,
    model_message: Callable[..., bytes],
    basis_parameters: Parameters,
    specification: Specification,
) -> None:
    stranger = msgspec.structs.replace(specification, family="from the future")
    agent = full.start_agent()
    full.aggregator.publish_model("round", model_message(basis_parameters, "round", of=stranger))
    full.aggregator.announce("train", sha256_of(basis_parameters))
    full.settle(agent)
    (arrived,) = full.aggregator.arrived
    assert "a model family is one of pca_svm" in arrived.header.declined


def test_a_training_that_fails_declines_and_harms_nothing(
    full: World, round_model: bytes, model_sha256: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_announcement: Announcement, _model: LoadedModel) -> Answer:
        raise FloatingPointError("the numbers ran away")

    agent = full.start_agent()
    assert isinstance(agent.client, FederatedClient)
    trainer, agent.client._answer_round = agent.client._answer_round, fail
    full.aggregator.publish_model("round", round_model)
    with caplog.at_level(logging.CRITICAL):
        full.aggregator.announce("train", model_sha256, 1)
        full.settle(agent)
    agent.client._answer_round = trainer
    full.aggregator.announce("train", model_sha256, 2)
    full.settle(agent)
    declined, answered = full.aggregator.arrived
    assert declined.header.declined == "this round cannot be answered here; the agent's log says why"
    assert answered.header.declined == ""


def test_a_rounds_model_that_needs_a_newer_program_is_declined_with_the_reason(
    full: World, model_message: Callable[..., bytes], basis_parameters: Parameters
) -> None:
    agent = full.start_agent()
    full.aggregator.publish_model("round", model_message(basis_parameters, "round", specification_version=99))
    full.aggregator.announce("train", sha256_of(basis_parameters))
    full.settle(agent)
    (arrived,) = full.aggregator.arrived
    assert "update fedmotion" in arrived.header.declined


def test_an_older_refusal_is_no_answer_to_a_later_round_of_the_same_arrays(
    full: World,
    model_message: Callable[..., bytes],
    basis_parameters: Parameters,
    model_sha256: bytes,
    round_model: bytes,
) -> None:
    agent = full.start_agent()
    full.aggregator.publish_model("round", model_message(basis_parameters, "round", specification_version=99))
    full.aggregator.announce("train", model_sha256, 1, lineage_id=UUID(int=23))
    full.settle(agent)
    assert full.aggregator.arrived == []
    # The same arrays as another model: refused once, good the next time, and the round waits for it.
    full.aggregator.publish_model("round", round_model)
    full.settle(agent)
    full.aggregator.announce("train", model_sha256, 2)
    full.settle(agent)
    (arrived,) = full.aggregator.arrived
    assert (arrived.header.round_id, arrived.header.declined) == (2, "")


def test_a_round_of_another_lineage_is_declined_until_the_owner_joins_again(
    full: World, model_message: Callable[..., bytes], basis_parameters: Parameters, model_sha256: bytes
) -> None:
    agent = full.start_agent()
    for round_id, lineage in enumerate((22, 23), start=1):
        message = model_message(basis_parameters, "round", lineage_id=UUID(int=lineage))
        full.aggregator.publish_model("round", message)
        full.aggregator.announce("train", model_sha256, round_id, lineage_id=UUID(int=lineage))
        full.settle(agent)
    join(full.profile, encode_invitation(INVITATION).encode())
    full.aggregator.announce("train", model_sha256, 3, lineage_id=UUID(int=23))
    full.settle(agent)
    first, declined, rejoined = full.aggregator.arrived
    assert (first.header.declined, rejoined.header.declined) == ("", "")
    assert "its owner must join again" in declined.header.declined
    assert declined.arrays == {}


def test_what_others_say_is_one_line_in_the_log(
    full: World, round_model: bytes, model_sha256: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    full.aggregator.verdict = "refused"
    full.aggregator.text = "\x1b[31mno\nINFO all is well"
    agent = full.start_agent()
    full.aggregator.publish_model("round", round_model)
    full.aggregator.announce("train", model_sha256)
    full.settle(agent)
    assert r"refused:  '\x1b[31mno\nINFO all is well'" in caplog.text
    assert "\x1b" not in caplog.text


def test_the_released_model_is_used_kept_and_found_again_without_a_broker(
    world: World,
    model_message: Callable[..., bytes],
    trained_parameters: Parameters,
    basis_parameters: Parameters,
    specification: Specification,
) -> None:
    agent = world.start_agent()
    world.aggregator.publish_model("released", model_message(trained_parameters, round_id=3))
    world.settle(agent)
    assert agent.recogniser.round_id == 3
    poison = {**trained_parameters, "coef": trained_parameters["coef"] * np.nan}
    world.aggregator.publish_model("released", model_message(poison, round_id=4))
    world.settle(agent)
    assert agent.recogniser.round_id == 3
    assert agent.client.counters["models_refused"] == 1
    world.aggregator.publish_model("released", model_message(basis_parameters, round_id=5))
    world.settle(agent)
    assert agent.recogniser.round_id == 5
    world.kill(agent)
    world.broker.stop()
    assert world.start_agent().recogniser.round_id == 5


def test_garbage_on_every_topic_is_counted_and_nothing_else_happens(
    full: World, round_model: bytes, model_sha256: bytes
) -> None:
    agent = full.start_agent()
    full.settle(agent)
    for topic in (
        TOPICS.announcement,
        TOPICS.model("round", 0),
        TOPICS.model("released", 3),
        TOPICS.receipt("ada"),
    ):
        full.broker.inject(topic, b"garbage")
        full.broker.inject(topic, b"FM\x01\x00\x05\x00\x00\x00short")
    full.settle(agent)
    assert agent.client.counters == {"bad_messages": 8}
    full.aggregator.publish_model("round", round_model)
    full.aggregator.announce("train", model_sha256)
    full.settle(agent)
    assert len(full.aggregator.arrived) == 1


def test_presence_is_online_while_it_runs_and_offline_after_a_goodbye_or_a_death(world: World) -> None:
    agent = world.start_agent()
    world.settle(agent)
    assert [presence.is_online for presence in world.aggregator.presence] == [True]
    agent.close()
    world._agents.clear()
    world.broker.deliver()
    assert [presence.is_online for presence in world.aggregator.presence] == [True, False]
    second = world.start_agent()
    world.settle(second)
    world.broker.kill(world.doors[-1])
    world.broker.deliver()
    presences = [presence.is_online for presence in world.aggregator.presence]
    # Twice online: the second one answers the retained goodbye, which might have been a late will.
    assert presences == [True, False, True, True, False]


def test_an_empty_announcement_is_answered_with_online(world: World) -> None:
    agent = world.start_agent()
    world.settle(agent)
    world.broker.inject(TOPICS.announcement, b"", retain=True)
    world.settle(agent)
    assert [presence.is_online for presence in world.aggregator.presence] == [True, True]


def test_a_late_will_of_an_earlier_session_is_answered_with_online(world: World) -> None:
    first = world.start_agent()
    world.settle(first)
    world.broker.kill(world.doors[0], is_will_late=True)
    second = world.start_agent()
    world.settle(second)
    (presence, _) = decode_message(world.broker.retained[TOPICS.presence("ada")], Presence)
    assert presence.is_online
    assert isinstance(second.client, FederatedClient)
    assert presence.session == second.client._session


def test_two_agents_under_one_name_do_not_shout_each_other_down(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    agent = world.start_agent()
    world.settle(agent)
    with caplog.at_level(logging.CRITICAL):
        for _ in range(3):
            world.broker.inject(
                TOPICS.presence("ada"), presence_message("ada", uuid4(), is_online=True), retain=True
            )
        world.settle(agent)
    assert agent.client.counters["other_sessions"] == 3
    assert len(world.aggregator.presence) == 4


def test_an_agent_that_only_recognises_does_not_show_itself_or_answer(
    full: World,
    round_model: bytes,
    model_sha256: bytes,
    model_message: Callable[..., bytes],
    trained_parameters: Parameters,
) -> None:
    agent = full.start_agent(takes_part=False)
    full.aggregator.publish_model("round", round_model)
    full.aggregator.publish_model("released", model_message(trained_parameters, round_id=3))
    full.aggregator.announce("train", model_sha256)
    full.settle(agent)
    assert agent.recogniser.round_id == 3
    assert (full.aggregator.arrived, full.aggregator.presence, full.points) == ([], [], [])


def test_a_receipt_for_somebody_else_or_nothing_is_ignored(full: World) -> None:
    agent = full.start_agent()
    full.settle(agent)
    receipt = Receipt(
        federation_id=FEDERATION_ID,
        lineage_id=LINEAGE_ID,
        round_id=1,
        client_id="bob",
        contribution_sha256=b"x" * 32,
        verdict="accepted",
    )
    full.broker.inject(TOPICS.receipt("ada"), encode_message(receipt))
    full.settle(agent)
    assert agent.client.counters == Counter()


def test_a_profile_that_has_not_joined_cannot_become_an_agent(
    tmp_path: Path, specification: Specification
) -> None:
    with pytest.raises(ValueError, match="fedmotion join FILE"):
        Agent(Profile(tmp_path), AgentConfiguration(), finding=specification)


@pytest.mark.parametrize("kept", [b"", b"\0" * 50, b'{"x": ' + b"[" * 100_000, b'{"round_id": 3}', b"\xff"])
def test_what_was_kept_of_an_answered_round_and_is_damaged_counts_for_nothing(
    tmp_path: Path, kept: bytes
) -> None:
    path = tmp_path / "answered.json"
    path.write_bytes(kept)
    answered = AnsweredRound(path, FEDERATION_ID)
    assert answered.round_id is None
    answered.write(7)
    assert AnsweredRound(path, FEDERATION_ID).round_id == 7
    assert AnsweredRound(path, UUID(int=12)).round_id is None


def test_an_outbox_that_another_program_holds_costs_a_round_and_not_the_agent(
    full: World, round_model: bytes, model_sha256: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    full.works_at_once = False
    agent = full.start_agent()
    assert agent._outbox is not None
    agent._outbox._execute("PRAGMA busy_timeout = 0")
    full.aggregator.publish_model("round", round_model)
    full.aggregator.announce("train", model_sha256, 1)
    full.settle(agent)
    holder = sqlite3.connect(full.profile.outbox, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    full.jobs.pop()()
    full.settle(agent)
    assert agent.client.counters["storage_errors"] == 1
    assert "is locked by another program" in caplog.text
    holder.execute("ROLLBACK")
    holder.close()
    full.aggregator.announce("train", model_sha256, 2)
    full.settle(agent)
    full.jobs.pop()()
    full.settle(agent)
    assert [arrived.header.round_id for arrived in full.aggregator.arrived] == [2]


def test_an_outbox_of_a_newer_program_is_refused_and_everything_closed(
    world: World, specification: Specification
) -> None:
    world.profile.create()
    Outbox(world.profile.outbox).close()
    connection = sqlite3.connect(world.profile.outbox)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(StoreError, match="newer fedmotion, install that one"):
        Agent(world.profile, AgentConfiguration(), finding=specification)
