"""A profile's personal model: made after a release, used where it is better, never another federation's."""

import queue
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID

import msgspec
import numpy as np
import pytest

from fedmotion.broker.memory import MemoryBroker, MemoryDoor
from fedmotion.delivery.retained_model import publish_retained
from fedmotion.host.agent import Agent
from fedmotion.host.benefit import Benefit
from fedmotion.host.configuration import AgentConfiguration
from fedmotion.host.held_out import HeldOutTakes
from fedmotion.host.own_model import in_words, model_in_use
from fedmotion.host.personal_model import Personal, PersonalFiles, Personaliser
from fedmotion.host.profile import Profile, join
from fedmotion.host.recording_store import Recording, RecordingStore
from fedmotion.host.released_model import LoadedModel, ReleasedModelFile, read_model_file
from fedmotion.host.trainer import Trainer
from fedmotion.models.personal import Personalisation
from fedmotion.models.specification import Parameters, Specification
from fedmotion.protocol.invitation import Invitation, encode_invitation
from fedmotion.protocol.tensors import sha256_of
from fedmotion.protocol.topics import Topics

FEDERATION_ID = UUID(int=11)
INVITATION = Invitation(
    federation="kitchen",
    federation_id=FEDERATION_ID,
    host="127.0.0.1",
    port=1,
    client_id="ada",
    password="secret",
)
HOW = Personalisation("head", normalise=True)


def released(specification: Specification, parameters: Parameters, round_id: int = 7) -> LoadedModel:
    return LoadedModel(UUID(int=22), round_id, sha256_of(parameters), specification, parameters)


@pytest.fixture
def profile(tmp_path: Path, takes: list[Recording]) -> Profile:
    """A client of the kitchen's federation with 28 takes."""
    profile = Profile(tmp_path / "ada")
    join(profile, encode_invitation(INVITATION).encode())
    with RecordingStore(profile.recordings, clock=lambda: 0.0) as store:
        for take in takes:
            assert store.add(take)
    return profile


@pytest.fixture
def store(profile: Profile) -> Iterator[RecordingStore]:
    with RecordingStore(profile.recordings, clock=lambda: 0.0) as store:
        yield store


def personaliser(profile: Profile, store: RecordingStore, share: float = 0.3) -> Personaliser:
    trainer = Trainer(store, "ada", held_out=HeldOutTakes(profile.held_out, share))
    files = PersonalFiles(profile.personal_model)
    return Personaliser(trainer, files, "kitchen", FEDERATION_ID, HOW, lambda: 1e9)


def made(profile: Profile, store: RecordingStore, base: LoadedModel) -> Personal:
    ReleasedModelFile(profile.released_model).try_to_write(base, INVITATION, 1e9)
    personal = personaliser(profile, store).try_to_make(base)
    assert personal is not None
    return personal


def test_of_a_model_that_knows_little_it_makes_a_better_one_and_that_is_used(
    profile: Profile, store: RecordingStore, specification: Specification, basis_parameters: Parameters
) -> None:
    base = released(specification, basis_parameters)
    personal = made(profile, store, base)
    record = personal.record
    # The untrained model decides everything as other, and is right of the two others held out.
    assert (record.released.n_takes, record.released.n_right, record.released.n_false_alarms) == (8, 2, 0)
    assert record.personal.n_right >= 6
    assert record.is_better
    assert (record.n_trained, record.made_utc) == (20, "2001-09-09T01:46:40Z")
    used = model_in_use(profile)
    assert used is not None
    assert (used.sha256, used.is_personal, used.round_id) == (personal.model.sha256, True, 7)
    assert in_words(used) == "personal model of round 7"
    without = model_in_use(profile, is_personal=False)
    assert without is not None
    assert without.sha256 == base.sha256


def test_where_it_is_not_better_the_released_model_stays(
    profile: Profile, store: RecordingStore, specification: Specification, trained_parameters: Parameters
) -> None:
    base = released(specification, trained_parameters)
    personal = made(profile, store, base)
    assert personal.record.personal.n_right <= personal.record.released.n_right
    used = model_in_use(profile)
    assert used is not None
    assert (used.sha256, used.is_personal) == (base.sha256, False)
    assert in_words(used) == "model of round 7"


def test_more_right_for_more_false_alarms_is_not_better(
    profile: Profile, store: RecordingStore, specification: Specification, basis_parameters: Parameters
) -> None:
    record = made(profile, store, released(specification, basis_parameters)).record
    alarms = msgspec.structs.replace(record.personal, n_false_alarms=1)
    assert record.is_better
    assert not msgspec.structs.replace(record, personal=alarms).is_better


