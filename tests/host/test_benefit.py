"""Alone against federated, on the owner's own takes."""

import queue
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import msgspec
import pytest
from rich.console import Console

from fedmotion.broker.memory import MemoryBroker, MemoryDoor
from fedmotion.cli.benefit_table import show_benefit
from fedmotion.delivery.retained_model import publish_retained
from fedmotion.host.agent import Agent
from fedmotion.host.benefit import Benefit, BenefitHistory, Comparison
from fedmotion.host.configuration import AgentConfiguration
from fedmotion.host.held_out import HeldOutTakes
from fedmotion.host.profile import Profile, join
from fedmotion.host.recording_store import Recording, RecordingStore
from fedmotion.host.released_model import LoadedModel
from fedmotion.host.trainer import Trainer
from fedmotion.models.parameters import initial_parameters
from fedmotion.models.specification import Parameters, Specification
from fedmotion.protocol.invitation import Invitation, encode_invitation
from fedmotion.protocol.tensors import sha256_of
from fedmotion.protocol.topics import Topics

INVITATION = Invitation(
    federation="kitchen",
    federation_id=UUID(int=11),
    host="127.0.0.1",
    port=1,
    client_id="ada",
    password="secret",
)
EXAMPLE = Benefit(
    round_id=7,
    lineage_id="x",
    made_utc="2026-01-01T00:00:00Z",
    way="held out",
    n_trained=40,
    n_takes=20,
    n_other=5,
    n_right_alone=12,
    n_false_alarms_alone=3,
    n_right_federated=17,
    n_false_alarms_federated=0,
    n_only_federated=6,
    n_only_alone=1,
)


def released(specification: Specification, parameters: Parameters, round_id: int = 7) -> LoadedModel:
    return LoadedModel(UUID(int=22), round_id, sha256_of(parameters), specification, parameters)


def fill(profile: Profile, takes: list[Recording]) -> None:
    profile.create()
    with RecordingStore(profile.recordings, clock=lambda: 0.0) as store:
        for take in takes:
            store.add(take)


def test_the_difference_is_of_pairs_and_has_an_interval() -> None:
    assert EXAMPLE.difference is not None
    by, low, high = EXAMPLE.difference
    # By hand: 5 / 20; 5 / 22 +- 1.96 sqrt(8 - 25 / 22) / 22.
    assert by == pytest.approx(0.25)
    assert (low, high) == pytest.approx((-0.0061, 0.4607), abs=1e-4)
    assert msgspec.structs.replace(EXAMPLE, n_right_federated=None).difference is None


def test_both_models_are_asked_about_takes_that_neither_has_seen(
    tmp_path: Path, takes: list[Recording], specification: Specification, trained_parameters: Parameters
) -> None:
    # 8 of `other` would hold out one only.
    profile = Profile(tmp_path / "ada")
    fill(profile, takes)
    history = BenefitHistory(profile.benefit)
    with RecordingStore(profile.recordings, clock=lambda: 0.0) as store:
        trainer = Trainer(store, "ada", held_out=HeldOutTakes(profile.held_out, 0.3))
        comparison = Comparison(trainer, history, lambda: 0.0)
        first = comparison.compare(released(specification, trained_parameters))
        untrained = released(specification, initial_parameters(specification), 8)
        second = comparison.compare(untrained)
    assert first is not None
    assert second is not None
    assert (first.way, first.n_trained, first.n_takes, first.n_other) == ("held out", 20, 8, 2)
    assert first.n_right_federated is not None
    assert first.n_right_federated >= 7
    # Who knows nothing calls everything other: right in 2 of 8, and alone is as it was.
    assert (second.n_right_federated, second.n_false_alarms_federated) == (2, 0)
    assert second.n_right_alone == first.n_right_alone
    assert [each.round_id for each in history.read()] == [7, 8]
    history.add(second)
    assert [each.round_id for each in history.read()] == [7, 8]


