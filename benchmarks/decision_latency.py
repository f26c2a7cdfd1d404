"""How long after a movement's last sample its label is there: from a frame's bytes to a recognition.

The stream is 100 samples a second, 8 a frame, with a movement every five seconds, as an agent reads it. A
decision is due with the frame that completes its window; what is measured is that frame's way through the
decoder, the resampler, the detector, the features and the model. Beside it the same features and a linear
model as a pipeline of scikit-learn, which is the last part only. The wall's time holds what other programs
take of the core meanwhile; the thread's own does not.

    .venv/bin/python benchmarks/decision_latency.py
"""

import argparse
import os
import sys
import time
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import LinearSVC
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # ships no types

from fedmotion.host.imu_stream import ImuStream
from fedmotion.host.recogniser import Recogniser
from fedmotion.host.released_model import LoadedModel
from fedmotion.models import pca_svm as family
from fedmotion.models.features import features
from fedmotion.models.parameters import initial_parameters
from fedmotion.models.specification import Specification, pca_svm
from fedmotion.models.statistics import basis
from fedmotion.protocol.messages import TrainSettings
from fedmotion.protocol.serial_frames import Hello, Samples
from fedmotion.protocol.serial_framing import encode_frame

GOAL_MS = 5.0
RATE_HZ = 100
PERIOD_US = 1_000_000 // RATE_HZ
BATCH = 8
EVERY_S = 5
ACTIVITIES = ("swipe_left", "swipe_right", "circle", "wave", "other")
SETTINGS = TrainSettings(learning_rate=0.05, n_epochs=20, batch_size=16, seed=1)
HELLO = Hello(
    firmware_version=(1, 0, 0),
    board="benchmark",
    board_id=1,
    sensor_id=0x68,
    accel_full_scale_g=4,
    gyro_full_scale_dps=500,
    period_us=PERIOD_US,
)
LSB_PER_RADPS = 65.5 * 180 / np.pi
"""At +-500 degrees/s (PS-MPU-6000A, section 6.1)."""


class Watch:
    """Milliseconds of the wall's clock and of this thread's processor time, a pair for each lap."""

    def __init__(self) -> None:
        self.laps: list[tuple[float, float]] = []

    def start(self) -> None:
        """Begin a lap."""
        self._begun_s = time.perf_counter(), time.thread_time()

    def stop(self) -> None:
        """End it."""
        wall_s, own_s = time.perf_counter(), time.thread_time()
        self.laps.append(((wall_s - self._begun_s[0]) * 1e3, (own_s - self._begun_s[1]) * 1e3))


def trained(
    specification: Specification, windows: NDArray[np.float32], labels: NDArray[np.int64]
) -> LoadedModel:
    """Return a model that has learned the windows; what it decides is not what is measured."""
    parameters = initial_parameters(specification)
    parameters |= basis(specification, family.moments(specification, windows))
    parameters |= family.train(specification, parameters, windows, labels, SETTINGS).trained
    return LoadedModel(UUID(int=1), 1, bytes(32), specification, parameters)


def frames(n_movements: int) -> list[bytes]:
    """Return the line of a node, a frame each: a second and a half of turning, then rest."""
    rng = np.random.default_rng(1)
    n_samples = n_movements * EVERY_S * RATE_HZ // BATCH * BATCH
    t_s = np.arange(n_samples) / RATE_HZ
    phase = ((t_s % EVERY_S - 1) / 1.5).clip(0, 1)
    counts = rng.normal(scale=20, size=(n_samples, 6))
    counts[:, 2] += 8192
    counts[:, 3 + 2] += 4 * LSB_PER_RADPS * np.sin(np.pi * phase) * np.cos(2 * np.pi * phase)
    counts[:, 3] += 3 * LSB_PER_RADPS * np.sin(np.pi * phase)
    whole = counts.round().astype("<i2")
    return [
        encode_frame(Samples(start, PERIOD_US, whole[start : start + BATCH]), number, PERIOD_US * (start + 1))
        for number, start in enumerate(range(0, n_samples, BATCH), start=1)
    ]


def measured(model: LoadedModel, line: list[bytes]) -> tuple[Watch, Watch]:
    """Return how long each frame takes that completes a window, and each other one."""
    stream, recogniser = ImuStream(lambda _: None), Recogniser()
    stream.opened(0.0)
    stream.feed(b"\0" + encode_frame(HELLO, 0), 0.0)
    recogniser.swap(model)
    deciding, plain = Watch(), Watch()
    for index, frame in enumerate(line):
        n_before = recogniser.n_by_activity.total()
        watch = Watch()
        watch.start()
        for block in stream.feed(frame, index * BATCH / RATE_HZ):
            recogniser.feed(block)
        watch.stop()
        (deciding if recogniser.n_by_activity.total() > n_before else plain).laps += watch.laps
    return deciding, plain


def peer(windows: NDArray[np.float32], labels: NDArray[np.int64], n_decisions: int) -> Watch:
    """Return how long scikit-learn's pipeline takes from a window to its label."""
    pipeline = make_pipeline(FunctionTransformer(features), StandardScaler(), PCA(25), LinearSVC())
    pipeline.fit(windows, labels)
    watch = Watch()
    for index in range(n_decisions):
        window = windows[index % len(windows)][None]
        watch.start()
        pipeline.predict(window)
        watch.stop()
    return watch


def main() -> None:
    """Measure and print one table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--movements", type=int, default=400)
    options = parser.parse_args()
    rng = np.random.default_rng(2)
    labels = np.arange(200, dtype=np.int64) % len(ACTIVITIES)
    windows = rng.normal(size=(200, 96, 6)).astype(np.float32)
    windows[:, :, 3] += labels[:, None]
    line = frames(options.movements)
    print(f"{options.movements} movements, {BATCH} samples a frame, one core of {os.cpu_count()}")
    print(f"load average {os.getloadavg()[0]:.2f} before; goal {GOAL_MS:.0f} ms\n")
    print(f"{'milliseconds':<52}{'p50':>8}{'p99':>8}{'own p50':>10}{'own p99':>9}{'of the goal':>13}")
    medians = []
    for n_fourier in (0, 500, 2000):
        specification = pca_svm(ACTIVITIES, n_fourier=n_fourier, gamma=0.15, is_calibrated=True)
        deciding, plain = measured(trained(specification, windows, labels), line)
        if len(deciding.laps) < 0.95 * options.movements:
            sys.exit(f"{len(deciding.laps)} of {options.movements} movements were found: nothing is measured")
        kind = f"{n_fourier} Fourier" if n_fourier else "linear"
        medians.append(told(f"last sample's bytes to the label, {kind}", deciding))
        if not n_fourier:
            told("a frame that completes no window", plain)
    beside = told("peer: a window to the label, scikit-learn", peer(windows, labels, options.movements))
    print(
        f"\nof the peer's own median: linear {medians[0] / beside:.2f}; the way of the bytes is in ours only"
    )


def told(name: str, watch: Watch) -> float:
    """Print a row, and return the median of the thread's own time."""
    wall, own = np.percentile(watch.laps, (50, 99), axis=0).T
    print(
        f"{name:<52}{wall[0]:8.2f}{wall[1]:8.2f}{own[0]:10.2f}{own[1]:9.2f}{own[1] / GOAL_MS:13.2f}",
        flush=True,
    )
    return float(own[0])


if __name__ == "__main__":
    with threadpool_limits(1):
        main()
