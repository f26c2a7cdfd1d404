"""Messages and arrays against the golden bytes, both ways, and against everything that is none."""

import json
import random
import re
import struct
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from numpy.typing import NDArray

from fedmotion.protocol.errors import MessageError
from fedmotion.protocol.messages import (
    MAX_MESSAGE_BYTES,
    REFUSAL_REASONS,
    Announcement,
    Contribution,
    ExampleTrace,
    Gesture,
    GestureList,
    Header,
    Model,
    Presence,
    Proposal,
    ProposalAnswer,
    ProposalAnswers,
    Receipt,
    TrainSettings,
    decode_message,
    encode_message,
)
from fedmotion.protocol.tensors import decode_arrays, encode_arrays, sha256_of

VECTORS = json.loads((Path(__file__).parents[2] / "protocol" / "vectors" / "mqtt.json").read_text())
MESSAGES = [pytest.param(vector, id=vector["name"]) for vector in VECTORS["messages"]]
ARRAYS = {vector["name"]: vector for vector in VECTORS["arrays"]}
KINDS: dict[str, type[Header]] = {
    "announcement": Announcement,
    "model": Model,
    "contribution": Contribution,
    "receipt": Receipt,
    "gestures": GestureList,
    "proposal": Proposal,
    "answers": ProposalAnswers,
    "presence": Presence,
}
HEX = {"signature", "model_sha256", "base_sha256", "contribution_sha256", "specification"}
IDS = {"federation_id", "lineage_id", "session", "proposal_id"}
FEDERATION = UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8")


def meaning(vector: dict[str, Any]) -> Header:
    fields = dict(vector["header"])
    kind = KINDS[fields.pop("type")]
    for name, value in fields.items():
        if name in HEX:
            fields[name] = bytes.fromhex(value)
        elif name in IDS:
            fields[name] = UUID(value)
        elif name == "cohort":
            fields[name] = tuple(value)
        elif name == "settings":
            fields[name] = TrainSettings(**value)
        elif name == "example":
            fields[name] = example(value)
        elif name == "gestures":
            fields[name] = tuple(Gesture(**each | {"example": example(each["example"])}) for each in value)
        elif name == "answers":
            fields[name] = tuple(
                ProposalAnswer(**each | {"proposal_id": UUID(each["proposal_id"])}) for each in value
            )
    return kind(**fields)


def example(fields: dict[str, Any] | None) -> ExampleTrace | None:
    return None if fields is None else ExampleTrace(**fields | {"counts": bytes.fromhex(fields["counts"])})


def arrays_of(vector: dict[str, Any]) -> dict[str, NDArray[np.generic]]:
    return {
        array["name"]: np.array(array["values"], array["dtype"]).reshape(array["shape"])
        for array in vector["arrays"]
    }


def contribution(**changed: Any) -> Contribution:
    fields: dict[str, Any] = {
        "federation_id": FEDERATION,
        "lineage_id": FEDERATION,
        "round_id": 1,
        "round_kind": "train",
        "client_id": "anna",
        "base_sha256": bytes(32),
    }
    return Contribution(**fields | changed)


@pytest.mark.parametrize("vector", MESSAGES)
def test_a_message_is_read_as_what_it_means(vector: dict[str, Any]) -> None:
    expected = meaning(vector)
    header, body = decode_message(bytes.fromhex(vector["message"]), type(expected))
    assert header == expected
    assert body.hex() == ("" if vector["arrays"] == "nothing" else ARRAYS[vector["arrays"]]["bytes"])


@pytest.mark.parametrize("vector", MESSAGES)
def test_a_meaning_is_written_as_its_message(vector: dict[str, Any]) -> None:
    body = b"" if vector["arrays"] == "nothing" else encode_arrays(arrays_of(ARRAYS[vector["arrays"]]))
    assert encode_message(meaning(vector), body).hex() == vector["message"]


@pytest.mark.parametrize("vector", VECTORS["refused_messages"], ids=lambda vector: vector["name"])
def test_a_message_that_breaks_a_rule_is_refused(vector: dict[str, Any]) -> None:
    for kind in KINDS.values():
        with pytest.raises(MessageError):
            decode_message(bytes.fromhex(vector["message"]), kind)


@pytest.mark.parametrize("vector", MESSAGES)
def test_a_message_of_another_kind_than_expected_is_refused(vector: dict[str, Any]) -> None:
    for name, kind in KINDS.items():
        if name != vector["header"]["type"]:
            with pytest.raises(MessageError, match=f"expected a message of kind {kind.__name__}"):
                decode_message(bytes.fromhex(vector["message"]), kind)


