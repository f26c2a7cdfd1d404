"""A model of one's own, from the recordings of one profile."""

import dataclasses
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest

from fedmotion.host.agent import Agent
from fedmotion.host.configuration import AgentConfiguration
from fedmotion.host.imu_stream import ImuBlock
from fedmotion.host.no_federation import NoFederation
from fedmotion.host.own_model import OWN_FEDERATION_ID, model_in_use, read_own_model
from fedmotion.host.own_training import Stage, train_own
from fedmotion.host.profile import Profile, join
from fedmotion.host.recogniser import Recognition
from fedmotion.host.recording_store import Recording, RecordingStore
from fedmotion.host.released_model import LoadedModel, ReleasedModelFile, read_model_file
from fedmotion.models.specification import Parameters, Specification
from fedmotion.protocol.invitation import Invitation, encode_invitation
from fedmotion.protocol.tensors import sha256_of

INVITATION = Invitation(
    federation="kitchen",
    federation_id=UUID(int=11),
    host="127.0.0.1",
    port=1,
    client_id="ada",
    password="secret",
)


def fill(folder: Path, takes: list[Recording]) -> Profile:
    profile = Profile(folder)
    profile.create()
    with RecordingStore(profile.recordings, clock=lambda: 0.0) as store:
        for take in takes:
            assert store.add(take)
    return profile


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, takes: list[Recording]) -> Profile:
    """A profile with a model of its 28 takes."""
    profile = fill(tmp_path_factory.mktemp("trained") / "ada", takes)
    told: list[tuple[Stage, float]] = []
    training = train_own(
        profile,
        on_progress=lambda stage, share: told.append((stage, share)),
        n_rounds=10,
        clock=lambda: 1e9,
    )
    report = training.report
    assert {each.label: each.n_takes for each in report.labels} == {
        "swipe_left": 10,
        "swipe_right": 10,
        "other": 8,
    }
    assert report.n_takes == 28
    assert report.accuracy >= 0.85
    assert 0.65 < report.low < report.accuracy < report.high <= 1
    assert len(report.by_fold) == 5
    assert report.n_other == 8
    assert (report.left_out, report.not_asked_for) == ({}, {})
    assert [stage for stage, share in told if share == 1] == ["reading", "training", "asking"]
    return profile


def test_the_model_is_a_file_that_says_it_has_no_federation(trained: Profile) -> None:
    stored = read_model_file(trained.own_model)
    assert (stored.federation, stored.federation_id, stored.round_id) == ("own", OWN_FEDERATION_ID, 0)
    assert stored.specification.activities == ("swipe_left", "swipe_right", "other")
    assert stored.written_utc == "2001-09-09T01:46:40Z"


def test_an_agent_without_a_federation_recognises_by_it(
    trained: Profile, specification: Specification, performance: ImuBlock
) -> None:
    recognised: list[Recognition] = []
    agent = Agent(
        trained,
        AgentConfiguration(takes_part=False),
        finding=specification,
        on_recognition=recognised.append,
    )
    agent.start()
    assert isinstance(agent.client, NoFederation)
    agent._on_block(performance)
    agent.tick()
    agent.close()
    assert [each.activity for each in recognised].count("swipe_left") == 10
    assert [each.activity for each in recognised].count("swipe_right") == 10
    assert not trained.outbox.exists()


def test_who_has_nothing_to_recognise_by_is_told_how_to_get_it(
    tmp_path: Path, specification: Specification
) -> None:
    with pytest.raises(ValueError, match=r"`fedmotion train` makes a model .* `fedmotion join FILE`"):
        Agent(Profile(tmp_path), AgentConfiguration(takes_part=False), finding=specification)
    with pytest.raises(ValueError, match="has joined no federation"):
        Agent(Profile(tmp_path), AgentConfiguration(), finding=specification)


def test_a_federations_released_model_takes_over_and_the_own_one_stays(
    tmp_path: Path,
    takes: list[Recording],
    specification: Specification,
    trained_parameters: Parameters,
) -> None:
    profile = fill(tmp_path / "ada", takes)
    own = train_own(profile, n_rounds=2).model
    join(profile, encode_invitation(INVITATION).encode())
    before = model_in_use(profile)
    assert before is not None
    assert before.sha256 == own.sha256
    released = LoadedModel(UUID(int=22), 7, sha256_of(trained_parameters), specification, trained_parameters)
    ReleasedModelFile(profile.released_model).write(
        released, federation="kitchen", federation_id=INVITATION.federation_id, written_unix_s=0.0
    )
    after, kept = model_in_use(profile), read_own_model(profile)
    assert after is not None
    assert kept is not None
    assert (after.round_id, kept.sha256) == (7, own.sha256)


def test_unusable_takes_are_left_out_and_said_and_labels_can_be_chosen(
    tmp_path: Path, takes: list[Recording]
) -> None:
    stuck = dataclasses.replace(takes[0], counts=np.full_like(takes[0].counts, 7))
    profile = fill(tmp_path / "ada", [stuck, *takes])
    report = train_own(profile, ["swipe_left"], n_rounds=2).report
    assert list(report.left_out) == [1]
    assert report.not_asked_for == {"swipe_right": 10}
    assert {each.label: each.n_takes for each in report.labels} == {"swipe_left": 10, "other": 8}


def test_too_few_takes_are_refused_with_what_to_record(tmp_path: Path, takes: list[Recording]) -> None:
    left = [take for take in takes if take.label == "swipe_left"]
    with pytest.raises(ValueError, match="has no recordings yet"):
        train_own(Profile(tmp_path))
    profile = fill(tmp_path / "ada", left[:3])
    with pytest.raises(
        ValueError,
        match=r"got 3 of swipe_left, 0 of other: record more first, "
        r"`fedmotion record swipe_left --takes 7`, `fedmotion record other --takes 10`",
    ):
        train_own(profile)
    with pytest.raises(ValueError, match="holds recordings of swipe_left; there are none of wave"):
        train_own(profile, ["wave"])
    assert not profile.own_model.exists()


def test_a_model_without_other_says_that_every_movement_is_a_gesture_to_it(
    tmp_path: Path, takes: list[Recording]
) -> None:
    gestures = [take for take in takes if take.label != "other"]
    report = train_own(fill(tmp_path / "ada", gestures), n_rounds=2).report
    assert report.n_other == 0
    assert report.advice[0] == (
        "there is no take of other: every movement is taken for a gesture; "
        "`fedmotion record other --takes 10` while you do what is none"
    )
