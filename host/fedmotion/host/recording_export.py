"""Recordings of a store as files that others open, and that `recording_import` makes the same takes of again.

An npz and a csv are written while the recordings are read one after another, beside the file's place, and put
there when they are whole.
"""

import csv
import os
import re
import secrets
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from fedmotion.host.recording_details import rotation_in_words
from fedmotion.host.recording_entry import Entry
from fedmotion.host.recording_store import Recording, RecordingStore
from fedmotion.protocol.serial_frames import AXES

SUFFIXES = (".npz", ".csv")
_UNITS = ("us", *("m/s2",) * 3, *("rad/s",) * 3)
_SAMPLE_COLUMNS = ("t_us", "ax_mps2", "ay_mps2", "az_mps2", "gx_radps", "gy_radps", "gz_radps")
_TEXTS = (
    "label",
    "subject",
    "hand",
    "mounting",
    "board_id",
    "source",
    "rotation",
    "is_mirrored",
)
_NUMBERS = ("accel_scale_mps2", "gyro_scale_radps", "start_us", "stop_us", "centre_us", "recorded_unix_s")
_CSV_NAMES = {"subject": "person"}
_NOT_IN_NAMES = re.compile(r"[^\w.-]+")


def export(
    store: RecordingStore,
    entries: Sequence[Entry],
    place: Path,
    *,
    on_recording: Callable[[], object] = lambda: None,
) -> list[Path]:
    """Write the recordings of `entries` to `place`, and return the files that there are then.

    A `place` that ends in .npz or .csv is one file, any other a folder with a csv for each.

    Raises
    ------
    ValueError
        If something is there already, the folder above is missing, or a recording is gone.
    StoreError, OSError
        If it cannot be read or written; nothing is at `place` then, or in a folder whole files.
    """
    if place.suffix.lower() == ".npz":
        with _new_file(place) as beside:
            _write_npz(store, entries, beside, on_recording)
        return [place]
    if place.suffix.lower() == ".csv":
        with _new_file(place) as beside:
            _write_csv(store, entries, beside, on_recording)
        return [place]
    place.mkdir(mode=0o700, exist_ok=True)
    written = []
    for entry in entries:
        label = _NOT_IN_NAMES.sub("_", entry.label).strip(".") or "take"
        path = place / f"{entry.recording_id:04d}-{label}.csv"
        with _new_file(path) as beside:
            _write_csv(store, [entry], beside, on_recording)
        written.append(path)
    return written


@contextmanager
def _new_file(path: Path) -> Iterator[Path]:
    """Give a place beside `path`, readable to its owner only, whose file is put there when it is whole."""
    if path.exists():
        raise ValueError(f"{path} is there already: give another name, or take it away first")
    if not path.parent.is_dir():
        raise ValueError(f"{path} cannot be written: there is no folder {path.parent}")
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        os.close(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        yield beside
        beside.replace(path)
    except OSError as error:
        if error.filename is None:
            # What a full disk says has no name in it.
            raise OSError(f"{path} cannot be written: {error.strerror or error}") from error
        raise
    finally:
        beside.unlink(missing_ok=True)


def _write_npz(
    store: RecordingStore, entries: Sequence[Entry], path: Path, on_recording: Callable[[], object]
) -> None:
    details: list[dict[str, str | int | float]] = []
    n_rows = sum(entry.n_samples for entry in entries)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("data.npy", "w", force_zip64=True) as data:
            # float64 holds a float32 and, up to 2**53, a time in microseconds as they are.
            np.lib.format.write_array_header_1_0(
                data, {"descr": "<f8", "fortran_order": False, "shape": (n_rows, len(_UNITS))}
            )
            for entry in entries:
                recording = _recording(store, entry)
                rows = np.column_stack([recording.t_us, recording.samples()]).astype("<f8")
                data.write(np.ascontiguousarray(rows).tobytes())
                details.append(_details(entry, recording))
                on_recording()
        offsets = np.cumsum([0, *(entry.n_samples for entry in entries)], dtype=np.int64)
        arrays: dict[str, Any] = {
            "offsets": offsets,
            "columns": np.array(["t_us", *AXES]),
            "units": np.array(_UNITS),
            "fs_hz": np.float64(0),
            **{name: np.array([str(each[name]) for each in details], dtype=np.str_) for name in _TEXTS},
            **{name: np.array([each[name] for each in details]) for name in _NUMBERS},
        }
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w") as stored:
                np.lib.format.write_array(stored, np.asarray(array), allow_pickle=False)


def _write_csv(
    store: RecordingStore, entries: Sequence[Entry], path: Path, on_recording: Callable[[], object]
) -> None:
    names = (*_TEXTS, *_NUMBERS)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["recording", *(_CSV_NAMES.get(name, name) for name in names), *_SAMPLE_COLUMNS])
        for entry in entries:
            recording = _recording(store, entry)
            details = _details(entry, recording)
            about = [entry.recording_id, *(details[name] for name in names)]
            samples = recording.samples()
            for t_us, sample in zip(recording.t_us.tolist(), samples, strict=True):
                # A float32 as the shortest decimal that reads back as itself.
                writer.writerow([*about, t_us, *map(str, sample)])
            on_recording()


def _recording(store: RecordingStore, entry: Entry) -> Recording:
    recording = store.get(entry.recording_id)
    if recording is None:
        raise ValueError(f"recording {entry.recording_id} was deleted meanwhile: export again")
    return recording


def _details(entry: Entry, recording: Recording) -> dict[str, str | int | float]:
    return {
        "label": recording.label,
        "subject": recording.person,
        "hand": recording.hand,
        "mounting": recording.mounting,
        "board_id": f"{recording.board_id:016x}",
        "source": recording.source,
        "rotation": rotation_in_words(recording.turn),
        "is_mirrored": int(recording.turn.is_mirrored),
        "accel_scale_mps2": recording.accel_scale_mps2,
        "gyro_scale_radps": recording.gyro_scale_radps,
        "start_us": recording.start_us,
        "stop_us": recording.stop_us,
        "centre_us": recording.centre_us,
        "recorded_unix_s": entry.created_unix_s,
    }
