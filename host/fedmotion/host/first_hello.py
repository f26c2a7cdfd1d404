"""What a board that was just flashed says of itself, if it is our firmware that runs."""

from collections.abc import Callable
from typing import Protocol

from fedmotion.protocol.serial_frames import DEFAULT_BAUD, Command, Hello
from fedmotion.protocol.serial_framing import DELIMITER, FrameDecoder, encode_frame

_HELLO_WAIT_S = 10.0
_ASK_AGAIN_S = 0.5


class Line(Protocol):
    """What `serial_line.SerialLine` is here; each raises OSError where the line is gone."""

    def read(self) -> bytes:
        """Return what has come, nothing after a short wait."""

    def write(self, data: bytes) -> None:
        """Send all of `data`."""

    def set_baud(self, baud: int) -> None:
        """Go on at this rate."""


def first_hello(line: Line, clock: Callable[[], float]) -> Hello | None:
    """Return what the firmware says of itself, None if none does; raises OSError where the line goes."""
    decoder = FrameDecoder()
    ask = DELIMITER + encode_frame(Command(Command.GET_HELLO), 0)
    line.set_baud(DEFAULT_BAUD)
    deadline_s = clock() + _HELLO_WAIT_S
    ask_s = clock() + _ASK_AGAIN_S
    while (now_s := clock()) < deadline_s:
        for frame in decoder.feed(line.read()):
            if isinstance(frame.body, Hello):
                return frame.body
        if now_s >= ask_s:
            line.write(ask)
            ask_s = now_s + _ASK_AGAIN_S
    return None
