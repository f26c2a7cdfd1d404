"""Continuous recording as a state machine: movements go by, and a key says what one was.

A key is for the movement under way or, at rest, for the last one; it may be corrected until the next begins.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from fedmotion.host.guided.deeds import Deed, Found, Keep, Level, Say, TakeBack
from fedmotion.host.guided.screen import KeyedLabel, MarkScreen
from fedmotion.host.guided.take_report import TakeReport
from fedmotion.host.marks import Mark
from fedmotion.host.recording_store import Recording
from fedmotion.models.movements import ON_RADPS
from fedmotion.models.windows import CONTEXT_US
from fedmotion.protocol.identity import OTHER, check_label

MAX_LABELS = 9
UNMARK = "0"
STOP = "q"

_LOST_US = CONTEXT_US + 1_000_000
"""From a movement's end until it is certain that no recording comes of it."""


@dataclass(slots=True)
class _Span:
    """One movement: seen first, recorded once its context has come, and marked at any time between."""

    start_us: int
    stop_us: int | None = None
    label: str | None = None
    found: Found | None = None
    kept: Recording | None = None
    is_done: bool = False

    def overlap_us(self, recording: Recording) -> int:
        stop_us = recording.stop_us if self.stop_us is None else self.stop_us
        return min(stop_us, recording.stop_us) - max(self.start_us, recording.start_us)


