"""Two models on one profile's recordings: how many each decides rightly, and which of them otherwise."""

from dataclasses import dataclass

import msgspec

from fedmotion.host.recording_store import DamagedRecordingError, RecordingStore
from fedmotion.host.trainer import Trainer
from fedmotion.models.family import decide, family
from fedmotion.models.model_file import StoredModel


class DecidedOtherwise(msgspec.Struct, frozen=True):
    """A recording that the two models decide differently; all three are activities."""

    recording_id: int
    label: str
    by_a: str
    by_b: str


class DecisionDifference(msgspec.Struct, frozen=True):
    """How two models decide the movements whose label both know."""

    n_windows: int
    n_right_by_a: int
    n_right_by_b: int
    otherwise: tuple[DecidedOtherwise, ...]


@dataclass(frozen=True, slots=True)
class _Decision:
    label: str
    activity: str

    @property
    def is_right(self) -> bool:
        return self.activity == self.label


def decision_difference(
    store: RecordingStore, client_id: str, a: StoredModel, b: StoredModel
) -> DecisionDifference:
    """Return how models `a` and `b` decide the recordings of `store`, windows cut as for training.

    Raises
    ------
    StoreError, ValueError, OSError
        If the recordings cannot be read.
    """
    trainer = Trainer(store, client_id)
    by_a, by_b = _decisions(trainer, a), _decisions(trainer, b)
    both = [take for take in by_a if take in by_b]
    differing = {take for take in both if by_a[take].activity != by_b[take].activity}
    ids = _ids(store) if differing else {}
    return DecisionDifference(
        n_windows=len(both),
        n_right_by_a=sum(by_a[take].is_right for take in both),
        n_right_by_b=sum(by_b[take].is_right for take in both),
        otherwise=tuple(
            DecidedOtherwise(ids[take], by_a[take].label, by_a[take].activity, by_b[take].activity)
            for take in both
            if take in differing
        ),
    )


def _decisions(trainer: Trainer, model: StoredModel) -> dict[str, _Decision]:
    """Return what `model` decides of each take, by the take's name."""
    specification = model.specification
    local = trainer.local_windows(specification)
    if not len(local.windows):
        return {}
    chosen = decide(
        specification,
        family(specification.family).probabilities(specification, model.parameters, local.windows),
    )
    activities = specification.activities
    return {
        take: _Decision(activities[int(label)], activities[int(decided)])
        for take, label, decided in zip(local.takes, local.labels, chosen, strict=True)
    }


def _ids(store: RecordingStore) -> dict[str, int]:
    ids = {}
    for recording_id in store.recording_ids():
        try:
            recording = store.get(recording_id)
        except DamagedRecordingError:
            continue
        if recording is not None:
            ids[recording.take_sha256().hex()] = recording_id
    return ids
