"""Live recognition: each movement of the stream becomes one decision by the model of the moment."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fedmotion.host.imu_stream import ImuBlock
from fedmotion.host.released_model import LoadedModel
from fedmotion.host.turn_watch import TurnWatch
from fedmotion.models.family import Family, decide, family
from fedmotion.models.mounting import AS_PICTURED, Mounting
from fedmotion.models.windows import Window, WindowStream

SLICE_US = 50_000
"""A long block is taken in slices of so much board time, by which `Decision.decided_us` is late at most."""


@dataclass(frozen=True, slots=True)
class Recognition:
    """One gesture: when it was performed, in the board's time, and by which model it was recognised.

    `probability` is the gesture's by that model, 0 to 1.
    """

    activity: str
    start_us: int
    stop_us: int
    probability: float
    round_id: int


@dataclass(frozen=True, slots=True, eq=False)
class Decision:
    """What a model made of one movement, whether it is a gesture or `other`.

    `activity` is what was decided; `probabilities` are those of the model's activities, in their order.
    `decided_us` is the board's time when the decision could be made. `window`, float32 (window_length, 6) in
    m/s2 and rad/s, is what was decided on, turned as if the board were worn as pictured.
    """

    activity: str
    probabilities: tuple[float, ...]
    start_us: int
    stop_us: int
    decided_us: int
    window: NDArray[np.float32]
    model: LoadedModel


class Recogniser:
    """Recognises the gestures of one stream; without a model it recognises nothing.

    Movement that the model takes for `other` gives no recognition and is counted in `n_by_activity`;
    `on_decision` is told of it as well, just before a recognition is returned. `span_us` is the first and the
    last instant that was looked at, `seen_us` how much of that without gaps. `turn` is how the board sits;
    `on_doubt` is told in words, when a doubt begins, that it seems to sit otherwise.
    """

    def __init__(
        self,
        turn: Mounting = AS_PICTURED,
        on_doubt: Callable[[str], object] = lambda _: None,
        on_decision: Callable[[Decision], object] = lambda _: None,
    ) -> None:
        self._turn = turn
        self._on_doubt = on_doubt
        self._on_decision = on_decision
        self._watch = TurnWatch()
        self.n_by_activity: Counter[str] = Counter()
        self._model: LoadedModel | None = None
        self._family: Family | None = None
        self._windows: WindowStream | None = None
        self._last_us = 0
        self.span_us: tuple[int, int] | None = None
        self.seen_us = 0

    @property
    def model(self) -> LoadedModel | None:
        """The model in use, if there is one."""
        return self._model

    @property
    def round_id(self) -> int | None:
        """The round of the model in use, if there is one."""
        return None if self._model is None else self._model.round_id

    def swap(self, model: LoadedModel) -> None:
        """Use `model` from the next window on; a movement under way is kept if windows stay what they are."""
        before = None if self._model is None else self._model.specification
        after = model.specification
        self._family = family(after.family)
        self._model = model
        self._watch.expect(model.parameters)
        if (
            before is None
            or self._windows is None
            or (before.rate_hz, before.window_length) != (after.rate_hz, after.window_length)
        ):
            self._windows = WindowStream(after)

    def feed(self, block: ImuBlock) -> list[Recognition]:
        """Return a recognition for each gesture that `block` completes."""
        return self.feed_samples(block.t_us, block.samples, has_gap_before=block.has_gap_before)

    def feed_samples(
        self, t_us: NDArray[np.int64], samples: NDArray[np.float32], *, has_gap_before: bool
    ) -> list[Recognition]:
        """Do the same for samples of no board: `t_us` (n,) ascending, `samples` (n, 6) in SI units."""
        if self._windows is None:
            return []
        if has_gap_before:
            self._windows.reset()
        if len(t_us):
            self._look_at_time(int(t_us[0]), int(t_us[-1]), has_gap_before=has_gap_before)
        recognitions: list[Recognition] = []
        first = 0
        while first < len(t_us):
            stop = int(np.searchsorted(t_us, t_us[first] + SLICE_US, side="right"))
            windows = self._windows.feed(t_us[first:stop], samples[first:stop])
            self._last_us = int(t_us[stop - 1])
            recognitions += self._decide(windows)
            first = stop
        return recognitions

    def _look_at_time(self, first_us: int, last_us: int, *, has_gap_before: bool) -> None:
        is_on = self.span_us is not None and not has_gap_before
        self.seen_us += last_us - (self._last_us if is_on else first_us)
        begin_us = first_us if self.span_us is None else min(self.span_us[0], first_us)
        self.span_us = (begin_us, last_us)

    def flush(self) -> list[Recognition]:
        """Return what the stream's end still holds."""
        return [] if self._windows is None else self._decide(self._windows.flush())

    def _decide(self, windows: list[Window]) -> list[Recognition]:
        if not windows or self._model is None or self._family is None:
            return []
        specification = self._model.specification
        turned = self._turn.apply(np.stack([window.samples for window in windows]))
        probabilities = self._family.probabilities(specification, self._model.parameters, turned)
        if doubt := self._watch.look(turned):
            self._on_doubt(doubt)
        recognitions: list[Recognition] = []
        for position, (window, row, index) in enumerate(
            zip(windows, probabilities, decide(specification, probabilities), strict=True)
        ):
            activity = specification.activities[int(index)]
            self.n_by_activity[activity] += 1
            self._on_decision(
                Decision(
                    activity=activity,
                    probabilities=tuple(row.tolist()),
                    start_us=window.start_us,
                    stop_us=window.stop_us,
                    decided_us=self._last_us,
                    window=turned[position],
                    model=self._model,
                )
            )
            if index == specification.other_index:
                continue
            recognitions.append(
                Recognition(
                    activity=activity,
                    start_us=window.start_us,
                    stop_us=window.stop_us,
                    probability=float(row[index]),
                    round_id=self._model.round_id,
                )
            )
        return recognitions
