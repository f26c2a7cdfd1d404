"""What is lost at 1 kHz while one stream is plotted, recorded and recognised, and what that costs.

The board is a process of its own, on a line that does not wait: what is not read in time is lost and counted.

.venv/bin/python benchmarks/three_readers.py --minutes 10        needs Xvfb where there is no display
"""

import argparse
import os
import queue
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from plot import display, started

from fedmotion.boards.script import person_script
from fedmotion.boards.virtual_mpu6050 import VirtualMpu6050
from fedmotion.host.board_line import BoardLine
from fedmotion.host.imu_stream import ImuBlock, scale_vector
from fedmotion.host.marks import Mark, always, by_marks
from fedmotion.host.plot.live_board import LiveBoard, News
from fedmotion.host.plot.scene import LiveSource
from fedmotion.host.plot.trace import Trace
from fedmotion.host.recorder import Recorder
from fedmotion.host.recording_store import RecordingStore
from fedmotion.host.released_model import LoadedModel
from fedmotion.host.serial_port import SerialEvent
from fedmotion.models import pca_svm as family
from fedmotion.models.parameters import initial_parameters
from fedmotion.models.specification import Specification, pca_svm
from fedmotion.models.statistics import basis
from fedmotion.models.windows import WindowStream
from fedmotion.protocol.identity import Placement
from fedmotion.protocol.messages import TrainSettings
from fedmotion.protocol.tensors import sha256_of

RATE_HZ = 1000
ACTIVITIES = ("swipe_left", "swipe_right", "other")
PERSON = 3


def main() -> None:
    """Watch one board and print what became of its samples."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--minutes", type=float, default=1.0)
    options = parser.parse_args()
    n_each = max(1, round(options.minutes * 60 / 4 / len(ACTIVITIES)))
    counts = ",".join(f"{activity}={n_each}" for activity in ACTIVITIES)
    board = ("-m", "fedmotion.cli", "sim-board", "--person", str(PERSON), "--counts", counts)
    with display() as name, started([*board, "--rate-hz", str(RATE_HZ)]) as (_, address):
        if name is None:
            sys.exit("no display and no Xvfb: a plot needs one of them")
        os.environ["DISPLAY"] = name
        print(f"{os.cpu_count()} cores, load average {os.getloadavg()[0]:.2f} before")
        with tempfile.TemporaryDirectory() as folder:
            watch(address, options.minutes * 60, Path(folder) / "recordings.sqlite")


class TappedLine(BoardLine):
    """A board's line whose samples a recorder reads too; what it finds is stored at once."""

    def __init__(self, port: str, events: "queue.SimpleQueue[SerialEvent]", store: RecordingStore) -> None:
        super().__init__(port, 500_000, events.put)
        self.n_stored = 0
        self._store = store
        self._recorder = Recorder(
            pca_svm(("gesture", "other")),
            always("gesture"),
            person="p3",
            placement=Placement("right", "wrist"),
        )

    def handle(self, event: SerialEvent, now_s: float) -> list[ImuBlock]:
        """Return the samples that `event` completes, and record them."""
        blocks = super().handle(event, now_s)
        for block in blocks:
            self.n_stored += sum(self._store.add(recording) for recording in self._recorder.feed(block))
        return blocks


class CountingBoard(LiveBoard):
    """A watched board that counts the gestures it has named."""

    n_gestures = 0

    def handle(self, event: SerialEvent, now_s: float) -> News:
        """Take one event of the line."""
        news = super().handle(event, now_s)
        self.n_gestures += len(news.spans)
        return news


def watch(address: str, seconds: float, recordings: Path) -> None:
    """Plot, record and recognise for so long, and print what came of it."""
    from fedmotion.host.plot.window import PlotWindow  # noqa: PLC0415 - looks at DISPLAY when it is imported

    events: queue.SimpleQueue[SerialEvent] = queue.SimpleQueue()
    with RecordingStore(recordings, clock=time.time) as store:
        line = TappedLine(address, events, store)
        board = CountingBoard(line, Trace(10.0), trained_model())
        board.start()
        window = PlotWindow(LiveSource(board, events, address, clock=time.monotonic))
        begun_s, begun_cpu_s = time.monotonic(), time.process_time()
        window.run(seconds)
        took_s, cpu_s = time.monotonic() - begun_s, time.process_time() - begun_cpu_s
        board.close()
    counters, status = board.counters, line.stream.status
    lost = counters.n_dropped + (0 if status is None else status.n_dropped)
    print(f"{'samples received in':<44}{counters.n_samples:>10}   {took_s:.1f} s")
    print(f"{'lost by index':<44}{counters.n_dropped:>10}")
    print(f"{'gaps; bad frames':<44}{counters.n_gaps:>10}; {counters.n_bad}")
    print(f"{'movements recorded and stored durably':<44}{line.n_stored:>10}")
    print(f"{'gestures recognised':<44}{board.n_gestures:>10}")
    print(f"{'pictures a second, of 10 s':<44}{window.n_frames / took_s:>10.1f}")
    print(f"{'of a core, all of it in one process':<44}{cpu_s / took_s:>10.0%}   limit: 100 %")
    print(f"goal: nothing lost: {'kept' if lost == counters.n_gaps == counters.n_bad == 0 else 'NOT KEPT'}")


def trained_model() -> LoadedModel:
    """Return a model that knows this simulated person's gestures from another performance."""
    specification = pca_svm(ACTIVITIES)
    script = person_script(PERSON, dict.fromkeys(ACTIVITIES, 12), performance_seed=1)
    sensor = VirtualMpu6050(script.motion, seed=1)
    t_us = np.arange(0, sensor.end_us, 10_000)
    counts, _ = sensor.read(t_us)
    samples = counts * scale_vector(8 * 9.80665 / 32768, np.radians(1000) / 32768)
    label_of = by_marks([Mark(each.label, each.start_us, each.stop_us) for each in script.marks])
    windows = WindowStream(specification).feed(t_us, samples)
    labels = [label_of(window.start_us, window.stop_us) for window in windows]
    known = [index for index, label in enumerate(labels) if label is not None]
    return _train(
        specification,
        np.stack([windows[index].samples for index in known]),
        [str(labels[index]) for index in known],
    )


def _train(specification: Specification, windows: NDArray[np.float32], labels: Sequence[str]) -> LoadedModel:
    parameters = initial_parameters(specification)
    parameters |= basis(specification, family.moments(specification, windows))
    indices = np.array([specification.activities.index(label) for label in labels])
    settings = TrainSettings(learning_rate=0.02, n_epochs=60, batch_size=16, seed=1)
    parameters |= family.train(specification, parameters, windows, indices, settings).trained
    return LoadedModel(UUID(int=1), 1, sha256_of(parameters), specification, parameters)


if __name__ == "__main__":
    main()
