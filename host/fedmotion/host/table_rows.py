"""Takes from a table in text, one sample a line: takes are told apart by a column or a blank line."""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice

import numpy as np

from fedmotion.host.import_rows import ImportOptions, Rows, Sieve, TakeHead, head_of
from fedmotion.host.recording_details import NAMES, details_of
from fedmotion.host.sample_tables import columns_of, split_header
from fedmotion.host.text_lines import TextLines

_BATCH = 2048
_N_LINES_BEFORE = 50
"""A sketch may greet before it heads its table."""

_MIN_BETWEEN_BLANKS = 10
"""Rows between blank lines that make a take of them: some sketches print a blank after each."""


class TableRows:
    """The rows of the table in `lines`; iterating gives them take by take.

    Raises
    ------
    ValueError
        If there is no table, or it does not say what is needed; while iterating, at the first row that is
        none unless `sieve` skips it. Each names its line.
    """

    def __init__(self, lines: TextLines, options: ImportOptions, sieve: Sieve) -> None:
        self._lines = lines
        self._name = lines.path.name
        self._options = options
        self._sieve = sieve
        found = _find_header(lines, options.columns)
        if found is None:
            raise NoTableError(f"{self._name} heads no table")
        names, self._delimiter, self.n_before = found
        self._columns = columns_of(
            names,
            self._name,
            units=options.units,
            time_unit=options.time_unit,
            has_rate=options.rate_hz is not None,
        )
        if self._columns.time >= 0 and options.rate_hz is not None:
            raise ValueError(
                f"{self._name} has times of its own ({names[self._columns.time]}): leave --rate-hz out"
            )
        self.notes: tuple[str, ...] = (
            (f"{self.n_before} lines before the table's head left out",) if self.n_before else ()
        )

    def __iter__(self) -> Iterator[Rows]:
        columns, options = self._columns, self._options
        wanted = [*columns.axes, *([columns.time] if columns.time >= 0 else [])]
        is_exported = columns.extras.keys() >= NAMES
        # What changes from one take to the next.
        keyed = [*columns.words.values(), *([columns.extras[name] for name in NAMES] if is_exported else [])]
        batch = _Batch()
        n_takes = n_rows = n_since_blank = 0
        head: TakeHead | None = None
        key: tuple[str, ...] | None = None
        for line, row in self._lines_of_table():
            if row is None:
                if "take" not in columns.words and n_since_blank >= _MIN_BETWEEN_BLANKS:
                    key = None
                n_since_blank = 0
                continue
            own = tuple([row[index] for index in keyed])
            if head is None or own != key or n_rows == options.rows_per_take:
                if head is not None:
                    yield from self._flush(batch, head)
                head, key = self._head(row, n_takes, line, is_exported=is_exported), own
                n_takes += 1
                n_rows = 0
            try:
                values = [float(row[index]) for index in wanted]
            except ValueError:
                values = self._numbers(row, wanted, line)
            batch.add(values, line, n_rows)
            n_rows += 1
            n_since_blank += 1
            if len(batch.lines) == _BATCH:
                yield from self._flush(batch, head)
        if head is not None:
            yield from self._flush(batch, head)

    def _lines_of_table(self) -> Iterator[tuple[int, list[str] | None]]:
        """Yield each line's number and fields, None of a blank one; comments and what is sieved are not."""
        n_header = self.n_before + (0 if self._options.columns else 1)
        n_columns = len(self._columns.names)
        reader = csv.reader(islice(self._lines, n_header, None), delimiter=self._delimiter)
        while True:
            try:
                row = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                line = n_header + reader.line_num
                raise ValueError(f"{self._name}, line {line}: no row of a table ({error})") from None
            line = n_header + reader.line_num
            if len(row) != n_columns and any(row) and not row[0].startswith("#"):
                self._sieve.refuse(
                    f"{self._name}, line {line}: {n_columns} fields as in the head, got {len(row)}"
                )
            elif not any(row):
                yield line, None
            elif not row[0].startswith("#"):
                yield line, row

    def _numbers(self, row: Sequence[str], wanted: Sequence[int], line: int) -> list[float]:
        """Return the numbers of a row with an empty, another country's or no number in it, NaN where none."""
        values = []
        for index in wanted:
            text = row[index].strip()
            try:
                values.append(float(text.replace(",", ".") if self._delimiter == ";" else text))
            except ValueError:
                if text and not self._sieve.is_skipping:
                    name = self._columns.names[index]
                    self._sieve.refuse(f"{self._name}, line {line}: {name} is a number, got {text[:40]!r}")
                values.append(float("nan"))
        return values

    def _head(self, row: Sequence[str], index: int, line: int, *, is_exported: bool) -> TakeHead:
        words = {word: row[place].strip() for word, place in self._columns.words.items()}
        place = f"{self._name}, line {line}"
        head = head_of(
            f"{self._name}#{index}",
            self._options,
            place,
            label=words.get("label", ""),
            person=words.get("person", ""),
            hand=words.get("hand", ""),
            mounting=words.get("mounting", ""),
        )
        if is_exported:
            return details_of(head, {name: row[self._columns.extras[name]] for name in NAMES}, place)
        return replace(head, scales=self._columns.units.scales)

    def _flush(self, batch: "_Batch", head: TakeHead) -> Iterator[Rows]:
        if not batch.lines:
            return
        columns = self._columns
        values = np.array(batch.values, dtype=np.float64)
        lines = batch.lines.copy()
        if columns.time >= 0:
            us = np.rint(values[:, 6] * columns.us_per_tick)
        else:
            us = np.rint(np.array(batch.indices) * (1e6 / (self._options.rate_hz or 1.0)))
        batch.clear()
        with np.errstate(invalid="ignore", over="ignore"):
            samples = columns.units.to_si(values[:, :6])
        rows = self._sieve.sound(head, us, samples, lambda row: f"{self._name}, line {lines[row]}")
        if len(rows.t_us):
            yield rows


class NoTableError(ValueError):
    """No line of the file's beginning heads a table."""


class _Batch:
    def __init__(self) -> None:
        self.values: list[list[float]] = []
        self.lines: list[int] = []
        self.indices: list[int] = []

    def add(self, values: list[float], line: int, index: int) -> None:
        self.values.append(values)
        self.lines.append(line)
        self.indices.append(index)

    def clear(self) -> None:
        self.values.clear()
        self.lines.clear()
        self.indices.clear()


def _find_header(lines: TextLines, given: tuple[str, ...]) -> tuple[list[str], str, int] | None:
    """Return the columns' names, what stands between them and how many lines come before, or nothing."""
    for number, line in enumerate(lines):
        if number == _N_LINES_BEFORE:
            break
        if given:
            delimiter = max(",;\t|", key=line.count)
            if line.count(delimiter) == len(given) - 1 and any(map(str.isdigit, line)):
                return list(given), delimiter, number
        elif found := split_header(line.lstrip("# ")):
            return *found, number
    return None
