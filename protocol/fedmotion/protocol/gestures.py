"""The words of a federation's list of gestures: what a name and a sentence may be, and which names are alike.

Names that are alike are reported and never refused: which of two names is one too many is for people to say.
"""

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from fedmotion.protocol.identity import OTHER, check_label
from fedmotion.protocol.messages import MAX_SENTENCE_CHARACTERS

_NOT_IN_SENTENCES = {"Cc", "Cs", "Zl", "Zp"}

# Lower-case letters that look like Latin ones, and the digits taken for letters: the single letters that
# Unicode Technical Standard 39 (confusables) lists for the alphabets that people here type.
_LOOKS_LIKE = str.maketrans(
    # Cyrillic, Greek, and others.
    "\u0430\u0435\u0456\u0458\u043a\u043c\u043e\u0440\u0441\u0442\u0443\u0445\u0455\u04bb\u0501\u051b\u051d"
    "\u03bf\u03b9\u03ba\u03bd\u03c1\u03c4\u03c5\u03c7\u03b1"
    "\u0251\u013101",
    "aeijkmopctyxshdqwoikvptuxaaiol",
)

_LONG_ENOUGH = ((8, 2), (5, 1))
"""Names of at least so many letters are alike where at most so many differ: short ones differ by as much."""


@dataclass(frozen=True, slots=True)
class Likeness:
    """A known name that another is like, and how, as the end of a sentence."""

    name: str
    how: str

    def __str__(self) -> str:
        return f"{self.name!r} {self.how}"


def check_gesture(name: str) -> str:
    """Return `name` if it may be a gesture's; raises ValueError where it is no label, or `other`."""
    if check_label(name, "a gesture's name") == OTHER:
        raise ValueError(f"{OTHER!r} is movement that is no gesture, and every federation has it")
    return name


def check_sentence(text: str) -> str:
    """Return `text` if it may say what a gesture is.

    Raises
    ------
    ValueError
        If it is empty, longer than 200 characters, not in Unicode form NFC, padded with spaces, or holds a
        control character or a line break.
    """
    if not text or text != text.strip():
        raise ValueError(f"a gesture's sentence is not empty and has no spaces around it, got {text[:80]!r}")
    if len(text) > MAX_SENTENCE_CHARACTERS:
        raise ValueError(
            f"a gesture's sentence has at most {MAX_SENTENCE_CHARACTERS} characters, got {len(text)}"
        )
    if any(unicodedata.category(character) in _NOT_IN_SENTENCES for character in text):
        raise ValueError(f"a gesture's sentence is one line without control characters, got {text[:80]!r}")
    if not unicodedata.is_normalized("NFC", text):
        raise ValueError(f"a gesture's sentence is in Unicode form NFC, got {text[:80]!r}")
    return text


def alike(name: str, known: Iterable[str]) -> tuple[Likeness, ...]:
    """Return which of the names `known`, in their order, `name` may be another spelling of; never itself."""
    return tuple(Likeness(each, how) for each in known if each != name and (how := _how_alike(name, each)))


def _how_alike(a: str, b: str) -> str:
    plain_a, plain_b = _plain(a), _plain(b)
    letters_a, letters_b = "".join(plain_a.split()), "".join(plain_b.split())
    if letters_a == letters_b:
        return "is the same but for case, spaces, hyphens, accents or letters that look alike"
    if sorted(plain_a.split()) == sorted(plain_b.split()):
        return "has the same words in another order"
    if letters_a in _plurals(letters_b) or letters_b in _plurals(letters_a):
        return "is the same but for the plural"
    shorter = min(len(letters_a), len(letters_b))
    n_allowed = next((n for length, n in _LONG_ENOUGH if shorter >= length), 0)
    n_apart = _n_edits(letters_a, letters_b) if abs(len(letters_a) - len(letters_b)) <= n_allowed else 99
    if n_apart <= n_allowed:
        return f"differs by {'one letter' if n_apart == 1 else 'two letters'}"
    return ""


def _plain(name: str) -> str:
    """Return the words of `name`, separated by spaces, as the eye reads them."""
    folded = unicodedata.normalize("NFKC", name).casefold()
    letters = (each for each in unicodedata.normalize("NFKD", folded) if not unicodedata.combining(each))
    looks = "".join(letters).translate(_LOOKS_LIKE)
    # What is neither a letter nor a number parts words; names of symbols alone keep them.
    words = "".join(each if each.isalnum() else " " for each in looks)
    return words if words.strip() else looks


def _plurals(letters: str) -> tuple[str, str]:
    return (f"{letters}s", f"{letters}es")


def _n_edits(a: str, b: str) -> int:
    """Return how many letters to add, take away, exchange or swap with their neighbour make `b` of `a`.

    The optimal string alignment distance (Damerau 1964; row by row as Wagner & Fischer 1974).
    """
    before: list[int] = []
    row = list(range(len(b) + 1))
    for i, letter in enumerate(a, start=1):
        previous, before, row = before, row, [i]
        for j, other in enumerate(b, start=1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != other))
            if i > 1 and j > 1 and (letter, a[i - 2]) == (b[j - 2], other):
                cost = min(cost, previous[j - 2] + 1)
            row.append(cost)
    return row[-1]