def test_it_is_a_model_file_like_any_other(
    profile: Profile, store: RecordingStore, specification: Specification, basis_parameters: Parameters
) -> None:
    personal = made(profile, store, released(specification, basis_parameters))
    stored = read_model_file(profile.personal_model)
    assert (stored.federation, stored.federation_id, stored.round_id) == ("kitchen", FEDERATION_ID, 7)
    assert stored.sha256 == personal.model.sha256
    assert profile.personal_model.stat().st_mode & 0o777 == 0o600
    assert profile.personal_model.with_suffix(".json").stat().st_mode & 0o777 == 0o600


def test_after_another_release_and_in_another_federation_it_is_not_used(
    profile: Profile,
    store: RecordingStore,
    specification: Specification,
    basis_parameters: Parameters,
    trained_parameters: Parameters,
) -> None:
    base = released(specification, basis_parameters)
    made(profile, store, base)
    files = PersonalFiles(profile.personal_model)
    assert files.read(FEDERATION_ID, base) is not None
    assert files.read(FEDERATION_ID, released(specification, trained_parameters, 8)) is None
    assert files.read(UUID(int=99), base) is None
    elsewhere = LoadedModel(UUID(int=23), 7, base.sha256, specification, basis_parameters)
    assert files.read(FEDERATION_ID, elsewhere) is None, "another lineage"


def test_killed_between_its_two_files_neither_is_used(
    profile: Profile, store: RecordingStore, specification: Specification, basis_parameters: Parameters
) -> None:
    """The model of the second making with the record of the first, and the other way round."""
    base = released(specification, basis_parameters)
    files = PersonalFiles(profile.personal_model)
    record = profile.personal_model.with_suffix(".json")
    made(profile, store, base)
    first_model, first_record = profile.personal_model.read_bytes(), record.read_bytes()
    later = made(
        profile, store, released(specification, {**basis_parameters, "intercept": np.full(3, -0.25)})
    )
    record.write_bytes(first_record)
    assert files.read(FEDERATION_ID, base) is None
    record.write_bytes(msgspec.json.encode(later.record))
    profile.personal_model.write_bytes(first_model)
    assert files.read(FEDERATION_ID, base) is None
    used = model_in_use(profile)
    assert used is not None
    assert not used.is_personal


@pytest.mark.parametrize("damage", [b"", b"{", b'{"round_id": 7}', b"\xff" * 40])
def test_a_damaged_record_or_model_is_not_used_and_the_log_says_so(
    profile: Profile,
    store: RecordingStore,
    specification: Specification,
    basis_parameters: Parameters,
    damage: bytes,
    caplog: pytest.LogCaptureFixture,
) -> None:
    base = released(specification, basis_parameters)
    made(profile, store, base)
    record = profile.personal_model.with_suffix(".json")
    kept = record.read_bytes()
    record.write_bytes(damage)
    assert PersonalFiles(profile.personal_model).read(FEDERATION_ID, base) is None
    assert "the personal model is not used" in caplog.text
    record.write_bytes(kept)
    profile.personal_model.write_bytes(damage)
    assert PersonalFiles(profile.personal_model).read(FEDERATION_ID, base) is None
    assert "the kept model is not used" in caplog.text


