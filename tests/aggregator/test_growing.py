"""A set of gestures that grows: proposals, the owner's word, the lineage that begins, and its gate."""

import hashlib
import sqlite3
from collections.abc import Callable
from typing import Any
from uuid import UUID

import numpy as np
import pytest

from fedmotion.aggregator.aggregation import Metrics
from fedmotion.aggregator.federation_store import FederationStore
from fedmotion.aggregator.gate import why_not_yet
from fedmotion.aggregator.growing import accept, add, decline, describe
from fedmotion.models.specification import decode_specification
from fedmotion.protocol.messages import (
    ExampleTrace,
    GestureList,
    Proposal,
    ProposalAnswers,
    Receipt,
    decode_message,
    encode_message,
)
from fedmotion.protocol.tensors import decode_arrays

Make = Callable[..., Any]
EXAMPLE = ExampleTrace(duration_s=1.0, acceleration_mps2=9.0, rate_radps=2.0, counts=bytes(144))
GROWN = ("left", "right", "other", "circle")


def proposal(rig: Any, name: str = "circle", number: int = 1, **changed: Any) -> bytes:
    fields: dict[str, Any] = {
        "federation_id": rig.store.federation().federation_id,
        "client_id": "ann",
        "proposal_id": UUID(int=number),
        "name": name,
        "sentence": "once round",
    }
    return encode_message(Proposal(**fields | changed))


def propose(rig: Any, message: bytes, sender: str = "ann") -> Receipt:
    """Send a proposal and return its receipt."""
    rig.clients[sender].door.publish(rig.clients[sender].topics.proposal(sender), message)
    rig.spin()
    receipt: Receipt = rig.clients[sender].receipts[-1]
    assert receipt.contribution_sha256 == hashlib.sha256(message).digest()
    return receipt


def as_owner(rig: Any, act: Callable[..., Any], *arguments: Any, **keys: Any) -> Any:
    """Do as the owner's command does: another program on the same store."""
    with FederationStore(rig.path) as store:
        return act(store, *arguments, **keys)


def told_list(rig: Any) -> list[tuple[str, bool]]:
    gestures, _ = decode_message(rig.broker.retained["fedmotion/v1/gestures/gestures"], GestureList)
    return [(each.name, each.is_learned) for each in gestures.gestures]


def told_answers(rig: Any, client_id: str = "ann") -> list[tuple[str, str, str]]:
    payload = rig.broker.retained[f"fedmotion/v1/gestures/answers/{client_id}"]
    answers, _ = decode_message(payload, ProposalAnswers)
    return [(each.name, each.state, each.why) for each in answers.answers]


def kinds(rig: Any) -> list[tuple[str, str]]:
    return [(each.kind, each.state) for each in rig.store.rounds()]


def test_a_proposal_is_stored_once_answered_and_told_to_its_client_alone(make_rig: Make) -> None:
    rig = make_rig()
    rig.invite("ann", "bob")
    rig.settle()
    message = proposal(rig, example=EXAMPLE)
    first, again = propose(rig, message), propose(rig, message)
    assert (first.verdict, first.reason, first.round_id) == ("accepted", "", 0)
    assert again == first
    (held,) = rig.store.proposals()
    assert (held.client_id, held.name, held.sentence, held.state) == ("ann", "circle", "once round", "open")
    assert held.example == EXAMPLE
    assert told_answers(rig) == [("circle", "open", "")]
    assert told_list(rig) == [("left", True), ("right", True)]
    as_owner(rig, decline, "circle", "we have no room")
    rig.spin()
    assert told_answers(rig) == [("circle", "declined", "we have no room")]
    assert rig.store.proposals()[0].example is None
    assert "fedmotion/v1/gestures/answers/bob" not in rig.broker.retained
    # What is decided stays so, whatever comes late.
    assert propose(rig, message).verdict == "accepted"
    assert told_answers(rig) == [("circle", "declined", "we have no room")]
    withdrawn = proposal(rig, is_withdrawn=True, sentence="")
    assert propose(rig, withdrawn).reason == "decided"


