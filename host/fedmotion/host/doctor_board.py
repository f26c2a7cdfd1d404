"""The doctor's look at a board and its line: does it speak, at which rate, how evenly, and what gets lost."""

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from fedmotion.host.doctor_capture import Capture
from fedmotion.host.doctor_checks import Check, State, guarded, judged, not_checked
from fedmotion.host.ports import survey
from fedmotion.models.set_faults import RATE_TOLERANCE
from fedmotion.protocol.serial_frames import Fault

MAX_LATE_S = 0.1
"""Of a piece of the stream behind the usual delay: a person begins to feel that a reaction lags (Miller,
"Response time in man-computer conversational transactions", 1968)."""

MAX_CLOCK_ERROR_PPM = 10_000
"""1 %: the sensor's own clock (PS-MPU-6000A, 6.6); an Uno's ceramic resonator is within half of it."""

MAX_LOST_SHARE = 0.01
_MIN_SAMPLES = 20
_N_SPANS = 10

MAX_SILENT_S = 2.0
"""Before the end of a measurement: two of the seconds in each of which STATUS comes."""

_SETTLE_S = 1.0
"""At first comes what had waited for the port to be opened."""

STREAM_CHECKS = ("rate", "jitter at the board", "jitter at the host", "the board's clock", "lost and damaged")

_FAULTS_WHAT_TO_DO: Mapping[Fault, tuple[State, str]] = {
    Fault.SENSOR_ABSENT: ("failed", "check the four wires, above all SDA and SCL, and solder the header"),
    Fault.SENSOR_WRONG: ("failed", "use another breakout: this one is no MPU6050 and is not read"),
    Fault.BUS_STUCK: ("failed", "look for a wire at GND, then unplug the board and plug it in"),
    Fault.FIFO_OVERFLOW: ("warning", "where it comes again and again, choose a lower rate"),
    Fault.SAMPLES_LATE: ("warning", "a single one is harmless; with `bus stuck` it is the wiring"),
    Fault.SETTINGS_LOST: ("warning", "set the board id again: samples are unharmed"),
    Fault.TRANSMIT_STALLED: ("warning", "use 500000 baud, and close what keeps this machine from reading"),
}

_POWER = "another cable, another socket, and no hub without a supply of its own"
_RESTARTS: Mapping[int, tuple[str, str]] = {
    0: ("at power on or for a reason that it does not know", f"its power breaks down: {_POWER}"),
    1: (
        "by a reset from outside",
        f"its button was pressed, or another program opened its port; else its power breaks down: {_POWER}",
    ),
    2: (
        "by its watchdog",
        "its program went nowhere for half a second: flash the firmware again, and report it if it stays",
    ),
    3: ("by a brown-out", f"its power breaks down: {_POWER}"),
    4: ("by its own firmware", "flash the firmware that comes with this program"),
}
"""HELLO's reset_cause (protocol/serial.md), the last one where there were more."""


def look_before(port: str) -> list[Check]:
    """Return what can be said of `port` before it is opened: permission and other programs."""

    def look() -> Iterator[Check]:
        (report,) = survey([port])
        wrong = report.problem
        yield judged(
            "board",
            "port",
            is_right=not wrong,
            measured=wrong.split(":")[0] if wrong else f"{port} may be opened",
            what_to_do=wrong,
        )

    return guarded("board", "port", look)


def look_at_board(of: Capture) -> list[Check]:
    """Return the checks of the section `board`, after the port's."""
    return [
        *guarded("board", "HELLO", lambda: _hello(of)),
        *guarded("board", "what it reports", lambda: _reports(of)),
        *guarded("board", "stream", lambda: _stream(of)),
    ]


def _hello(of: Capture) -> Iterator[Check]:
    if of.lost and of.hello is None:
        yield Check("board", "HELLO", "failed", "the port was not open", what_to_do=of.lost)
        return
    is_right = of.heard.kind == "fedmotion"
    words = {"nothing": "the board is silent", "other_version": "the board speaks another format"}
    yield judged(
        "board",
        "HELLO",
        is_right=is_right,
        measured=of.heard.sentence
        if is_right
        else words.get(of.heard.kind, "another program is on the board"),
        what_to_do=of.heard.sentence,
    )
    if of.lost:
        yield Check(
            "board", "connection", "failed", "the port went while it was measured", what_to_do=of.lost
        )


