"""A person's performance as this room's tests meet it: samples, recordings, and a model that learned them."""

from collections.abc import Callable
from uuid import UUID

import numpy as np
import pytest

from fedmotion.boards.script import Script, person_script
from fedmotion.boards.simulated_node import SimulatedNode
from fedmotion.boards.virtual_mpu6050 import VirtualMpu6050
from fedmotion.host.imu_stream import ImuBlock, ImuStream
from fedmotion.host.marks import Mark, by_marks
from fedmotion.host.recorder import Recorder
from fedmotion.host.recording_store import Recording
from fedmotion.models.family import family
from fedmotion.models.parameters import initial_parameters
from fedmotion.models.specification import Parameters, Specification, encode_specification, pca_svm
from fedmotion.models.statistics import basis
from fedmotion.models.windows import window_at
from fedmotion.protocol.identity import Placement
from fedmotion.protocol.messages import Model, Purpose, TrainSettings, encode_message
from fedmotion.protocol.tensors import encode_arrays, sha256_of

FEDERATION_ID = UUID(int=11)
LINEAGE_ID = UUID(int=22)

ModelMessage = Callable[..., bytes]


@pytest.fixture(scope="session")
def specification() -> Specification:
    return pca_svm(("swipe_left", "swipe_right", "other"), n_components=8)


@pytest.fixture(scope="session")
def script() -> Script:
    return person_script(3, {"swipe_left": 10, "swipe_right": 10, "other": 10})


@pytest.fixture(scope="session")
def performance(script: Script) -> ImuBlock:
    """All of the script as one block that nothing cuts."""
    node = SimulatedNode(VirtualMpu6050(script.motion, seed=1), board_id=77, seed=1)
    stream = ImuStream(node.receive)
    stream.opened(0.0)
    (block,) = stream.feed(node.advance(script.marks[-1].stop_us + 3_000_000), 0.0)
    return block


@pytest.fixture(scope="session")
def takes(script: Script, performance: ImuBlock, specification: Specification) -> list[Recording]:
    """28 of the script's movements as recordings: 10 of each gesture and 8 others."""
    marks = [Mark(mark.label, mark.start_us, mark.stop_us) for mark in script.marks]
    recorder = Recorder(specification, by_marks(marks), person="ada", placement=Placement("right", "wrist"))
    recordings = recorder.feed(performance) + recorder.flush()
    others = [each for each in recordings if each.label == "other"][:8]
    chosen = [each for each in recordings if each.label != "other"] + others
    assert len(chosen) == 28
    return sorted(chosen, key=lambda each: each.start_us)


@pytest.fixture(scope="session")
def basis_parameters(takes: list[Recording], specification: Specification) -> Parameters:
    """The initial model with the basis of these takes."""
    windows = np.stack(
        [window_at(specification, take.t_us, take.samples(), take.centre_us) for take in takes]
    )
    moments = family("pca_svm").moments(specification, windows)
    return {**initial_parameters(specification), **basis(specification, moments)}


@pytest.fixture(scope="session")
def trained_parameters(
    takes: list[Recording], specification: Specification, basis_parameters: Parameters
) -> Parameters:
    """The model after training on these takes."""
    windows = np.stack(
        [window_at(specification, take.t_us, take.samples(), take.centre_us) for take in takes]
    )
    labels = np.array([specification.activities.index(take.label) for take in takes])
    result = family("pca_svm").train(
        specification, basis_parameters, windows, labels, TrainSettings(n_epochs=40, seed=1)
    )
    return {**basis_parameters, **result.trained}


@pytest.fixture(scope="session")
def model_message(specification: Specification) -> ModelMessage:
    """Makes a model's message as the aggregator does; every field may be given otherwise."""

    def make(
        parameters: Parameters,
        purpose: Purpose = "released",
        *,
        round_id: int = 1,
        of: Specification = specification,
        federation_id: UUID = FEDERATION_ID,
        lineage_id: UUID = LINEAGE_ID,
        model_sha256: bytes | None = None,
        specification_version: int = 1,
        protocol_version: int = 1,
    ) -> bytes:
        header = Model(
            federation_id=federation_id,
            lineage_id=lineage_id,
            purpose=purpose,
            round_id=round_id,
            model_sha256=model_sha256 or sha256_of(parameters),
            specification=encode_specification(of),
            specification_version=specification_version,
            protocol_version=protocol_version,
        )
        return encode_message(header, encode_arrays(parameters))

    return make
