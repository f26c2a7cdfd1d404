"""What runs on a board, heard by opening its port and asking for HELLO. Opening resets an Arduino."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from fedmotion.host.imu_stream import ImuStream
from fedmotion.host.serial_line import SerialLine
from fedmotion.protocol.serial_frames import DEFAULT_BAUD, Hello

LISTEN_S = 4.0
"""An Uno or Nano that was reset waits 1 to 2 s in its boot loader before its program starts."""

HeardKind = Literal["fedmotion", "other_version", "other_program", "nothing", "not_open"]


@dataclass(frozen=True, slots=True)
class Heard:
    """What a port gave; `sentence` says it in words, with what to do where it is not `fedmotion`."""

    kind: HeardKind
    sentence: str
    hello: Hello | None = None
    n_bytes: int = 0


def listen(
    port: str,
    *,
    baud: int = DEFAULT_BAUD,
    wait_s: float = LISTEN_S,
    clock: Callable[[], float] = time.monotonic,
) -> Heard:
    """Return what runs on `port`, as soon as it has said HELLO and after `wait_s` where it says none."""
    try:
        line = SerialLine(port, baud)
    except ConnectionError as error:
        return Heard("not_open", str(error))
    stream = ImuStream(line.write)
    n_bytes = 0
    try:
        stream.opened(clock())
        until_s = clock() + wait_s
        while stream.hello is None and stream.other_version is None and clock() < until_s:
            data = line.read()
            n_bytes += len(data)
            stream.feed(data, clock())
            stream.tick(clock())
    except OSError as error:
        return Heard("not_open", f"{port} went away ({error}): plug the board in again", n_bytes=n_bytes)
    finally:
        line.close()
    return heard(stream, n_bytes, wait_s, baud)


def describe(hello: Hello) -> str:
    """Return what a board says of itself, in a line."""
    version = ".".join(map(str, hello.firmware_version))
    return (
        f"fedmotion {version} for {hello.board!r}, board id {hello.board_id or 'unset'}, "
        f"{1e6 / hello.period_us:g} Hz, ±{hello.accel_full_scale_g} g, ±{hello.gyro_full_scale_dps} deg/s, "
        f"serial format {hello.format_version}"
    )


def heard(stream: ImuStream, n_bytes: int, wait_s: float, baud: int) -> Heard:
    """Return what `stream` shows of what runs, after `n_bytes` in `wait_s` without HELLO."""
    if stream.hello is not None:
        return Heard("fedmotion", describe(stream.hello), stream.hello, n_bytes)
    if stream.other_version is not None:
        return Heard("other_version", stream.complaint, n_bytes=n_bytes)
    if n_bytes == 0:
        return Heard(
            "nothing",
            f"not a byte came in {wait_s:g} s at {baud} baud: press the board's reset button and see that "
            "its power LED is lit; a board without our firmware needs `fedmotion flash uno` (or nano)",
        )
    return Heard(
        "other_program",
        stream.complaint
        or f"{n_bytes} bytes came in {wait_s:g} s and no HELLO among them: another program is on the board, "
        f"or it does not speak {baud} baud; flash fedmotion's firmware with `fedmotion flash uno` (or nano)",
        n_bytes=n_bytes,
    )
