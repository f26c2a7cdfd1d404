"""One client misbehaves in every way: the refusal is named and counted, the others' model as without it."""

import hashlib
from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

import msgspec
import numpy as np
import pytest

from fedmotion.delivery.chunks import cut
from fedmotion.protocol import messages
from fedmotion.protocol.messages import Contribution, encode_message
from fedmotion.protocol.tensors import decode_arrays, encode_arrays

Make = Callable[..., Any]
Arrays = Mapping[str, Any]
Evil = Callable[[Contribution, Arrays], bytes]
FOREIGN = UUID(int=99)


def changed(**keys: Any) -> Evil:
    """An honest message but for some keys of its header."""
    return lambda header, arrays: encode_message(
        msgspec.structs.replace(header, **keys), encode_arrays(arrays)
    )


def with_arrays(change: Callable[[dict[str, Any]], dict[str, Any]]) -> Evil:
    """An honest message but for its arrays."""
    return lambda header, arrays: encode_message(header, encode_arrays(change(dict(arrays))))


def with_value(name: str, value: float) -> Evil:
    def change(arrays: dict[str, Any]) -> dict[str, Any]:
        array = arrays[name].copy()
        array.flat[-1] = value
        return {**arrays, name: array}

    return with_arrays(change)


def unchecked(**keys: Any) -> Evil:
    """A message that `encode_message` would not make, as another program's may be."""

    def make(header: Contribution, arrays: Arrays) -> bytes:
        body = encode_arrays(arrays)
        envelope = messages._Envelope(msgspec.structs.replace(header, **keys), hashlib.sha256(body).digest())
        encoded = messages._encoder.encode(envelope)
        return messages._PREFIX.pack(b"FM", messages.PROTOCOL_VERSION, len(encoded)) + encoded + body

    return make


def other_version(header: Contribution, arrays: Arrays) -> bytes:
    message = bytearray(encode_message(header, encode_arrays(arrays)))
    message[2] = messages.PROTOCOL_VERSION + 1
    return bytes(message)


