"""What a client knows of each gesture, one row each: the federation's word, its own takes and proposals."""

from collections.abc import Mapping
from typing import Literal

import msgspec

from fedmotion.host.disclosure import Disclosed
from fedmotion.host.gesture_book import GestureBook, OwnProposal, State
from fedmotion.protocol.messages import GestureList

Standing = Literal["learned", "accepted", "proposed", "declined", "refused", "withdrawn"]


_STANDINGS: Mapping[State, Standing] = {
    "waiting": "proposed",
    "open": "proposed",
    "accepted": "accepted",
    "declined": "declined",
    "refused": "refused",
    "withdrawn": "withdrawn",
}


class GestureRow(msgspec.Struct, frozen=True):
    """One gesture.

    `standing` is "learned" where the federation's models have it, "accepted" where they soon will, "proposed"
    where the owner has not answered, and else what became of this client's last proposal; `why` says why.
    `is_taught` says whether its takes of it may teach: it was there when this client joined, or its owner has
    agreed since.
    """

    name: str
    sentence: str
    standing: Standing
    why: str
    has_example: bool
    n_takes: int
    is_taught: bool


def rows_of(book: GestureBook, n_takes: Mapping[str, int], disclosed: Disclosed | None) -> list[GestureRow]:
    """Return the federation's gestures in their order, then this client's proposals that are none of them.

    Parameters
    ----------
    n_takes
        Of each label.
    disclosed
        What the client answers for; None where it has answered nothing since it joined.
    """
    listed = book.gestures()
    taught = book.taught() | _joined(listed, disclosed)
    rows = [
        GestureRow(
            each.name,
            each.sentence,
            "learned" if each.is_learned else "accepted",
            "",
            each.example is not None,
            n_takes.get(each.name, 0),
            each.name in taught,
        )
        for each in (listed.gestures if listed else ())
    ]
    known = {row.name for row in rows}
    latest = {each.name: each for each in book.proposals() if each.name not in known}
    return rows + [_row(each, n_takes.get(name, 0), name in taught) for name, each in latest.items()]


def _joined(listed: GestureList | None, disclosed: Disclosed | None) -> frozenset[str]:
    """Return the gestures of the list that were there when the client joined; the list has no `other`."""
    learned = [each.name for each in (listed.gestures if listed else ()) if each.is_learned]
    n_joined = len(learned) if disclosed is None or not disclosed.n_joined else disclosed.n_joined - 1
    return frozenset(learned[:n_joined])


def _row(proposal: OwnProposal, n_takes: int, is_taught: bool) -> GestureRow:
    standing = _STANDINGS[proposal.state]
    why = "waits for the agent to send it" if proposal.state == "waiting" else proposal.why
    return GestureRow(
        proposal.name, proposal.sentence, standing, why, proposal.has_example, n_takes, is_taught
    )
