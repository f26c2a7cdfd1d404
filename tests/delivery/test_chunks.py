import hashlib
import json
import random
import struct
from pathlib import Path
from typing import Any

import pytest

from fedmotion.delivery.chunks import ENVELOPE_BYTES, Joiner, count_chunks, cut
from fedmotion.protocol.errors import MessageError

VECTORS = json.loads((Path(__file__).parents[2] / "protocol" / "vectors" / "mqtt.json").read_text())


def joiner(max_message_bytes: int = 2**20, max_total_bytes: int = 2**22) -> Joiner:
    return Joiner(max_message_bytes, max_total_bytes)


def join(chunks: list[bytes]) -> list[bytes]:
    into = joiner()
    return [message for chunk in chunks if (message := into.feed("anna", chunk)) is not None]


def test_a_short_message_is_one_chunk_of_these_bytes() -> None:
    # SHA-256 of "abc" as in FIPS 180-2, appendix B.1.
    assert cut(b"abc") == [
        bytes.fromhex("4643 01 00 ba7816bf8f01cfea414140de5dae2223 0000 0100 03000000") + b"abc"
    ]


def test_the_pieces_lie_in_order_behind_their_envelopes() -> None:
    message = bytes(range(10))
    sha256 = hashlib.sha256(message).digest()[:16]
    assert cut(message, max_bytes=28 + 4) == [
        struct.pack("<2sBB16sHHI", b"FC", 1, 0, sha256, index, 3, 10) + piece
        for index, piece in enumerate([bytes([0, 1, 2, 3]), bytes([4, 5, 6, 7]), bytes([8, 9])])
    ]


@pytest.mark.parametrize("case", VECTORS["chunks"], ids=lambda case: f"at most {case['max_bytes']} bytes")
def test_the_golden_chunks_are_what_cut_makes_and_joiner_joins(case: dict[str, Any]) -> None:
    message = bytes.fromhex(case["message"])
    chunks = [bytes.fromhex(chunk) for chunk in case["chunks"]]
    assert cut(message, case["max_bytes"]) == chunks
    assert join(chunks[::-1]) == [message]


def test_no_chunk_is_longer_than_256_kib_and_the_count_is_known_beforehand() -> None:
    for n_bytes, n_chunks in ((0, 1), (1, 1), (262_116, 1), (262_117, 2), (524_232, 2), (1_000_000, 4)):
        chunks = cut(bytes(n_bytes))
        assert len(chunks) == n_chunks == count_chunks(n_bytes)
        assert max(map(len, chunks)) <= 262_144
        assert join(chunks) == [bytes(n_bytes)]


def test_more_chunks_than_an_index_can_count_are_refused() -> None:
    with pytest.raises(ValueError, match="at most 65535 chunks, 65536 bytes need 65536"):
        cut(bytes(65_536), max_bytes=ENVELOPE_BYTES + 1)
    with pytest.raises(ValueError, match="at least 29 bytes, got 28"):
        cut(b"abc", max_bytes=ENVELOPE_BYTES)


@pytest.mark.parametrize("seed", range(20))
def test_any_order_and_any_duplicates_give_the_message(seed: int) -> None:
    rng = random.Random(seed)
    message = rng.randbytes(rng.randrange(2, 3000))
    chunks = cut(message, max_bytes=ENVELOPE_BYTES + rng.randrange(1, len(message)))
    arrived = chunks + rng.choices(chunks, k=len(chunks))
    rng.shuffle(arrived)
    assert message in join(arrived)
    assert set(join(arrived)) == {message}


def test_two_messages_and_two_senders_at_a_time_do_not_mix() -> None:
    into = joiner()
    first, second = cut(b"a" * 100, 60), cut(b"b" * 100, 60)
    joined = []
    for one, other in zip(first, second, strict=True):
        joined += [into.feed("anna", one), into.feed("ben", one), into.feed("anna", other)]
    assert [each for each in joined if each] == [b"a" * 100, b"a" * 100, b"b" * 100]
    assert into.held_bytes == 0


def test_a_missing_chunk_gives_nothing() -> None:
    chunks = cut(b"a" * 100, 60)
    assert join(chunks[:-1]) == []


def good() -> bytearray:
    return bytearray(cut(b"x" * 40, 60)[0])


def damaged(offset: int, value: bytes) -> bytes:
    chunk = good()
    chunk[offset : offset + len(value)] = value
    return bytes(chunk)