TRAIN: list[tuple[str, Evil, str]] = [
    ("garbage", lambda *_: b"\x00\xff garbage", "malformed"),
    ("another kind of message", lambda *_: encode_message(
        messages.Presence(name="eve", session=FOREIGN, is_online=True)), "malformed"),
    ("a truncated message", lambda h, a: encode_message(h, encode_arrays(a))[:-9], "malformed"),
    ("a truncated header", lambda h, a: encode_message(h, encode_arrays(a))[:40], "malformed"),
    ("a pickle", lambda h, _: encode_message(h, b"\x80\x04\x95cos\nsystem\n"), "malformed"),
    ("no arrays", lambda h, _: encode_message(h), "malformed"),
    ("an array less", with_arrays(lambda a: {"coef": a["coef"]}), "malformed"),
    ("an array more", with_arrays(lambda a: {**a, "components": np.ones((2, 3))}), "malformed"),
    ("a negative count", unchecked(n_windows=-30), "malformed"),
    ("an impossible name", unchecked(client_id="Eve!"), "malformed"),
    ("another version", other_version, "wrong_version"),
    ("too large", with_arrays(lambda a: {**a, "x": np.zeros(20_000)}), "oversized"),
    ("another shape", with_arrays(lambda a: {**a, "coef": a["coef"].T.copy()}), "wrong_shape"),
    ("a shape that would broadcast", with_arrays(lambda a: {**a, "coef": a["coef"][:1]}), "wrong_shape"),
    ("another dtype", with_arrays(lambda a: {**a, "coef": a["coef"].astype(np.float64)}), "wrong_dtype"),
    ("NaN", with_value("coef", np.nan), "not_finite"),
    ("infinity", with_value("intercept", np.inf), "not_finite"),
    ("numbers that could overflow", with_value("intercept", 1e300), "not_finite"),
    ("a plane beyond its limit", with_value("coef", 1e30), "implausible"),
    ("one just beyond its limit", with_value("coef", -1000.1), "implausible"),
    ("no windows", changed(n_windows=0), "bad_count"),
    ("a count beyond belief", changed(n_windows=10**9), "bad_count"),
    ("the largest count", changed(n_windows=2**53), "bad_count"),
    ("another federation", changed(federation_id=FOREIGN), "foreign"),
    ("another client's name", changed(client_id="ann"), "foreign"),
    ("a round that never was", changed(round_id=999), "foreign"),
    ("round zero", changed(round_id=0), "foreign"),
    ("another lineage", changed(lineage_id=FOREIGN), "other_lineage"),
    ("another model", changed(base_sha256=b"\x07" * 32), "wrong_base"),
    ("another kind of round", changed(round_kind="evaluate"), "wrong_kind"),
    ("declining with arrays", changed(declined="no"), "malformed"),
]  # fmt: skip
STATISTICS: list[tuple[str, Evil, str]] = [
    ("too few windows", changed(n_windows=19), "bad_count"),
    ("a scatter that is not symmetric", with_value("scatter", -1.0), "malformed"),
    ("NaN", with_value("mean", np.nan), "not_finite"),
    ("a mean beyond the sensor", with_value("mean", -100.5), "implausible"),
    ("a variance beyond the sensor", with_value("scatter", 30 * 100.5**2), "implausible"),
]
EVALUATE: list[tuple[str, Evil, str]] = [
    ("negative counts", with_arrays(lambda a: {"confusion": a["confusion"] - 1}), "bad_count"),
    ("counts that wrap around", with_value("confusion", 2**63 - 1), "bad_count"),
    ("counts of another sum", with_value("confusion", 1), "bad_count"),
]
CASES = [
    pytest.param(kind, evil, reason, id=f"{kind}: {name}")
    for kind, table in (("train", TRAIN), ("statistics", STATISTICS), ("evaluate", EVALUATE))
    for name, evil, reason in table
]


def script(kind: str, answers: Callable[[Contribution, Arrays], list[bytes]]) -> Callable[..., list[bytes]]:
    """Decline every round but those of `kind`, so that runs differ in nothing else."""

    def answer(client: Any, said: Any, header: Contribution, arrays: Arrays) -> list[bytes]:
        if said.round_kind != kind:
            return [encode_message(msgspec.structs.replace(header, declined="not now", n_windows=0))]
        return answers(header, arrays)

    return answer


def run(make_rig: Make, kind: str, answers: Callable[[Contribution, Arrays], list[bytes]]) -> Any:
    rig = make_rig(n_rounds=1, min_clients=3)
    rig.invite("eve", "ann", "bob")
    rig.clients["eve"].script = script(kind, answers)
    rig.settle()
    if not rig.service.is_done:  # what names no round is no answer to the open one, which waits on
        rig.now_s += rig.configuration.deadline_s
        rig.settle()
    assert [each.state for each in rig.store.rounds()] == ["finished"] * 3
    return rig


@pytest.mark.parametrize(("kind", "evil", "reason"), CASES)
def test_a_bad_contribution_is_refused_by_name(kind: str, evil: Evil, reason: str, make_rig: Make) -> None:
    rig = run(make_rig, kind, lambda header, arrays: [evil(header, arrays)])
    assert rig.store.refusals() == {("eve", reason): 1}
    (refused,) = [receipt for receipt in rig.clients["eve"].receipts if receipt.verdict == "refused"]
    assert refused.reason == reason
    assert refused.text
    assert rig.clients["eve"].pending == {}
    n_windows = {each.kind: each.n_windows for each in rig.store.rounds()}
    assert n_windows == {"statistics": 60, "train": 60, "evaluate": 60}
    assert rig.model() == declining(make_rig).model()


