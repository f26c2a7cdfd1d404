"""What an import reads of any file: takes with what is known of them, and their samples bit by bit.

A row that cannot be a sample is never mended: it ends the import with its place, or is left out and counted
where its owner asked for that.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fedmotion.models.mounting import AS_PICTURED, Mounting
from fedmotion.protocol.identity import BOARD_ID_UNSET, Hand, check_label
from fedmotion.protocol.serial_frames import AXES

SKIP_HINT = "correct it, or leave such rows out with --skip-bad-rows"


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """What the owner says of a file; None or "" is not said.

    `units` are of the six axes and stand for the file's own, `time_unit` is one of s, ms and us, `columns`
    the names of a table that has none.
    """

    label: str = ""
    person: str = ""
    hand: Hand | None = None
    mounting: str = ""
    units: tuple[str, ...] | None = None
    rate_hz: float | None = None
    time_unit: str | None = None
    columns: tuple[str, ...] = ()
    rows_per_take: int | None = None
    is_whole: bool = False
    skips_bad_rows: bool = False


@dataclass(frozen=True, slots=True)
class TakeHead:
    """One take of a file, without its samples; `name` is how sentences call it.

    `scales` are per count, of accelerations and rates, both 0 where the sensor's are not known. `movement` is
    from when to when it goes and its centre, microseconds, where the file says so; such a take stays whole.
    """

    name: str
    label: str
    person: str
    hand: Hand = "unset"
    mounting: str = "unset"
    board_id: int = BOARD_ID_UNSET
    scales: tuple[float, float] = (0.0, 0.0)
    turn: Mounting = AS_PICTURED
    movement: tuple[int, int, int] | None = None


@dataclass(frozen=True, slots=True)
class Rows:
    """Samples of one take after those before: `t_us` int64 (n,), ascending, `samples` float32 (n, 6), SI."""

    head: TakeHead
    t_us: NDArray[np.int64]
    samples: NDArray[np.float32]


@dataclass(slots=True)
class Sieve:
    """Keeps rows that can be samples; `is_skipping` leaves out and counts those that cannot."""

    is_skipping: bool
    n_skipped: int = 0
    first_skipped: str = ""
    _last_us: dict[str, int] = field(default_factory=dict)

    def refuse(self, sentence: str) -> None:
        """Take note of a bad row; raises ValueError unless skipping."""
        if not self.is_skipping:
            raise ValueError(f"{sentence}: {SKIP_HINT}")
        self.n_skipped += 1
        self.first_skipped = self.first_skipped or sentence

    def sound(
        self,
        head: TakeHead,
        us: NDArray[np.float64],
        samples: NDArray[np.float32],
        place: Callable[[int], str],
    ) -> Rows:
        """Return those of a take's next rows that are samples.

        Parameters
        ----------
        us
            Times (n,), whole microseconds as float64.
        place
            Names a row of these in words, such as "a.csv, line 17".

        Raises
        ------
        ValueError
            At the first that is none, unless skipping.
        """
        is_sound = np.isfinite(samples).all(axis=1) & np.isfinite(us) & (np.abs(us) < 2.0**62)
        last_us = float(self._last_us.get(head.name, -(2**62)))
        before = np.maximum.accumulate(np.where(is_sound, us, -np.inf))
        before = np.maximum(np.concatenate([[-np.inf], before[:-1]]), last_us)
        ascends = us > before
        for row in np.flatnonzero(~(is_sound & ascends)).tolist():
            self.refuse(_why_not(us[row], before[row], samples[row], place(row)))
        kept = is_sound & ascends
        t_us = us[kept].astype(np.int64)
        if len(t_us):
            # Of the take that is under way only: a file may have a hundred thousand.
            self._last_us = {head.name: int(t_us[-1])}
        return Rows(head, t_us, samples[kept])


def _why_not(us: float, before_us: float, sample: NDArray[np.float32], place: str) -> str:
    if not np.isfinite(us) or abs(us) >= 2.0**62:
        return f"{place}: the time is no number"
    bad = [axis for axis, value in zip(AXES, sample.tolist(), strict=True) if not np.isfinite(value)]
    if bad:
        return f"{place}: {', '.join(bad)} {'is' if len(bad) == 1 else 'are'} no finite number"
    step = "stands still at" if us == before_us else f"goes back from {before_us / 1e6:.6f} s to"
    return f"{place}: time {step} {us / 1e6:.6f} s (does another take begin? A column `take` says so)"


def head_of(
    name: str, options: ImportOptions, place: str, *, label: str, person: str, hand: str, mounting: str
) -> TakeHead:
    """Return the head of a take of which a file says these, each "" where it does not.

    Raises
    ------
    ValueError
        If nobody says the label, both the file and the owner do, or one of them breaks a rule.
    """
    for option, in_file, given in (("label", label, options.label), ("person", person, options.person)):
        if in_file and given:
            raise ValueError(
                f"{place}: the file says the {option} itself ({in_file!r}): leave --{option} out"
                f"{', and relabel afterwards' if option == 'label' else ''}"
            )
    if not (label or options.label):
        raise ValueError(f"{place}: the file says no label: give --label")
    worn = hand or options.hand or "unset"
    if worn not in ("unset", "left", "right"):
        raise ValueError(f"{place}: a hand is one of unset, left, right, got {worn!r}")
    try:
        return TakeHead(
            name,
            check_label(label or options.label),
            check_label(person or options.person or "unset", "a person"),
            "left" if worn == "left" else "right" if worn == "right" else "unset",
            check_label(mounting or options.mounting or "unset", "a mounting"),
        )
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from None