def test_a_proposal_that_breaks_a_rule_is_refused_by_name_and_counted(make_rig: Make) -> None:
    rig = make_rig()
    rig.invite("ann", "bob")
    rig.settle()
    foreign = UUID(int=7)
    cases: list[tuple[bytes, str]] = [
        (proposal(rig, "other"), "malformed"),
        (proposal(rig, " circle"), "malformed"),
        (proposal(rig, sentence=""), "malformed"),
        (proposal(rig, sentence="red \x1b[31m"), "malformed"),
        (b"FM\1\0 and so on", "malformed"),
        (b"FM\2\0 and so on", "wrong_version"),
        (bytes(4097), "oversized"),
        (proposal(rig, federation_id=foreign), "foreign"),
        (proposal(rig, client_id="bob"), "foreign"),
        (proposal(rig, "left"), "known"),
    ]
    for message, reason in cases:
        assert (propose(rig, message).verdict, rig.clients["ann"].receipts[-1].reason) == ("refused", reason)
    assert rig.store.proposals() == []
    for number in range(1, 9):
        assert propose(rig, proposal(rig, f"gesture {number}", number)).verdict == "accepted"
    assert propose(rig, proposal(rig, "gesture 1", 20)).reason == "known"
    assert propose(rig, proposal(rig, "one more", 20)).reason == "too_many"
    assert propose(rig, proposal(rig, "gesture 3", 3, is_withdrawn=True, sentence="")).verdict == "accepted"
    assert propose(rig, proposal(rig, "one more", 20)).verdict == "accepted"
    assert propose(rig, proposal(rig, "another's", 3, client_id="bob"), "bob").verdict == "accepted"
    assert rig.store.refusals() == {
        ("ann", "foreign"): 2,
        ("ann", "known"): 2,
        ("ann", "malformed"): 5,
        ("ann", "oversized"): 1,
        ("ann", "too_many"): 1,
        ("ann", "wrong_version"): 1,
    }


def test_only_the_last_64_proposals_of_a_client_are_kept(make_rig: Make) -> None:
    rig = make_rig()
    rig.invite("ann", "bob")
    rig.settle()
    for number in range(1, 71):
        propose(rig, proposal(rig, f"gesture {number}", number))
        propose(rig, proposal(rig, f"gesture {number}", number, is_withdrawn=True, sentence=""))
    assert len(rig.store.proposals("ann")) == 64
    assert len(told_answers(rig)) == 64


def test_an_accepted_gesture_begins_a_lineage_that_knows_what_was_known(make_rig: Make) -> None:
    rig = make_rig(min_clients=2)
    rig.invite("ann", "bob")
    rig.settle()
    assert kinds(rig) == [
        (kind, "finished") for kind in ("statistics", "train", "evaluate", "train", "evaluate")
    ]
    first = rig.store.current_model()
    old_released = rig.store.released_model()
    propose(rig, proposal(rig, example=EXAMPLE))
    as_owner(rig, accept, "circle")
    rig.spin()
    # No statistics: the basis is the one there was. The rounds go on by themselves.
    assert [each.kind for each in rig.store.rounds(after=5)] == ["train", "evaluate", "train", "evaluate"]
    record = rig.store.rounds(after=5)[0]
    assert record.lineage_id != first.lineage_id
    assert told_list(rig) == [("left", True), ("right", True), ("circle", True)]
    assert told_answers(rig) == [("circle", "accepted", "")]
    assert rig.store.specification_of(first.lineage_id).activities == ("left", "right", "other")
    assert rig.store.specification_of(record.lineage_id).activities == GROWN
    start = decode_arrays(
        rig.store._execute("SELECT arrays FROM models WHERE sha256 = ?", (record.base_sha256,))[0][0]
    )
    known = decode_arrays(rig.store.arrays_of(old_released))
    for name, array in known.items():
        np.testing.assert_array_equal(start[name], array)
    ann = rig.clients["ann"]
    assert ann.released is not None
    assert decode_specification(ann.released.specification).activities == GROWN
    assert rig.service.is_done
    # Accepted again, or accepted while it is known, changes nothing.
    with pytest.raises(ValueError, match="nobody proposes 'circle'; proposed are: none"):
        as_owner(rig, accept, "circle")
    with pytest.raises(ValueError, match="the list has 'circle' already"):
        as_owner(rig, add, "circle", "once round")


