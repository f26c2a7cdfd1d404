"""STK500 version 1: the bytes of AVR061, and answers cut anywhere."""

import pytest

from fedmotion.protocol.errors import MessageError
from fedmotion.protocol.stk500 import (
    GET_SYNC,
    LEAVE_PROGMODE,
    READ_SIGNATURE,
    Answer,
    load_address,
    parse_answer,
    program_page,
    read_page,
)


def test_commands_are_those_of_the_application_note() -> None:
    assert GET_SYNC == b"\x30\x20"
    assert LEAVE_PROGMODE == b"\x51\x20"
    assert READ_SIGNATURE == b"\x75\x20"
    assert load_address(0x1E80) == b"\x55\x40\x0f\x20"
    assert program_page(b"\xaa\xbb") == b"\x64\x00\x02F\xaa\xbb\x20"
    assert program_page(bytes(256))[:4] == b"\x64\x01\x00F"
    assert read_page(128) == b"\x74\x00\x80F\x20"


@pytest.mark.parametrize("address", [-2, 1, 0x20000])
def test_an_address_that_is_no_words_is_refused(address: int) -> None:
    with pytest.raises(ValueError, match="a flash address is even and below 0x20000"):
        load_address(address)


@pytest.mark.parametrize("n_bytes", [0, 257])
def test_a_page_of_another_size_is_refused(n_bytes: int) -> None:
    with pytest.raises(ValueError, match=f"a page has 1 to 256 bytes, got {n_bytes}"):
        program_page(bytes(n_bytes))
    with pytest.raises(ValueError, match=f"a page has 1 to 256 bytes, got {n_bytes}"):
        read_page(n_bytes)


def test_an_answer_is_whole_with_its_last_byte_and_not_before() -> None:
    whole = b"\x14\x1e\x95\x0f\x10"
    assert [parse_answer(whole[:n], 3) for n in range(5)] == [None] * 5
    assert parse_answer(whole, 3) == Answer(b"\x1e\x95\x0f")
    assert parse_answer(b"\x14\x10") == Answer(b"")


@pytest.mark.parametrize(
    ("received", "sentence"),
    [
        (b"\x00", "begins with 14, got 00"),
        (b"\x15", r"begins with 14, got 15 \(NOSYNC\)"),
        (b"\x14\x11", r"ends with 10, got 11 \(FAILED\)"),
        (b"\x14\x13", r"ends with 10, got 13 \(NODEVICE\)"),
        (b"\x14\x10\x14", "an answer of 2 bytes is expected, got 3"),
    ],
)
def test_what_cannot_become_an_answer_is_bad(received: bytes, sentence: str) -> None:
    with pytest.raises(MessageError, match=sentence):
        parse_answer(received)
