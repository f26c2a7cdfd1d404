"""A model for a microcontroller: its network in 8 bits, as a `.tflite` file and a C header.

The scales of the 8 bits are taken from the profile's own recordings, which stay here: what is written holds
the least and the greatest value of each layer and no take.
"""

import math
import time
from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fedmotion.host.arena import measured_arena
from fedmotion.host.imu_stream import scale_vector
from fedmotion.host.mounting_file import mounting_of
from fedmotion.host.profile import Profile
from fedmotion.host.recording_store import RecordingStore
from fedmotion.host.trainer import LocalWindows, Trainer
from fedmotion.models.int8_header import Arena, c_header, estimated_arena
from fedmotion.models.int8_input import input_map, standardised
from fedmotion.models.int8_network import Int8Network, int8_logits, quantise
from fedmotion.models.model_file import StoredModel
from fedmotion.models.networks import NETWORKS, logits
from fedmotion.models.specification import Specification

MIN_TAKES = 10
"""Of all labels together; of fewer, the least and greatest values say little of the next movement."""

_G_MPS2 = 9.80665
_PER_COUNT = scale_vector(8 * _G_MPS2 / 2**15, math.radians(1000) / 2**15)
"""Of the firmware's ranges at its start, +-8 g and +-1000 degrees/s: where no recording has counts."""


@dataclass(frozen=True, slots=True)
class Export:
    """What is written, and how the 8 bits compare on the takes that their scales are of.

    `n_alike` takes are decided as by the model itself; `n_right` and `n_right_before` as labelled, by the 8
    bits and by the model.
    """

    tflite: bytes
    header: str
    arena: Arena
    n_takes: int
    n_alike: int
    n_right: int
    n_right_before: int


def export(model: StoredModel, profile: Profile, header_name: str) -> Export:
    """Return `model` for a microcontroller, with the recordings of `profile` as calibration.

    Raises
    ------
    ValueError
        If the model is no network, its numbers are none, the recordings are too few or of too few of its
        activities, or the extra `export` is not installed.
    StoreError, OSError
        If the recordings cannot be read.
    """
    specification = model.specification
    if specification.family not in NETWORKS:
        raise ValueError(
            f"a model of the family {specification.family} is not exported: it decides by features in "
            f"floating point, which no 8-bit kernel computes; models of {' and '.join(NETWORKS)} are"
        )
    try:
        from fedmotion.models.tflite_file import tflite_file  # noqa: PLC0415 - an extra
    except ImportError:
        raise ValueError("a .tflite is written by an extra: pip install 'fedmotion[export]'") from None
    local, per_count = _takes(specification, profile)
    mean, scale = model.parameters["mean"], model.parameters["scale"]
    network = NETWORKS[specification.family]
    windows = standardised(local.windows, mean, scale)
    quantised = quantise(network, model.parameters, specification.n_classes, windows)
    inputs = input_map(quantised.input, mean, scale, mounting_of(profile.turn), per_count)
    what = f"{model.federation}, round {model.round_id}, {specification.family} {model.sha256.hex()[:8]}"
    data = tflite_file(quantised, what)
    n_bytes = measured_arena(data)
    arena = (
        estimated_arena(network, specification.n_classes)
        if n_bytes is None
        else Arena(n_bytes, is_measured=True)
    )
    before = _likeliest(
        specification, logits(network, model.parameters, windows)[:, : specification.n_classes]
    )
    after = _likeliest(specification, _stored_logits(quantised, windows))
    header = c_header(
        data,
        name=header_name,
        what=what,
        network=network,
        specification=specification,
        inputs=inputs,
        per_count=per_count,
        arena=arena,
    )
    return Export(
        tflite=data,
        header=header,
        arena=arena,
        n_takes=len(windows),
        n_alike=int((before == after).sum()),
        n_right=int((after == local.labels).sum()),
        n_right_before=int((before == local.labels).sum()),
    )


def _takes(specification: Specification, profile: Profile) -> tuple[LocalWindows, NDArray[np.float64]]:
    """Return the windows that the scales are taken from, and what one count of the board stands for."""
    if not profile.recordings.exists():
        raise ValueError(
            f"8-bit scales are taken from your own takes, and the profile {profile.directory} has none: "
            "`fedmotion record LABEL` makes some"
        )
    with RecordingStore(profile.recordings, clock=time.time, read_only=True) as store:
        local = Trainer(store, "export").local_windows(specification)
        per_count = _PER_COUNT
        for recording_id in reversed(store.recording_ids()):
            recording = store.get(recording_id)
            if recording is not None and recording.si is None:
                per_count = scale_vector(recording.accel_scale_mps2, recording.gyro_scale_radps)
                break
    counts = Counter(specification.activities[label] for label in local.labels.tolist())
    missing = [activity for activity in specification.activities if not counts[activity]]
    if missing or len(local.windows) < MIN_TAKES:
        lacking = f", none of {', '.join(missing)}" if missing else ""
        raise ValueError(
            f"8-bit scales are taken from at least {MIN_TAKES} usable takes, one of each activity, and "
            f"{profile.directory} has {len(local.windows)}{lacking}: `fedmotion record LABEL` makes more"
        )
    return local, per_count.astype(np.float64)


def _stored_logits(network: Int8Network, windows: NDArray[np.float32]) -> NDArray[np.int8]:
    return int8_logits(network, network.input.stored(windows.astype(np.float64)))


def _likeliest(
    specification: Specification, values: NDArray[np.float32] | NDArray[np.int8]
) -> NDArray[np.int64]:
    """Return each window's class; a gesture only where it is likelier than `other`."""
    best = values.argmax(axis=1)
    other = specification.other_index
    return np.where(values[:, other] >= values.max(axis=1), other, best)