def test_recognisers_keep_the_old_model_until_the_grown_one_is_as_good(make_rig: Make) -> None:
    rig = make_rig(min_clients=2, n_rounds=2)
    rig.invite("ann", "bob")
    rig.settle()
    old = rig.store.released_model()
    ann = rig.clients["ann"]
    is_poor = True

    def poor(client: Any, said: Any, header: Any, arrays: Any) -> list[bytes]:
        if said.round_kind == "evaluate" and is_poor:
            counts = arrays["confusion"]
            counts[0, 0], counts[0, 3] = counts[0, 0] - 10, 10
        return list(type(client).__init__.__globals__["honest"](client, said, header, arrays))

    for client in rig.clients.values():
        client.script = poor
    as_owner(rig, add, "circle", "once round")
    rig.spin()
    assert rig.service.is_done
    assert rig.store.released_model() == old
    assert ann.released is not None
    # With its own specification, though another lineage is under way.
    assert decode_specification(ann.released.specification).activities == ("left", "right", "other")
    assert ann.model is not None
    assert decode_specification(ann.model.specification).activities == GROWN
    is_poor = False
    as_owner(rig, add, "square", "four corners")
    rig.spin()
    released = rig.store.released_model()
    assert released.lineage_id == rig.store.current_model().lineage_id
    assert rig.store.specification_of(released.lineage_id).activities == (*GROWN, "square")


@pytest.mark.parametrize("evaluate_every", [0, 1])
def test_a_kill_at_any_point_between_the_owners_word_and_the_new_lineage_loses_nothing(
    make_rig: Make, evaluate_every: int
) -> None:
    points = 1
    kill_at = 0
    while kill_at < points:
        rig = make_rig(n_rounds=1, evaluate_every=evaluate_every)
        rig.invite("ann", "bob")
        rig.settle()
        propose(rig, proposal(rig))
        n_before = len(rig.points)
        rig.kill_at = n_before + kill_at
        as_owner(rig, accept, "circle")
        rig.settle()
        points = len(rig.points) - n_before
        lineages = list(dict.fromkeys(each.lineage_id for each in rig.store.rounds()))
        assert len(lineages) == 2
        assert rig.store._number("SELECT count(*) FROM lineages") == 2
        expected = [
            "statistics",
            "train",
            *["evaluate"] * evaluate_every,
            "train",
            *["evaluate"] * evaluate_every,
        ]
        assert kinds(rig) == [(kind, "finished") for kind in expected]
        assert told_answers(rig) == [("circle", "accepted", "")]
        assert told_list(rig) == [("left", True), ("right", True), ("circle", True)]
        assert rig.store.released_model() == rig.store.current_model()
        kill_at += 1
    assert points >= 5
    assert "grown" in rig.points


def test_a_round_that_is_open_is_finished_before_the_set_grows(make_rig: Make) -> None:
    rig = make_rig(min_clients=2, n_rounds=0, evaluate_every=0, deadline_s=10, interval_s=0.0)
    rig.invite("ann", "bob")
    rig.clients["bob"].script = lambda *_: []
    rig.spin()
    assert rig.service.state.open.kind == "statistics"
    as_owner(rig, add, "circle", "once round")
    rig.spin()
    assert rig.service.state.open.kind == "statistics"
    assert told_list(rig)[-1] == ("circle", False)
    # Nothing is learned yet: the grown set begins from the start, with statistics.
    rig.now_s += 11
    rig.spin()
    opened = rig.service.state.open
    assert (opened.kind, opened.round_id) == ("statistics", 2)
    assert told_list(rig)[-1] == ("circle", True)
    assert rig.store.federation().specification.activities == GROWN