def declining(make_rig: Make) -> Any:
    """The run in which eve has no part in anything."""
    return run(make_rig, "none", lambda *_: [])


def test_the_same_contribution_again_is_answered_again_and_counts_once(make_rig: Make) -> None:
    def twice(header: Contribution, arrays: Arrays) -> list[bytes]:
        message = encode_message(header, encode_arrays(arrays))
        return [message, message]

    once = run(make_rig, "train", lambda header, arrays: twice(header, arrays)[:1])
    rig = run(make_rig, "train", twice)
    eve = rig.clients["eve"]
    assert [receipt.verdict for receipt in eve.receipts if receipt.round_id == 2] == ["accepted", "accepted"]
    assert rig.store.refusals() == {}
    assert rig.model() == once.model()


def test_the_same_refused_bytes_are_refused_again_and_counted_once(make_rig: Make) -> None:
    bad = changed(n_windows=0)
    rig = run(make_rig, "train", lambda header, arrays: [bad(header, arrays)] * 2)
    receipts = [receipt for receipt in rig.clients["eve"].receipts if receipt.round_id == 2]
    assert [receipt.reason for receipt in receipts] == ["bad_count", "bad_count"]
    assert rig.store.refusals() == {("eve", "bad_count"): 1}


def test_another_contribution_to_the_same_round_is_a_duplicate_even_after_it_closed(make_rig: Make) -> None:
    def two(header: Contribution, arrays: Arrays) -> list[bytes]:
        second = {**arrays, "coef": arrays["coef"] + 1}
        return [encode_message(header, encode_arrays(each)) for each in (arrays, second)]

    once = run(make_rig, "train", lambda header, arrays: two(header, arrays)[:1])
    rig = run(make_rig, "train", two)
    assert rig.store.refusals() == {("eve", "duplicate"): 1}
    assert rig.model() == once.model()


def test_a_good_contribution_after_a_bad_one_is_taken(make_rig: Make) -> None:
    def bad_then_good(header: Contribution, arrays: Arrays) -> list[bytes]:
        return [changed(n_windows=0)(header, arrays), encode_message(header, encode_arrays(arrays))]

    rig = run(make_rig, "train", bad_then_good)
    assert rig.store.refusals() == {("eve", "bad_count"): 1}
    assert rig.store.rounds()[1].n_windows == 90


def test_numbers_at_the_limit_do_not_bring_the_model_to_where_the_others_are_refused(make_rig: Make) -> None:
    def at_the_limit(header: Contribution, arrays: Arrays) -> list[bytes]:
        arrays = {name: np.full_like(array, 1000) for name, array in arrays.items()}
        header = msgspec.structs.replace(header, n_windows=100_000)
        return [encode_message(header, encode_arrays(arrays))]

    rig = make_rig(n_rounds=3, evaluate_every=0, min_clients=3)
    rig.invite("eve", "ann", "bob")
    rig.clients["eve"].script = script("train", at_the_limit)
    rig.settle()
    assert rig.store.refusals() == {}
    assert [each.state for each in rig.store.rounds()] == ["finished"] * 4
    coef = decode_arrays(rig.model())["coef"]
    assert coef.dtype == np.float32
    assert coef.tolist() == [[500.0, 500.0]] * 3


def test_who_answers_after_the_round_closed_is_late(make_rig: Make) -> None:
    rig = make_rig(n_rounds=1, evaluate_every=0, min_clients=3, quorum=2)
    rig.invite("ann", "bob", "eve")
    kept: list[bytes] = []

    def keep(client: Any, said: Any, header: Contribution, arrays: Arrays) -> list[bytes]:
        kept.append(encode_message(header, encode_arrays(arrays)))
        return []

    rig.clients["eve"].script = keep
    rig.settle()
    assert [each.state for each in rig.store.rounds()] == ["finished", "finished"]
    model = rig.model()
    for message in kept:
        rig.clients["eve"].send(message)
    rig.settle()
    assert rig.store.refusals() == {("eve", "late"): 2}
    assert [receipt.reason for receipt in rig.clients["eve"].receipts] == ["late", "late"]
    assert rig.model() == model


