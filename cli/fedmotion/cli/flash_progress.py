"""How far the writing of a program is, on a terminal and on a pipe."""

import contextlib
import sys
from collections.abc import Callable, Iterator

from fedmotion.host.programmer import Progress as OnProgress

Say = Callable[[str], None]


@contextlib.contextmanager
def progress(say: Say, unit: str) -> Iterator[OnProgress]:
    """Give what is told how many of all `unit` are done: a bar on a terminal, else a line each quarter."""
    if not (sys.stderr.isatty() and sys.stdout.isatty()):
        said = set[int]()

        def tell(n_done: int, n_all: int) -> None:
            quarter = 4 * n_done // n_all
            if quarter not in said | {0}:
                said.add(quarter)
                say(f"  {n_done}/{n_all} {unit}")

        yield tell
        return
    # Imported here because rich takes longer to import than the rest of the command.
    from rich.console import Console  # noqa: PLC0415  (see above)
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn  # noqa: PLC0415  (see above)

    columns = (TextColumn("  writing"), BarColumn(), MofNCompleteColumn(), TextColumn(unit))
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("")
        yield lambda n_done, n_all: bar.update(task, completed=n_done, total=n_all)
