"""Which takes are wanted, of which label next, and how many there are."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Self

from fedmotion.protocol.identity import check_label


@dataclass(frozen=True, slots=True)
class TakePlan:
    """How many takes of each label are wanted and held; labels in the order in which they were asked for.

    `n_before` of them were held before this session, which count only where it was to go on.
    """

    n_wanted: Mapping[str, int]
    is_alternating: bool = False
    n_held: Mapping[str, int] = field(default_factory=dict)
    n_before: Mapping[str, int] = field(default_factory=dict)

    @property
    def labels(self) -> tuple[str, ...]:
        """All labels."""
        return tuple(self.n_wanted)

    @property
    def label(self) -> str | None:
        """The label whose turn it is, None where all takes are there."""
        open_labels = [label for label in self.n_wanted if self.n_more(label)]
        if not open_labels:
            return None
        # min takes the first of equals: in turn, with none left behind.
        return min(open_labels, key=self.held) if self.is_alternating else open_labels[0]

    @property
    def is_complete(self) -> bool:
        """Whether nothing is wanted any more."""
        return self.label is None

    @property
    def n_kept(self) -> int:
        """How many takes this session has brought."""
        return sum(self.held(label) - self.n_before.get(label, 0) for label in self.n_wanted)

    def held(self, label: str) -> int:
        """Return how many takes of `label` there are."""
        return self.n_held.get(label, 0)

    def n_more(self, label: str) -> int:
        """Return how many takes of `label` are still wanted."""
        return max(self.n_wanted[label] - self.held(label), 0)

    def with_one_more(self, label: str) -> Self:
        """Return the plan after one more take of `label` was kept."""
        return replace(self, n_held={**self.n_held, label: self.held(label) + 1})


def plan_takes(
    labels: Iterable[str],
    n_takes: int,
    *,
    is_alternating: bool = False,
    n_before: Mapping[str, int] | None = None,
) -> TakePlan:
    """Return the plan of `n_takes` takes of each label.

    Parameters
    ----------
    n_before
        How many takes of each label there are already, which count: `n_takes` is then how many there are to
        be. None: `n_takes` more are wanted.

    Raises
    ------
    ValueError
        If a label cannot be one, none is given or one is given twice.
    """
    names = [check_label(label) for label in labels]
    if not names:
        raise ValueError("takes are of one label or more, got none")
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"each label is named once, got {name!r} twice")
    held = {name: n_before.get(name, 0) for name in names} if n_before is not None else {}
    return TakePlan(dict.fromkeys(names, n_takes), is_alternating, n_held=held, n_before=held)
