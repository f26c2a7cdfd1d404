"""A model of one's own: a profile's recordings, trained in one place and kept as what it recognises by.

The functions are those of a federation's rounds. What is said of the model's accuracy is of takes that it was
not trained on.
"""

import shlex
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec
import numpy as np

from fedmotion.host.own_model import keep_own_model, own_model
from fedmotion.host.profile import Profile
from fedmotion.host.recording_store import RecordingStore
from fedmotion.host.released_model import LoadedModel
from fedmotion.host.trainer import LocalWindows, Trainer
from fedmotion.models.cross_validation import CrossValidation, cross_validate, deal_folds, share_interval
from fedmotion.models.one_place import train_in_one_place
from fedmotion.models.specification import Specification, pca_svm
from fedmotion.protocol.identity import OTHER, check_label
from fedmotion.protocol.messages import TrainSettings

SETTINGS = TrainSettings(learning_rate=0.02, n_epochs=3, batch_size=16)
"""What an aggregator asks for unless told otherwise, so that alone and federated differ in nothing else."""

N_ROUNDS = 20
"""60 epochs, after which more changed no decision of simulated people."""

MIN_TAKES = 4
"""Of each gesture; of fewer, what the rest has learned is too little to ask it about one."""

ENOUGH_TAKES = 10
"""Of each label; with fewer the model is made, and more are asked for."""

Stage = Literal["reading", "training", "asking"]
Progress = Callable[[Stage, float], object]
"""Told what is under way and which share of it is done, 0 to 1."""


class LabelReport(msgspec.Struct, frozen=True, kw_only=True):
    """One label's takes, each decided by a model that was trained on others.

    `low` and `high` are between which shares the true one lies with 95 % confidence. `taken_for` counts what
    the wrong ones were taken for.
    """

    label: str
    n_takes: int
    n_right: int
    share: float
    low: float
    high: float
    taken_for: dict[str, int]


class TrainingReport(msgspec.Struct, frozen=True, kw_only=True):
    """What was trained on, how well takes are decided that were not, and what to record next.

    `n_takes` counts takes by label, unusable ones left out; `left_out` says why by recording id, and
    `not_asked_for` counts recordings of labels that were not chosen. `by_fold` has the accuracy of each part.
    """

    labels: tuple[LabelReport, ...]
    accuracy: float
    low: float
    high: float
    by_fold: tuple[float, ...]
    n_false_alarms: int
    n_other: int
    left_out: dict[int, str]
    not_asked_for: dict[str, int]
    n_components: int
    advice: tuple[str, ...]

    @property
    def n_takes(self) -> int:
        """How many takes were trained on."""
        return sum(each.n_takes for each in self.labels)


@dataclass(frozen=True, slots=True)
class OwnTraining:
    """The model that a profile recognises by from now on, and what is known of it."""

    model: LoadedModel
    report: TrainingReport


def train_own(
    profile: Profile,
    labels: Sequence[str] = (),
    *,
    on_progress: Progress = lambda _stage, _share: None,
    settings: TrainSettings = SETTINGS,
    n_rounds: int = N_ROUNDS,
    clock: Callable[[], float] = time.time,
) -> OwnTraining:
    """Train a model on the profile's recordings, ask it about takes it has not seen, and keep it.

    Parameters
    ----------
    labels
        The gestures; none is all that were recorded. Takes of `other` are used wherever there are some.

    Raises
    ------
    ValueError
        With what to record next, if a gesture has fewer than MIN_TAKES usable takes, or there is nothing to
        tell apart; or if a label was never recorded.
    StoreError, OSError
        If the recordings cannot be read, or the model not be written.
    """
    local, activities, left_out, specification = _windows(profile, labels, on_progress)
    counts = Counter(activities[int(label)] for label in local.labels)
    _check_enough(counts, activities, left_out)
    on_progress("training", 0.0)
    told = _Share(on_progress, "training", n_rounds)
    fitted, parameters = train_in_one_place(
        specification, local.windows, local.labels, settings, n_rounds, on_round=told
    )
    n_folds = len(set(deal_folds(local.labels, local.takes).tolist()) - {-1})
    asked = cross_validate(
        specification,
        local.windows,
        local.labels,
        local.takes,
        settings,
        n_rounds,
        _Share(on_progress, "asking", n_rounds * n_folds),
    )
    model = own_model(fitted, parameters)
    keep_own_model(profile, model, clock())
    return OwnTraining(model, _report(fitted, asked, counts, left_out, local.n_unknown))


class _Share:
    """Counts rounds and tells the share of all."""

    def __init__(self, on_progress: Progress, stage: Stage, n_rounds: int) -> None:
        self._on_progress = on_progress
        self._stage: Stage = stage
        self._n_rounds = n_rounds
        self._n_done = 0

    def __call__(self) -> None:
        self._n_done += 1
        self._on_progress(self._stage, self._n_done / self._n_rounds)


