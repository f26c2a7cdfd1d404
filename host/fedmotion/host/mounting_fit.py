"""How a board is turned, from takes of gestures that a released model knows."""

from collections import Counter

import numpy as np

from fedmotion.host.recording_review import why_not_trained_on
from fedmotion.host.recording_store import DamagedRecordingError, Recording, RecordingStore
from fedmotion.host.released_model import LoadedModel
from fedmotion.models.family import family
from fedmotion.models.mounting import Fit, Mounting, fit_to_gestures, in_words
from fedmotion.models.windows import window_at
from fedmotion.protocol.identity import Hand

MIN_TAKES = 2
MIN_GESTURES = 2
N_NEWEST = 4
"""Takes of each gesture that are looked at: older ones may be of a day when the board sat otherwise."""

MIN_LEAD = 0.5


def fit_to_takes(store: RecordingStore, model: LoadedModel, *, turn: Mounting, hand: Hand) -> Fit:
    """Return how the board is turned with which the newest takes of gestures in `store` were made.

    Parameters
    ----------
    turn
        How the board is said to be turned now; takes made under another turn are left out.
    hand
        Which hand wears it; "unset" tries both.

    Raises
    ------
    ValueError
        In words: too few takes to tell, or two turns that explain them about as well.
    """
    specification = model.specification
    gestures = [each for i, each in enumerate(specification.activities) if i != specification.other_index]
    takes = _newest(store, gestures, turn)
    counts = Counter(take.label for take in takes)
    enough = [label for label, n in counts.items() if n >= MIN_TAKES]
    if len(enough) < MIN_GESTURES:
        have = ", ".join(f"{counts[label]} of {label}" for label in gestures)
        raise ValueError(
            f"finding the turn by gestures needs {MIN_TAKES} good takes each of {MIN_GESTURES} gestures, "
            f"made as the board sits now; here are {have}: `fedmotion record LABEL --takes {MIN_TAKES}`"
        )
    used = [take for take in takes if take.label in enough]
    windows = np.stack([window_at(specification, take.t_us, take.samples(), take.centre_us) for take in used])
    labels = np.array([specification.activities.index(take.label) for take in used], dtype=np.int64)
    scores = family(specification.family).scores
    fit = fit_to_gestures(
        lambda turned: scores(specification, model.parameters, turned), windows, labels, hand=hand
    )
    if fit.lead < MIN_LEAD:
        raise ValueError(
            f"these {len(used)} takes do not tell how the board is turned: it may be "
            f"{in_words(fit.mounting)}, or as well {in_words(fit.runner_up)} (a lead of {fit.lead:.2f}, at "
            f"least {MIN_LEAD} is asked for); record more takes of {' and '.join(gestures)}, or tell "
            "by the two poses: `fedmotion mount`"
        )
    return fit


def _newest(store: RecordingStore, gestures: list[str], turn: Mounting) -> list[Recording]:
    """Return the last N_NEWEST good takes of each gesture that were made under `turn`."""
    takes: list[Recording] = []
    counts: Counter[str] = Counter()
    for recording_id in reversed(store.recording_ids()):
        try:
            recording = store.get(recording_id)
        except DamagedRecordingError:
            continue
        if (
            recording is None
            or recording.label not in gestures
            or recording.turn != turn
            or counts[recording.label] == N_NEWEST
            or why_not_trained_on(recording)
        ):
            continue
        counts[recording.label] += 1
        takes.append(recording)
    return takes
