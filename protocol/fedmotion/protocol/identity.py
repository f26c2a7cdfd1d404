"""Who is who: clients, people, boards and placements, and the rules their names follow.

A client is one store of recordings taking part in one federation. Person, board id, hand and mounting
belong to a recording, so one client may hold several people and one person may own several boards.
"""

import re
import unicodedata
from typing import Literal

import msgspec

OTHER = "other"
"""The activity that every specification reserves: movement that is no gesture."""

MAX_LABEL_BYTES = 64
BOARD_ID_UNSET = 0
MAX_BOARD_ID = 2**64 - 1

Hand = Literal["unset", "left", "right"]

_NAME = re.compile(r"[a-z0-9-]{1,32}")
_NOT_IN_LABELS = {"Cc", "Cs", "Zl", "Zp"}


def check_client_id(text: str) -> str:
    """Return `text` if it may name a client, which the aggregator's owner does once.

    Raises
    ------
    ValueError
        If it is not 1 to 32 of a-z, 0-9 and hyphen.
    """
    return _check_name("a client id", text)


def check_federation(text: str) -> str:
    """Return `text` if it may name a federation in topics; the rule is that of client ids."""
    return _check_name("a federation's name", text)


def _check_name(what: str, text: str) -> str:
    if not _NAME.fullmatch(text):
        raise ValueError(f"{what} is 1 to 32 of a-z, 0-9 and hyphen, got {text!r}")
    return text


def check_label(text: str, what: str = "a label") -> str:
    """Return `text` if it may be an activity, a person or a mounting.

    Raises
    ------
    ValueError
        If it is empty, over 64 bytes of UTF-8, not in Unicode form NFC, padded with spaces, or holds a
        control character or a line break. It is not normalised here: two spellings of one name must not
        meet silently.
    """
    if not text or text != text.strip():
        raise ValueError(f"{what} is not empty and has no spaces around it, got {text!r}")
    if len(text.encode("utf-8", "surrogatepass")) > MAX_LABEL_BYTES:
        raise ValueError(f"{what} has at most {MAX_LABEL_BYTES} bytes of UTF-8, got {text[:80]!r}")
    if any(unicodedata.category(character) in _NOT_IN_LABELS for character in text):
        raise ValueError(f"{what} holds no control characters and is one line, got {text!r}")
    if not unicodedata.is_normalized("NFC", text):
        raise ValueError(f"{what} is in Unicode form NFC, got {text!r}")
    return text


class Placement(msgspec.Struct, frozen=True):
    """How a board was worn while it was recorded."""

    hand: Hand = "unset"
    mounting: str = "unset"
