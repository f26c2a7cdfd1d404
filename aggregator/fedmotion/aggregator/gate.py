"""Whether a model of a grown set is good enough for recognisers, who have one that works.

Accuracies over different sets of classes are not alike: the new class brings windows of its own. So what is
compared are the recalls of the gestures that both sets have.
"""

from collections.abc import Collection

from fedmotion.aggregator.aggregation import Metrics

MAX_LOSS = 0.05
"""Mean recall of what was known that a model may lose: evaluations of a household are of a few dozen windows,
where one window more or less is some per cent."""

MIN_NEW_RECALL = 0.5


def why_not_yet(before: Metrics | None, now: Metrics, known: Collection[str], new: Collection[str]) -> str:
    """Return why a model with the evaluation `now` is not to be released, or nothing.

    Parameters
    ----------
    before
        The last evaluation of the lineage whose model is released, of the activities `known`; None where
        there is none, and then nothing is compared.
    new
        The activities that came with this lineage. Where no client that evaluates has one, it is not asked.
    """
    for name in new:
        recall = _recall(now, name)
        if recall is not None and recall < MIN_NEW_RECALL:
            return (
                f"{name!r} is recognised in {recall:.2f} of its windows, at least {MIN_NEW_RECALL} is asked"
            )
    both = [
        (old, young)
        for name in known
        if (old := _recall(before or {}, name)) is not None and (young := _recall(now, name)) is not None
    ]
    if not both:
        return ""
    old_mean, new_mean = (sum(each) / len(both) for each in zip(*both, strict=True))
    if new_mean < old_mean - MAX_LOSS:
        return f"what was known is recognised in {new_mean:.2f}, and in {old_mean:.2f} by the released model"
    return ""


def _recall(metrics: Metrics, name: str) -> float | None:
    recall = metrics.get(f"recall {name}")
    return recall if isinstance(recall, float | int) else None
