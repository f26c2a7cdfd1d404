"""A profile's book of gestures, and the agent that carries it."""

import hashlib
import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID

import pytest

from fedmotion.broker.door import Event
from fedmotion.broker.memory import MemoryBroker, MemoryDoor
from fedmotion.cli.agent_program import tell_people, tell_scripts
from fedmotion.host.agent import Agent
from fedmotion.host.configuration import AgentConfiguration
from fedmotion.host.disclosure import Disclosed
from fedmotion.host.gesture_book import GestureBook
from fedmotion.host.gesture_messenger import GestureNews
from fedmotion.host.gesture_rows import rows_of
from fedmotion.host.profile import Profile, join
from fedmotion.models.specification import pca_svm
from fedmotion.protocol.invitation import Invitation, encode_invitation
from fedmotion.protocol.messages import (
    Gesture,
    GestureList,
    Proposal,
    ProposalAnswer,
    ProposalAnswers,
    ProposalState,
    Receipt,
    decode_message,
    encode_message,
)
from fedmotion.protocol.topics import Topics

FEDERATION = UUID(int=11)
TOPICS = Topics("kitchen")
INVITATION = Invitation(
    federation="kitchen",
    federation_id=FEDERATION,
    host="broker.example",
    port=1883,
    client_id="ada",
    password="x",
)


@pytest.fixture
def book(tmp_path: Path) -> Iterator[GestureBook]:
    with GestureBook(tmp_path / "gestures.sqlite", clock=lambda: 7.0) as opened:
        yield opened


def propose(book: GestureBook, name: str = "circle", number: int = 1) -> bytes:
    """Propose and return the message that waits."""
    book.propose(FEDERATION, "ada", UUID(int=number), name, "once round")
    return book.pending()[-1][1]


def receipt(message: bytes, reason: str = "", text: str = "") -> Receipt:
    return Receipt(
        federation_id=FEDERATION,
        lineage_id=FEDERATION,
        round_id=0,
        client_id="ada",
        contribution_sha256=hashlib.sha256(message).digest(),
        verdict="refused" if reason else "accepted",
        reason=reason,
        text=text,
    )


def answer(state: ProposalState, why: str = "", number: int = 1) -> ProposalAnswer:
    return ProposalAnswer(proposal_id=UUID(int=number), name="circle", state=state, why=why)


def states(book: GestureBook) -> list[tuple[str, str, str]]:
    return [(each.name, each.state, each.why) for each in book.proposals()]


def test_a_proposal_waits_until_its_receipt_and_then_for_the_owner(book: GestureBook) -> None:
    message = propose(book)
    header, _ = decode_message(message, Proposal)
    assert (header.name, header.sentence, header.client_id, header.is_withdrawn) == (
        "circle",
        "once round",
        "ada",
        False,
    )
    assert states(book) == [("circle", "waiting", "")]
    assert book.taught() == {"circle"}
    assert book.take_receipt(receipt(b"another")) is None
    assert book.take_receipt(receipt(message)) is not None
    assert states(book) == [("circle", "open", "")]
    assert book.pending() == []
    assert [each.state for each in book.take_answers((answer("accepted"),))] == ["accepted"]
    assert book.take_answers((answer("accepted"), answer("open", number=99))) == []
    assert book.taught() == {"circle"}


def test_a_declined_gesture_is_not_taught_and_may_be_proposed_again(book: GestureBook) -> None:
    book.take_receipt(receipt(propose(book)))
    book.take_answers((answer("declined", "we have circles"),))
    assert states(book) == [("circle", "declined", "we have circles")]
    assert book.taught() == frozenset()
    propose(book, number=2)
    assert [state for _, state, _ in states(book)] == ["declined", "waiting"]


def test_a_refusal_says_why(book: GestureBook) -> None:
    book.take_receipt(receipt(propose(book), "too_many", "a client has at most 8"))
    assert states(book) == [("circle", "refused", "a client has at most 8")]


