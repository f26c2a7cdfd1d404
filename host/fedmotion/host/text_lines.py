"""Lines of a text file of any size and of most encodings, without ever holding more than one of them."""

import codecs
import gzip
import io
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast

MAX_LINE = 65_536
"""Characters. No sample needs as many; a file without line ends must not become one line in memory."""

_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


class TextLines:
    """Iterates over the lines of the file at `path`, without their ends; again from the start each time.

    A file that ends in .gz is unpacked on the way. UTF-16, as Windows writes into a file by `>`, is known by
    its mark; what is no UTF-8 becomes replacement characters, for raw lines of a board hold anything.
    `n_bytes_read` says how far into the file the last iteration is.

    Raises
    ------
    ValueError
        If a line is longer than MAX_LINE, or a .gz is damaged.
    OSError
        If it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.n_bytes = path.stat().st_size
        self.n_bytes_read = 0

    def __iter__(self) -> Iterator[str]:
        with self.path.open("rb") as raw:
            packed = gzip.open(raw) if self.path.suffix.lower() == ".gz" else raw  # noqa: SIM115 - closed below
            with cast("IO[bytes]", packed) as file:
                number = 0
                try:
                    buffered = io.BufferedReader(cast("io.RawIOBase", file))
                    start = buffered.peek(4)[:4]
                    encoding = _encoding(start)
                    text = io.TextIOWrapper(buffered, encoding=encoding, errors="replace", newline=None)
                    while line := text.readline(MAX_LINE):
                        number += 1
                        if len(line) == MAX_LINE:
                            raise ValueError(
                                f"{self.path.name}, line {number}: a line has fewer than {MAX_LINE} "
                                "characters: this is no text of samples"
                            )
                        if number % 256 == 0:
                            self.n_bytes_read = raw.tell()
                        yield line.rstrip("\n")
                except (EOFError, gzip.BadGzipFile, zlib.error) as error:
                    raise ValueError(f"{self.path.name} is damaged behind line {number}: {error}") from None
        self.n_bytes_read = self.n_bytes


def _encoding(start: bytes) -> str:
    return next((name for mark, name in _BYTE_ORDER_MARKS if start.startswith(mark)), "utf-8")
