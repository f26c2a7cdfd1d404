"""What a strategy is: the seam between rounds and the arithmetic of their updates."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from fedmotion.models.specification import Parameters, Specification


@dataclass(frozen=True, slots=True)
class Update:
    """One client's checked result: the arrays of a contribution and the windows that they rest on."""

    client_id: str
    n_windows: int
    arrays: Parameters


class Strategy(Protocol):
    """How updates become parameters.

    A strategy is deterministic: the same updates in the same order give the same bits. Updates come in the
    order of their clients' ids, one at a time, so that memory need not grow with the cohort.
    """

    @property
    def name(self) -> str:
        """The name by which a configuration chooses it."""

    def aggregate(
        self, specification: Specification, current: Parameters, updates: Iterable[Update]
    ) -> Parameters:
        """Return the next trained arrays, of the specification's shapes and dtypes.

        Parameters
        ----------
        current
            All arrays of the model that the updates started from.

        Raises
        ------
        ValueError
            If no parameters follow from these updates.
        """
