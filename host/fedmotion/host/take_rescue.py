"""A take that the store does not take, kept as a file that `fedmotion recordings import` reads."""

import logging
import tempfile
import time
from pathlib import Path

from fedmotion.host.recording_export import export
from fedmotion.host.recording_store import Recording, RecordingStore

_log = logging.getLogger(__name__)


def rescue(recording: Recording, folder: Path) -> Path | None:
    """Write `recording` to a csv in `folder`, else among the temporary files; None where neither holds it.

    It is named after the take, so that one which is rescued twice is there once.
    """
    name = f"take-{recording.take_sha256().hex()[:12]}.csv"
    for place in (folder / name, Path(tempfile.gettempdir()) / name):
        if place.exists():
            return place
        try:
            _write(recording, place)
        except OSError as error:
            _log.warning("%s", error)
            continue
        return place
    return None


def _write(recording: Recording, place: Path) -> None:
    # A store of one take beside nothing: the file is then what an export of it is.
    with (
        tempfile.TemporaryDirectory() as folder,
        RecordingStore(Path(folder) / "take.sqlite", clock=time.time) as store,
    ):
        store.add(recording)
        export(store, store.entries(), place)
