"""A take as a plot sees it: seconds from its beginning, gaps as rows of NaN, and the gestures in it."""

import numpy as np
from numpy.typing import NDArray

from fedmotion.host.plot.trace import Span, Units, View, rate_hz, span_of
from fedmotion.host.recogniser import Recogniser
from fedmotion.host.released_model import LoadedModel
from fedmotion.models.takes import Take

_LONGEST_STEP_PERIODS = 4
"""Samples of a file that are further apart than so many usual steps have a gap between them."""


def view_of(take: Take, shown_in: Units, model: LoadedModel | None = None) -> View:
    """Return the whole of `take`, with the gestures that `model` recognises in it."""
    # Time stamps that go back or stand still are for the check to find; here they only must not tangle lines.
    t_s = np.maximum.accumulate((take.t_us - take.t_us[:1]) / 1e6)
    values = take.samples * shown_in.factors
    (missing,) = np.nonzero(_is_gap(take.t_us))
    if len(missing):
        t_s = np.insert(t_s, missing + 1, (t_s[missing] + t_s[missing + 1]) / 2)
        values = np.insert(values, missing + 1, np.nan, axis=0)
    spans = () if model is None else gestures_in(take, model)
    # Relative to a right edge of 0, the axis is labelled from the take's beginning on.
    return View(t_s, values, spans, 0.0, rate_hz(t_s, values))


def gestures_in(take: Take, model: LoadedModel) -> tuple[Span, ...]:
    """Return the gestures that `model` recognises, in seconds from the take's beginning.

    Samples with a value that is missing or none count as a gap, so that a take without one of the six axes
    has no gestures.
    """
    recogniser = Recogniser()
    recogniser.swap(model)
    (rows,) = np.nonzero(np.isfinite(take.samples).all(axis=1))
    if not len(rows):
        return ()
    is_cut = _is_gap(take.t_us) | (np.diff(take.t_us) <= 0)
    begins_anew = (np.diff(rows) > 1) | is_cut[rows[1:] - 1]
    spans: list[Span] = []
    for stretch in np.split(rows, np.flatnonzero(begins_anew) + 1):
        found = recogniser.feed_samples(take.t_us[stretch], take.samples[stretch], has_gap_before=True)
        spans += [span_of(each, -int(take.t_us[0])) for each in (*found, *recogniser.flush())]
    return tuple(spans)


def _is_gap(t_us: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Tell of each step between two samples, (n - 1,), whether others are missing in it."""
    steps_us = np.diff(t_us)
    usual_us = float(np.median(steps_us)) if len(steps_us) else 0.0
    is_gap: NDArray[np.bool_] = steps_us > _LONGEST_STEP_PERIODS * usual_us
    return is_gap