def test_what_is_withdrawn_stays_so_whatever_was_under_way(book: GestureBook) -> None:
    message = propose(book)
    book.withdraw(FEDERATION, "ada", "circle")
    ((_, withdrawal),) = book.pending()
    assert decode_message(withdrawal, Proposal)[0].is_withdrawn
    assert book.take_receipt(receipt(message)) is None
    assert book.take_answers((answer("open"),)) == []
    assert states(book) == [("circle", "withdrawn", "")]
    assert book.taught() == frozenset()
    # Too late: the owner had accepted before it came.
    assert [each.state for each in book.take_answers((answer("accepted"),))] == ["accepted"]
    with pytest.raises(ValueError, match="you have no open proposal of 'circle'; open are: none"):
        book.withdraw(FEDERATION, "ada", "circle")


def test_what_nobody_would_accept_is_not_stored(book: GestureBook) -> None:
    book.take_list(GestureList(federation_id=FEDERATION, gestures=(Gesture(name="wave"),)))
    with pytest.raises(
        ValueError, match="the federation has 'wave' already: `fedmotion gestures teach wave`"
    ):
        propose(book, "wave")
    propose(book)
    with pytest.raises(ValueError, match="'circle' is proposed already"):
        propose(book, number=2)
    for number in range(2, 9):
        propose(book, f"gesture {number}", number)
    with pytest.raises(ValueError, match="at most 8 open proposals"):
        propose(book, "one more", 9)
    assert len(book.proposals()) == len(book.pending()) == 8


def test_rows_say_where_each_gesture_stands(book: GestureBook) -> None:
    gestures = (Gesture(name="wave", sentence="a hand"), Gesture(name="tap", is_learned=False))
    assert book.take_list(GestureList(federation_id=FEDERATION, gestures=gestures))
    assert not book.take_list(GestureList(federation_id=FEDERATION, gestures=gestures))
    propose(book)
    book.teach("tap")
    rows = rows_of(book, {"wave": 3, "circle": 2}, None)
    assert [(row.name, row.standing, row.n_takes, row.is_taught) for row in rows] == [
        ("wave", "learned", 3, True),
        ("tap", "accepted", 0, True),
        ("circle", "proposed", 2, True),
    ]
    # Of the classes that were there on joining, one is `other`: wave came later.
    joined = Disclosed(UUID(int=1), "0" * 64, n_joined=1)
    assert not rows_of(book, {}, joined)[0].is_taught
    book.stop_teaching("tap")
    assert book.taught() == {"circle"}
    assert book.received_unix_s() == 7.0


class Kitchen:
    """A broker, an agent without a board, and whatever the test publishes as the aggregator."""

    def __init__(self, folder: Path) -> None:
        self.now_s = 0.0
        self.broker = MemoryBroker()
        self.profile = Profile(folder / "ada")
        self.proposals: list[bytes] = []
        self.news: list[GestureNews] = []
        join(self.profile, encode_invitation(INVITATION).encode())
        self.aggregator = MemoryDoor(self.broker, name="aggregator", on_event=self._on_event)
        self.aggregator.subscribe(TOPICS.proposal())
        self.aggregator.start()
        self.agent = self.start_agent()

    def start_agent(self) -> Agent:
        def open_door(
            _profile: Profile, _invitation: Invitation, on_event: Callable[[Event], None], will: object
        ) -> MemoryDoor:
            return MemoryDoor(self.broker, name="ada", on_event=on_event, will=will)  # type: ignore[arg-type]  # a Will

        self.agent = Agent(
            self.profile,
            AgentConfiguration(resend_s=5.0),
            finding=pca_svm(("gesture", "other")),
            open_door=open_door,
            submit=lambda job: job(),
            clock=lambda: self.now_s,
            wall_clock=lambda: 0.0,
            on_gesture_news=self.news.append,
        )
        self.agent.start()
        return self.agent

    def settle(self) -> None:
        self.agent.tick()
        while self.broker.deliver() or not self.agent.queue.empty():
            while not self.agent.queue.empty():
                self.agent.handle(self.agent.queue.get())
            self.agent.tick()

    def say(
        self, topic: str, header: GestureList | ProposalAnswers | Receipt, *, retain: bool = True
    ) -> None:
        self.aggregator.publish(topic, encode_message(header), retain=retain)
        self.settle()

    def _on_event(self, event: Event) -> None:
        if (payload := getattr(event, "payload", None)) is not None:
            self.proposals.append(payload)


