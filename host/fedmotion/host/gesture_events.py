"""Gestures for readers in other threads: the last ones are kept, and whoever reads too slowly is let go."""

import queue
import threading
from collections import deque

from fedmotion.host.gesture_output import Gesture
from fedmotion.host.recogniser import Decision
from fedmotion.host.released_model import LoadedModel

N_KEPT = 100
MAX_WAITING = 64


class Reader:
    """What waits for one reader; None is the end."""

    def __init__(self) -> None:
        self._gestures: queue.Queue[Gesture | None] = queue.Queue(MAX_WAITING)
        self._has_ended = threading.Event()

    def next(self, timeout_s: float) -> Gesture | None:
        """Return the next gesture.

        Raises
        ------
        TimeoutError
            If none comes in time.
        EOFError
            If none will come: the recogniser ends, or this reader was too slow.
        """
        try:
            gesture = self._gestures.get(timeout=0 if self._has_ended.is_set() else timeout_s)
        except queue.Empty:
            if self._has_ended.is_set():
                raise EOFError from None
            raise TimeoutError from None
        if gesture is None:
            raise EOFError
        return gesture

    def offer(self, gesture: Gesture) -> bool:
        """Take a gesture; False where too many wait."""
        try:
            self._gestures.put_nowait(gesture)
        except queue.Full:
            self.end()
            return False
        return True

    def end(self) -> None:
        """Say that none will come."""
        self._has_ended.set()
        try:
            self._gestures.put_nowait(None)
        except queue.Full:
            # The reader sees the flag when it has read what waits.
            return


class GestureEvents:
    """A `GestureOutput` that any thread may read: the model in use, the last gesture, and those to come."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: deque[Gesture] = deque(maxlen=N_KEPT)
        self._readers: set[Reader] = set()
        self._model: LoadedModel | None = None
        self._is_board_there = False
        self._is_closed = False

    @property
    def model(self) -> LoadedModel | None:
        """The model in use, if there is one."""
        return self._model

    @property
    def is_board_there(self) -> bool:
        """Whether gestures can come."""
        return self._is_board_there

    @property
    def last(self) -> Gesture | None:
        """The last gesture, if there was one."""
        with self._lock:
            return self._kept[-1] if self._kept else None

    def read(self, after: int | None = None) -> Reader:
        """Return a reader of those to come, and before them of those kept whose number is above `after`."""
        reader = Reader()
        with self._lock:
            kept = [each for each in self._kept if after is not None and each.number > after]
            for gesture in kept[-MAX_WAITING:]:
                reader.offer(gesture)
            if self._is_closed:
                reader.end()
            else:
                self._readers.add(reader)
        return reader

    def leave(self, reader: Reader) -> None:
        """Let go of a reader that reads no more."""
        with self._lock:
            self._readers.discard(reader)

    def on_model(self, model: LoadedModel) -> None:
        """Show `model` from now on."""
        self._model = model

    def on_board(self, *, is_there: bool) -> None:
        """Show whether the board is there."""
        self._is_board_there = is_there

    def on_gesture(self, gesture: Gesture, decision: Decision) -> None:  # noqa: ARG002 - every output's signature
        """Keep the gesture and hand it to all readers."""
        with self._lock:
            self._kept.append(gesture)
            self._readers = {each for each in self._readers if each.offer(gesture)}

    def tick(self) -> None:
        """Nothing is due by the clock."""

    def close(self) -> None:
        """Let go of all readers."""
        with self._lock:
            self._is_closed = True
            for reader in self._readers:
                reader.end()
            self._readers.clear()