def test_a_later_versions_field_is_ignored() -> None:
    data = encode_message(contribution())
    header = data[8:].replace(b"\x8c\xa4type", b"\x8d\xa5later\x93\x01\x02\x03\xa4type", 1)
    assert len(header) > len(data) - 8
    assert decode_message(data[:4] + struct.pack("<I", len(header)) + header, Contribution) == (
        contribution(),
        b"",
    )


@pytest.mark.parametrize(
    "header",
    [
        # What a file of vectors is too small for.
        b"\x82\xa6header" + b"\x91" * 60_000,
        b"\x82\xa6header\x81\xa1z" + b"\x81\xa1a" * 20_000 + b"\x01",
        bytes(65_537),
        b"\x81\xa6header\xdf\xff\xff\xff\xff" + bytes(60_000),
    ],
)
def test_a_header_that_is_deep_or_large_is_refused(header: bytes) -> None:
    with pytest.raises(MessageError):
        decode_message(b"FM\1\0" + struct.pack("<I", len(header)) + header, Contribution)


def test_a_message_over_64_mib_is_refused_on_both_sides() -> None:
    with pytest.raises(MessageError, match="at most 67108864 bytes"):
        decode_message(b"FM\1\0" + bytes(MAX_MESSAGE_BYTES), Contribution)
    with pytest.raises(ValueError, match="in all 67108864 bytes"):
        encode_message(contribution(), bytes(MAX_MESSAGE_BYTES))


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"client_id": "anna\n"}, "client_id"),
        ({"client_id": "Anna"}, "client_id"),
        ({"n_windows": -1}, "n_windows"),
        ({"n_windows": 2**53 + 1}, "n_windows"),
        ({"metrics": {"loss": float("nan")}}, "metrics"),
        ({"base_sha256": bytes(31)}, "base_sha256"),
        ({"declined": "x" * 501}, "declined"),
    ],
)
def test_a_header_that_nobody_would_accept_is_not_sent(changed: dict[str, Any], field: str) -> None:
    with pytest.raises(ValueError, match=rf"a Contribution that nobody would accept.*{field}"):
        encode_message(contribution(**changed))


def test_every_named_reason_for_a_refusal_travels() -> None:
    for reason in REFUSAL_REASONS:
        receipt = Receipt(
            federation_id=FEDERATION,
            lineage_id=FEDERATION,
            round_id=1,
            client_id="anna",
            contribution_sha256=bytes(32),
            verdict="refused",
            reason=reason,
        )
        assert decode_message(encode_message(receipt), Receipt) == (receipt, b"")


@pytest.mark.parametrize("vector", ARRAYS.values(), ids=ARRAYS)
def test_arrays_are_their_golden_bytes_both_ways(vector: dict[str, Any]) -> None:
    data, expected = bytes.fromhex(vector["bytes"]), arrays_of(vector)
    assert encode_arrays(expected) == data
    decoded = decode_arrays(data)
    assert set(decoded) == set(expected)
    for name, array in expected.items():
        assert (decoded[name].dtype, decoded[name].shape) == (array.dtype, array.shape)
        assert decoded[name].tobytes() == array.tobytes()
    assert sha256_of(decoded) == sha256_of(expected)


@pytest.mark.parametrize("vector", VECTORS["refused_arrays"], ids=lambda vector: vector["name"])
def test_a_body_that_breaks_a_rule_is_refused(vector: dict[str, Any]) -> None:
    with pytest.raises(MessageError):
        decode_arrays(bytes.fromhex(vector["arrays"]))


@pytest.mark.parametrize("text", ['{"a":' + "[" * 60_000, "{" + " " * 65_600 + "}"])
def test_an_index_that_is_deep_or_large_is_refused(text: str) -> None:
    with pytest.raises(MessageError):
        decode_arrays(struct.pack("<Q", len(text)) + text.encode())


@pytest.mark.parametrize("dtype", ["BF16", "F16", "X"])
def test_a_refusal_quotes_little_of_a_long_name(dtype: str) -> None:
    entry = f'{"a" * 60_000!r}:{{"dtype":"{dtype}","shape":[1],"data_offsets":[0,2]}}'
    index = "{" + entry.replace("'", '"') + "}"
    with pytest.raises(MessageError) as refusal:
        decode_arrays(struct.pack("<Q", len(index)) + index.encode() + bytes(2))
    assert len(str(refusal.value)) < 700


def test_no_body_is_no_arrays() -> None:
    assert decode_arrays(b"") == {}


@pytest.mark.parametrize("dtype", ["float16", "int32", "uint64", "bool", "complex64", "U3", "object"])
def test_arrays_of_other_dtypes_are_not_sent(dtype: str) -> None:
    with pytest.raises(ValueError, match=re.escape("one of float32, float64, int64")):
        encode_arrays({"a": np.zeros(1, dtype)})


