"""What an exported file says of a take besides label, person and samples, so that it comes back as it was."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fedmotion.host.import_rows import TakeHead
from fedmotion.models.mounting import Mounting
from fedmotion.protocol.identity import MAX_BOARD_ID

NAMES = frozenset(
    {
        "board_id",
        "accel_scale_mps2",
        "gyro_scale_radps",
        "rotation",
        "is_mirrored",
        "start_us",
        "stop_us",
        "centre_us",
    }
)
"""The columns of an exported table, and the arrays of an exported npz, that `details_of` reads."""


def rotation_in_words(mounting: Mounting) -> str:
    """Return the nine numbers of a rotation, row by row, each the shortest that reads back as itself."""
    return " ".join(repr(float(number) + 0.0) for number in mounting.rotation.ravel())


def details_of(head: TakeHead, texts: Mapping[str, str], place: str) -> TakeHead:
    """Return `head` with the details of NAMES, each as text.

    Raises
    ------
    ValueError
        Naming `place` and the detail that is none.
    """
    try:
        return replace(
            head,
            board_id=_board_id(texts["board_id"]),
            scales=(_scale(texts["accel_scale_mps2"]), _scale(texts["gyro_scale_radps"])),
            turn=Mounting(_rotation(texts["rotation"]), _flag(texts["is_mirrored"])),
            movement=(int(texts["start_us"]), int(texts["stop_us"]), int(texts["centre_us"])),
        )
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from None


def _board_id(text: str) -> int:
    board_id = int(text, 16)
    if not 0 <= board_id <= MAX_BOARD_ID:
        raise ValueError(f"a board id has up to 16 hexadecimal digits, got {text!r}")
    return board_id


def _scale(text: str) -> float:
    scale = float(text)
    if not 0 <= scale < np.inf:
        raise ValueError(f"a scale is above 0, or 0 where there are no counts, got {text!r}")
    return scale


def _rotation(text: str) -> NDArray[np.float64]:
    numbers = np.array([float(number) for number in text.split()])
    if len(numbers) != 9 or not np.isfinite(numbers).all():
        raise ValueError(f"a rotation is 9 finite numbers, got {text[:80]!r}")
    return numbers.reshape(3, 3)


def _flag(text: str) -> bool:
    if text not in {"0", "1"}:
        raise ValueError(f"is_mirrored is 0 or 1, got {text!r}")
    return text == "1"
