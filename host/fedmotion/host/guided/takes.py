"""Guided takes as a state machine: rest, countdown, perform, hold still, judge; events in, deeds out.

No I/O and no clock of its own: a terminal, `fedmotion start` and tests drive the same.
"""

import math
from dataclasses import dataclass

from fedmotion.host.guided.deeds import (
    BoardCame,
    BoardWent,
    Deed,
    Found,
    GuidedEvent,
    Keep,
    Level,
    Pressed,
    Say,
    Stored,
    StreamCut,
    Tick,
)
from fedmotion.host.guided.plan import TakePlan
from fedmotion.host.guided.screen import LabelCount, Phase, Screen
from fedmotion.host.guided.take_report import TakeReport
from fedmotion.host.guided.wording import HINTS, NO_MOVEMENT, headline, keys
from fedmotion.models.movements import OFF_RADPS, ON_RADPS
from fedmotion.models.windows import CONTEXT_US

EARLY_S = 0.4
"""Who starts so shortly before GO has started: the context before a movement is recorded anyway."""

_EARLY_US = round(EARLY_S * 1e6)
_HOLD_US = CONTEXT_US + 1_000_000
"""From a movement's end until it is certain that none comes of it: it was too short."""

_WAIT_S = 12.0
_KEEP, _REDO, _STOP, _PAUSE, _ENTER = "k", "r", "q", " ", "\n"


@dataclass(frozen=True, slots=True)
class GuidedOptions:
    """How a session goes; `is_auto` keeps every usable take at once and repeats the others."""

    countdown_s: float = 3.0
    rest_s: float = 1.0
    is_auto: bool = False


