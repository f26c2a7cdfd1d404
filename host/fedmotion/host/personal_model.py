"""A profile's personal model: the released one made its owner's own, kept beside it and sent to nobody.

It is made anew after each release, of the takes that are trained on, and is used where it decides more of the
held-out takes rightly than the released one. What is kept says of which model it was made: after another
release, in another federation or where the two files do not belong together, it is not used.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import UUID

import msgspec
import numpy as np

from fedmotion.broker.private_file import write_private
from fedmotion.host.held_out_score import HeldOutScore, score
from fedmotion.host.released_model import LoadedModel, ReleasedModelFile, utc
from fedmotion.host.trainer import Trainer
from fedmotion.models.personal import N_ROUNDS, FineTune, Personalisation, personalised
from fedmotion.protocol.tensors import sha256_of

MIN_TRAINED = 2
"""Takes of each activity that are trained on: one that is not there would be unlearned."""

MIN_HELD_OUT = 2
"""Takes of each activity that neither model has seen: of fewer nobody knows which one is better."""

MAX_STEPS = 20_000
"""Windows times epochs times rounds: some seconds of a small computer."""

_log = logging.getLogger(__name__)


class PersonalRecord(msgspec.Struct, frozen=True, kw_only=True):
    """How a personal model was made, of which model, and how both decide the owner's held-out takes.

    `base_sha256` names the released model, `sha256` the personal one, both in hex.
    """

    federation_id: UUID
    lineage_id: UUID
    round_id: int
    base_sha256: str
    sha256: str
    made_utc: str
    fine_tune: FineTune
    normalise: bool
    n_trained: int
    released: HeldOutScore
    personal: HeldOutScore

    @property
    def made_by(self) -> tuple[FineTune, bool, int, int]:
        """What was done, and with how many takes."""
        return self.fine_tune, self.normalise, self.n_trained, self.personal.n_takes

    @property
    def is_better(self) -> bool:
        """Whether the personal model decides more rightly, and sees no more gestures where there are none."""
        return (
            self.personal.n_right > self.released.n_right
            and self.personal.n_false_alarms <= self.released.n_false_alarms
        )


@dataclass(frozen=True, slots=True)
class Personal:
    """A personal model with what is known of it."""

    model: LoadedModel
    record: PersonalRecord


class PersonalFiles:
    """The personal model at `path`, a model file, and its record beside it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._record = path.with_suffix(".json")

    def write(self, personal: Personal, federation: str, written_unix_s: float) -> None:
        """Keep both; raises OSError where they cannot be written.

        Killed in between, the record of before names another model, and neither is used.
        """
        ReleasedModelFile(self._path).write(
            personal.model,
            federation=federation,
            federation_id=personal.record.federation_id,
            written_unix_s=written_unix_s,
        )
        write_private(self._record, msgspec.json.encode(personal.record))

    def read(self, federation_id: UUID, base: LoadedModel) -> Personal | None:
        """Return the personal model that was made of `base`; none where there is none or it is of no use."""
        record = self.read_record()
        if record is None:
            return None
        made_of = (record.federation_id, record.lineage_id, record.base_sha256)
        if made_of != (federation_id, base.lineage_id, base.sha256.hex()):
            return None
        model = ReleasedModelFile(self._path).read(federation_id)
        if model is None or model.sha256.hex() != record.sha256 or model.specification != base.specification:
            return None
        return Personal(replace(model, is_personal=True), record)

    def read_record(self) -> PersonalRecord | None:
        """Return how the personal model was made; none where it is not known, which is logged."""
        try:
            return msgspec.json.decode(self._record.read_bytes(), type=PersonalRecord)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.DecodeError, RecursionError) as error:
            _log.warning("the personal model is not used: %s is damaged (%s)", self._record, error)
            return None


class Personaliser:
    """Makes personal models of released ones, in the thread that trains.

    Parameters
    ----------
    federation, federation_id
        Whose released models they are made of.
    how
        What is made one's own.
    """

    def __init__(
        self,
        trainer: Trainer,
        files: PersonalFiles,
        federation: str,
        federation_id: UUID,
        how: Personalisation,
        clock: Callable[[], float],
    ) -> None:
        self._trainer = trainer
        self._files = files
        self._federation = federation
        self._federation_id = federation_id
        self._how = how
        self._clock = clock

    def try_to_make(self, base: LoadedModel) -> Personal | None:
        """Return the personal model of `base`, kept on disk; None where the log says why there is none."""
        try:
            why = self._why_not(base)
            if why:
                _log.info("round=%d no personal model: %s", base.round_id, why)
                return None
            return self._make(base)
        except (OSError, ValueError) as error:
            _log.warning("round=%d no personal model: %s", base.round_id, error)
            return None

    def _why_not(self, base: LoadedModel) -> str:
        specification = base.specification
        train = self._trainer.local_windows(specification)
        held = self._trainer.held_out_windows(specification)
        n_steps = len(train.windows) * self._trainer.settings.n_epochs * N_ROUNDS
        if n_steps > MAX_STEPS:
            return f"it would take {n_steps} steps, at most {MAX_STEPS} are taken"
        for labels, least, what in (
            (train.labels, MIN_TRAINED, "trained on"),
            (held.labels, MIN_HELD_OUT, "held out"),
        ):
            counts = np.bincount(labels, minlength=specification.n_classes)
            for activity, count in zip(specification.activities, counts.tolist(), strict=True):
                if count < least:
                    return f"{count} takes of {activity} are {what}, it takes {least}"
        return ""

    def _make(self, base: LoadedModel) -> Personal:
        specification = base.specification
        train = self._trainer.local_windows(specification)
        held = self._trainer.held_out_windows(specification)
        kept = self._files.read(self._federation_id, base)
        wanted = (self._how.fine_tune, self._how.normalise, len(train.windows), len(held.windows))
        if kept is not None and wanted == kept.record.made_by:
            # A restart meets the same release again.
            return kept
        parameters = personalised(
            specification, base.parameters, train.windows, train.labels, self._trainer.settings, self._how
        )
        model = LoadedModel(
            base.lineage_id, base.round_id, sha256_of(parameters), specification, parameters, is_personal=True
        )
        now_s = self._clock()
        record = PersonalRecord(
            federation_id=self._federation_id,
            lineage_id=base.lineage_id,
            round_id=base.round_id,
            base_sha256=base.sha256.hex(),
            sha256=model.sha256.hex(),
            made_utc=utc(now_s),
            fine_tune=self._how.fine_tune,
            normalise=self._how.normalise,
            n_trained=len(train.windows),
            released=score(base, held),
            personal=score(model, held),
        )
        personal = Personal(model, record)
        self._files.write(personal, self._federation, now_s)
        return personal
