"""Which recordings are trained on: unusable ones are left out and named once, unless they were accepted."""

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fedmotion.host.recording_review import AcceptedTakes, RecordingReview, take_of, why_not_trained_on
from fedmotion.host.recording_store import Recording, RecordingStore
from fedmotion.host.trainer import Trainer
from fedmotion.models.recording_check import check
from fedmotion.models.specification import Specification


def stuck(recording: Recording, axis: int = 4) -> Recording:
    counts = recording.counts.copy()
    counts[:, axis] = 17
    return replace(recording, counts=counts)


def saturated(recording: Recording, share: float) -> Recording:
    counts = recording.counts.copy()
    inside = np.flatnonzero((recording.t_us >= recording.start_us) & (recording.t_us <= recording.stop_us))
    counts[inside[: int(share * len(inside))], 5] = -32768
    return replace(recording, counts=counts)


def test_simulated_recordings_are_all_trained_on(takes: list[Recording]) -> None:
    assert [why_not_trained_on(take) for take in takes] == [""] * 28


def test_the_check_finds_nothing_that_makes_simulated_recordings_unusable(takes: list[Recording]) -> None:
    found = check(take_of(take, str(index)) for index, take in enumerate(takes))
    assert [each for each in found if each.severity == "unusable"] == []


def test_a_stuck_axis_and_saturation_for_most_of_a_movement_are_unusable(takes: list[Recording]) -> None:
    assert "gy never changes from" in why_not_trained_on(stuck(takes[0]))
    assert "gz is at the end of its range in " in why_not_trained_on(saturated(takes[0], 0.9))
    assert why_not_trained_on(saturated(takes[0], 0.05)) == ""


def test_counts_are_judged_at_both_ends_of_int16(takes: list[Recording]) -> None:
    for end in (-32768, -32767, 32767):
        counts = takes[0].counts.copy()
        counts[:, 0] = np.where(np.arange(len(counts)) % 2, end, counts[:, 0])
        assert "ax is at the end" in why_not_trained_on(replace(takes[0], counts=counts))


def test_the_trainer_leaves_unusable_takes_out_until_they_are_accepted(
    takes: list[Recording], specification: Specification, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with RecordingStore(tmp_path / "recordings.sqlite", clock=lambda: 0.0) as store:
        for take in takes[:5]:
            store.add(take)
        bad = stuck(takes[6])
        store.add(bad)
        trainer = Trainer(store, "ada")
        with caplog.at_level(logging.WARNING):
            assert len(trainer.local_windows(specification).windows) == 5
            assert len(trainer.local_windows(specification).windows) == 5
        (said,) = [record.getMessage() for record in caplog.records]
        assert said.startswith("client=ada trains without recording 6: ")
        assert "gy never changes from" in said
        assert "--accept 6" in said
        AcceptedTakes(store.path).add([bad.take_sha256().hex()])
        assert len(trainer.local_windows(specification).windows) == 6


def test_accepting_adds_to_what_was_accepted(tmp_path: Path) -> None:
    accepted = AcceptedTakes(tmp_path / "recordings.sqlite")
    assert accepted.read() == frozenset()
    accepted.add(["a"])
    accepted.add(["b", "a"])
    assert accepted.read() == {"a", "b"}


def test_a_damaged_file_accepts_nothing_and_is_named(
    takes: list[Recording], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "accepted.json").write_text("{")
    with pytest.raises(ValueError, match=r"accepted\.json is damaged"):
        AcceptedTakes(tmp_path / "recordings.sqlite").read()
    review = RecordingReview(tmp_path / "recordings.sqlite", "ada")
    with caplog.at_level(logging.WARNING):
        assert "gy never changes" in review.why_left_out(3, stuck(takes[0]))
    assert "accepted.json is damaged" in caplog.text
