"""How models are shown to people."""

import sys
from collections.abc import Iterable

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from fedmotion.cli.model_places import ModelRow
from fedmotion.host.decided_otherwise import DecisionDifference
from fedmotion.host.own_model import OWN_FEDERATION_ID
from fedmotion.host.personal_model import PersonalRecord
from fedmotion.models.model_difference import ModelDifference
from fedmotion.models.model_report import ModelReport
from fedmotion.models.specification import N_PIECES
from fedmotion.protocol.identity import OTHER

SHORT = 8
"""Digits of an id or a hash that people tell them apart by."""

_N_OTHERWISE = 20


def console() -> Console:
    """Return where tables go: the terminal's width, and wide where there is none."""
    # Into a pipe or a file nothing is wrapped.
    return Console(highlight=False, width=None if sys.stdout.isatty() else 200)


def _table(*columns: str, right: Iterable[str] = ()) -> Table:
    table = Table(box=SIMPLE_HEAD)
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left", overflow="fold")
    return table


def show_rows(console: Console, rows: list[ModelRow]) -> None:
    """Print what `list` found, a table for each lineage."""
    tables: dict[str, Table] = {}
    for row in rows:
        heading = (
            f"{row.federation}, lineage {row.lineage_id[:SHORT]}, {row.family}: {', '.join(row.activities)}"
        )
        if heading not in tables:
            tables[heading] = _table(
                "where", "round", "bytes", "sha256", "date (UTC)", right=("round", "bytes")
            )
        tables[heading].add_row(
            escape(row.where) + (" *" if row.is_released else ""),
            str(row.round_id),
            str(row.n_bytes),
            row.sha256[:SHORT],
            row.date_utc[:16].replace("T", " "),
        )
    for heading, table in tables.items():
        console.print(escape(heading))
        console.print(table)


def show_report(console: Console, report: ModelReport) -> None:
    """Print a model in words and tables."""
    gestures = ", ".join(activity for activity in report.activities if activity != OTHER)
    length_s = report.window_length / report.rate_hz
    lines = {
        "federation": "none: trained on one profile's recordings alone"
        if report.federation_id == str(OWN_FEDERATION_ID)
        else f"{report.federation} ({report.federation_id})",
        "lineage": report.lineage_id,
        "round": f"{report.round_id}" if report.is_trained else f"{report.round_id}, not trained yet",
        "sha256": report.sha256,
        "written": f"{report.written_utc} by {report.written_by}",
        "recognises": gestures
        + (f" where at least {report.min_probability:g} probable" if report.min_probability else "")
        + f"; all else is {OTHER}",
        "family": f"{report.family}, specification of version {report.specification_version}",
        "window": f"{report.window_length} samples at {report.rate_hz:g} Hz, {length_s:.2f} s; "
        f"{report.n_features} features, {report.n_components} components"
        + (f" in {report.n_fourier} Fourier features" if report.n_fourier else ""),
        "size": f"{report.n_parameters} parameters, {report.n_bytes} bytes; "
        f"an update is {report.update_bytes} bytes",
    }
    for key, value in lines.items():
        console.print(f"{key:<12}{escape(value)}")
    right = ("shape", "smallest", "largest", "norm")
    table = _table("array", "role", "dtype", "shape", "smallest", "largest", "norm", right=right)
    for array in report.arrays:
        shape = " x ".join(map(str, array.shape))
        figures = (f"{value:.4g}" for value in (array.minimum, array.maximum, array.norm))
        table.add_row(escape(array.name), array.role, array.dtype, shape, *figures)
    console.print(table)
    if report.why_no_weights:
        console.print(f"Which features weigh most cannot be said: {report.why_no_weights}.")
        return
    console.print(
        "What weighs most: how an activity's margin changes where a feature is one deviation larger"
    )
    weights = _table(*map(escape, report.heaviest))
    for row in zip(*report.heaviest.values(), strict=True):
        weights.add_row(*(f"{each.weight:+.3f}  {each.feature}" for each in row))
    console.print(weights)
    console.print(
        f"Piece 1 to {N_PIECES} are {length_s / N_PIECES:.2f} s each, in order; "
        f"bin k is the spectrum at k times {1 / length_s:.2f} Hz."
    )


def how_it_was_made(record: PersonalRecord) -> str:
    """Return of what, of how many takes and how well a personal model was made."""
    trained = {"off": "", "head": "last layer trained", "all": "trained"}[record.fine_tune]
    what = " and ".join(each for each in ("mean and scale" if record.normalise else "", trained) if each)
    released, personal = record.released, record.personal
    return (
        f"Personal: {what} by {record.n_trained} own takes, from the released model "
        f"{record.base_sha256[:SHORT]}; of {personal.n_takes} held-out takes that decides "
        f"{released.n_right} rightly, this one "
        f"{personal.n_right} ({'it is' if record.is_better else 'so it is not'} recognised by)"
    )


def show_difference(console: Console, found: ModelDifference) -> None:
    """Print what lies between two models."""
    console.print(f"{escape(found.kinship)}.")
    if found.is_same_specification:
        console.print("The specification is the same.")
    for line in found.specification:
        console.print(f"Another specification: {escape(line)}.")
    console.print(f"{found.basis[0].upper()}{found.basis[1:]}.")
    right = ("largest change", "relative change", "cosine")
    table = _table("array", "role", *right, right=right)
    for array in found.arrays:
        table.add_row(
            escape(array.name),
            array.role,
            f"{array.largest:.4g}",
            "-" if array.relative is None else f"{array.relative:.2%}",
            "-" if array.cosine is None else f"{array.cosine:.4f}",
        )
    console.print(table)
    if found.not_compared:
        names = escape(", ".join(found.not_compared))
        console.print(f"Not compared, as only one has them or their shapes differ: {names}.")


def show_decisions(console: Console, profile: str, decided: DecisionDifference) -> None:
    """Print which recordings two models decide otherwise."""
    console.print(
        f"Of {decided.n_windows} recordings of {escape(profile)}, A decides {decided.n_right_by_a} as "
        f"labelled and B {decided.n_right_by_b}; {len(decided.otherwise)} are decided otherwise."
    )
    if not decided.otherwise:
        return
    table = _table("recording", "label", "A decides", "B decides", right=("recording",))
    for each in decided.otherwise[:_N_OTHERWISE]:
        table.add_row(str(each.recording_id), *map(escape, (each.label, each.by_a, each.by_b)))
    console.print(table)
    if len(decided.otherwise) > _N_OTHERWISE:
        console.print(f"and {len(decided.otherwise) - _N_OTHERWISE} more (--json has all)")
