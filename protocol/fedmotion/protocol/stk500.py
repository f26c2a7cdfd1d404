"""STK500 version 1 as the boot loaders of Uno and Nano speak it: commands to bytes, and answers from bytes.

Source: Atmel application note AVR061, "STK500 Communication Protocol" (2003). The names are its own.
"""

from dataclasses import dataclass

from fedmotion.protocol.errors import MessageError

RESP_FAILED = 0x11
RESP_NODEVICE = 0x13
RESP_INSYNC = 0x14
RESP_OK = 0x10
RESP_NOSYNC = 0x15
SYNC_CRC_EOP = 0x20

GET_SYNC = bytes([0x30, SYNC_CRC_EOP])
LEAVE_PROGMODE = bytes([0x51, SYNC_CRC_EOP])
READ_SIGNATURE = bytes([0x75, SYNC_CRC_EOP])

SIGNATURE_BYTES = 3
MAX_PAGE_BYTES = 256

_LOAD_ADDRESS = 0x55
_PROG_PAGE = 0x64
_READ_PAGE = 0x74
_FLASH = ord("F")
_MEANINGS = {RESP_FAILED: "FAILED", RESP_NODEVICE: "NODEVICE", RESP_NOSYNC: "NOSYNC"}


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer's data, between INSYNC and OK."""

    data: bytes


def load_address(byte_address: int) -> bytes:
    """Return the command that sets where the next page goes or comes from; the line carries words."""
    if byte_address % 2 or not 0 <= byte_address < 2 * 0x10000:
        raise ValueError(f"a flash address is even and below 0x20000, got {byte_address:#x}")
    return bytes([_LOAD_ADDRESS, *(byte_address // 2).to_bytes(2, "little"), SYNC_CRC_EOP])


def program_page(data: bytes) -> bytes:
    """Return the command that writes `data` at the loaded address."""
    return bytes([_PROG_PAGE, *_page_length(len(data)), _FLASH]) + data + bytes([SYNC_CRC_EOP])


def read_page(n_bytes: int) -> bytes:
    """Return the command that reads so much from the loaded address."""
    return bytes([_READ_PAGE, *_page_length(n_bytes), _FLASH, SYNC_CRC_EOP])


def parse_answer(received: bytes, n_data_bytes: int = 0) -> Answer | None:
    """Return the answer that `received` is, None while more must come.

    Raises
    ------
    MessageError
        If it cannot become one: it begins or ends otherwise, or goes on behind its end.
    """
    if not received:
        return None
    if received[0] != RESP_INSYNC:
        raise MessageError(f"an answer begins with {RESP_INSYNC:02x}, got {_said(received[0])}")
    if len(received) < n_data_bytes + 2:
        return None
    if len(received) > n_data_bytes + 2:
        raise MessageError(f"an answer of {n_data_bytes + 2} bytes is expected, got {len(received)}")
    if received[-1] != RESP_OK:
        raise MessageError(f"an answer ends with {RESP_OK:02x}, got {_said(received[-1])}")
    return Answer(received[1:-1])


def _page_length(n_bytes: int) -> bytes:
    if not 1 <= n_bytes <= MAX_PAGE_BYTES:
        raise ValueError(f"a page has 1 to {MAX_PAGE_BYTES} bytes, got {n_bytes}")
    return n_bytes.to_bytes(2, "big")


def _said(byte: int) -> str:
    return f"{byte:02x} ({_MEANINGS[byte]})" if byte in _MEANINGS else f"{byte:02x}"
