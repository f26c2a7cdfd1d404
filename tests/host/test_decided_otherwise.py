"""Two models on the same recordings: which ones they decide otherwise, and how often each is right."""

from pathlib import Path
from uuid import UUID

import pytest

from fedmotion.host.decided_otherwise import decision_difference
from fedmotion.host.recording_store import Recording, RecordingStore
from fedmotion.models.model_file import StoredModel
from fedmotion.models.parameters import initial_parameters
from fedmotion.models.specification import Parameters, Specification, pca_svm
from fedmotion.protocol.tensors import sha256_of


def model(specification: Specification, parameters: Parameters) -> StoredModel:
    return StoredModel(
        federation="home",
        federation_id=UUID(int=1),
        lineage_id=UUID(int=2),
        round_id=3,
        sha256=sha256_of(parameters),
        specification=specification,
        parameters=parameters,
        written_utc="2026-03-01T12:00:00Z",
        written_by="fedmotion 0.1.0",
    )


@pytest.fixture
def store(tmp_path: Path, takes: list[Recording]) -> RecordingStore:
    path = tmp_path / "recordings.sqlite"
    with RecordingStore(path, clock=lambda: 0.0) as store:
        for take in takes:
            store.add(take)
    return RecordingStore(path, clock=lambda: 0.0, read_only=True)


def test_a_model_that_knows_nothing_differs_in_every_gesture(
    store: RecordingStore, specification: Specification, trained_parameters: Parameters
) -> None:
    blank = model(specification, initial_parameters(specification))
    learned = model(specification, trained_parameters)
    with store:
        found = decision_difference(store, "ada", blank, learned)
        assert decision_difference(store, "ada", learned, learned).otherwise == ()
        # 8 of the 28 are of other, which is what one that knows nothing decides.
        assert (found.n_windows, found.n_right_by_a, found.n_right_by_b) == (28, 8, 28)
        assert len(found.otherwise) == 20
        for each in found.otherwise:
            assert (each.by_a, each.by_b) == ("other", each.label)
            recording = store.get(each.recording_id)
            assert recording is not None
            assert recording.label == each.label


def test_only_recordings_whose_label_both_know_are_compared(
    store: RecordingStore, specification: Specification, trained_parameters: Parameters
) -> None:
    fewer = pca_svm(("swipe_left", "other"), n_components=8)
    with store:
        found = decision_difference(
            store,
            "ada",
            model(specification, trained_parameters),
            model(fewer, initial_parameters(fewer)),
        )
    assert found.n_windows == 18
    assert {each.label for each in found.otherwise} == {"swipe_left"}


def test_without_recordings_there_is_nothing_to_compare(tmp_path: Path, specification: Specification) -> None:
    blank = model(specification, initial_parameters(specification))
    with RecordingStore(tmp_path / "recordings.sqlite", clock=lambda: 0.0) as empty:
        found = decision_difference(empty, "ada", blank, blank)
    assert (found.n_windows, found.otherwise) == (0, ())
