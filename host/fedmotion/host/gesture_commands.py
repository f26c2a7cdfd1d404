"""A command for a gesture: started beside the stream, with the gesture in its environment, and bounded.

No shell is asked unless told so, and the gesture never becomes part of a command line.
"""

import contextlib
import logging
import os
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import IO

from fedmotion.host.gesture_output import Gesture, split_rule
from fedmotion.host.recogniser import Decision
from fedmotion.host.released_model import LoadedModel

ANY = "*"
"""Stands for every gesture."""

_FORM = "a command is GESTURE=COMMAND"
_GRACE_S = 1.0
_MAX_ERRORS_BYTES = 2**20
_TOLD_BYTES = 300

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Rule:
    """What is run for a gesture; `words` is the program and its arguments."""

    gesture: str
    text: str
    words: tuple[str, ...]


def parse_rules(texts: Iterable[str], *, is_shell: bool = False) -> tuple[Rule, ...]:
    """Return the rules of texts GESTURE=COMMAND, GESTURE `*` for any; a gesture may have several.

    Raises
    ------
    ValueError
        If one is something else, its quotes do not close, or there is no such program.
    """
    rules = []
    for text in texts:
        gesture, command = split_rule(text, _FORM)
        if is_shell:
            rules.append(Rule(gesture, command, ("/bin/sh", "-c", command)))
            continue
        try:
            words = tuple(shlex.split(command))
        except ValueError as error:
            raise ValueError(f"the command of {gesture} cannot be read: {error}, got {command!r}") from None
        if not words or shutil.which(words[0]) is None:
            raise ValueError(
                f"the command of {gesture} begins with a program that can be run, got {command!r}: give its "
                "whole path, or --shell for what a shell understands"
            )
        rules.append(Rule(gesture, command, words))
    return tuple(rules)


@dataclass(slots=True)
class _Running:
    process: subprocess.Popen[bytes]
    rule: Rule
    errors: IO[bytes]
    started_s: float
    terminated_s: float | None = None
    why_ended: str = ""


class GestureCommands:
    """A `GestureOutput` that runs commands: what they print is dropped, the end of their errors is logged.

    Parameters
    ----------
    rules
        See `parse_rules`.
    max_running
        Commands at once; a gesture beyond that is logged and runs nothing.
    timeout_s
        After this a command is told to end, and is killed a second later, with what it has started.
    environment
        What commands see besides FEDMOTION_*.
    on_end
        Told of each end: the rule and its exit status, negative for a signal.
    """

    def __init__(
        self,
        rules: tuple[Rule, ...],
        *,
        max_running: int = 4,
        timeout_s: float = 10.0,
        environment: Mapping[str, str] | None = None,
        clock: Callable[[], float] = time.monotonic,
        on_end: Callable[[Rule, int], object] = lambda _rule, _status: None,
    ) -> None:
        self.n_refused = 0
        self._rules = rules
        self._max_running = max_running
        self._timeout_s = timeout_s
        self._environment = dict(os.environ if environment is None else environment)
        self._clock = clock
        self._on_end = on_end
        self._running: list[_Running] = []

    @property
    def n_running(self) -> int:
        """How many commands run."""
        return len(self._running)

    def on_model(self, model: LoadedModel) -> None:
        """Say which commands wait for gestures that this model does not know."""
        known = {ANY, *model.specification.activities}
        for rule in self._rules:
            if rule.gesture not in known:
                _log.warning(
                    "command=%s never runs: the model knows %s and not %s",
                    rule.text,
                    ", ".join(model.specification.activities),
                    rule.gesture,
                )

    def on_board(self, *, is_there: bool) -> None:
        """Commands are for gestures alone."""

    def on_gesture(self, gesture: Gesture, decision: Decision) -> None:  # noqa: ARG002 - every output's signature
        """Start the gesture's commands."""
        self._look_after()
        for rule in self._rules:
            if rule.gesture not in {ANY, gesture.activity}:
                continue
            if len(self._running) >= self._max_running:
                self.n_refused += 1
                _log.warning(
                    "gesture=%s %d commands run already: %s is not started",
                    gesture.activity,
                    len(self._running),
                    rule.text,
                )
                continue
            self._start(rule, gesture)

    def tick(self) -> None:
        """See which commands have ended, and end those that take too long."""
        self._look_after()

    def close(self) -> None:
        """End what still runs."""
        for each in self._running:
            self._end(each, "the recogniser ends")
        until_s = time.monotonic() + _GRACE_S
        for each in tuple(self._running):
            try:
                status = each.process.wait(max(until_s - time.monotonic(), 0.01))
            except subprocess.TimeoutExpired:
                _signal(each.process, signal.SIGKILL)
                status = each.process.wait()
            self._take_end(each, status)

    def _start(self, rule: Rule, gesture: Gesture) -> None:
        environment = {**self._environment, **variables(gesture)}
        errors = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the command
        try:
            process = subprocess.Popen(  # noqa: S603 - the owner's own command, without what was recognised
                rule.words,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                # A group of its own: Ctrl-C is for us, and what it starts ends with it.
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            errors.close()
            self.n_refused += 1
            _log.warning("gesture=%s %s cannot be started: %s", gesture.activity, rule.text, error)
            return
        self._running.append(_Running(process, rule, errors, self._clock()))

    def _look_after(self) -> None:
        now_s = self._clock()
        for each in tuple(self._running):
            if each.terminated_s is not None:
                # Not asked before, which would give its number free: the group is still its own.
                if now_s - each.terminated_s >= _GRACE_S:
                    _signal(each.process, signal.SIGKILL)
                    self._take_end(each, each.process.wait())
                continue
            status = each.process.poll()
            if status is not None:
                self._take_end(each, status)
            elif now_s - each.started_s > self._timeout_s:
                self._end(each, f"it took more than {self._timeout_s:g} s")
            elif os.fstat(each.errors.fileno()).st_size > _MAX_ERRORS_BYTES:
                self._end(each, "it said too much")

    def _end(self, each: _Running, why: str) -> None:
        if each.terminated_s is not None:
            return
        each.why_ended = why
        each.terminated_s = self._clock()
        _signal(each.process, signal.SIGTERM)

    def _take_end(self, each: _Running, status: int) -> None:
        self._running.remove(each)
        size = each.errors.seek(0, os.SEEK_END)
        each.errors.seek(max(size - _TOLD_BYTES, 0))
        said = each.errors.read(_TOLD_BYTES).decode(errors="replace").strip()
        each.errors.close()
        said = said if said.isprintable() else repr(said)
        if each.why_ended:
            _log.warning("command=%s was ended: %s", each.rule.text, each.why_ended)
        elif status:
            _log.warning("command=%s ended with status %d: %s", each.rule.text, status, said or "no word why")
        else:
            _log.info("command=%s ended with status 0", each.rule.text)
        self._on_end(each.rule, status)


def variables(gesture: Gesture) -> dict[str, str]:
    """Return what a command learns of its gesture."""
    return {
        "FEDMOTION_GESTURE": gesture.activity,
        "FEDMOTION_PROBABILITY": f"{gesture.probability:.4f}",
        "FEDMOTION_NUMBER": str(gesture.number),
        "FEDMOTION_START_US": str(gesture.start_us),
        "FEDMOTION_STOP_US": str(gesture.stop_us),
        "FEDMOTION_ROUND": str(gesture.round_id),
    }


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    # The group has its first process's id (`start_new_session`), also after that has ended.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)