def test_who_was_not_invited_to_the_round_is_refused(make_rig: Make) -> None:
    rig = make_rig(n_rounds=1, evaluate_every=0, min_clients=3, cohort_size=2)
    rig.invite("ann", "bob", "eve")
    honest = rig.clients["ann"].script
    for client in rig.clients.values():
        client.script = lambda *_: []
    rig.spin()
    said = rig.clients["ann"].announcement
    (uninvited,) = set(rig.clients) - set(said.cohort)
    client = rig.clients[uninvited]
    for message in honest(client, said, *client.honest(said)):
        client.send(message)
    rig.spin()
    assert rig.store.refusals() == {(uninvited, "not_invited"): 1}
    assert [receipt.reason for receipt in client.receipts] == ["not_invited"]
    assert rig.service.state.open.accepted == frozenset()


def test_a_client_of_no_invitation_is_foreign_and_its_name_is_not_stored(make_rig: Make) -> None:
    rig = make_rig(min_clients=2)
    rig.invite("ann", "bob")
    rig.spin()
    ann = rig.clients["ann"]
    header, arrays = ann.honest(ann.announcement or said_of(rig))
    message = encode_message(msgspec.structs.replace(header, client_id="stranger"), encode_arrays(arrays))
    rig.broker.inject(ann.topics.contribution("stranger"), cut(message)[0])
    rig.spin()
    assert rig.store.refusals() == {("?", "foreign"): 1}


def said_of(rig: Any) -> messages.Announcement:
    record = rig.store.rounds()[0]
    federation = rig.store.federation()
    return messages.Announcement(
        federation_id=federation.federation_id,
        lineage_id=record.lineage_id,
        round_id=record.round_id,
        round_kind=record.kind,
        cohort=record.cohort,
        deadline_s=1.0,
        model_sha256=record.base_sha256,
    )


def test_nonsense_on_a_topic_and_messages_without_end_are_counted_and_hold_no_memory(make_rig: Make) -> None:
    rig = make_rig(min_clients=2)
    rig.invite("ann")
    rig.spin()
    topics = rig.clients["ann"].topics
    rig.broker.inject(topics.contribution("ann"), b"")  # a try whether it may, and nothing to count
    rig.broker.inject(topics.contribution("ann"), b"F")
    rig.broker.inject(topics.contribution("ann"), b"FC nonsense")
    for chunk in cut(bytes(1_000_000)):
        rig.broker.inject(topics.contribution("ann"), chunk)
    rig.broker.inject(topics.presence("ann"), b"nonsense")
    rig.broker.inject(f"{topics.prefix}/client/Not A Name/contribution", b"nonsense")
    rig.spin()
    assert rig.store.refusals() == {("ann", "malformed"): 2, ("ann", "oversized"): 1}
    assert rig.service._intake._joiner.held_bytes == 0


def test_unfinished_messages_are_dropped_counted_and_hold_little_memory(make_rig: Make) -> None:
    """Of 10 begun by a client and 3 by each of 2 strangers, who share one room, 4 each are kept."""
    rig = make_rig(min_clients=2)
    rig.invite("ann")
    rig.spin()
    topics = rig.clients["ann"].topics
    for number in range(10):
        rig.broker.inject(topics.contribution("ann"), cut(bytes([number]) * 40, 60)[0])
    for number in range(3):
        for stranger in ("eve", "mallory"):
            message = f"{stranger} {number}".encode() * 8
            rig.broker.inject(topics.contribution(stranger), cut(message, 60)[0])
    rig.spin()
    assert rig.store.refusals() == {("ann", "malformed"): 6, ("?", "malformed"): 2}
    assert rig.service._intake._joiner.held_bytes < 10_000
