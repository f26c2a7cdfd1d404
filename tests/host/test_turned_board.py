"""A person whose board is turned: recorded, recognised and trained on as if it were worn as pictured."""

import dataclasses
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest

from fedmotion.boards.script import Script
from fedmotion.boards.simulated_node import SimulatedNode
from fedmotion.boards.virtual_mpu6050 import VirtualMpu6050
from fedmotion.boards.worn import parse_turned, poses_script, turn_motion
from fedmotion.host.imu_stream import ImuBlock, ImuStream
from fedmotion.host.marks import Mark, by_marks
from fedmotion.host.mounting_fit import fit_to_takes
from fedmotion.host.recogniser import Recogniser
from fedmotion.host.recorder import Recorder
from fedmotion.host.recording_store import Recording, RecordingStore
from fedmotion.host.released_model import LoadedModel, load_model
from fedmotion.host.trainer import Trainer
from fedmotion.models.mounting import AS_PICTURED, Mounting, from_poses, gravity_of
from fedmotion.models.specification import Parameters, Specification
from fedmotion.models.turns import turn
from fedmotion.protocol.identity import Placement

UPSIDE_DOWN = parse_turned("x")


@pytest.fixture(scope="module")
def model(model_message: Callable[..., bytes], trained_parameters: Parameters) -> LoadedModel:
    return load_model(
        model_message(trained_parameters, round_id=5), federation_id=UUID(int=11), purpose="released"
    )


def streamed(script: Script, *, stop_us: int) -> ImuBlock:
    """What the host hears of a board that is worn upside down."""
    motion = turn_motion(script.motion, UPSIDE_DOWN)
    node = SimulatedNode(VirtualMpu6050(motion, seed=1), board_id=77, seed=1)
    stream = ImuStream(node.receive)
    stream.opened(0.0)
    (block,) = stream.feed(node.advance(stop_us), 0.0)
    return block


@pytest.fixture(scope="module")
def turned_performance(script: Script) -> ImuBlock:
    return streamed(script, stop_us=script.marks[-1].stop_us + 3_000_000)


@pytest.fixture(scope="module")
def found() -> Mounting:
    """How the board is turned, as its two poses say."""
    heard = streamed(poses_script(hanging_s=3.0), stop_us=7_000_000)
    hanging, level = (
        gravity_of(heard.samples[(heard.t_us >= start) & (heard.t_us < start + 1_000_000)])
        for start in (1_000_000, 5_500_000)
    )
    return from_poses(hanging, level, "right")


def recorded(
    block: ImuBlock, script: Script, specification: Specification, mounting: Mounting
) -> list[Recording]:
    marks = [Mark(mark.label, mark.start_us, mark.stop_us) for mark in script.marks]
    recorder = Recorder(
        specification, by_marks(marks), person="ada", placement=Placement("right"), turn=mounting
    )
    return recorder.feed(block) + recorder.flush()


def test_gestures_of_a_turned_board_are_right_with_its_turn_and_wrong_without(
    model: LoadedModel, script: Script, turned_performance: ImuBlock, found: Mounting
) -> None:
    performed = [mark.label for mark in script.marks if mark.label != "other"]
    doubts: list[str] = []
    without = Recogniser(on_doubt=doubts.append)
    without.swap(model)
    recognised = [each.activity for each in without.feed(turned_performance)]
    assert recognised != performed
    n_right = sum((Counter(recognised) & Counter(performed)).values())
    assert n_right <= len(performed) / 2
    (doubt,) = doubts
    assert "`fedmotion mount`" in doubt
    assert "180 degrees about x" in doubt

    doubts.clear()
    mounted = Recogniser(found, doubts.append)
    mounted.swap(model)
    assert [each.activity for each in mounted.feed(turned_performance)] == performed
    assert doubts == []


def test_recordings_stay_the_boards_own_and_are_trained_on_as_if_worn_as_pictured(
    tmp_path: Path,
    script: Script,
    specification: Specification,
    performance: ImuBlock,
    turned_performance: ImuBlock,
) -> None:
    exactly = Mounting(UPSIDE_DOWN)
    windows = {}
    for name, block, mounting in (
        ("plain", performance, AS_PICTURED),
        ("turned", turned_performance, exactly),
        ("unsaid", turned_performance, AS_PICTURED),
    ):
        with RecordingStore(tmp_path / f"{name}.sqlite", clock=lambda: 0.0) as store:
            for recording in recorded(block, script, specification, mounting):
                store.add(recording)
            first = store.get(1)
            assert first is not None
            assert first.turn == mounting
            # At rest upside down, in the board's own axes whatever was said of it.
            assert np.sign(first.samples()[0, 2]) == (1 if name == "plain" else -1)
            windows[name] = Trainer(store, "ada", tmp_path / name).local_windows(specification).windows
    assert len(windows["plain"]) == len(windows["turned"]) >= 28
    # The sensor's noise is drawn by axis and so is not turned with it.
    assert np.abs(windows["turned"] - windows["plain"]).max() < 0.5
    assert np.abs(windows["unsaid"] - windows["plain"]).max() > 15


def test_takes_of_known_gestures_tell_the_turn(
    tmp_path: Path,
    model: LoadedModel,
    script: Script,
    specification: Specification,
    turned_performance: ImuBlock,
) -> None:
    takes = recorded(turned_performance, script, specification, AS_PICTURED)
    with RecordingStore(tmp_path / "r.sqlite", clock=lambda: 0.0) as store:
        for label, n in (("swipe_left", 3), ("swipe_right", 1), ("other", 4)):
            for take in [each for each in takes if each.label == label][:n]:
                store.add(take)
        with pytest.raises(ValueError, match="here are 3 of swipe_left, 1 of swipe_right: `fedmotion record"):
            fit_to_takes(store, model, turn=AS_PICTURED, hand="right")
        store.add([each for each in takes if each.label == "swipe_right"][1])
        fit = fit_to_takes(store, model, turn=AS_PICTURED, hand="right")
        assert fit.lead >= 0.5
        assert turn(fit.mounting.rotation @ UPSIDE_DOWN.T)[1] <= 45
        # Of takes made under another turn nothing is concluded.
        with pytest.raises(ValueError, match="here are 0 of swipe_left"):
            fit_to_takes(store, model, turn=Mounting(UPSIDE_DOWN), hand="right")


def test_takes_that_tell_two_turns_alike_are_refused(
    tmp_path: Path,
    model: LoadedModel,
    script: Script,
    specification: Specification,
    turned_performance: ImuBlock,
) -> None:
    takes = recorded(turned_performance, script, specification, AS_PICTURED)
    knows_nothing = dataclasses.replace(
        model,
        parameters={
            **model.parameters,
            **{name: np.zeros_like(model.parameters[name]) for name in ("coef", "intercept")},
        },
    )
    with RecordingStore(tmp_path / "r.sqlite", clock=lambda: 0.0) as store:
        for take in takes:
            store.add(take)
        with pytest.raises(ValueError, match=r"do not tell how the board is turned: .*a lead of 0.00"):
            fit_to_takes(store, knows_nothing, turn=AS_PICTURED, hand="unset")
