"""`turn.toml` of a profile: how its board is turned, how that was found and when.

Not to be confused with the configuration's `mounting`, which is the owner's own words and computes nothing.
"""

from pathlib import Path
from typing import Literal

import msgspec
import numpy as np

from fedmotion.broker.private_file import write_private
from fedmotion.models.mounting import AS_PICTURED, Mounting
from fedmotion.protocol.configuration import parse_toml

VERSION = 1
_MAX_BYTES = 4096
_AGAIN = "run `fedmotion mount` again"

HowFound = Literal["as-pictured", "two-poses", "gestures"]
_Row = tuple[float, float, float]


class KeptTurn(msgspec.Struct, frozen=True):
    """How a board is turned, by which way it was found, and when (UTC, ISO 8601)."""

    mounting: Mounting
    found_by: HowFound
    found_at: str
    words: str


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    version: Literal[1]
    rotation: tuple[_Row, _Row, _Row]
    is_mirrored: bool
    found_by: HowFound
    found_at: str
    words: str


def read_turn(path: Path) -> KeptTurn | None:
    """Return what `path` keeps; None where there is no such file.

    Raises
    ------
    ValueError
        If it is no such file, of a newer version, damaged, or its rotation is none.
    OSError
        If it cannot be read.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    if len(data) > _MAX_BYTES:
        raise ValueError(f"{path} has at most {_MAX_BYTES} bytes, got {len(data)}: {_AGAIN}")
    values = parse_toml(data, str(path))
    version = values.get("version")
    if isinstance(version, int) and version > VERSION:
        raise ValueError(
            f"{path} is of version {version}, this program reads {VERSION}: it was written by a newer "
            "fedmotion, install that one"
        )
    try:
        file = msgspec.convert(values, type=_File)
        mounting = _mounting(file)
    except ValueError as error:
        raise ValueError(f"{path} does not say how the board is turned: {error}; {_AGAIN}") from None
    return KeptTurn(mounting, file.found_by, file.found_at, file.words)


def mounting_of(path: Path) -> Mounting:
    """Return the mounting that `path` keeps, as pictured where there is none; raises as `read_turn` does."""
    kept = read_turn(path)
    return AS_PICTURED if kept is None else kept.mounting


def write_turn(path: Path, kept: KeptTurn) -> None:
    """Make `kept` the file at `path`, the old or the new one after a crash; OSError where it cannot."""
    rows = ",\n".join(
        f"  [{', '.join(_number(number) for number in row)}]" for row in kept.mounting.rotation.tolist()
    )
    write_private(
        path,
        f"""\
# How this profile's board is turned, written by `fedmotion mount`: worn as pictured = rotation @ the board's
# axes, and where is_mirrored, y changes its sign after that. docs/mounting.md says more.
version = {VERSION}
rotation = [
{rows},
]
is_mirrored = {str(kept.mounting.is_mirrored).lower()}
found_by = {_text(kept.found_by)}
found_at = {_text(kept.found_at)}
words = {_text(kept.words)}
""",
    )


def _mounting(file: _File) -> Mounting:
    rotation = np.array(file.rotation)
    # Before `Mounting` computes with them, which warns.
    if not np.isfinite(rotation).all():
        raise ValueError("its rotation is 9 finite numbers")
    return Mounting(rotation, file.is_mirrored)


def _number(number: float) -> str:
    # The shortest decimal that reads back as this float64; adding 0.0 makes a negative zero positive.
    return repr(number + 0.0)


def _text(text: str) -> str:
    # A JSON string of printable ASCII is a TOML basic string (TOML 1.0, "String").
    return msgspec.json.encode(text).decode()
