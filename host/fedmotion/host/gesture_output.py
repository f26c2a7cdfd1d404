"""What is told of recognised gestures and to whom: rejection, quiet times, and the outputs' common face.

All times are the board's, so that a stream played fast or read late is judged as it was performed.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Literal, Protocol

import msgspec

from fedmotion.host.recogniser import Decision
from fedmotion.host.released_model import LoadedModel
from fedmotion.protocol.identity import OTHER, check_label

Verdict = Literal["told", "other", "unlikely", "repeated"]
"""What becomes of a decision: told, no gesture, below the asked probability, or within the quiet time."""


class Gesture(msgspec.Struct, frozen=True):
    """One gesture as outputs are told of it; `number` counts from 1 while the program runs.

    `probability` is the gesture's, `probabilities` are all activities'. `decided_us` is when the board's
    stream allowed the decision.
    """

    number: int
    activity: str
    probability: float
    start_us: int
    stop_us: int
    decided_us: int
    round_id: int
    probabilities: dict[str, float]


class GestureOutput(Protocol):
    """One that is told of gestures, in the thread that runs the agent; nothing here blocks or raises."""

    def on_model(self, model: LoadedModel) -> None:
        """Know that recognition goes over to `model`, or begins with it."""

    def on_board(self, *, is_there: bool) -> None:
        """Know that the board came or went; without a word it is not there."""

    def on_gesture(self, gesture: Gesture, decision: Decision) -> None:
        """Take one gesture; `decision` has the window that it was recognised in."""

    def tick(self) -> None:
        """Do what is due; called several times a second."""

    def close(self) -> None:
        """End properly; may take a few seconds."""


class GestureFilter:
    """Which decisions are told.

    Parameters
    ----------
    min_probability
        A gesture is told where its probability is at least this, besides what the model asks for.
    quiet_s
        The same gesture is told again only where it ends so long after the end of the one told before.
    quiet
        The same for single gestures, in place of `quiet_s`.

    Raises
    ------
    ValueError
        If the probability is not 0 to 1 or a time is negative or beyond an hour.
    """

    def __init__(
        self, min_probability: float = 0.0, quiet_s: float = 0.0, quiet: Mapping[str, float] | None = None
    ) -> None:
        if not 0 <= min_probability <= 1:
            raise ValueError(f"the least probability is 0 to 1, got {min_probability}")
        for name, seconds in {"any gesture": quiet_s, **(quiet or {})}.items():
            if not 0 <= seconds <= 3600:
                raise ValueError(f"the quiet time of {name} is 0 to 3600 s, got {seconds}")
        self.n_by_verdict: Counter[Verdict] = Counter()
        self._min_probability = min_probability
        self._quiet_s = quiet_s
        self._quiet = dict(quiet or {})
        self._told_us: dict[str, int] = {}
        self._last_us = 0
        self._n_told = 0

    def judge(self, decision: Decision) -> tuple[Verdict, Gesture | None]:
        """Return what becomes of `decision`, and the gesture to tell where it is told."""
        verdict = self._verdict(decision)
        self.n_by_verdict[verdict] += 1
        if verdict != "told":
            return verdict, None
        self._n_told += 1
        self._told_us[decision.activity] = decision.stop_us
        activities = decision.model.specification.activities
        probabilities = dict(zip(activities, decision.probabilities, strict=True))
        return verdict, Gesture(
            number=self._n_told,
            activity=decision.activity,
            probability=probabilities[decision.activity],
            start_us=decision.start_us,
            stop_us=decision.stop_us,
            decided_us=decision.decided_us,
            round_id=decision.model.round_id,
            probabilities=probabilities,
        )

    def forget(self) -> None:
        """Begin anew, as where another board's time begins."""
        self._told_us.clear()

    def _verdict(self, decision: Decision) -> Verdict:
        if decision.stop_us < self._last_us:
            # Time goes back where the board restarted.
            self.forget()
        self._last_us = decision.stop_us
        if decision.activity == OTHER:
            return "other"
        if max(decision.probabilities) < self._min_probability:
            return "unlikely"
        told_us = self._told_us.get(decision.activity)
        quiet_us = 1e6 * self._quiet.get(decision.activity, self._quiet_s)
        if told_us is not None and decision.stop_us - told_us < quiet_us:
            return "repeated"
        return "told"


def parse_quiet(texts: Iterable[str]) -> dict[str, float]:
    """Return {gesture: seconds} of texts GESTURE=SECONDS; raises ValueError where one is something else."""
    quiet: dict[str, float] = {}
    for text in texts:
        gesture, number = split_rule(text, "a quiet time is GESTURE=SECONDS")
        try:
            quiet[gesture] = float(number)
        except ValueError:
            raise ValueError(f"a quiet time is GESTURE=SECONDS, got {text!r}") from None
    return quiet


def split_rule(text: str, form: str) -> tuple[str, str]:
    """Return the gesture and what stands behind the first `=`; raises ValueError that begins with `form`."""
    gesture, equals, rest = text.partition("=")
    gesture, rest = gesture.strip(), rest.strip()
    if not equals or not gesture or not rest:
        raise ValueError(f"{form}, got {text!r}")
    check_label(gesture, "a gesture")
    if gesture == OTHER:
        raise ValueError(f"{OTHER!r} is movement that is no gesture and is never told, got {text!r}")
    return gesture, rest
