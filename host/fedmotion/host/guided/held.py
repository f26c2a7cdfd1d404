"""How many takes a profile holds that count: those that will be trained on."""

from collections.abc import Iterable

from fedmotion.host.recording_review import AcceptedTakes, why_not_trained_on
from fedmotion.host.recording_store import DamagedRecordingError, RecordingStore


def count_held(store: RecordingStore, labels: Iterable[str], person: str) -> dict[str, int]:
    """Return how many takes of each of `labels` by `person` are usable or accepted.

    Raises
    ------
    ValueError
        If the file of accepted takes is damaged.
    OSError
        If it or the store cannot be read.
    """
    accepted = AcceptedTakes(store.path).read()
    counts: dict[str, int] = {}
    for label in labels:
        counts[label] = 0
        for recording_id in store.ids_of(label, person):
            try:
                recording = store.get(recording_id)
            except DamagedRecordingError:
                continue
            if recording is None:
                continue
            is_accepted = recording.take_sha256().hex() in accepted
            counts[label] += is_accepted or not why_not_trained_on(recording)
    return counts