class ContinuousMarks:
    """One session. Events come in order; `is_over` once it is stopped and no marked movement waits.

    Raises
    ------
    ValueError
        If there are no labels, more than nine, one twice, or one that cannot be a label.
    """

    def __init__(self, labels: Sequence[str], *, is_rest_other: bool = False) -> None:
        if not 1 <= len(labels) <= MAX_LABELS or len(set(labels)) < len(labels):
            raise ValueError(
                f"keys 1 to {MAX_LABELS} are for one label each, got {', '.join(labels) or 'none'}"
            )
        self.labels = tuple(check_label(label) for label in labels)
        self.marks: list[Mark] = []
        self.n_kept: dict[str, int] = dict.fromkeys(self.labels, 0)
        if is_rest_other:
            self.n_kept.setdefault(OTHER, 0)
        self.n_dropped = 0
        self.was_stopped = False
        self._is_rest_other = is_rest_other
        self._away = "looking for the board"
        self._is_cut = False
        self._level = Level(0, 0.0, is_moving=False)
        self._spans: list[_Span] = []
        self._last: TakeReport | None = None

    @property
    def is_over(self) -> bool:
        """Whether it was stopped and nothing that was marked still waits for its recording."""
        return self.was_stopped and not any(each.label and not each.is_done for each in self._spans)

    def label_of(self, _start_us: int, _stop_us: int) -> str:
        """Return a label for every movement: what it really is comes by a key."""
        return OTHER

    def came(self) -> list[Deed]:
        """Take notice that samples come."""
        self._away = ""
        return []

    def went(self, reason: str) -> list[Deed]:
        """Take notice that no samples come: what has no recording yet will have none."""
        self._away = reason
        self._is_cut = True
        return self._purge(reason)

    def cut(self, reason: str) -> list[Deed]:
        """Take notice that samples are missing: what is under way is lost, what had ended may come."""
        self._is_cut = True
        return self._purge(reason, only_under_way=True)

    def feel(self, level: Level) -> list[Deed]:
        """Take the level after some samples, and after what the recorder found in them."""
        deeds = self._purge("its end is missing") if self._is_cut else []
        self._is_cut = False
        began, ended = level.is_moving and not self._level.is_moving, self._level.is_moving
        self._level = level
        if began:
            self._spans.append(_Span(level.t_us))
        elif ended and not level.is_moving and self._spans:
            self._spans[-1].stop_us = level.t_us
        for span in list(self._spans):
            if span.found is None and span.stop_us is not None and level.t_us - span.stop_us > _LOST_US:
                self._spans.remove(span)
                if span.label:
                    deeds.append(Say(f"{span.label}: too short to be found, not recorded", is_good=False))
        return deeds + self._settle()

    def find(self, found: Found) -> list[Deed]:
        """Take a movement that the recorder cut out."""
        waiting = [each for each in self._spans if each.found is None]
        span = max(waiting, key=lambda each: each.overlap_us(found.recording), default=None)
        if span is None or span.overlap_us(found.recording) <= 0:
            span = _Span(found.recording.start_us, found.recording.stop_us)
            self._spans.append(span)
            self._spans.sort(key=lambda each: each.start_us)
        span.found = found
        self._last = replace(found.report, label="")
        return self._settle()

    def press(self, key: str) -> list[Deed]:
        """Take a key: 1 to 9 for a label, 0 for none, q to stop."""
        if key == STOP:
            return self.stop()
        if key != UNMARK and not (key.isascii() and key.isdigit() and int(key) <= len(self.labels)):
            return []
        if not self._spans:
            return [Say("no movement to mark: perform it, then press its key", is_good=False)]
        span = self._spans[-1]
        label = None if key == UNMARK else self.labels[int(key) - 1]
        deeds: list[Deed] = []
        if span.kept is not None:
            if span.kept.label == label:
                return []
            deeds.append(self._take_back(span))
        span.label, span.is_done = label, False
        return deeds + self._settle()

    def stop(self) -> list[Deed]:
        """End the session once what was marked is recorded; what has no mark is decided now."""
        self.was_stopped = True
        return self._settle()

    def _settle(self) -> list[Deed]:
        """Decide what can be: marked movements that are recorded, unmarked ones that others followed."""
        deeds: list[Deed] = []
        for index, span in enumerate(self._spans):
            if span.is_done or span.found is None:
                continue
            is_past = index < len(self._spans) - 1 or self.was_stopped
            label = span.label or (OTHER if is_past and self._is_rest_other else None)
            if label is not None:
                deeds.append(self._keep(span, span.found, label))
            elif is_past:
                span.is_done = True
                self.n_dropped += 1
        # The last one stays for a correction.
        self._spans = [each for each in self._spans[:-1] if not each.is_done] + self._spans[-1:]
        return deeds

    def _keep(self, span: _Span, found: Found, label: str) -> Deed:
        span.is_done = True
        span.kept = replace(found.recording, label=label)
        self.n_kept[label] += 1
        self._last = replace(found.report, label=label)
        if span.label:
            self.marks.append(_mark(span.kept))
        return Keep(span.kept, replace(found.report, label=label))

    def _take_back(self, span: _Span) -> Deed:
        assert span.kept is not None  # noqa: S101 - only asked for where there is one
        recording, span.kept = span.kept, None
        self.n_kept[recording.label] -= 1
        self.marks = [each for each in self.marks if each != _mark(recording)]
        return TakeBack(recording)

    def _purge(self, reason: str, *, only_under_way: bool = False) -> list[Deed]:
        lost = [
            each
            for each in self._spans
            if each.found is None and (each.stop_us is None or not only_under_way)
        ]
        # Nor is anything corrected across a break: the board's time may have begun again.
        self._spans = [each for each in self._spans if each not in lost and not each.is_done]
        self._level = replace(self._level, is_moving=False)
        return [
            Say(f"{each.label or 'the movement under way'} is thrown away: {reason}", is_good=False)
            for each in lost
        ]

    def screen(self, board: str = "", warning: str = "") -> MarkScreen:
        """Return what is to be shown."""
        counts = tuple(
            KeyedLabel(str(number), label, self.n_kept[label]) for number, label in enumerate(self.labels, 1)
        )
        others = tuple(KeyedLabel("", each, n) for each, n in self.n_kept.items() if each not in self.labels)
        return MarkScreen(
            headline=self._headline(),
            hint=self._hint(),
            labels=counts + others,
            n_dropped=self.n_dropped,
            level=self._level.energy_radps / ON_RADPS,
            is_moving=self._level.is_moving,
            take=self._last,
            board=board,
            warning=warning,
        )

    def _headline(self) -> str:
        if self._away:
            return "waiting for the board"
        if self.was_stopped:
            return "hold still: the last mark's rest is recorded"
        if not self._spans:
            return "move"
        label = self._spans[-1].label
        if self._level.is_moving:
            return f"moving: {label}" if label else "moving"
        return f"that was {label}" if label else "what was that?"

    def _hint(self) -> str:
        if self._away:
            return self._away
        left = "kept as other" if self._is_rest_other else "dropped"
        return f"press its key now, or until the next one begins; without a key it is {left}"


def _mark(recording: Recording) -> Mark:
    return Mark(recording.label, recording.start_us, recording.stop_us)
