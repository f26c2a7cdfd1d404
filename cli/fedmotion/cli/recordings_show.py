"""`fedmotion recordings show`."""

import click
import msgspec
import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from fedmotion.cli.model_tables import console
from fedmotion.cli.recording_choice import choose, json_option, open_recordings, profile_option
from fedmotion.cli.recordings_check import look_at_store
from fedmotion.cli.recordings_list import in_utc
from fedmotion.host.recording_entry import Entry
from fedmotion.host.recording_review import AcceptedTakes
from fedmotion.host.recording_store import Recording
from fedmotion.models.mounting import in_words
from fedmotion.models.recording_check import RecordingCheck
from fedmotion.models.recording_findings import WHAT_TO_DO, Finding
from fedmotion.protocol.serial_frames import AXES

_LONGEST_STEP_PERIODS = 4
_LONGEST_STEP_US = 50_000
"""A step longer than both is a gap, as in the live stream."""


class AxisRow(msgspec.Struct, frozen=True):
    """One axis' values; `lsb` is what one count is in the unit, None where the counts are not known."""

    axis: str
    unit: str
    minimum: float
    mean: float
    maximum: float
    deviation: float
    lsb: float | None


class Shown(msgspec.Struct, frozen=True):
    """Everything of one recording but its samples; times are microseconds of the board or the file."""

    recording_id: int
    take_sha256: str
    label: str
    person: str
    hand: str
    mounting: str
    turn: str
    rotation: list[list[float]]
    is_mirrored: bool
    board_id: str
    source: str
    recorded_utc: str
    stored_as: str
    n_samples: int
    first_us: int
    last_us: int
    start_us: int
    stop_us: int
    centre_us: int
    rate_hz: float
    shortest_step_us: int
    longest_step_us: int
    gaps_us: list[tuple[int, int]]
    is_accepted: bool
    axes: list[AxisRow]
    findings: list[Finding]


@click.command(
    "show",
    epilog="""\b
Examples:
  fedmotion recordings show 12 --profile anna
  fedmotion recordings show 12 --json
""",
)
@click.argument("id")
@profile_option
@json_option
def command(id: str, profile: str, is_json: bool) -> None:  # noqa: A002 - click's name of the argument
    """Say everything of the recording ID, and what the check finds in it."""
    _, store = open_recordings(profile)
    with store:
        entries = choose(store.entries(), [id])
        if len(entries) != 1:
            raise ValueError(f"`show` says all of one recording, got {len(entries)}: `list` shows several")
        (entry,) = entries
        recording = store.get(entry.recording_id)
        if recording is None:
            raise ValueError(f"recording {entry.recording_id} was deleted meanwhile")
        whole = RecordingCheck()
        look_at_store(whole, store, Console(stderr=True, highlight=False))
        is_accepted = entry.take in AcceptedTakes(store.path).read()
    found = [each for each in whole.findings() if each.take == f"#{entry.recording_id}"]
    shown = _shown(entry, recording, found, is_accepted=is_accepted)
    if is_json:
        click.echo(msgspec.json.encode(shown))
    else:
        _show(console(), shown)


def _shown(entry: Entry, recording: Recording, found: list[Finding], *, is_accepted: bool) -> Shown:
    samples = recording.samples().astype(np.float64)
    t_us = recording.t_us
    steps = np.diff(t_us)
    usual_us = float(np.median(steps)) if len(steps) else 0.0
    gaps = np.flatnonzero(steps > max(_LONGEST_STEP_PERIODS * usual_us, _LONGEST_STEP_US)).tolist()
    scales = (recording.accel_scale_mps2, recording.gyro_scale_radps)
    is_counted = recording.si is None
    return Shown(
        recording_id=entry.recording_id,
        take_sha256=entry.take,
        label=recording.label,
        person=recording.person,
        hand=recording.hand,
        mounting=recording.mounting,
        turn=in_words(recording.turn),
        rotation=recording.turn.rotation.tolist(),
        is_mirrored=recording.turn.is_mirrored,
        board_id=f"{recording.board_id:016x}",
        source=recording.source,
        recorded_utc=in_utc(entry.created_unix_s),
        stored_as="counts, int16" if is_counted else "m/s² and rad/s, float32",
        n_samples=len(t_us),
        first_us=entry.first_us,
        last_us=entry.last_us,
        start_us=recording.start_us,
        stop_us=recording.stop_us,
        centre_us=recording.centre_us,
        rate_hz=entry.rate_hz,
        shortest_step_us=int(steps.min(initial=0)) if not len(steps) else int(steps.min()),
        longest_step_us=int(steps.max(initial=0)),
        gaps_us=[(int(t_us[at]), int(steps[at])) for at in gaps],
        is_accepted=is_accepted,
        axes=[
            AxisRow(
                axis=axis,
                unit="rad/s" if index >= 3 else "m/s²",
                minimum=float(samples[:, index].min()),
                mean=float(samples[:, index].mean()),
                maximum=float(samples[:, index].max()),
                deviation=float(samples[:, index].std()),
                lsb=scales[index // 3] if is_counted else None,
            )
            for index, axis in enumerate(AXES)
        ],
        findings=found,
    )


def _show(screen: Console, shown: Shown) -> None:
    span_s = (shown.last_us - shown.first_us) / 1e6
    begin_s, end_s, centre_s = (
        (us - shown.first_us) / 1e6 for us in (shown.start_us, shown.stop_us, shown.centre_us)
    )
    gaps = ", ".join(f"{us / 1e3:.0f} ms at {(at - shown.first_us) / 1e6:.2f} s" for at, us in shown.gaps_us)
    lines = {
        "recording": f"{shown.recording_id}",
        "label": shown.label,
        "person": shown.person,
        "worn": f"hand {shown.hand}, mounting {shown.mounting}; the board is {shown.turn}",
        "board": shown.board_id if int(shown.board_id, 16) else "not known",
        **({"file": shown.source} if shown.source else {}),
        "recorded": f"{shown.recorded_utc} UTC",
        "movement": f"{end_s - begin_s:.2f} s, from {begin_s:.2f} to {end_s:.2f} s, centre {centre_s:.2f} s",
        "samples": f"{shown.n_samples} in {span_s:.2f} s, {shown.rate_hz:.1f} Hz, kept as {shown.stored_as}",
        "steps": f"{shown.shortest_step_us / 1e3:.2f} to {shown.longest_step_us / 1e3:.2f} ms; "
        + (f"gaps: {gaps}" if gaps else "no gap"),
        "take": shown.take_sha256,
    }
    for key, value in lines.items():
        screen.print(f"{key:<12}{escape(value)}")
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for column in ("axis", "unit", "least", "mean", "most", "deviation", "one count"):
        table.add_column(column, justify="left" if column in {"axis", "unit"} else "right")
    for row in shown.axes:
        figures = (f"{value:.3f}" for value in (row.minimum, row.mean, row.maximum, row.deviation))
        table.add_row(row.axis, row.unit, *figures, "-" if row.lsb is None else f"{row.lsb:.3g}")
    screen.print(table)
    if not shown.findings:
        screen.print("the check finds nothing wrong with it")
        return
    for each in shown.findings:
        screen.print(f"[bold]{each.severity}[/] ({each.kind})  {escape(each.sentence)}")
        screen.print(f"[dim]→ {WHAT_TO_DO[each.kind]}[/]")
    if shown.is_accepted:
        screen.print("accepted: it is trained on all the same")
