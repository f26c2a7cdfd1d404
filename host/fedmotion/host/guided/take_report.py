"""What a person is told of a take: when it began, how long and how strong it was, and what the check says."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from fedmotion.host.recording_review import why_not_trained_on
from fedmotion.host.recording_store import Recording

N_BARS = 40
"""Of a take's outline: one bar is then 0.1 s of the longest movement with its context."""

_REST_US = 500_000
"""Shown before and after the movement, so that one sees what was cut off."""


@dataclass(frozen=True, slots=True)
class TakeReport:
    """One take in figures.

    Attributes
    ----------
    length_s : of the movement that was found; the rest around it is kept apart from it
    peak_degps, peak_mps2 : the largest angular rate, and how far the acceleration left what it is at rest
    why_not_trained_on : what the check finds wrong with it, "" where nothing is
    outline : N_BARS angular rates as shares of the peak, of the movement and half a second on both sides
    kept : the bars of the outline that are the movement: the first, and one past the last
    """

    label: str
    length_s: float
    peak_degps: float
    peak_mps2: float
    why_not_trained_on: str
    outline: tuple[float, ...]
    kept: tuple[int, int]

    @property
    def is_usable(self) -> bool:
        """Whether it will be trained on."""
        return not self.why_not_trained_on


def report(recording: Recording) -> TakeReport:
    """Return what is to be told of `recording`."""
    samples = recording.samples()
    is_movement = (recording.t_us >= recording.start_us) & (recording.t_us <= recording.stop_us)
    rates = np.linalg.norm(samples[:, 3:], axis=1)
    at_rest = np.median(samples[~is_movement, :3], axis=0) if not is_movement.all() else samples[0, :3]
    changes = np.linalg.norm(samples[is_movement, :3] - at_rest, axis=1)
    peak = float(rates[is_movement].max(initial=0.0))
    first_us, last_us = recording.start_us - _REST_US, recording.stop_us + _REST_US
    edges = np.linspace(first_us, last_us, N_BARS + 1)
    rows = np.searchsorted(recording.t_us, edges)
    bars = [float(rates[a:b].max(initial=0.0)) for a, b in pairwise(rows)]
    kept = np.searchsorted(edges, [recording.start_us, recording.stop_us])
    return TakeReport(
        label=recording.label,
        length_s=(recording.stop_us - recording.start_us) / 1e6,
        peak_degps=float(np.degrees(peak)),
        peak_mps2=float(changes.max(initial=0.0)),
        why_not_trained_on=why_not_trained_on(recording),
        outline=tuple(min(bar / peak, 1.0) if peak > 0 else 0.0 for bar in bars),
        kept=(int(kept[0]), int(kept[1])),
    )
