"""How many of a client's held-out takes a model decides rightly."""

import msgspec

from fedmotion.host.released_model import LoadedModel
from fedmotion.host.trainer import LocalWindows
from fedmotion.models.family import confusion, family


class HeldOutScore(msgspec.Struct, frozen=True):
    """Of `n_takes`, `n_right` are decided as labelled; `n_false_alarms` takes of `other` as a gesture."""

    n_takes: int
    n_right: int
    n_false_alarms: int


def score(model: LoadedModel, held: LocalWindows) -> HeldOutScore:
    """Return how `model` decides `held`."""
    specification = model.specification
    counts = confusion(
        family(specification.family), specification, model.parameters, held.windows, held.labels
    )
    other = counts[specification.other_index]
    n_false_alarms = int(other.sum() - other[specification.other_index])
    return HeldOutScore(len(held.windows), int(counts.trace()), n_false_alarms)
