"""What a person says of movements after the fact becomes recordings, once, durably, and can be undone."""

from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID

import msgspec
import numpy as np
import pytest

from fedmotion.host.corrections import Correction, parse_correction
from fedmotion.host.corrector import Corrected, Corrector, NotCorrected, Told
from fedmotion.host.imu_stream import ImuBlock
from fedmotion.host.marks import always
from fedmotion.host.other_quota import OtherQuota
from fedmotion.host.recogniser import Decision
from fedmotion.host.recorder import Recorder
from fedmotion.host.recording_store import Recording, RecordingStore
from fedmotion.host.released_model import LoadedModel
from fedmotion.models.specification import Specification
from fedmotion.protocol.identity import Placement

Model = Callable[..., LoadedModel]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[RecordingStore]:
    with RecordingStore(tmp_path / "r.sqlite", clock=lambda: 0.0) as opened:
        yield opened


class Stream:
    """The performance, fed until a movement is decided or recorded, and decisions that the test makes."""

    def __init__(
        self, store: RecordingStore, specification: Specification, performance: ImuBlock, folder: Path
    ) -> None:
        self.told: list[Told] = []
        self.collected: list[Recording] = []
        self.quota = OtherQuota(folder / "collected.json", per_day=2, share=0.9, clock=lambda: 0.0)
        self.specification = specification
        self._performance = performance
        self._at = 0
        self._store = store
        self.start(None)

    def start(self, quota: OtherQuota | None) -> None:
        recorder = Recorder(self.specification, always("other"), person="ada", placement=Placement())
        self.corrector = Corrector(
            self._store,
            recorder,
            activities=lambda: self.specification.activities,
            quota=quota,
            on_told=self.told.append,
            on_collected=self.collected.append,
        )

    def feed_until_us(self, t_us: int, *, has_gap: bool = False) -> None:
        block = self._performance
        stop = int(np.searchsorted(block.t_us, t_us))
        cut = slice(self._at, stop)
        self.corrector.feed(
            ImuBlock(block.t_us[cut], block.samples[cut], block.counts[cut], has_gap, block.node)
        )
        self._at = stop

    def decide(self, take: Recording, activity: str, probability: float = 0.9, now_s: float = 0.0) -> None:
        activities = self.specification.activities
        rest = (1 - probability) / (len(activities) - 1)
        model = LoadedModel(UUID(int=0), 1, b"", self.specification, {})
        self.corrector.decide(
            Decision(
                activity,
                tuple(probability if each == activity else rest for each in activities),
                take.start_us,
                take.stop_us,
                take.stop_us,
                np.zeros((96, 6), np.float32),
                model,
            ),
            now_s,
        )

    def perform(self, take: Recording, activity: str, probability: float = 0.9) -> None:
        """Let a movement be made, decided and recorded."""
        self.feed_until_us(take.stop_us + 500_000)
        self.decide(take, activity, probability)
        self.feed_until_us(take.stop_us + 1_600_000)

    def say(self, correct: str, label: str = "", start_us: int | None = None, now_s: float = 0.0) -> Told:
        correction = msgspec.convert(
            {"correct": correct, "label": label, "start_us": start_us}, type=Correction
        )
        self.corrector.correct(correction, now_s)
        return self.told[-1]


@pytest.fixture
def stream(
    store: RecordingStore, specification: Specification, performance: ImuBlock, tmp_path: Path
) -> Stream:
    return Stream(store, specification, performance, tmp_path)


def test_what_was_wrong_is_kept_as_other_and_undone_again(
    stream: Stream, store: RecordingStore, takes: list[Recording]
) -> None:
    stream.perform(takes[0], "swipe_left")
    told = stream.say("wrong")
    assert told == Corrected("wrong", "other", "swipe_left", takes[0].start_us, takes[0].stop_us, True)
    (kept,) = list(store)
    assert (kept.label, kept.person) == ("other", "ada")
    # With the context around it, and the very take that recording by hand gives.
    assert kept.take_sha256() == takes[0].take_sha256()
    assert kept.t_us[0] <= takes[0].start_us - 1_400_000
    undone = stream.say("undo")
    assert isinstance(undone, Corrected)
    assert undone.sentence.endswith("that was taken for swipe_left is not kept")
    assert list(store) == []
    assert stream.say("undo") == NotCorrected("there is no correction to undo")


def test_saying_something_else_of_the_same_movement_changes_its_label(
    stream: Stream, store: RecordingStore, takes: list[Recording]
) -> None:
    stream.perform(takes[0], "swipe_left")
    stream.say("wrong")
    stream.say("was", "swipe_right")
    assert store.count_by_label() == {"swipe_right": 1}
    stream.say("undo")
    assert store.count_by_label() == {"other": 1}
    stream.say("undo")
    assert store.count_by_label() == {}


def test_a_movement_that_was_recorded_by_a_mark_is_relabelled_and_given_back(
    stream: Stream, store: RecordingStore, takes: list[Recording]
) -> None:
    store.add(takes[0])
    stream.perform(takes[0], "swipe_left")
    stream.say("nothing")
    assert store.count_by_label() == {"other": 1}
    stream.say("undo")
    assert store.count_by_label() == {takes[0].label: 1}