def _windows(
    profile: Profile, labels: Sequence[str], on_progress: Progress
) -> tuple[LocalWindows, tuple[str, ...], dict[int, str], Specification]:
    """Return the windows, the activities, what was left out, and the specification they were cut for."""
    for label in labels:
        check_label(label)
    if not profile.recordings.exists():
        raise ValueError(
            f"the profile {profile.directory} has no recordings yet: `fedmotion record LABEL` makes some"
        )
    with RecordingStore(profile.recordings, clock=time.time, read_only=True) as store:
        recorded = store.count_by_label()
        if unknown := sorted(set(labels) - set(recorded)):
            raise ValueError(
                f"{profile.directory} holds recordings of {', '.join(recorded) or 'nothing'}; there are none "
                f"of {', '.join(unknown)}"
            )
        gestures = tuple(sorted((set(labels) or set(recorded)) - {OTHER}))
        if not gestures:
            raise ValueError(
                "a model tells gestures from other movement: record one first, `fedmotion record LABEL`"
            )
        specification = pca_svm((*gestures, OTHER))
        on_progress("reading", 0.0)
        trainer = Trainer(store, "alone")
        local = trainer.local_windows(specification)
        on_progress("reading", 1.0)
        return local, specification.activities, trainer.left_out, specification


def _check_enough(counts: Mapping[str, int], activities: Sequence[str], left_out: Mapping[int, str]) -> None:
    """Raise ValueError with what to record where that is too little to learn from."""
    gestures = [label for label in activities if label != OTHER]
    # One gesture and nothing else would be recognised in everything.
    wanted = gestures if len(gestures) > 1 else [*gestures, OTHER]
    missing = {
        label: ENOUGH_TAKES - counts.get(label, 0) for label in wanted if counts.get(label, 0) < MIN_TAKES
    }
    if not missing:
        return
    lacks = ", ".join(f"{counts.get(label, 0)} of {label}" for label in missing)
    commands = ", ".join(
        f"`fedmotion record {shlex.quote(label)} --takes {n}`" for label, n in missing.items()
    )
    without = f" ({len(left_out)} recordings are unusable: `fedmotion recordings check`)" if left_out else ""
    raise ValueError(
        f"a model needs at least {MIN_TAKES} usable takes of each gesture and two labels to tell apart, got "
        f"{lacks}{without}: record more first, {commands}"
    )


def _report(
    specification: Specification,
    asked: CrossValidation,
    counts: Mapping[str, int],
    left_out: dict[int, str],
    not_asked_for: Mapping[str, int],
) -> TrainingReport:
    activities = specification.activities
    rows = [
        _label_report(activities, index, asked) for index, label in enumerate(activities) if counts.get(label)
    ]
    low, high = share_interval(asked.n_right, asked.n_takes)
    other = asked.confusion[specification.other_index]
    return TrainingReport(
        labels=tuple(rows),
        accuracy=asked.n_right / asked.n_takes,
        low=low,
        high=high,
        by_fold=asked.by_fold,
        n_false_alarms=int(other.sum() - other[specification.other_index]),
        n_other=int(other.sum()),
        left_out=left_out,
        not_asked_for=dict(sorted(not_asked_for.items())),
        n_components=specification.n_components,
        advice=_advice(rows),
    )


def _label_report(activities: Sequence[str], index: int, asked: CrossValidation) -> LabelReport:
    row = asked.confusion[index]
    # The only take of `other` was trained on and could not be asked about.
    n_takes, n_right = int(row.sum()), int(row[index])
    low, high = share_interval(n_right, n_takes)
    return LabelReport(
        label=activities[index],
        n_takes=n_takes,
        n_right=n_right,
        share=n_right / n_takes if n_takes else 0.0,
        low=low,
        high=high,
        taken_for={
            activities[int(each)]: int(row[each])
            for each in np.argsort(-row, kind="stable")
            if each != index and row[each]
        },
    )


def _advice(rows: Sequence[LabelReport]) -> tuple[str, ...]:
    """Return what would help most, in words, the most pressing first."""
    advice = []
    n_other = next((each.n_takes for each in rows if each.label == OTHER), 0)
    most = max(each.n_takes for each in rows)
    if not n_other:
        advice.append(
            f"there is no take of {OTHER}: every movement is taken for a gesture; "
            f"`fedmotion record {OTHER} --takes {max(most, ENOUGH_TAKES)}` while you do what is none"
        )
    for each in rows:
        if each.n_takes < ENOUGH_TAKES and each.label != OTHER:
            n_more = ENOUGH_TAKES - each.n_takes
            advice.append(
                f"{each.label} has {each.n_takes} takes: `fedmotion record {shlex.quote(each.label)} "
                f"--takes {n_more}`"
            )
        elif each.taken_for and each.share < 0.8:
            taken_for = next(iter(each.taken_for))
            what_to_do = (
                f"record more of what looks like it, `fedmotion record {OTHER}`"
                if each.label == OTHER
                else "record more of both, as you do them every day, or choose a gesture that differs more"
            )
            advice.append(
                f"{each.label} is taken for {taken_for} {each.taken_for[taken_for]} times: {what_to_do}"
            )
    if n_other and 2 * n_other < most:
        advice.append(
            f"{OTHER} has {n_other} takes, the most frequent gesture {most}: other movement is more various "
            f"than any gesture, `fedmotion record {OTHER} --takes {most - n_other}`"
        )
    return tuple(advice)