class GuidedTakes:
    """One session. `handle` takes events in order and returns what is to be done, `screen` what is shown."""

    def __init__(self, plan: TakePlan, options: GuidedOptions) -> None:
        self.plan = plan
        self.n_thrown_away = 0
        self.n_not_counted = 0
        self.was_stopped = False
        self._options = options
        self._phase = Phase.OVER if plan.is_complete else Phase.BOARD
        self._away = "looking for the board"
        self._since_s = 0.0
        self._until_s = 0.0
        self._still_from_us: int | None = None
        self._go_us = 0
        self._moved_us = 0
        self._starts_us: list[int] = []
        self._level = Level(0, 0.0, is_moving=False)
        self._found: Found | None = None
        self._last: TakeReport | None = None
        self._note = ""

    @property
    def phase(self) -> Phase:
        """Where the session is."""
        return self._phase

    @property
    def is_over(self) -> bool:
        """Whether all takes are there, or it was stopped."""
        return self._phase is Phase.OVER

    def label_of(self, start_us: int, _stop_us: int) -> str | None:
        """Return the label of a movement that began after GO, none for others: the recorder's labelling."""
        if self._phase not in {Phase.PERFORM, Phase.MOVING, Phase.HOLD}:
            return None
        return self.plan.label if start_us >= self._go_us - _EARLY_US else None

    def stop(self) -> list[Deed]:
        """End the session; what was kept is kept."""
        deeds: list[Deed] = []
        if self._phase is Phase.JUDGE:
            deeds = [self._throw_away("the take that was not decided on is thrown away")]
        elif self._phase in {Phase.MOVING, Phase.HOLD}:
            deeds = [self._throw_away("the movement under way is not recorded")]
        self.was_stopped = not self.is_over
        self._phase = Phase.OVER
        return deeds

    def handle(self, event: GuidedEvent, now_s: float) -> list[Deed]:  # noqa: C901, PLR0911 - one case an event
        """Take one event; `now_s` is the host's monotonic clock."""
        if self.is_over:
            return []
        match event:
            case Level():
                return self._feel(event, now_s)
            case Found():
                return self._judge(event, now_s)
            case Pressed(key):
                return self._press(key, now_s)
            case Stored(is_new):
                return self._count(now_s, is_new=is_new)
            case BoardCame():
                self._away = ""
                if self._phase is Phase.BOARD:
                    self._rest(now_s)
                return []
            case BoardWent(reason):
                self._away = reason
                self._level = Level(self._level.t_us, 0.0, is_moving=False)
                return self._lose(reason, now_s)
            case StreamCut(reason):
                return self._lose(reason, now_s)
            case Tick():
                if self._phase is Phase.COUNTDOWN and now_s >= self._until_s:
                    self._go(now_s)
                return []

    def _feel(self, level: Level, now_s: float) -> list[Deed]:
        began = level.is_moving and not self._level.is_moving
        self._level = level
        match self._phase:
            case Phase.REST:
                self._feel_rest(now_s)
            case Phase.COUNTDOWN if level.is_moving:
                if self._until_s - now_s > EARLY_S:
                    self._note = "you moved before GO: rest again"
                    self._rest(now_s)
                else:
                    self._go(now_s)
                    self._begin()
            case Phase.PERFORM if level.is_moving:
                self._begin()
            case Phase.MOVING if not level.is_moving:
                self._phase, self._moved_us = Phase.HOLD, level.t_us
            case Phase.HOLD:
                if began:
                    self._starts_us.append(level.t_us)
                if level.is_moving:
                    self._moved_us = level.t_us
                elif level.t_us - self._moved_us > _HOLD_US:
                    self._note = "that was too short to be found: a movement lasts half a second or longer"
                    self._go(now_s)
            case _:
                pass
        return []

    def _feel_rest(self, now_s: float) -> None:
        level = self._level
        if level.energy_radps >= OFF_RADPS or level.is_moving:
            self._still_from_us = None
        elif self._still_from_us is None:
            self._still_from_us = level.t_us
        elif self._rested() >= 1:
            self._phase, self._until_s, self._note = Phase.COUNTDOWN, now_s + self._options.countdown_s, ""
            if self._options.countdown_s <= 0:
                self._go(now_s)

    def _begin(self) -> None:
        self._phase = Phase.MOVING
        self._starts_us = [self._level.t_us]

    def _rest(self, now_s: float) -> None:
        self._phase, self._since_s = (Phase.BOARD if self._away else Phase.REST), now_s
        self._still_from_us = None
        self._found = None

    def _rested(self) -> float:
        if self._still_from_us is None:
            return 0.0
        rested_us = self._level.t_us - self._still_from_us
        wanted_us = self._options.rest_s * 1e6
        return min(rested_us / wanted_us, 1.0) if wanted_us > 0 else 1.0

    def _go(self, now_s: float) -> None:
        self._phase, self._since_s, self._go_us = Phase.PERFORM, now_s, self._level.t_us
        self._starts_us = []

    def _judge(self, found: Found, now_s: float) -> list[Deed]:
        if self._phase not in {Phase.PERFORM, Phase.MOVING, Phase.HOLD}:
            return []
        self._phase, self._found, self._last = Phase.JUDGE, found, found.report
        is_followed = any(start_us > found.recording.stop_us for start_us in self._starts_us)
        self._note = "another movement followed; only the first is this take" if is_followed else ""
        if not self._options.is_auto:
            return []
        return [self._keep()] if found.report.is_usable else self._redo(now_s)

    def _press(self, key: str, now_s: float) -> list[Deed]:
        if key in {"\r", "\n"}:
            key = _ENTER
        if key == _STOP:
            return self.stop()
        if self._phase is Phase.JUDGE and self._found is not None:
            is_usable = self._found.report.is_usable
            if key == _KEEP or (key == _ENTER and is_usable):
                return [self._keep()]
            if key == _REDO or (key == _ENTER and not is_usable):
                return self._redo(now_s)
        elif key == _PAUSE:
            if self._phase is Phase.PAUSED:
                self._rest(now_s)
            elif self._phase is not Phase.BOARD:
                was_under_way = self._phase in {Phase.MOVING, Phase.HOLD}
                self._phase, self._note = Phase.PAUSED, ""
                return [self._throw_away("the movement under way is not recorded")] if was_under_way else []
        return []

    def _keep(self) -> Deed:
        assert self._found is not None  # noqa: S101 - only asked for where there is one
        return Keep(self._found.recording, self._found.report)

    def _redo(self, now_s: float) -> list[Deed]:
        assert self._found is not None  # noqa: S101 - likewise
        why = self._found.report.why_not_trained_on
        label = self._found.report.label
        self._rest(now_s)
        return [self._throw_away(f"{label} thrown away{f': {why}' if why else ''}")]

    def _count(self, now_s: float, *, is_new: bool) -> list[Deed]:
        if self._found is None:
            return []
        report, recording = self._found.report, self._found.recording
        self._note = ""
        if not is_new:
            self.n_thrown_away += 1
            said = Say(f"{report.label}: the store has this very take already; it counts once", is_good=False)
        elif not report.is_usable:
            self.n_not_counted += 1
            said = Say(
                f"{report.label} kept, but it does not count: it will not be trained on "
                f"({report.why_not_trained_on})",
                is_good=False,
            )
        else:
            self.plan = self.plan.with_one_more(report.label)
            begun_s = (recording.start_us - self._go_us) / 1e6
            said = Say(
                f"{self.plan.held(report.label)}/{self.plan.n_wanted[report.label]}  {report.label}  "
                f"{report.length_s:.1f} s, from {max(begun_s, 0.0):.1f} s after GO, "
                f"peak {report.peak_degps:.0f} deg/s"
            )
        if self.plan.is_complete:
            self._phase = Phase.OVER
        else:
            self._rest(now_s)
        return [said]

    def _lose(self, reason: str, now_s: float) -> list[Deed]:
        """Go back to rest after the stream broke; a take that was complete waits for its decision."""
        if self._phase is Phase.JUDGE:
            return []
        was_under_way = self._phase in {Phase.MOVING, Phase.HOLD}
        if self._phase is not Phase.PAUSED or self._away:
            self._rest(now_s)
        if not was_under_way:
            self._note = "" if self._away else reason
            return []
        self._note = ""
        return [self._throw_away(f"the movement under way is thrown away: {reason}")]

    def _throw_away(self, text: str) -> Say:
        self.n_thrown_away += 1
        return Say(text, is_good=False)

    def screen(self, now_s: float, board: str = "", warning: str = "") -> Screen:
        """Return what is to be shown at `now_s`; which board it is and a warning are the caller's."""
        label = self.plan.label or ""
        return Screen(
            phase=self._phase,
            label=label,
            headline=headline(self._phase, label, was_stopped=self.was_stopped),
            hint=self._hint(now_s),
            counts=tuple(
                LabelCount(each, self.plan.held(each), self.plan.n_wanted[each]) for each in self.plan.labels
            ),
            level=self._level.energy_radps / ON_RADPS,
            rested=self._rested() if self._phase is Phase.REST else 0.0,
            count=max(math.ceil(self._until_s - now_s), 1) if self._phase is Phase.COUNTDOWN else 0,
            take=self._last,
            keys=keys(self._phase, is_usable=self._last is None or self._last.is_usable),
            board=board,
            warning=warning,
        )

    def _hint(self, now_s: float) -> str:
        if self._phase is Phase.BOARD:
            return self._away
        if self._phase is Phase.JUDGE and self._last is not None and not self._last.is_usable:
            return f"the check: {self._last.why_not_trained_on}"
        if self._note:
            return self._note
        is_waiting = self._phase is Phase.PERFORM and now_s - self._since_s > _WAIT_S
        return NO_MOVEMENT if is_waiting else HINTS.get(self._phase, "")