def _reports(of: Capture) -> Iterator[Check]:
    if of.status is None:
        yield from not_checked(
            "board", ["what it reports"], "no STATUS came, which a board sends each second"
        )
        return
    found = [fault for fault in Fault if fault & of.status.faults]
    if not found:
        yield Check("board", "what it reports", "ok", "no faults since it started")
    for fault in found:
        state, what_to_do = _FAULTS_WHAT_TO_DO[fault]
        words = fault.name.lower().replace("_", " ")
        what_to_do += f"; docs/troubleshooting.md has more under {fault.name}"
        yield Check("board", "what it reports", state, words, what_to_do=what_to_do)


def _stream(of: Capture) -> Iterator[Check]:
    if of.hello is None or of.n_samples < _MIN_SAMPLES:
        if of.hello is not None:
            yield Check(
                "board",
                "samples",
                "failed",
                f"{of.n_samples} samples came",
                f"at least {_MIN_SAMPLES}",
                f"see what the board reports ({of.reported or _silence(of)}); else press its reset button, "
                "and flash it again where that does not help",
            )
        yield from not_checked("board", STREAM_CHECKS, "too few samples came")
        return
    if of.silent_s > max(MAX_SILENT_S, _MIN_SAMPLES * of.hello.period_us / 1e6):
        yield Check(
            "board",
            "samples",
            "failed",
            f"none came in the last {of.silent_s:.1f} s",
            f"{MAX_SILENT_S:g} s",
            f"see what the board reports ({of.reported or _silence(of)}); else look at its power LED and its "
            "cable, and press its reset button",
            of.silent_s,
            "s",
        )
    nominal_us = of.hello.period_us
    steps = np.concatenate([np.diff(block.t_us) for block in of.blocks]).astype(np.float64)
    joints = [
        b.t_us[0] - a.t_us[-1] for a, b in zip(of.blocks, of.blocks[1:], strict=False) if not b.has_gap_before
    ]
    steps = np.concatenate([steps, np.array(joints, dtype=np.float64)])
    yield _rate(steps, nominal_us)
    yield _board_jitter(steps)
    yield from _clocks(of.arrivals)
    yield from _losses(of)


def _silence(of: Capture) -> str:
    is_off = of.status is not None and not of.status.is_streaming
    return "its streaming is switched off until a reset" if is_off else "no fault"


def _rate(steps_us: NDArray[np.float64], nominal_us: int) -> Check:
    rate_hz, nominal_hz = 1e6 / float(np.median(steps_us)), 1e6 / nominal_us
    return judged(
        "board",
        "rate",
        is_right=abs(rate_hz / nominal_hz - 1) <= RATE_TOLERANCE,
        measured=f"{rate_hz:.2f} samples a second by the board's clock",
        limit=f"{nominal_hz:g} as announced, ± {RATE_TOLERANCE:.0%}",
        what_to_do="trust the time stamps, which is what the programs do; a firmware that announces "
        "another rate than it has is mended by `fedmotion flash`",
        value=rate_hz,
        unit="Hz",
    )


def _board_jitter(steps_us: NDArray[np.float64]) -> Check:
    period_us = float(np.median(steps_us))
    jitter_us = float(np.quantile(np.abs(steps_us - period_us), 0.99))
    return judged(
        "board",
        "jitter at the board",
        is_right=jitter_us <= period_us / 2,
        measured=f"99 % of the steps are within {jitter_us:.0f} µs of {period_us:.0f} µs",
        limit=f"{period_us / 2:.0f} µs, half a step",
        what_to_do="choose a lower rate (SET_PERIOD_US): the board has more to do than it can",
        otherwise="warning",
        value=jitter_us,
        unit="us",
    )