def test_a_missed_gesture_is_the_last_movement_that_was_taken_for_none(
    stream: Stream, store: RecordingStore, takes: list[Recording]
) -> None:
    assert stream.say("missed", "swipe_left") == NotCorrected("no movement was taken for other yet")
    stream.perform(takes[0], "other")
    stream.perform(takes[1], "swipe_left")
    assert stream.say("missed", "swipe_right") == Corrected(
        "missed", "swipe_right", "other", takes[0].start_us, takes[0].stop_us, True
    )
    (kept,) = list(store)
    assert (kept.label, kept.take_sha256()) == ("swipe_right", takes[0].take_sha256())


def test_what_is_said_before_the_movements_context_has_come_is_kept_when_it_has(
    stream: Stream, store: RecordingStore, takes: list[Recording]
) -> None:
    stream.feed_until_us(takes[0].stop_us + 500_000)
    stream.decide(takes[0], "swipe_left")
    told = stream.say("was", "swipe_right")
    assert isinstance(told, Corrected)
    assert not told.is_kept
    assert told.sentence.endswith("is kept as swipe_right in a moment")
    assert list(store) == []
    stream.feed_until_us(takes[0].stop_us + 1_600_000)
    assert stream.told[1:] == [
        Corrected("was", "swipe_right", "swipe_left", takes[0].start_us, takes[0].stop_us, True)
    ]
    assert store.count_by_label() == {"swipe_right": 1}


def test_what_waits_can_be_undone_and_what_a_gap_cut_off_is_said(
    stream: Stream, store: RecordingStore, takes: list[Recording]
) -> None:
    stream.feed_until_us(takes[0].stop_us - 100_000)
    stream.decide(takes[0], "swipe_left")
    stream.say("wrong")
    stream.say("undo")
    stream.say("wrong")
    stream.corrector.flush()
    assert isinstance(stream.told[-1], NotCorrected)
    assert "was cut off by a gap in the samples" in stream.told[-1].why
    assert list(store) == []


def test_corrections_that_come_late_or_name_what_is_unknown_are_refused_in_words(
    stream: Stream, store: RecordingStore, takes: list[Recording]
) -> None:
    assert stream.say("wrong") == NotCorrected("nothing was recognised yet")
    for take in takes[:6]:
        stream.perform(take, "swipe_left")
    assert stream.say("was", "wave") == NotCorrected(
        "a label is one of swipe_left, swipe_right, other, got 'wave'"
    )
    late = stream.say("wrong", now_s=200.0)
    assert isinstance(late, NotCorrected)
    assert "the last such movement was 3 minutes ago" in late.why
    unknown = stream.say("wrong", start_us=5)
    assert isinstance(unknown, NotCorrected)
    assert unknown.why.startswith("none of the last 6 movements begins at 5 us")
    assert list(store) == []
    # Whoever names the movement may be late.
    assert isinstance(stream.say("wrong", start_us=takes[2].start_us, now_s=200.0), Corrected)
    assert [take.take_sha256() for take in store] == [takes[2].take_sha256()]


def test_only_what_is_surely_no_gesture_is_collected_and_not_beyond_the_quota(
    stream: Stream, store: RecordingStore, takes: list[Recording]
) -> None:
    stream.start(stream.quota)
    store.add(takes[-1])
    stream.perform(takes[0], "swipe_left")
    stream.perform(takes[1], "other", probability=0.4)  # a gesture had 0.3
    assert stream.collected == []
    for take in takes[2:6]:
        stream.perform(take, "other")
    assert [take.take_sha256() for take in stream.collected] == [each.take_sha256() for each in takes[2:4]]
    assert {take.label for take in stream.collected} == {"other"}
    # It was a gesture after all: the take is relabelled.
    stream.say("missed", "swipe_left", start_us=takes[2].start_us)
    assert store.count_by_label()["swipe_left"] >= 1
    assert len(list(store)) == 3


def test_without_the_owners_word_nothing_is_collected(
    stream: Stream, store: RecordingStore, takes: list[Recording]
) -> None:
    stream.perform(takes[0], "other")
    assert list(store) == []


def test_the_quota_is_a_days_and_a_share_and_survives_a_restart(tmp_path: Path) -> None:
    now_s = [0.0]

    def quota() -> OtherQuota:
        return OtherQuota(tmp_path / "c.json", per_day=2, share=0.5, clock=lambda: now_s[0])

    assert not quota().has_room({"swipe": 0})
    assert quota().has_room({"swipe": 1})
    assert not quota().has_room({"swipe": 3, "other": 3})
    quota().take()
    quota().take()
    assert not quota().has_room({"swipe": 30})
    now_s[0] = 86_400.0
    assert quota().has_room({"swipe": 30})


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"wrong", "a correction is"),
        (b'{"correct": "sold"}', "a correction is"),
        (b'{"correct": "was", "lable": "x"}', "unknown field"),
        (b'{"correct": "was", "label": "' + b"x" * 65 + b'"}', "a correction is"),
        (b"x" * 5000, "at most 4096 bytes, got 5000"),
        (b"[" * 4000, "a correction is"),
        (b"\xff", "a correction is"),
    ],
)
def test_a_line_that_is_no_correction_is_refused_in_words(line: bytes, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        parse_correction(line)


def test_a_line_of_json_is_a_correction() -> None:
    assert parse_correction(b'{"correct": "missed", "label": "wave", "start_us": 7}') == Correction(
        "missed", "wave", 7
    )
