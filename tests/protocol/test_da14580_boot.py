"""What a DA14580's boot ROM is told, and which files are a program for it."""

import pytest

from fedmotion.protocol.da14580_boot import RAM_BYTES, checksum, header, read_program

PROGRAM = bytes.fromhex("00980020 09000020 fee7")
"""Stack at 0x20009800, the first instruction at 0x20000008: a branch to itself."""


def test_a_length_is_announced_low_byte_first() -> None:
    assert header(1) == b"\x01\x01\x00"
    assert header(0x1234) == b"\x01\x34\x12"


@pytest.mark.parametrize("n_bytes", [0, RAM_BYTES + 1])
def test_more_than_the_ram_or_nothing_is_not_announced(n_bytes: int) -> None:
    with pytest.raises(ValueError, match=rf"a DA14580 takes 1 to 43008 bytes, got {n_bytes}"):
        header(n_bytes)


def test_the_checksum_is_all_bytes_exclusive_or() -> None:
    assert checksum(b"") == 0
    assert checksum(b"\x0f\xf0\x01") == 0xFE


def test_a_binary_and_intel_hex_at_either_address_are_the_same_program() -> None:
    record = ":0A000000" + PROGRAM.hex().upper()
    line = record + f"{-sum(bytes.fromhex(record[1:])) & 0xFF:02X}\n"
    end = ":00000001FF\n"
    assert read_program(PROGRAM, "own.bin") == PROGRAM
    assert read_program((line + end).encode(), "own.hex") == PROGRAM
    assert read_program((":020000042000DA\n" + line + end).encode(), "own.hex") == PROGRAM


def test_a_program_linked_to_the_ram_s_alias_at_0_is_one() -> None:
    alias = bytes.fromhex("00980000 09000000 fee7")
    assert read_program(alias, "own.bin") == alias


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"\x7fELF", "own is an ELF file: its neighbour firmware.hex or firmware.bin is wanted"),
        (
            PROGRAM.ljust(RAM_BYTES + 1, b"\0"),
            "own has 43009 bytes, the DA14580's RAM 43008: make it smaller",
        ),
        (b"", "own is no program for the DA14580: .* got 0x0 and 0x0"),
        (bytes.fromhex("0c945c00 0c946e00"), r"no program for the DA14580.*was it built for another board\?"),
        (bytes.fromhex("00980020 08000020 fee7"), "got 0x20009800 and 0x20000008"),
        (bytes.fromhex("00980020 0b000020 fee7"), "got 0x20009800 and 0x2000000b"),
        (bytes.fromhex("00000820 09000020 fee7"), "got 0x20080000 and 0x20000009"),
        (
            b":017E0000AAD7\n:00000001FF\n",
            "own begins at 0x7e00, a program for the DA14580 begins at 0 or at",
        ),
    ],
)
def test_what_is_no_program_for_it_is_refused(content: bytes, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        read_program(content, "own")
