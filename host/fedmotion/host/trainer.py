"""Answers rounds from the local recordings: statistics, training and evaluation on windows cut from them.

The recordings stay here; what an answer holds is all that leaves the house, and `disclosure` has the last
word on whether there is one.
"""

import logging
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from fedmotion.host.disclosure import (
    FILE_NAME,
    Disclosed,
    DisclosureFile,
    agreed,
    choose_statistics,
    first_disclosed,
    grown_from,
    why_not_this_lineage,
    why_too_much_memory,
    why_too_much_work,
)
from fedmotion.host.held_out import HeldOutTakes
from fedmotion.host.recording_review import RecordingReview
from fedmotion.host.recording_store import DamagedRecordingError, RecordingStore
from fedmotion.host.released_model import LoadedModel
from fedmotion.models.family import RuntimeMissingError, confusion, family
from fedmotion.models.one_place import training_seed
from fedmotion.models.parameters import select
from fedmotion.models.specification import Parameters, Specification
from fedmotion.models.statistics import MIN_WINDOWS
from fedmotion.models.windows import window_at
from fedmotion.protocol.messages import Announcement, TrainSettings
from fedmotion.protocol.tensors import sha256_of

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LocalWindows:
    """What this client can train on.

    `windows`, float32 (n, window_length, 6), and `labels`, int64 (n,), the index of each one's activity.
    `n_unknown` counts by label the recordings whose label the specification does not have: they stand
    for nothing, least of all for `other`. `takes` names each window's recording for good, where windows
    are of a store: an id may be used again after a deletion.
    """

    windows: NDArray[np.float32]
    labels: NDArray[np.int64]
    n_unknown: Counter[str]
    takes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """What a round gets from this client: arrays, or why there are none."""

    arrays: Parameters = field(default_factory=dict)
    n_windows: int = 0
    n_steps: int = 0
    metrics: dict[str, float] = field(default_factory=dict)
    declined: str = ""


@dataclass(frozen=True, slots=True)
class _Cut:
    label: str
    take: str
    window: NDArray[np.float32]


