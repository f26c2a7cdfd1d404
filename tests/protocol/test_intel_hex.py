"""Intel HEX: the specification's own records, gaps, and every kind of damage."""

import pytest

from fedmotion.protocol.intel_hex import FlashImage, read_intel_hex

END = b":00000001FF\n"
FLASH_BYTES = 0x8000


def read(content: bytes) -> FlashImage:
    return read_intel_hex(content, FLASH_BYTES, "own.hex")


def test_records_become_bytes_in_the_order_of_their_addresses() -> None:
    image = read(b":02000200CCDD53\n:02000000AABB99\n" + END)
    assert image == FlashImage(0, b"\xaa\xbb\xcc\xdd")
    assert image.end_address == 4


def test_a_gap_is_what_an_erased_flash_holds() -> None:
    assert read(b":0100000011EE\n:0100030022DA\n" + END) == FlashImage(0, b"\x11\xff\xff\x22")


def test_a_program_may_begin_anywhere() -> None:
    assert read(b":017E0000AAD7\n:0400000300007E007B\n" + END) == FlashImage(0x7E00, b"\xaa")


def test_dos_line_ends_small_letters_and_empty_lines_are_read() -> None:
    assert read(b":02000000aabb99\r\n\r\n:00000001ff\r\n") == FlashImage(0, b"\xaa\xbb")


def test_extended_addresses_are_added() -> None:
    segment = b":020000020010EC\n:0100100011DE\n"
    assert read(segment + END) == FlashImage(0x110, b"\x11")
    linear = b":020000040000FA\n:0100100011DE\n"
    assert read(linear + END) == FlashImage(0x10, b"\x11")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"\x7fELF\x01\x01", r"own\.hex is an ELF file, an Intel HEX file is wanted"),
        (b"", r"own\.hex has no end-of-file record"),
        (b":0100000011EE\n", r"own\.hex has no end-of-file record \(:00000001FF\): it is cut off"),
        (END, r"own\.hex holds no data"),
        (
            b"#include <stdio.h>\n",
            r"own\.hex, line 1: a record is ':' and pairs .* got '#include <stdio\.h>'",
        ),
        (b":01000000 11EE\n", r"line 1: a record is ':' and pairs"),
        (b":0100000011E\n", r"line 1: a record is ':' and pairs"),
        (b"\xff\xfe\x00", r"line 1: a record is ':' and pairs"),
        (b":0100000011EF\n" + END, r"line 1: the checksum should be EE, got EF: the file is damaged"),
        (b":0200000011ED\n" + END, r"line 1: the record's length does not fit its first byte"),
        (b":00\n" + END, r"line 1: the record's length does not fit"),
        (b":0100000011EE\n:00000006FA\n" + END, r"line 2: a record's type is 00 to 05, got 06"),
        (b":0100000111ED\n", r"line 1: type 01 has 0 bytes, got 1"),
        (b":0100000411EA\n" + END, r"line 1: type 04 has 2 bytes, got 1"),
        (b":0100000011EE\n:0100000011EE\n" + END, r"line 2: the byte at 0x0 was given before"),
        (b":01800000116E\n" + END, r"line 1: the flash ends at 0x8000, got 1 bytes at 0x8000"),
        (b":027FFF0011224D\n" + END, r"line 1: the flash ends at 0x8000, got 2 bytes at 0x7fff"),
        (
            b":020000040001F9\n:0100000011EE\n" + END,
            r"line 2: the flash ends at 0x8000, got 1 bytes at 0x10000",
        ),
        (END + b":0100000011EE\n", r"line 2: nothing may follow the end-of-file record"),
    ],
)
def test_a_damaged_file_is_refused_with_its_line_and_its_fault(content: bytes, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        read(content)
