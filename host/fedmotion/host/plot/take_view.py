"""A take as a plot sees it: seconds from its beginning, gaps as rows of NaN, and the gestures in it."""

import numpy as np

from fedmotion.host.plot.trace import Span, Units, View, rate_hz, span_of
from fedmotion.host.recogniser import Recogniser
from fedmotion.host.released_model import LoadedModel
from fedmotion.host.take_stream import is_gap, stretches
from fedmotion.models.takes import Take


def view_of(take: Take, shown_in: Units, model: LoadedModel | None = None) -> View:
    """Return the whole of `take`, with the gestures that `model` recognises in it."""
    # Time stamps that go back or stand still are for the check to find; here they only must not tangle lines.
    t_s = np.maximum.accumulate((take.t_us - take.t_us[:1]) / 1e6)
    values = take.samples * shown_in.factors
    (missing,) = np.nonzero(is_gap(take.t_us))
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
    spans: list[Span] = []
    for t_us, samples in stretches(take):
        found = recogniser.feed_samples(t_us, samples, has_gap_before=True)
        spans += [span_of(each, -int(take.t_us[0])) for each in (*found, *recogniser.flush())]
    return tuple(spans)
