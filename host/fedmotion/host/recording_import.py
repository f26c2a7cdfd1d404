"""Recordings from other people's files into a profile's store, a file whole or not at all."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import msgspec
import numpy as np

from fedmotion.host.import_rows import ImportOptions, Rows, Sieve, TakeHead
from fedmotion.host.log_rows import LogRows, NoLogError
from fedmotion.host.npz_rows import NpzRows
from fedmotion.host.recording_review import take_of
from fedmotion.host.recording_staging import StagingStore
from fedmotion.host.recording_store import Recording
from fedmotion.host.sample_units import counts_of
from fedmotion.host.table_rows import NoTableError, TableRows
from fedmotion.host.take_cutting import Piece, TakeCutter
from fedmotion.host.text_lines import TextLines
from fedmotion.models.recording_check import MAX_TAKES, RecordingCheck
from fedmotion.models.recording_findings import Finding
from fedmotion.models.specification import Specification
from fedmotion.models.take_faults import MIN_SAMPLES, MIN_SECONDS
from fedmotion.protocol.serial_frames import N_AXES

NPZ = b"PK"
"""What a zip archive, and so an npz, begins with (APPNOTE.TXT, 4.3.7)."""


class ImportReport(msgspec.Struct, frozen=True):
    """What became of a file. Each of the tuples holds sentences about single takes.

    `n_long` takes were cut into movements, `n_cut_off` of which their ends or gaps cut off.
    """

    file: str
    n_takes: int
    n_added: int
    n_long: int
    n_cut_off: int
    duplicates: tuple[str, ...]
    without_movement: tuple[str, ...]
    n_skipped_rows: int
    first_skipped_row: str
    notes: tuple[str, ...]
    findings: tuple[Finding, ...]


class Source(Protocol):
    """A file's rows, and once they are read, notes on how they were."""

    notes: tuple[str, ...]

    def __iter__(self) -> Iterator[Rows]:
        """Yield the rows, take by take."""


def import_file(
    store: StagingStore,
    path: Path,
    options: ImportOptions,
    *,
    finding: Specification,
    trusts_units: bool = False,
    is_dry: bool = False,
    on_progress: Callable[[float], object] = lambda _: None,
) -> ImportReport:
    """Import the file at `path` and return what became of it; in `store` are all of its takes then, or none.

    Parameters
    ----------
    finding
        The specification by which movements are found in long takes.
    trusts_units
        Whether takes count whose accelerations at rest are not gravity's.
    is_dry
        Whether nothing is to be stored in the end.
    on_progress
        Told of the share of the file that is read, 0 to 1.

    Raises
    ------
    ValueError
        In words, with the place, at what cannot be imported.
    StoreError, OSError
        If file or store cannot be used.
    """
    importing = _Importing(store, options, finding)
    try:
        source, share = _open(path, options, importing.sieve)
        for rows in source:
            importing.take(rows)
            on_progress(share())
        importing.finish_take()
        findings = importing.check.findings()
        _check_units(path.name, findings, is_given=options.units is not None, trusts_units=trusts_units)
        n_added = importing.n_staged if is_dry else store.add_staged()
    finally:
        # What went wrong is to be told, and not that the store is gone as well.
        with suppress(OSError):
            store.forget_staged()
    if not importing.n_takes:
        raise ValueError(f"{path.name} holds no takes")
    return ImportReport(
        file=path.name,
        n_takes=importing.n_takes,
        n_added=n_added,
        n_long=importing.n_long,
        n_cut_off=importing.n_cut_off,
        duplicates=tuple(importing.duplicates),
        without_movement=tuple(importing.without_movement),
        n_skipped_rows=importing.sieve.n_skipped,
        first_skipped_row=importing.sieve.first_skipped,
        notes=source.notes,
        findings=tuple(findings),
    )


