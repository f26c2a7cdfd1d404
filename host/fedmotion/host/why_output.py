"""A picture a gesture that says why, drawn beside the stream."""

import importlib.util
import logging
import threading
from collections.abc import Callable
from pathlib import Path

from fedmotion.delivery.sqlite_store import StoreError
from fedmotion.host.gesture_output import Gesture
from fedmotion.host.home_assistant_discovery import object_id
from fedmotion.host.recogniser import Decision
from fedmotion.host.released_model import LoadedModel
from fedmotion.host.why import Explanation, OwnTakes
from fedmotion.host.work_thread import Submit, WorkThread

MAX_WAITING = 4
"""Pictures to be drawn: at about 0.3 s each, a gesture after that many goes without."""

Save = Callable[[Explanation, str, Path], None]

_log = logging.getLogger(__name__)


class WhyOutput:
    """A `GestureOutput` that draws each gesture into the folder, or the one PNG file, at `place`.

    Raises
    ------
    ValueError
        If pictures cannot be drawn, or not there.
    """

    def __init__(
        self,
        place: Path,
        takes: OwnTakes,
        *,
        least: float = 0.0,
        submit: Submit | None = None,
        save: Save | None = None,
    ) -> None:
        self.n_skipped = 0
        self._place = place
        self._is_file = check_place(place)
        self._takes = takes
        self._least = least
        self._work = WorkThread("why")
        self._submit = submit or self._work.submit
        self._save = save or _save
        self._lock = threading.Lock()
        self._n_waiting = 0

    def on_model(self, model: LoadedModel) -> None:
        """Each decision has its model with it."""

    def on_board(self, *, is_there: bool) -> None:
        """Pictures are of gestures alone."""

    def on_gesture(self, gesture: Gesture, decision: Decision) -> None:
        """Have the gesture drawn."""
        with self._lock:
            if self._n_waiting >= MAX_WAITING:
                self.n_skipped += 1
                _log.info("gesture=%s is not drawn: %d wait already", gesture.activity, MAX_WAITING)
                return
            self._n_waiting += 1
        self._submit(lambda: self._draw(gesture, decision))

    def tick(self) -> None:
        """Nothing is due by the clock."""

    def close(self) -> None:
        """Wait a moment for the picture that is being drawn."""
        self._work.close(2.0)

    def _draw(self, gesture: Gesture, decision: Decision) -> None:
        name = f"{gesture.number:04d}-{object_id(gesture.activity)}.png"
        path = self._place if self._is_file else self._place / name
        try:
            explained = self._takes.explain(decision.model, decision.window, least=self._least)
            title = f"{gesture.activity}, {gesture.start_us / 1e6:.1f} s in the board's time"
            self._save(explained, title, path)
            _log.info("gesture=%s drawn: %s", gesture.activity, path)
        except (OSError, ValueError, StoreError) as error:
            _log.warning("gesture=%s is not drawn: %s", gesture.activity, error)
        finally:
            with self._lock:
                self._n_waiting -= 1


def check_place(place: Path) -> bool:
    """Return whether `place` is a file, and make the folder where it is one; raises ValueError."""
    if importlib.util.find_spec("matplotlib") is None:
        raise ValueError("--why needs matplotlib: pip install 'fedmotion[demo]'")
    if place.suffix.lower() == ".png":
        if not place.parent.is_dir():
            raise ValueError(f"--why writes into a folder that is there, {place.parent} is not")
        return True
    if place.suffix and not place.is_dir():
        raise ValueError(f"--why is a folder, or a file that ends in .png, got {str(place)!r}")
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(f"--why cannot make the folder {place}: {error.strerror}") from None
    return False


def _save(explained: Explanation, title: str, path: Path) -> None:
    # matplotlib: an agent that draws nothing does without its 40 MB.
    from fedmotion.host.why_picture import save  # noqa: PLC0415 - see above

    save(explained, title, path)
