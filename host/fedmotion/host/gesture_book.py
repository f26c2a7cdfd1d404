"""A profile's book of gestures: the federation's list, this client's proposals, and what its owner teaches.

`fedmotion gestures` writes into it and the agent carries it: a proposal lies here until the aggregator's
receipt says that it is in the store there, whichever program ends in between.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from uuid import UUID

import msgspec

from fedmotion.delivery.sqlite_store import BUSY_TIMEOUT_S, Schema, SqliteStore, StoreError
from fedmotion.protocol.gestures import check_gesture, check_sentence
from fedmotion.protocol.messages import (
    ExampleTrace,
    GestureList,
    Proposal,
    ProposalAnswer,
    Receipt,
    encode_message,
)

MAX_OPEN = 8
"""Open proposals of a client that an aggregator takes (protocol/mqtt.md)."""

State = Literal["waiting", "open", "accepted", "declined", "withdrawn", "refused"]

SCHEMA = Schema(
    what="the book of gestures",
    application_id=int.from_bytes(b"FMgb", "big"),
    version=1,
    script="""
    CREATE TABLE federation (gestures BLOB NOT NULL, received_unix_s REAL NOT NULL);
    CREATE TABLE proposals (
        position INTEGER PRIMARY KEY AUTOINCREMENT, proposal_id BLOB NOT NULL UNIQUE, name TEXT NOT NULL,
        sentence TEXT NOT NULL, example BLOB, state TEXT NOT NULL, why TEXT NOT NULL DEFAULT '',
        made_unix_s REAL NOT NULL);
    CREATE TABLE outbox (
        position INTEGER PRIMARY KEY AUTOINCREMENT, sha256 BLOB NOT NULL UNIQUE, proposal_id BLOB NOT NULL,
        message BLOB NOT NULL);
    CREATE TABLE taught (name TEXT PRIMARY KEY) WITHOUT ROWID
    """,
)


@dataclass(frozen=True, slots=True)
class OwnProposal:
    """One of this client's proposals.

    `state` is "waiting" until the aggregator has it, "refused" where it does not take it, and else as the
    aggregator says; `why` is the owner's or the aggregator's word.
    """

    proposal_id: UUID
    name: str
    sentence: str
    has_example: bool
    state: State
    why: str
    made_unix_s: float


class GestureBook(SqliteStore):
    """The book in the file at `path`; for the rest see `SqliteStore`. `clock` gives Unix seconds."""

    def __init__(
        self, path: Path, *, clock: Callable[[], float], busy_timeout_s: float = BUSY_TIMEOUT_S
    ) -> None:
        super().__init__(path, SCHEMA, busy_timeout_s=busy_timeout_s)
        self._clock = clock

    def propose(
        self,
        federation_id: UUID,
        client_id: str,
        proposal_id: UUID,
        name: str,
        sentence: str,
        example: ExampleTrace | None = None,
    ) -> None:
        """Store a proposal durably, to be sent, and that its owner will teach the gesture.

        Raises
        ------
        ValueError
            If the name or the sentence breaks a rule, the federation has the gesture, it is proposed and open
            already, or too many are.
        """
        check_gesture(name)
        check_sentence(sentence)
        listed = self.gestures()
        if listed is not None and name in {each.name for each in listed.gestures}:
            raise ValueError(
                f"the federation has {name!r} already: `fedmotion gestures teach {name}` lets your takes "
                "teach it"
            )
        is_open = [each for each in self.proposals() if each.state in {"waiting", "open"}]
        if name in {each.name for each in is_open}:
            raise ValueError(f"{name!r} is proposed already, and its owner has not answered yet")
        if len(is_open) >= MAX_OPEN:
            raise ValueError(
                f"a client has at most {MAX_OPEN} open proposals: withdraw one, or wait for the owner"
            )
        message = Proposal(
            federation_id=federation_id,
            client_id=client_id,
            proposal_id=proposal_id,
            name=name,
            sentence=sentence,
            example=example,
        )
        with self.transaction():
            self._execute(
                "INSERT INTO proposals (proposal_id, name, sentence, example, state, made_unix_s)"
                " VALUES (?, ?, ?, ?, 'waiting', ?)",
                (
                    proposal_id.bytes,
                    name,
                    sentence,
                    None if example is None else msgspec.msgpack.encode(example),
                    self._clock(),
                ),
            )
            self._post(proposal_id, encode_message(message))
            self._execute("INSERT OR IGNORE INTO taught (name) VALUES (?)", (name,))

    def withdraw(self, federation_id: UUID, client_id: str, name: str) -> None:
        """Take the open proposal of `name` back, and with it the consent to teach the gesture.

        Raises
        ------
        ValueError
            If there is none.
        """
        is_open = [each for each in self.proposals() if each.state in {"waiting", "open"}]
        of = [each for each in is_open if each.name == name]
        if not of:
            names = ", ".join(each.name for each in is_open)
            raise ValueError(f"you have no open proposal of {name!r}; open are: {names or 'none'}")
        proposal_id = of[-1].proposal_id
        message = Proposal(
            federation_id=federation_id,
            client_id=client_id,
            proposal_id=proposal_id,
            name=name,
            is_withdrawn=True,
        )
        with self.transaction():
            # The aggregator may have it without our knowing: it is told in any case.
            self._execute("DELETE FROM outbox WHERE proposal_id = ?", (proposal_id.bytes,))
            self._decide(proposal_id, "withdrawn", "")
            self._post(proposal_id, encode_message(message))
            self._execute("DELETE FROM taught WHERE name = ?", (name,))

    def proposals(self) -> list[OwnProposal]:
        """Return all proposals, oldest first."""
        rows = self._execute(
            "SELECT proposal_id, name, sentence, example IS NOT NULL, state, why, made_unix_s"
            " FROM proposals ORDER BY position"
        )
        return [
            OwnProposal(UUID(bytes=row[0]), row[1], row[2], bool(row[3]), row[4], row[5], row[6])
            for row in rows
        ]

    def pending(self) -> list[tuple[bytes, bytes]]:
        """Return the SHA-256 and bytes of each message without a receipt, oldest first."""
        rows = self._execute("SELECT sha256, message FROM outbox ORDER BY position")
        return [(sha256, message) for sha256, message in rows]

    def take_receipt(self, receipt: Receipt) -> OwnProposal | None:
        """Return the proposal whose message `receipt` answers, as it is from now on, or None."""
        with self.transaction():
            rows = self._execute(
                "DELETE FROM outbox WHERE sha256 = ? RETURNING proposal_id", (receipt.contribution_sha256,)
            )
            if not rows:
                return None
            proposal_id = UUID(bytes=rows[0][0])
            before = self._by_id()[proposal_id]
            if before.state == "waiting":
                is_taken = receipt.verdict == "accepted"
                self._decide(proposal_id, "open" if is_taken else "refused", "" if is_taken else receipt.text)
            return self._by_id()[proposal_id]

    def take_answers(self, answers: tuple[ProposalAnswer, ...]) -> list[OwnProposal]:
        """Take what the owner said; return the proposals that this changed, as they are from now on."""
        changed = []
        with self.transaction():
            own = self._by_id()
            for answer in answers:
                held = own.get(answer.proposal_id)
                is_news = held is not None and (held.state, held.why) != (answer.state, answer.why)
                # What was taken back here stays so until the aggregator has heard it, or says it was late.
                if held is None or not is_news or (held.state == "withdrawn" and answer.state == "open"):
                    continue
                self._decide(answer.proposal_id, answer.state, answer.why)
                if answer.state == "declined":
                    self._execute("DELETE FROM taught WHERE name = ?", (held.name,))
                changed.append(answer.proposal_id)
            now = self._by_id()
        return [now[each] for each in changed]

    def take_list(self, gestures: GestureList) -> bool:
        """Keep the federation's list; return whether it is another than before."""
        data = msgspec.msgpack.encode(gestures)
        with self.transaction():
            before = self._execute("SELECT gestures FROM federation")
            self._execute("DELETE FROM federation")
            self._execute(
                "INSERT INTO federation (gestures, received_unix_s) VALUES (?, ?)", (data, self._clock())
            )
        return [(data,)] != before

    def gestures(self) -> GestureList | None:
        """Return the federation's list as it last came, or None before the first."""
        rows = self._execute("SELECT gestures FROM federation")
        try:
            return msgspec.msgpack.decode(rows[0][0], type=GestureList) if rows else None
        except msgspec.DecodeError as error:
            raise StoreError(f"{SCHEMA.what} {self.path} is damaged: {error}") from None

    def received_unix_s(self) -> float | None:
        """Return when the list came last."""
        rows = self._execute("SELECT received_unix_s FROM federation")
        return float(rows[0][0]) if rows else None

    def taught(self) -> frozenset[str]:
        """Return the gestures whose takes may teach, beside those that were there on joining."""
        return frozenset(name for (name,) in self._execute("SELECT name FROM taught"))

    def teach(self, name: str) -> None:
        """Agree that takes of `name` may teach."""
        self._execute("INSERT OR IGNORE INTO taught (name) VALUES (?)", (check_gesture(name),))

    def stop_teaching(self, name: str) -> None:
        """Agree no longer."""
        self._execute("DELETE FROM taught WHERE name = ?", (name,))

    def _by_id(self) -> dict[UUID, OwnProposal]:
        return {each.proposal_id: each for each in self.proposals()}

    def _post(self, proposal_id: UUID, message: bytes) -> None:
        self._execute(
            "INSERT OR IGNORE INTO outbox (sha256, proposal_id, message) VALUES (?, ?, ?)",
            (hashlib.sha256(message).digest(), proposal_id.bytes, message),
        )

    def _decide(self, proposal_id: UUID, state: State, why: str) -> None:
        self._execute(
            "UPDATE proposals SET state = ?, why = ? WHERE proposal_id = ?", (state, why, proposal_id.bytes)
        )
