"""What a list says of a recording, read without its samples."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Entry:
    """What a list says of a recording, read without its samples; `take` is its SHA-256 in hexadecimal.

    `deleted_unix_s` None where it is not deleted; `source` as in `Recording`.
    """

    recording_id: int
    take: str
    label: str
    person: str
    hand: str
    mounting: str
    board_id: int
    is_turned: bool
    source: str
    created_unix_s: float
    deleted_unix_s: float | None
    start_us: int
    stop_us: int
    n_samples: int
    first_us: int
    last_us: int

    @classmethod
    def of_row(cls, row: Sequence[Any]) -> Self:
        """Return the entry of a row with the fields above in their order, bytes as they are stored."""
        recording_id, take, label, person, hand, mounting, board_id, is_turned, *rest, first_us, last_us = row
        source, created_unix_s, deleted_unix_s, start_us, stop_us, n_samples = rest
        return cls(
            recording_id=recording_id,
            take=take.hex(),
            label=label,
            person=person,
            hand=hand,
            mounting=mounting,
            board_id=int.from_bytes(board_id, "big"),
            is_turned=bool(is_turned),
            source=source,
            created_unix_s=created_unix_s,
            deleted_unix_s=deleted_unix_s,
            start_us=start_us,
            stop_us=stop_us,
            n_samples=n_samples,
            first_us=int.from_bytes(first_us, "little", signed=True),
            last_us=int.from_bytes(last_us, "little", signed=True),
        )

    @property
    def rate_hz(self) -> float:
        """Samples a second, 0 where there is one sample only."""
        span_us = self.last_us - self.first_us
        return (self.n_samples - 1) * 1e6 / span_us if span_us > 0 else 0.0

    @property
    def movement_s(self) -> float:
        """How long the movement is, without its context."""
        return (self.stop_us - self.start_us) / 1e6
