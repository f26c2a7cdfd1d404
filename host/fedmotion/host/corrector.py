"""Makes recordings of what a person says of the last movements, and of other movement where agreed to."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import msgspec

from fedmotion.delivery.sqlite_store import StoreError
from fedmotion.host.corrections import Correction, Kind, LastMovements, Movement
from fedmotion.host.imu_stream import ImuBlock
from fedmotion.host.other_quota import OtherQuota
from fedmotion.host.recogniser import Decision
from fedmotion.host.recorder import Recorder
from fedmotion.host.recording_store import Recording, RecordingStore
from fedmotion.protocol.identity import OTHER

_NEARLY = 0.5
"""A gesture at least so likely as this share of `other` was nearly recognised: it may well have been one."""


class Corrected(msgspec.Struct, frozen=True):
    """A correction that was taken.

    `recognised_as` is what the movement was taken for; `is_kept` is false while its recording still waits
    for what follows the movement. Of an undone one, `label` is the movement's label from now on, "" where it
    is no recording any more.
    """

    correct: Kind
    label: str
    recognised_as: str
    start_us: int
    stop_us: int
    is_kept: bool

    @property
    def sentence(self) -> str:
        """What a person is told."""
        movement = f"the movement at {self.start_us / 1e6:.2f} s that was taken for {self.recognised_as}"
        if self.correct == "undo":
            return f"undone: {movement} is {self.label or 'not kept'}"
        if not self.is_kept:
            return f"noted: {movement} is kept as {self.label} in a moment"
        return f"kept as {self.label}: {movement}"


class NotCorrected(msgspec.Struct, frozen=True):
    """A correction that was not taken, and why."""

    why: str

    @property
    def sentence(self) -> str:
        """What a person is told."""
        return f"not corrected: {self.why}"


Told = Corrected | NotCorrected


@dataclass(frozen=True, slots=True)
class _Done:
    """What undoing needs: the movement, the take in the store, and its label before, "" for not there."""

    movement: Movement
    take: str
    label_before: str


class Corrector:
    """Keeps the last movements of a stream, and those in `store` that a person names or agreed to.

    `recorder` cuts every movement, whatever its label. `activities` says what is known at present. `quota`
    None collects no `other`. `on_told` and `on_collected` are told of what became of corrections, and of each
    collected movement.
    """

    def __init__(
        self,
        store: RecordingStore,
        recorder: Recorder,
        *,
        activities: Callable[[], tuple[str, ...]],
        quota: OtherQuota | None,
        on_told: Callable[[Told], object],
        on_collected: Callable[[Recording], object],
    ) -> None:
        self._store = store
        self._recorder = recorder
        self._activities = activities
        self._quota = quota
        self._on_told = on_told
        self._on_collected = on_collected
        self._last = LastMovements()
        self._done: list[_Done] = []

    def decide(self, decision: Decision, now_s: float) -> None:
        """Take what a model made of a movement."""
        activities = decision.model.specification.activities
        other = decision.probabilities[activities.index(OTHER)]
        likeliest = max(
            p for p, name in zip(decision.probabilities, activities, strict=True) if name != OTHER
        )
        self._last.decided(
            decision.start_us,
            decision.stop_us,
            decision.activity,
            now_s,
            is_surely_other=decision.activity == OTHER and likeliest < _NEARLY * other,
        )

    def feed(self, block: ImuBlock) -> None:
        """Take samples, after what was decided of them."""
        self._take(self._recorder.feed(block))

    def flush(self) -> None:
        """Take the stream's end: what has no recording by now gets none."""
        self._take(self._recorder.flush())
        for movement in self._last.take_unrecorded():
            self._give_up(movement)

    def correct(self, correction: Correction, now_s: float) -> None:
        """Do what a person says, or tell why not."""
        try:
            if correction.correct == "undo":
                self._undo()
                return
            label = correction.label_for(self._activities())
            movement = self._last.find(correction, now_s)
            movement.correction, movement.label = correction, label
            if movement.recording is None:
                self._tell(movement, correction.correct, label, is_kept=False)
            else:
                self._keep(movement, movement.recording)
        except (ValueError, StoreError) as error:
            self._on_told(NotCorrected(str(error)))

    def _take(self, recordings: list[Recording]) -> None:
        for recording in recordings:
            movement = self._last.recorded(recording)
            if movement is None:
                continue
            for given_up in self._last.take_unrecorded(before=movement):
                self._give_up(given_up)
            try:
                if movement.label:
                    self._keep(movement, recording)
                elif movement.is_surely_other:
                    self._collect(recording)
            except (ValueError, OSError) as error:
                self._on_told(NotCorrected(str(error)))

    def _keep(self, movement: Movement, recording: Recording) -> None:
        take, label = recording.take_sha256().hex(), movement.label
        label_before = ""
        if not self._store.add(replace(recording, label=label)):
            recording_id, label_before = self._find(take)
            self._store.relabel([recording_id], label)
        self._done.append(_Done(movement, take, label_before))
        kind = movement.correction.correct if movement.correction else "was"
        self._tell(movement, kind, label, is_kept=True)

    def _collect(self, recording: Recording) -> None:
        if self._quota is None or not self._quota.has_room(self._store.count_by_label()):
            return
        collected = replace(recording, label=OTHER)
        if self._store.add(collected):
            self._quota.take()
            self._on_collected(collected)

    def _undo(self) -> None:
        waiting = self._last.newest_waiting()
        if waiting is not None:
            waiting.label = ""
            self._tell(waiting, "undo", "", is_kept=False)
            return
        if not self._done:
            raise ValueError("there is no correction to undo")
        done = self._done[-1]
        recording_id, _ = self._find(done.take)
        if done.label_before:
            self._store.relabel([recording_id], done.label_before)
        else:
            self._store.delete([recording_id])
        self._done.pop()
        done.movement.label = ""
        self._tell(done.movement, "undo", done.label_before, is_kept=bool(done.label_before))

    def _find(self, take: str) -> tuple[int, str]:
        for recording_id, (label, of_take) in self._store.takes().items():
            if of_take == take:
                return recording_id, label
        raise ValueError("the recording of this movement was deleted meanwhile")

    def _give_up(self, movement: Movement) -> None:
        self._on_told(
            NotCorrected(
                f"the movement at {movement.start_us / 1e6:.2f} s was cut off by a gap in the samples: there "
                "is no whole recording of it"
            )
        )

    def _tell(self, movement: Movement, kind: Kind, label: str, *, is_kept: bool) -> None:
        self._on_told(Corrected(kind, label, movement.activity, movement.start_us, movement.stop_us, is_kept))