def test_with_few_takes_alone_is_cross_fitted_and_nothing_is_said_of_the_federated_model(
    tmp_path: Path, takes: list[Recording], specification: Specification, trained_parameters: Parameters
) -> None:
    profile = Profile(tmp_path / "ada")
    fill(profile, takes[:20])
    with RecordingStore(profile.recordings, clock=lambda: 0.0) as store:
        trainer = Trainer(store, "ada", held_out=HeldOutTakes(profile.held_out, 0.2))
        comparison = Comparison(trainer, BenefitHistory(profile.benefit), lambda: 0.0)
        found = comparison.compare(released(specification, trained_parameters))
    assert found is not None
    assert (found.way, found.n_trained, found.n_takes) == ("cross-fitted", 20, 20)
    assert (found.n_right_federated, found.difference) == (None, None)


def test_without_recordings_there_is_nothing_to_compare(
    tmp_path: Path, specification: Specification, trained_parameters: Parameters
) -> None:
    profile = Profile(tmp_path / "ada")
    fill(profile, [])
    with RecordingStore(profile.recordings, clock=lambda: 0.0) as store:
        comparison = Comparison(Trainer(store, "ada"), BenefitHistory(profile.benefit), lambda: 0.0)
        assert comparison.compare(released(specification, trained_parameters)) is None
    assert not profile.benefit.exists()


def test_an_agent_tells_what_a_release_bought_and_compares_in_its_work_thread(
    tmp_path: Path,
    takes: list[Recording],
    specification: Specification,
    trained_parameters: Parameters,
    model_message: Callable[..., bytes],
) -> None:
    profile = Profile(tmp_path / "ada")
    join(profile, encode_invitation(INVITATION).encode())
    fill(profile, takes)
    broker = MemoryBroker()
    told: list[Benefit] = []
    jobs: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
    agent = Agent(
        profile,
        AgentConfiguration(held_out_share=0.3),
        finding=specification,
        open_door=lambda _profile, _invitation, on_event, will: MemoryDoor(
            broker, name="ada", on_event=on_event, will=will
        ),
        submit=jobs.put,
        on_benefit=told.append,
    )
    agent.start()
    publisher = MemoryDoor(broker, name="aggregator", on_event=lambda _event: None)
    publisher.start()
    broker.deliver()
    publish_retained(publisher, Topics("kitchen"), "released", model_message(trained_parameters, round_id=7))
    broker.deliver()
    handle_all(agent)
    assert agent.recogniser.round_id == 7
    assert told == []
    while not jobs.empty():
        jobs.get()()
    handle_all(agent)
    agent.close()
    assert [(each.round_id, each.way) for each in told] == [(7, "held out")]
    assert BenefitHistory(profile.benefit).read() == tuple(told)


def handle_all(agent: Agent) -> None:
    while not agent.queue.empty():
        agent.handle(agent.queue.get())


def test_a_damaged_history_is_named(tmp_path: Path) -> None:
    (tmp_path / "benefit.json").write_text("[{")
    with pytest.raises(ValueError, match=r"benefit\.json is damaged .* delete it"):
        BenefitHistory(tmp_path / "benefit.json").read()


def test_a_personal_model_has_a_column_where_there_was_one(capsys: pytest.CaptureFixture[str]) -> None:
    with_personal = msgspec.structs.replace(
        EXAMPLE, round_id=8, n_right_personal=19, n_false_alarms_personal=1
    )
    show_benefit(Console(width=120), [EXAMPLE, with_personal])
    said = capsys.readouterr().out
    assert "personal" in said.splitlines()[1]
    assert "3 → 0 → -" in said
    assert "95%" in said
    assert "3 → 0 → 1" in said
    assert said.rstrip().endswith("; the personal model 95%")
    show_benefit(Console(width=120), [EXAMPLE])
    assert "personal" not in capsys.readouterr().out