class Trainer:
    """Works on the recordings of one store; windows are cut once and kept between rounds.

    What it discloses is kept in the file `disclosed`, by default the profile's, beside the recordings. Takes
    that `held_out` holds out are in no answer of any kind; None holds out nothing. `taught` gives the
    gestures that its owner teaches though they came to the federation after joining.
    """

    def __init__(
        self,
        store: RecordingStore,
        client_id: str,
        disclosed: Path | None = None,
        held_out: HeldOutTakes | None = None,
        taught: Callable[[], Collection[str]] = tuple,
    ) -> None:
        self._store = store
        self._client_id = client_id
        self._file = DisclosureFile(disclosed or store.path.with_name(FILE_NAME))
        self._review = RecordingReview(store.path, client_id)
        self._cut_for: tuple[float, int] | None = None
        self._cuts: dict[int, _Cut] = {}
        self._held_out = held_out
        self._taught = taught
        self.settings = TrainSettings()
        """Those of the last train round."""
        self.left_out: dict[int, str] = {}
        """Why recordings are not among the windows that were asked for last, by their ids."""

    def local_windows(self, specification: Specification) -> LocalWindows:
        """Return the windows of recordings whose label `specification` has, held-out ones left out."""
        self._refresh(specification)
        held_out = self._dealt()
        return self._of(specification, [each for each in self._cuts.values() if each.take not in held_out])

    def held_out_windows(self, specification: Specification) -> LocalWindows:
        """Return the windows of the held-out recordings whose label `specification` has."""
        self._refresh(specification)
        held_out = self._dealt()
        return self._of(specification, [each for each in self._cuts.values() if each.take in held_out])

    def _dealt(self) -> frozenset[str]:
        if self._held_out is None:
            return frozenset()
        return self._held_out.deal({cut.take: cut.label for cut in self._cuts.values()})

    def _of(self, specification: Specification, cuts: list[_Cut]) -> LocalWindows:
        index_of = {activity: index for index, activity in enumerate(specification.activities)}
        known = [cut for cut in cuts if cut.label in index_of]
        windows = np.empty((len(known), specification.window_length, 6), dtype=np.float32)
        for position, cut in enumerate(known):
            windows[position] = cut.window
        return LocalWindows(
            windows,
            np.array([index_of[cut.label] for cut in known], dtype=np.int64),
            Counter(cut.label for cut in cuts if cut.label not in index_of),
            tuple(cut.take for cut in known),
        )

    def answer(self, announcement: Announcement, model: LoadedModel) -> Answer:
        """Return this client's answer to the round, computed from `model`; reproducible to the bit.

        Raises
        ------
        ValueError, OSError
            If what was disclosed before cannot be read, or what this answer discloses not be kept.
        """
        kept = self._file.read()
        basis_sha256 = sha256_of(select(model.parameters, "basis", model.specification)).hex()
        asked = first_disclosed(announcement.lineage_id, model.specification)
        discloses = grown_from(kept, asked, model.specification, basis_sha256) or kept
        declined = why_not_this_lineage(discloses, asked) or self._why_beyond_budget(announcement, model)
        if declined:
            return Answer(declined=declined)
        discloses = discloses or asked
        if announcement.round_kind != "statistics" and not discloses.basis_sha256:
            discloses = msgspec.structs.replace(discloses, basis_sha256=basis_sha256)
        local = self._agreed_windows(discloses, model.specification)
        if local.n_unknown:
            _log.warning(
                "client=%s round=%d recordings without a place in this federation: %s "
                "(`fedmotion gestures propose` asks for one)",
                self._client_id,
                announcement.round_id,
                ", ".join(f"{label} ({count})" for label, count in sorted(local.n_unknown.items())),
            )
        if len(local.windows) == 0:
            return Answer(declined=_why_nothing(local))
        match announcement.round_kind:
            case "statistics":
                answer, discloses = _statistics(model, local, discloses)
            case "train":
                answer = self._train(announcement, model, local)
            case "evaluate":
                answer = _evaluate(model, local)
        if not answer.declined and discloses != kept:
            # Before the answer leaves: a crash may forget an answer, never a disclosure.
            self._file.write(discloses)
        return answer

    def _agreed_windows(self, discloses: Disclosed, specification: Specification) -> LocalWindows:
        """Return the local windows without those of gestures that nobody here agreed to teach."""
        local = self.local_windows(specification)
        may = agreed(discloses, specification, self._taught())
        is_kept = np.array([specification.activities[label] in may for label in local.labels], np.bool_)
        if is_kept.all():
            return local
        left_out = Counter(specification.activities[label] for label in local.labels[~is_kept])
        _log.info(
            "client=%s stays out of what it does not teach: %s; `fedmotion gestures teach NAME` changes that",
            self._client_id,
            ", ".join(f"{label} ({count})" for label, count in sorted(left_out.items())),
        )
        takes = tuple(take for take, is_one in zip(local.takes, is_kept, strict=True) if is_one)
        return LocalWindows(local.windows[is_kept], local.labels[is_kept], local.n_unknown, takes)

    def _why_beyond_budget(self, announcement: Announcement, model: LoadedModel) -> str:
        """Return why this is not even begun; known from counts alone, before a window is cut."""
        n_by_label = self._store.count_by_label()
        too_much = why_too_much_memory(model.specification, sum(n_by_label.values()))
        if too_much or announcement.round_kind != "train":
            return too_much
        n_windows = sum(n_by_label.get(activity, 0) for activity in model.specification.activities)
        return why_too_much_work(announcement.settings, model.specification, n_windows)

    def _train(self, announcement: Announcement, model: LoadedModel, local: LocalWindows) -> Answer:
        self.settings = announcement.settings
        settings: TrainSettings = msgspec.structs.replace(
            announcement.settings,
            seed=training_seed(announcement.settings.seed, announcement.round_id, self._client_id),
        )
        try:
            result = family(model.specification.family).train(
                model.specification, model.parameters, local.windows, local.labels, settings
            )
        except RuntimeMissingError as missing:
            # Of the host and not of its owner's motion: whoever runs the federation may know.
            return Answer(declined=str(missing))
        return Answer(
            arrays=dict(result.trained),
            n_windows=len(local.windows),
            n_steps=result.n_steps,
            metrics=dict(result.metrics),
        )

    def _refresh(self, specification: Specification) -> None:
        cut_for = (specification.rate_hz, specification.window_length)
        if cut_for != self._cut_for:
            self._cuts.clear()
            self._cut_for = cut_for
        present = self._store.takes()
        self.left_out = {}
        # Deleted or relabelled, by another program too; an id may be another take's after a deletion.
        for recording_id, cut in list(self._cuts.items()):
            if present.get(recording_id) != (cut.label, cut.take):
                del self._cuts[recording_id]
        for recording_id in present:
            if recording_id in self._cuts:
                continue
            try:
                recording = self._store.get(recording_id)
            except DamagedRecordingError as error:
                _log.warning("client=%s trains without one: %s", self._client_id, error)
                self.left_out[recording_id] = str(error)
                continue
            if recording is None:
                continue
            if why := self._review.why_left_out(recording_id, recording):
                self.left_out[recording_id] = why
            else:
                window = window_at(
                    specification,
                    recording.t_us,
                    recording.samples(),
                    recording.centre_us,
                )
                take = recording.take_sha256().hex()
                self._cuts[recording_id] = _Cut(recording.label, take, recording.turn.apply(window))


def _statistics(model: LoadedModel, local: LocalWindows, disclosed: Disclosed) -> tuple[Answer, Disclosed]:
    """Return the answer, and what is disclosed once it is out."""
    index_of = {take: index for index, take in enumerate(local.takes)}
    try:
        chosen = choose_statistics(local.takes, disclosed.statistics)
    except ValueError as reason:
        return Answer(declined=str(reason)), disclosed
    windows = local.windows[[index_of[name] for name in chosen]]
    moments = family(model.specification.family).moments(model.specification, windows)
    answer = Answer(arrays=moments.arrays(), n_windows=len(windows))
    return answer, msgspec.structs.replace(disclosed, statistics=chosen)


def _evaluate(model: LoadedModel, local: LocalWindows) -> Answer:
    n_windows = len(local.windows)
    if n_windows < MIN_WINDOWS:
        return Answer(
            declined=f"an evaluation needs at least {MIN_WINDOWS} windows, so that none shows by itself; "
            f"here are {n_windows}"
        )
    counts = confusion(
        family(model.specification.family),
        model.specification,
        model.parameters,
        local.windows,
        local.labels,
    )
    return Answer(
        arrays={"confusion": counts},
        n_windows=n_windows,
        metrics={"accuracy": float(np.trace(counts)) / n_windows},
    )


def _why_nothing(local: LocalWindows) -> str:
    # Which labels there are is nobody else's business.
    if local.n_unknown:
        return "no recording here is of an activity of this federation"
    return "there are no recordings here yet"