@pytest.mark.parametrize(
    "chunk",
    [
        b"",
        b"FC",
        bytes(good()[:27]),
        damaged(0, b"FM"),
        damaged(2, b"\x02"),
        damaged(3, b"\x01"),
        damaged(20, b"\x02\x00"),
        damaged(22, b"\x00\x00"),
        damaged(22, b"\xff\xff"),
        damaged(24, b"\x01\x00\x00\x00"),
        damaged(24, b"\x00\x00\x00\x00"),
        damaged(24, b"\xff\xff\xff\xff"),
        bytes(good()[:28]),
    ],
)
def test_nonsense_is_a_message_error(chunk: bytes) -> None:
    with pytest.raises(MessageError):
        joiner().feed("anna", chunk)


@pytest.mark.parametrize("seed", range(5))
def test_random_damage_never_gives_another_message(seed: int) -> None:
    rng = random.Random(seed)
    message = rng.randbytes(200)
    for _ in range(500):
        into = joiner()
        for chunk in cut(message, 100):
            bad = bytearray(chunk)
            if rng.random() < 0.5:
                bad[rng.randrange(len(bad))] ^= 1 << rng.randrange(8)
            try:
                joined = into.feed("anna", bytes(bad))
            except MessageError:
                continue
            assert joined in (None, message)


def test_a_message_whose_bytes_are_not_those_of_its_id_is_refused_and_forgotten() -> None:
    into = joiner()
    first, second = cut(b"x" * 40, 60)
    into.feed("anna", first)
    with pytest.raises(MessageError, match="not what its id says"):
        into.feed("anna", second[:-1] + b"y")
    assert into.held_bytes == 0


def test_chunks_that_contradict_each_other_are_refused() -> None:
    into = joiner()
    into.feed("anna", bytes(good()))
    with pytest.raises(MessageError, match="different counts or lengths"):
        into.feed("anna", damaged(20, b"\x01\x00\x03\x00"))
    into = joiner()
    into.feed("anna", bytes(good()))
    with pytest.raises(MessageError, match="hold more than that"):
        into.feed("anna", damaged(20, b"\x01\x00"))


def test_a_message_beyond_the_limit_is_refused_at_its_first_chunk() -> None:
    into = joiner(max_message_bytes=99)
    with pytest.raises(MessageError, match="at most 99 bytes, got one of 100"):
        into.feed("anna", cut(b"a" * 100, 60)[0])
    assert into.held_bytes == 0


def test_memory_is_bounded_and_the_flooder_loses_its_own_oldest_first() -> None:
    into = joiner(max_message_bytes=10_000, max_total_bytes=50_000)
    of_ben = cut(b"b" * 1000, 600)
    into.feed("ben", of_ben[0])
    for index in range(100):
        into.feed("anna", cut(index.to_bytes(2, "big") * 5000, 9000)[0])
        assert into.held_bytes <= 50_000
    assert into.n_evicted == 96
    assert into.feed("ben", of_ben[1]) == b"b" * 1000
    newest = (99).to_bytes(2, "big") * 5000
    assert into.feed("anna", cut(newest, 9000)[1]) == newest


def test_tiny_pieces_do_not_evade_the_bound() -> None:
    into = joiner(max_message_bytes=10_000, max_total_bytes=10_000)
    for chunk in cut(bytes(10_000), ENVELOPE_BYTES + 1)[:-1]:
        into.feed("anna", chunk)
        assert into.held_bytes <= 10_000
    assert into.n_evicted > 0


def test_a_sender_keeps_its_four_newest_unfinished_messages_and_each_drop_is_told() -> None:
    evicted: list[str] = []
    into = Joiner(2**20, 2**22, on_evicted=evicted.append)
    messages = [cut(bytes([number]) * 40, 60) for number in range(6)]
    of_ben = cut(b"b" * 40, 60)
    into.feed("ben", of_ben[0])
    for first, _ in messages:
        into.feed("anna", first)
    assert evicted == ["anna", "anna"]
    assert into.feed("anna", messages[0][1]) is None
    assert evicted == ["anna"] * 3
    assert [into.feed("anna", second) for _, second in messages[3:]] == [
        bytes([number]) * 40 for number in (3, 4, 5)
    ]
    assert into.feed("ben", of_ben[1]) == b"b" * 40


def test_the_running_total_is_what_is_left_whatever_came_and_went() -> None:
    rng = random.Random(3)
    into = joiner(max_message_bytes=3000, max_total_bytes=8000)
    chunks = [
        (f"s{rng.randrange(5)}", chunk) for _ in range(200) for chunk in cut(rng.randbytes(900), 200)[:-1]
    ]
    rng.shuffle(chunks)
    for sender, chunk in chunks:
        into.feed(sender, chunk)
        assert 0 < into.held_bytes <= 8000
    assert into.n_evicted > 100
    for number in range(5):
        into.forget(f"s{number}")
    into.forget("nobody")
    assert into.held_bytes == 0


def test_limits_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="got 10 and 9"):
        Joiner(10, 9)