def _open(path: Path, options: ImportOptions, sieve: Sieve) -> tuple[Source, Callable[[], float]]:
    """Return the file's rows, and what tells the share of it that is read."""
    with path.open("rb") as file:
        is_npz = file.read(2) == NPZ
    if is_npz:
        npz = NpzRows(path, options, sieve)
        return npz, lambda: npz.n_takes_read / max(npz.n_takes, 1)
    lines = TextLines(path)

    def share() -> float:
        return lines.n_bytes_read / max(lines.n_bytes, 1)

    with suppress(NoTableError):
        return TableRows(lines, options, sieve), share
    with suppress(NoLogError):
        return LogRows(lines, options, sieve), share
    raise ValueError(
        f"{path.name} is none of what can be imported, with all six axes: an npz, a table whose first "
        "line names its columns (or --columns does), or the lines of a known MPU6050 sketch"
    )


def _check_units(name: str, findings: list[Finding], *, is_given: bool, trusts_units: bool) -> None:
    wrong = [each.sentence for each in findings if each.kind == "units"]
    if wrong and not trusts_units:
        raise ValueError(
            f"{name} was not imported, its units contradict its values: {wrong[0]}. "
            f"{'Correct' if is_given else 'Give'} --units, or import it all the same with --trust-units"
        )


class _Importing:
    """What is gathered while one file is read."""

    def __init__(self, store: StagingStore, options: ImportOptions, finding: Specification) -> None:
        self.sieve = Sieve(options.skips_bad_rows)
        self.check = RecordingCheck()
        self.n_takes = self.n_staged = self.n_long = self.n_cut_off = 0
        self.duplicates: list[str] = []
        self.without_movement: list[str] = []
        self._store = store
        self._is_whole = options.is_whole
        self._finding = finding
        self._head: TakeHead | None = None
        self._cutter: TakeCutter | None = None
        self._n_pieces = 0

    def take(self, rows: Rows) -> None:
        """Go on with a take, or end it and begin the next one."""
        if rows.head != self._head or self._cutter is None:
            self.finish_take()
            self._head = rows.head
            self.n_takes += 1
            is_whole = self._is_whole or rows.head.movement is not None
            self._cutter = TakeCutter(self._finding, is_whole=is_whole)
        try:
            pieces = self._cutter.feed(rows.t_us, rows.samples)
        except ValueError as error:
            raise ValueError(f"{rows.head.name}: {error}") from None
        self._add(rows.head, pieces)

    def finish_take(self) -> None:
        """End the take that is under way, if there is one."""
        if self._head is None or self._cutter is None:
            return
        self._add(self._head, self._cutter.finish())
        self.n_long += self._cutter.is_long
        self.n_cut_off += self._cutter.n_cut_off
        if not self._n_pieces:
            short = f"it has fewer than {MIN_SAMPLES} samples or lasts less than {MIN_SECONDS} s"
            why = "no whole movement is in it" if self._cutter.is_long else short
            self.without_movement.append(f"{self._head.name}: {why}")
        self._head, self._cutter, self._n_pieces = None, None, 0

    def _add(self, head: TakeHead, pieces: list[Piece]) -> None:
        for piece in pieces:
            is_cut = self._cutter is not None and self._cutter.is_long
            name = f"{head.name}.{self._n_pieces}" if is_cut else head.name
            self._n_pieces += 1
            recording = _recording(head, piece, name)
            try:
                present = self._store.stage(recording)
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from None
            if present:
                self.duplicates.append(f"{name} is {present}")
                continue
            self.n_staged += 1
            if len(self.check.signs) < MAX_TAKES:
                self.check.add(take_of(recording, name))


def _recording(head: TakeHead, piece: Piece, name: str) -> Recording:
    counts = counts_of(piece.samples, head.scales)
    start_us, stop_us, centre_us = head.movement or (piece.start_us, piece.stop_us, piece.centre_us)
    return Recording(
        label=head.label,
        person=head.person,
        board_id=head.board_id,
        hand=head.hand,
        mounting=head.mounting,
        start_us=start_us,
        stop_us=stop_us,
        centre_us=centre_us,
        accel_scale_mps2=0.0 if counts is None else head.scales[0],
        gyro_scale_radps=0.0 if counts is None else head.scales[1],
        t_us=piece.t_us,
        counts=np.empty((0, N_AXES), np.int16) if counts is None else counts,
        turn=head.turn,
        si=piece.samples if counts is None else None,
        source=name,
    )
