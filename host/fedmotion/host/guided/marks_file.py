"""The marks of a continuous recording as a file that `fedmotion agent --marks` reads."""

from collections.abc import Iterable
from pathlib import Path

import msgspec

from fedmotion.broker.private_file import write_private
from fedmotion.host.marks import Mark


class MarksFile:
    """Writes the marks anew with each one; where the board's time begins again, a further file is begun."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._first = path
        self._n_files = 1
        self._n_past = 0
        self._written: tuple[Mark, ...] | None = None

    def write(self, marks: Iterable[Mark]) -> None:
        """Make the file hold `marks` but those of earlier files; raises OSError where it cannot."""
        of_this = tuple(marks)[self._n_past :]
        if of_this != self._written:
            write_private(self.path, msgspec.json.format(msgspec.json.encode(of_this), indent=1) + b"\n")
            self._written = of_this

    def begin_again(self, n_marks: int) -> bool:
        """Go on in a further file after the first `n_marks`; False where this one is empty still."""
        if n_marks == self._n_past:
            return False
        self._n_past = n_marks
        self._n_files += 1
        self._written = None
        self.path = self._first.with_name(f"{self._first.stem}-{self._n_files}{self._first.suffix}")
        return True
