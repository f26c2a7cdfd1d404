"""Single keys while gestures are recognised, as corrections: characters in, corrections and words out."""

from collections.abc import Mapping, Sequence

from fedmotion.host.corrections import Correction, Kind
from fedmotion.protocol.identity import OTHER

HINT = "keys: w that was wrong, x it was ..., n nothing happened, m missed ..., u undo, ? help"

HELP = f"""  w  the last recognition was wrong: kept as {OTHER}, a counterexample
  x  the last recognition was another gesture: asks which
  n  nothing happened, it was no gesture: kept as {OTHER}
  m  a gesture was missed, the last movement that was none: asks which
  u  undo the last correction; again for the one before"""

_KEYS = "123456789abcdefghijklmnopqrstuvwxyz"
_AT_ONCE: Mapping[str, Kind] = {"w": "wrong", "n": "nothing", "u": "undo"}
_ASKS: Mapping[str, Kind] = {"x": "was", "m": "missed"}


class KeyDialogue:
    """What the keys so far mean; asks for an activity where one is needed."""

    def __init__(self) -> None:
        self._asking: Kind | None = None

    def feed(self, key: str, activities: Sequence[str]) -> Correction | str:
        """Return the correction that `key` completes, else what to say, "" for nothing.

        Parameters
        ----------
        activities
            Those of the model in use.
        """
        gestures = [activity for activity in activities if activity != OTHER]
        if self._asking is not None:
            kind, self._asking = self._asking, None
            at = _KEYS.find(key.lower())
            return Correction(kind, gestures[at]) if 0 <= at < len(gestures) else "  nothing chosen"
        if key.lower() in _AT_ONCE:
            return Correction(_AT_ONCE[key.lower()])
        if key.lower() in _ASKS:
            return self._ask(_ASKS[key.lower()], gestures)
        return HELP if key in {"?", "h"} else ""

    def _ask(self, kind: Kind, gestures: Sequence[str]) -> str:
        if not gestures:
            return "  there is no model yet"
        self._asking = kind
        choices = "  ".join(f"{key} {name}" for key, name in zip(_KEYS, gestures, strict=False))
        return f"  {'it was' if kind == 'was' else kind}:  {choices}  (another key: none)"