def test_without_held_out_takes_or_takes_of_an_activity_none_is_made_and_the_log_says_why(
    profile: Profile,
    store: RecordingStore,
    takes: list[Recording],
    specification: Specification,
    basis_parameters: Parameters,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    base = released(specification, basis_parameters)
    assert personaliser(profile, store, share=0.0).try_to_make(base) is None
    assert "round=7 no personal model: 0 takes of swipe_left are held out, it takes 2" in caplog.text
    other = Profile(profile.directory.with_name("bert"))
    other.create()
    with RecordingStore(other.recordings, clock=lambda: 0.0) as without:
        for take in takes:
            if take.label != "other":
                without.add(take)
        assert personaliser(other, without).try_to_make(base) is None
    assert "0 takes of other are trained on, it takes 2" in caplog.text
    assert not profile.personal_model.exists()


class _Kitchen:
    """A federation whose released models come over a broker in memory, and one agent of it."""

    def __init__(
        self, profile: Profile, specification: Specification, model_message: Callable[..., bytes]
    ) -> None:
        self.profile = profile
        self.used: list[LoadedModel] = []
        self.benefits: list[Benefit] = []
        self._specification = specification
        self._message = model_message
        self._broker = MemoryBroker()
        self._publisher = MemoryDoor(self._broker, name="aggregator", on_event=lambda _event: None)
        self._publisher.start()
        self._broker.deliver()

    def release(self, parameters: Parameters, round_id: int) -> None:
        message = self._message(parameters, round_id=round_id)
        publish_retained(self._publisher, Topics("kitchen"), "released", message)
        self._broker.deliver()

    def agent(self, **changes: object) -> "_Run":
        return _Run(self, self._broker, self._specification, changes)


class _Run:
    def __init__(
        self,
        kitchen: _Kitchen,
        broker: MemoryBroker,
        specification: Specification,
        changes: dict[str, object],
    ) -> None:
        self._broker = broker
        self.jobs: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        configuration = msgspec.structs.replace(AgentConfiguration(held_out_share=0.3), **changes)
        self.agent = Agent(
            kitchen.profile,
            configuration,
            finding=specification,
            open_door=lambda _profile, _invitation, on_event, will: MemoryDoor(
                broker, name="ada", on_event=on_event, will=will
            ),
            submit=self.jobs.put,
            on_released=kitchen.used.append,
            on_benefit=kitchen.benefits.append,
        )
        self.agent.start()
        self.handle()

    def handle(self) -> None:
        while self._broker.deliver() or not self.agent.queue.empty():
            while not self.agent.queue.empty():
                self.agent.handle(self.agent.queue.get())

    def work(self) -> None:
        """Let the worker do what it has, and the agent hear of it."""
        while not self.jobs.empty():
            self.jobs.get()()
        self.handle()

    def close(self) -> None:
        self.agent.close()


@pytest.fixture
def kitchen(profile: Profile, specification: Specification, model_message: Callable[..., bytes]) -> _Kitchen:
    return _Kitchen(profile, specification, model_message)


def shown(kitchen: _Kitchen) -> list[str]:
    return [in_words(model) for model in kitchen.used]


def test_an_agent_goes_over_to_the_better_personal_model_and_to_the_next_release(
    kitchen: _Kitchen, basis_parameters: Parameters, trained_parameters: Parameters
) -> None:
    run = kitchen.agent()
    kitchen.release(basis_parameters, 7)
    run.handle()
    assert shown(kitchen) == ["model of round 7"]
    run.work()
    assert shown(kitchen) == ["model of round 7", "personal model of round 7"]
    assert run.agent.recogniser.model is kitchen.used[-1]
    assert [each.n_right_personal for each in kitchen.benefits] == [8]
    kitchen.release(trained_parameters, 8)
    run.handle()
    run.work()
    run.close()
    assert shown(kitchen)[2:] == ["model of round 8"], "as good as the personal one"


def test_after_a_restart_the_kept_personal_model_is_used_from_the_start(
    kitchen: _Kitchen, basis_parameters: Parameters
) -> None:
    kitchen.release(basis_parameters, 7)
    run = kitchen.agent()
    run.work()
    run.close()
    used = kitchen.used[-1]
    kitchen.used.clear()
    again = kitchen.agent()
    assert [model.sha256 for model in kitchen.used] == [used.sha256], "the retained release changes nothing"
    before = kitchen.profile.personal_model.stat().st_mtime_ns
    again.work()
    again.close()
    assert len(kitchen.used) == 1
    assert kitchen.profile.personal_model.stat().st_mtime_ns == before, "nothing to make anew"


def test_one_that_only_recognises_uses_it_and_makes_none(
    kitchen: _Kitchen, basis_parameters: Parameters, trained_parameters: Parameters
) -> None:
    kitchen.release(basis_parameters, 7)
    run = kitchen.agent()
    run.work()
    run.close()
    kitchen.used.clear()
    only = kitchen.agent(takes_part=False)
    only.work()
    assert shown(kitchen) == ["personal model of round 7"]
    kept = kitchen.profile.personal_model.read_bytes()
    kitchen.release({**basis_parameters, "intercept": trained_parameters["intercept"]}, 8)
    only.handle()
    only.work()
    only.close()
    assert shown(kitchen) == ["personal model of round 7", "model of round 8"]
    assert kitchen.profile.personal_model.read_bytes() == kept


def test_turned_off_none_is_made_and_none_is_used(kitchen: _Kitchen, basis_parameters: Parameters) -> None:
    kitchen.release(basis_parameters, 7)
    run = kitchen.agent()
    run.work()
    run.close()
    kitchen.profile.personal_model.with_suffix(".json").rename(kitchen.profile.directory / "kept.json")
    kitchen.used.clear()
    off = kitchen.agent(personal_fine_tune="off", personal_normalise=False)
    off.work()
    off.close()
    assert shown(kitchen) == ["model of round 7"]
    assert not kitchen.profile.personal_model.with_suffix(".json").exists()


def test_a_personal_model_of_a_release_that_is_over_is_not_used(
    kitchen: _Kitchen, basis_parameters: Parameters, trained_parameters: Parameters
) -> None:
    run = kitchen.agent()
    kitchen.release(basis_parameters, 7)
    run.handle()
    kitchen.release(trained_parameters, 8)
    run.handle()
    run.work()
    run.close()
    assert shown(kitchen) == ["model of round 7", "model of round 8"]