@pytest.fixture
def kitchen(tmp_path: Path) -> Iterator[Kitchen]:
    made = Kitchen(tmp_path)
    yield made
    made.agent.close()


def test_an_agent_sends_what_is_proposed_while_it_runs_until_there_is_a_receipt(
    kitchen: Kitchen, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    kitchen.settle()
    with GestureBook(kitchen.profile.gestures, clock=lambda: 0.0) as book:
        message = propose(book)
    kitchen.settle()
    assert kitchen.proposals == [message]
    kitchen.now_s += 4
    kitchen.settle()
    assert kitchen.proposals == [message]
    # kill -9 and a new start: it is sent again, byte for byte.
    kitchen.agent.close()
    kitchen.start_agent()
    kitchen.settle()
    kitchen.now_s += 5
    kitchen.settle()
    assert kitchen.proposals == [message] * 3
    kitchen.say(TOPICS.receipt("ada"), receipt(message), retain=False)
    kitchen.now_s += 50
    kitchen.settle()
    assert kitchen.proposals == [message] * 3
    answers = (answer("declined", "no\x1b[2J room"),)
    kitchen.say(
        TOPICS.answers("ada"), ProposalAnswers(federation_id=FEDERATION, client_id="ada", answers=answers)
    )
    assert "client=ada your proposal 'circle' is open" in caplog.text
    assert r"client=ada your proposal 'circle' is declined: 'no\x1b[2J room'" in caplog.text


def test_a_list_is_kept_and_what_is_new_in_it_is_told(
    kitchen: Kitchen, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    kitchen.settle()
    kitchen.say(TOPICS.gestures, GestureList(federation_id=FEDERATION, gestures=(Gesture(name="wave"),)))
    assert "takes up a gesture" not in caplog.text
    two = (Gesture(name="wave"), Gesture(name="circle", sentence="once round"))
    kitchen.say(TOPICS.gestures, GestureList(federation_id=FEDERATION, gestures=two))
    assert "client=ada the federation takes up a gesture: circle, once round" in caplog.text
    bad = (
        GestureList(federation_id=UUID(int=5), gestures=()),
        GestureList(federation_id=FEDERATION, gestures=(Gesture(name="other"),)),
        GestureList(federation_id=FEDERATION, gestures=(Gesture(name="a", sentence="x\ny"),)),
    )
    for each in bad:
        kitchen.say(TOPICS.gestures, each)
    assert kitchen.agent.client.counters["bad_messages"] == 3
    with GestureBook(kitchen.profile.gestures, clock=lambda: 0.0) as book:
        kept = book.gestures()
    assert kept is not None
    assert [each.name for each in kept.gestures] == ["wave", "circle"]


def told_scripts(news: list[GestureNews], capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    for each in news:
        tell_scripts(each)
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_scripts_are_told_once_what_becomes_of_proposals_and_what_is_added(
    kitchen: Kitchen, capsys: pytest.CaptureFixture[str]
) -> None:
    kitchen.settle()
    kitchen.say(TOPICS.gestures, GestureList(federation_id=FEDERATION, gestures=()))
    with GestureBook(kitchen.profile.gestures, clock=lambda: 0.0) as book:
        message = propose(book)
    kitchen.settle()
    kitchen.say(TOPICS.receipt("ada"), receipt(message), retain=False)
    added = Gesture(name="circle", sentence="once round")
    for _ in range(2):
        kitchen.say(TOPICS.gestures, GestureList(federation_id=FEDERATION, gestures=(added,)))
        kitchen.say(
            TOPICS.answers("ada"),
            ProposalAnswers(federation_id=FEDERATION, client_id="ada", answers=(answer("accepted"),)),
        )
    # kill -9 and a new start: what is retained comes again and is no news.
    kitchen.agent.close()
    kitchen.start_agent()
    kitchen.settle()
    assert told_scripts(kitchen.news, capsys) == [
        {"event": "proposal", "name": "circle", "state": "open", "why": ""},
        {"event": "gesture added", "name": "circle", "sentence": "once round"},
        {"event": "proposal", "name": "circle", "state": "accepted", "why": ""},
    ]
    for each in kitchen.news:
        tell_people(each)
    assert capsys.readouterr() == ("", ""), "people have the log"
