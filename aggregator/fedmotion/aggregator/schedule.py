"""Which kind of round comes next, from what a lineage has behind it."""

from dataclasses import dataclass

from fedmotion.protocol.messages import RoundKind


@dataclass(frozen=True, slots=True)
class Schedule:
    """What a federation wants of its lineage.

    Attributes
    ----------
    has_statistics
        Whether the specification has a basis, so that a lineage begins with a statistics round.
    n_rounds
        Train rounds in all; 0 trains for ever.
    evaluate_every
        Train rounds between two evaluate rounds, of which one also follows the last train round; 0 never
        evaluates.
    """

    has_statistics: bool
    n_rounds: int
    evaluate_every: int


@dataclass(frozen=True, slots=True)
class Progress:
    """What a lineage has behind it.

    Attributes
    ----------
    has_basis
        Whether a statistics round has finished.
    n_trained
        Train rounds that finished.
    evaluated_at
        How many train rounds had finished at the last evaluate round, whether that finished or failed: a
        failed evaluation is not repeated, as it would hold up the training.
    """

    has_basis: bool = False
    n_trained: int = 0
    evaluated_at: int = 0

    def after(self, kind: RoundKind, *, is_finished: bool) -> "Progress":
        """Return the progress after a round of `kind`; a failed statistics or train round changes nothing."""
        if kind == "evaluate":
            return Progress(self.has_basis, self.n_trained, self.n_trained)
        if not is_finished:
            return self
        if kind == "statistics":
            return Progress(True, self.n_trained, self.evaluated_at)
        return Progress(self.has_basis, self.n_trained + 1, self.evaluated_at)


NOTHING_DONE = Progress()


def next_kind(schedule: Schedule, progress: Progress) -> RoundKind | None:
    """Return the kind of the next round, or None where the lineage has all it wanted."""
    if schedule.has_statistics and not progress.has_basis:
        return "statistics"
    is_last = schedule.n_rounds > 0 and progress.n_trained >= schedule.n_rounds
    if schedule.evaluate_every and progress.n_trained > progress.evaluated_at:
        is_due = progress.n_trained - progress.evaluated_at >= schedule.evaluate_every
        if is_due or is_last:
            return "evaluate"
    return None if is_last else "train"