def _clocks(arrivals: NDArray[np.float64]) -> Iterator[Check]:
    host_s, board_s = arrivals[arrivals[:, 0] >= arrivals[0, 0] + _SETTLE_S].T
    if len(host_s) < _MIN_SAMPLES or (np.diff(board_s) <= 0).any() or host_s[-1] <= host_s[0]:
        why = "the board started anew meanwhile, or too little came"
        yield from not_checked("board", ["jitter at the host", "the board's clock"], why)
        return
    late_s = host_s - board_s
    late_s = late_s - late_s.min()
    usual_s = float(np.median(late_s))
    worst_s = float(np.quantile(late_s, 0.99)) - usual_s
    yield judged(
        "board",
        "jitter at the host",
        is_right=worst_s <= MAX_LATE_S,
        measured=f"99 % of what comes is at most {worst_s * 1e3:.1f} ms later than usual",
        limit=f"{MAX_LATE_S * 1e3:.0f} ms",
        what_to_do="plug the board into this machine without a hub, and give the machine less to do",
        otherwise="warning",
        value=worst_s * 1e3,
        unit="ms",
    )
    error_ppm, deviation_ppm = _drift(host_s, board_s)
    is_right = abs(error_ppm) <= MAX_CLOCK_ERROR_PPM + 3 * deviation_ppm
    yield judged(
        "board",
        "the board's clock",
        is_right=is_right,
        measured=f"{error_ppm:+.0f} ± {deviation_ppm:.0f} ppm against this machine's",
        limit=f"± {MAX_CLOCK_ERROR_PPM} ppm",
        what_to_do="movements seem slower or faster by as much: flash the firmware that was built for this "
        "board (another crystal?), or use another board",
        otherwise="warning",
        value=error_ppm,
        unit="ppm",
    )


def _drift(host_s: NDArray[np.float64], board_s: NDArray[np.float64]) -> tuple[float, float]:
    """Return by how many ppm the board's clock is faster, and that slope's standard error.

    A line by least squares through what was least late in each of _N_SPANS spans: what waits on the way only
    ever comes later, so that these are nearest to the truth (NTP's clock filter, RFC 5905, section 10).
    """
    spans = np.array_split(np.arange(len(host_s)), _N_SPANS)
    earliest = np.array([span[np.argmin(host_s[span] - board_s[span])] for span in spans])
    host_s, board_s = host_s[earliest], board_s[earliest]
    host_s, board_s = host_s - host_s.mean(), board_s - board_s.mean()
    spread = float((host_s**2).sum())
    slope = float((host_s * board_s).sum()) / spread
    rest = board_s - slope * host_s
    deviation = float(np.sqrt((rest**2).sum() / max(len(rest) - 2, 1) / spread))
    return (slope - 1) * 1e6, deviation * 1e6


def _losses(of: Capture) -> Iterator[Check]:
    c = of.counters
    n_all = c.n_samples + c.n_dropped
    share = c.n_dropped / max(n_all, 1)
    is_clean = not (c.n_dropped or c.n_bad or c.n_lost_frames)
    is_line_sound = not (c.n_bad or c.n_lost_frames)
    yield judged(
        "board",
        "lost and damaged",
        is_right=is_clean,
        measured=f"{c.n_dropped} of {n_all} samples missing, frames lost: {c.n_lost_frames}, "
        f"damaged: {c.n_bad}",
        limit="none",
        what_to_do="the line is sound, the board left them out: see what it reports "
        f"({of.reported or 'no fault'})"
        if is_line_sound
        else "use a shorter or another cable and no hub, and close what keeps this machine busy: a gap "
        "cuts a movement off",
        otherwise="failed" if share > MAX_LOST_SHARE else "warning",
        value=share,
        unit="share of samples",
    )
    if c.n_restarts:
        times = "once" if c.n_restarts == 1 else f"{c.n_restarts} times"
        why, what_to_do = _RESTARTS.get(of.hello.reset_cause if of.hello else 0, _RESTARTS[0])
        measured = f"it started anew {times} in {of.seconds:.0f} s, {why}"
        yield Check("board", "restarts", "failed", measured, "none", what_to_do, c.n_restarts)