def test_the_owner_chooses_whose_words_and_describes_gestures(make_rig: Make) -> None:
    rig = make_rig()
    rig.invite("ann", "bob")
    rig.settle()
    propose(rig, proposal(rig, example=EXAMPLE))
    propose(rig, proposal(rig, number=2, client_id="bob", sentence="round and round"), "bob")
    with pytest.raises(ValueError, match="'circle' is proposed by ann, bob: choose whose words with --of"):
        as_owner(rig, accept, "circle")
    with pytest.raises(ValueError, match="cid does not propose 'circle'"):
        as_owner(rig, accept, "circle", client_id="cid")
    as_owner(rig, accept, "circle", client_id="bob")
    assert as_owner(rig, FederationStore.listed)[-1].sentence == "round and round"
    rig.spin()
    assert told_answers(rig, "ann") == told_answers(rig, "bob") == [("circle", "accepted", "")]
    described = as_owner(rig, describe, "left", "the hand goes left")
    assert (described.sentence, described.example) == ("the hand goes left", None)
    with pytest.raises(ValueError, match="the list has left, right, circle, got 'square'"):
        as_owner(rig, describe, "square", "x")
    with pytest.raises(ValueError, match="a gesture's sentence is not empty"):
        as_owner(rig, decline, "circle", "")
    # Founding gestures that are described do not make the set grow.
    assert as_owner(rig, FederationStore.wanted) == ()


def test_a_list_that_fits_no_message_is_refused_and_leaves_the_store_as_it_was(make_rig: Make) -> None:
    rig = make_rig(min_clients=2)

    def add_many() -> None:
        for number in range(400):
            as_owner(rig, add, f"gesture {number} {'x' * 50}", "ä" * 200)

    with pytest.raises(ValueError, match=r"the list would be longer than a message|no model names"):
        add_many()
    names = [each.name for each in rig.store.listed()]
    assert 60 < len(names) < 400
    rig.spin()
    assert len(told_list(rig)) == len(names)


def test_a_store_of_before_is_brought_up_and_read_as_it_is(make_rig: Make) -> None:
    rig = make_rig()
    rig.invite("ann", "bob")
    rig.settle()
    rig.store.close()
    with sqlite3.connect(rig.path) as old:
        old.executescript(
            "DROP TABLE gestures; DROP TABLE proposals; ALTER TABLE lineages DROP COLUMN specification;"
            "ALTER TABLE lineages DROP COLUMN has_basis; PRAGMA user_version = 1"
        )
    old.close()
    with FederationStore(rig.path, read_only=True) as looked_at:
        federation = looked_at.federation()
        assert federation is not None
        assert federation.specification.activities == ("left", "right", "other")
        assert looked_at.specification_of(looked_at.current_model().lineage_id) == federation.specification
    rig.start()
    as_owner(rig, add, "circle", "once round")
    rig.settle()
    assert rig.store.federation().specification.activities == GROWN


def test_the_gate_compares_what_both_sets_have() -> None:
    known, new = ("left", "right", "other"), ("circle",)
    before: Metrics = {"accuracy": 0.5, "recall left": 0.9, "recall right": 0.8}
    good: Metrics = {"accuracy": 0.1, "recall left": 0.8, "recall right": 0.82, "recall circle": 0.5}
    assert why_not_yet(before, good, known, new) == ""
    worse = {**good, "recall left": 0.7}
    assert why_not_yet(before, worse, known, new) == (
        "what was known is recognised in 0.76, and in 0.85 by the released model"
    )
    blind = {**good, "recall circle": 0.4}
    assert why_not_yet(before, blind, known, new) == (
        "'circle' is recognised in 0.40 of its windows, at least 0.5 is asked"
    )
    assert why_not_yet(None, worse, known, new) == ""
    assert why_not_yet(before, {"accuracy": 1.0}, known, new) == ""