def test_too_many_arrays_are_not_sent() -> None:
    with pytest.raises(ValueError, match="got 2000 arrays"):
        encode_arrays({f"array {i}": np.zeros(0) for i in range(2000)})


def test_the_bytes_of_arrays_do_not_depend_on_their_order_or_their_memory() -> None:
    matrix = np.arange(6, dtype=np.float32).reshape(2, 3)
    vector = np.array([1.0, 2.0])
    plain = encode_arrays({"a": matrix, "b": vector})
    assert encode_arrays({"b": vector, "a": matrix}) == plain
    assert encode_arrays({"a": np.asfortranarray(matrix), "b": np.repeat(vector, 2)[::2]}) == plain
    assert encode_arrays({"a": matrix.astype(">f4"), "b": vector.astype(">f8")}) == plain
    assert encode_arrays({"a": np.zeros((), np.float32)}) != encode_arrays({"a": np.zeros(1, np.float32)})


@pytest.mark.parametrize("seed", range(5))
def test_random_arrays_come_back_bit_for_bit(seed: int) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(100):
        arrays = {
            f"array {i}": np.frombuffer(
                rng.bytes(8 * int(np.prod(shape))), rng.choice(["float64", "int64"])
            ).reshape(shape)
            for i, shape in enumerate(rng.integers(1, 5, (3, 3)).tolist())
        }
        decoded = decode_arrays(encode_arrays(arrays))
        assert {name: array.tobytes() for name, array in decoded.items()} == {
            name: array.tobytes() for name, array in arrays.items()
        }


def mutated(data: bytes, rng: random.Random, others: list[bytes]) -> bytes:
    """Return `data` as a faulty or hostile sender might have it."""
    changed = bytearray(data)
    for _ in range(rng.choice([1, 1, 1, 2, 5])):
        place = rng.randrange(len(changed) + 1)
        stop = min(len(changed), place + rng.choice([1, 1, 2, 4, 30]))
        what = rng.randrange(6)
        if what == 0 and place < len(changed):
            changed[place] ^= 1 << rng.randrange(8)
        elif what == 1:
            changed[place:stop] = rng.randbytes(stop - place)
        elif what == 2:
            del changed[place:stop]
        elif what == 3:
            changed[place:place] = rng.choice(
                [b"\xff" * 4, b"\xdd\xff\xff\xff\xff", b"\xcb\x7f\xf8", b"\0", b"9"]
            )
        elif what == 4:
            changed[place:stop] = rng.choice([b"\xc0", b"\xc1", b"\xd9\xff", b"\x91", b"\x80", b"]", b"-"])
        else:
            other = rng.choice(others)
            changed[place:] = other[rng.randrange(len(other) + 1) :]
    return bytes(changed)


@pytest.mark.parametrize("vector", MESSAGES)
def test_a_mutated_message_is_refused_or_keeps_the_rules(vector: dict[str, Any]) -> None:
    rng = random.Random(vector["name"])
    others = [bytes.fromhex(other["message"]) for other in VECTORS["messages"]]
    kind = KINDS[vector["header"]["type"]]
    data = bytes.fromhex(vector["message"])
    n_refused = 0
    for _ in range(2000):
        candidate = mutated(data, rng, others)
        try:
            header, body = decode_message(candidate, kind)
        except MessageError:
            n_refused += 1
            continue
        assert decode_message(encode_message(header, body), kind) == (header, body)
    assert n_refused > 1000


@pytest.mark.parametrize("vector", ARRAYS.values(), ids=ARRAYS)
def test_mutated_arrays_are_refused_or_have_one_encoding(vector: dict[str, Any]) -> None:
    rng = random.Random(vector["name"])
    others = [bytes.fromhex(other["bytes"]) for other in ARRAYS.values()]
    data = bytes.fromhex(vector["bytes"])
    for _ in range(4000):
        candidate = mutated(data, rng, others)
        try:
            arrays = decode_arrays(candidate)
        except MessageError:
            continue
        if candidate:
            assert encode_arrays(arrays) == candidate


@pytest.mark.parametrize("case", VECTORS["chunks"], ids=lambda case: f"at most {case['max_bytes']} bytes")
def test_the_golden_chunks_hold_the_message_behind_the_documents_envelope(case: dict[str, Any]) -> None:
    message = bytes.fromhex(case["message"])
    chunks = [bytes.fromhex(chunk) for chunk in case["chunks"]]
    joined = b""
    for index, chunk in enumerate(chunks):
        assert len(chunk) <= case["max_bytes"]
        magic, version, flags, _, at, count, total = struct.unpack_from("<2sBB16sHHI", chunk)
        assert (magic, version, flags, at, count, total) == (b"FC", 1, 0, index, len(chunks), len(message))
        joined += chunk[28:]
    assert joined == message
