"""A board that sits otherwise than said: noticed once, named, and not where there is nothing to notice."""

import dataclasses
from collections.abc import Callable
from uuid import UUID

import numpy as np
import pytest

from fedmotion.boards.script import Script
from fedmotion.host.imu_stream import ImuBlock
from fedmotion.host.recogniser import Recogniser, Recognition
from fedmotion.host.recording_store import Recording, RecordingStore
from fedmotion.host.released_model import LoadedModel, load_model
from fedmotion.host.trainer import Trainer
from fedmotion.host.turn_watch import N_WINDOWS, TurnWatch
from fedmotion.models.mounting import Mounting
from fedmotion.models.specification import Parameters, Specification

HALF_TURN_X = Mounting(np.diag([1.0, -1.0, -1.0]))
HALF_TURN_Z = Mounting(np.diag([-1.0, -1.0, 1.0]))
LEVEL = {"mean": np.array([0.0, 0.0, 9.8, 0, 0, 0]), "scale": np.array([2.0, 2.0, 2.0, 1, 1, 1])}


def windows(*gravity_mps2: float, n: int = N_WINDOWS) -> np.ndarray:
    made = np.random.default_rng(0).normal(size=(n, 24, 6)).astype(np.float32)
    made[:, :, :3] += np.array(gravity_mps2, np.float32)
    return made


def test_a_board_upside_down_is_noticed_once_and_again_after_it_was_right() -> None:
    watch = TurnWatch()
    watch.expect(LEVEL)
    said = watch.look(windows(0, 0, -9.8))
    assert "gravity comes 179 degrees from where the other clients have it" in said
    assert "180 degrees about x or 180 degrees about y;" in said
    assert "`fedmotion mount`" in said
    assert watch.look(windows(0, 0, -9.8, n=3)) == ""
    assert watch.look(windows(0, 0, 9.8)) == ""
    assert "seems to sit otherwise" in watch.look(windows(0, 0, -9.8))


def test_a_quarter_turn_is_named_with_its_sign() -> None:
    watch = TurnWatch()
    watch.expect(LEVEL)
    # Felt along -x, expected along z: turning the board by +90 degrees about y brings it there.
    said = watch.look(windows(-9.8, 0, 0))
    assert "90 degrees about y" in said
    assert "about -y" not in said


@pytest.mark.parametrize(
    ("gravity_mps2", "n", "model"),
    [
        ((0, 0, 9.8), N_WINDOWS, LEVEL),
        ((0, 8.0, 5.7), N_WINDOWS, LEVEL),  # 55 degrees off
        ((0, 0, -9.8), N_WINDOWS - 1, LEVEL),  # too few to say
        ((0, 0, -9.8), N_WINDOWS, {}),  # a model without statistics
        ((0, 0, -9.8), N_WINDOWS, {**LEVEL, "scale": np.full(6, 30.0)}),  # people differ as much
        ((0, 0, 0), N_WINDOWS, {**LEVEL, "mean": np.zeros(6)}),
    ],
)
def test_where_nothing_can_be_said_nothing_is(
    gravity_mps2: tuple[float, ...], n: int, model: dict[str, np.ndarray]
) -> None:
    watch = TurnWatch()
    watch.expect(model)
    assert watch.look(windows(*gravity_mps2, n=n)) == ""


@pytest.fixture
def model(model_message: Callable[..., bytes], trained_parameters: Parameters) -> LoadedModel:
    return load_model(
        model_message(trained_parameters, round_id=5), federation_id=UUID(int=11), purpose="released"
    )


def recognised(recogniser: Recogniser, block: ImuBlock) -> list[Recognition]:
    return [*recogniser.feed(block), *recogniser.flush()]


@pytest.mark.parametrize("turn", [HALF_TURN_X, HALF_TURN_Z, Mounting(np.eye(3), is_mirrored=True)])
def test_a_turned_board_is_recognised_as_one_that_is_not_once_it_is_said(
    model: LoadedModel, script: Script, performance: ImuBlock, turn: Mounting
) -> None:
    gestures = [mark.label for mark in script.marks if mark.label != "other"]
    felt = dataclasses.replace(performance, samples=turn.apply(performance.samples))  # its own inverse
    unaware, told = Recogniser(), Recogniser(turn)
    for recogniser in (unaware, told):
        recogniser.swap(model)
    assert [each.activity for each in recognised(told, felt)] == gestures
    assert [each.activity for each in recognised(unaware, felt)] != gestures


def test_a_recogniser_doubts_a_board_that_is_upside_down(model: LoadedModel, performance: ImuBlock) -> None:
    doubts: list[str] = []
    felt = dataclasses.replace(performance, samples=HALF_TURN_X.apply(performance.samples))
    for turn, block in ((Mounting(np.eye(3)), performance), (HALF_TURN_X, felt)):
        recogniser = Recogniser(turn, doubts.append)
        recogniser.swap(model)
        recogniser.feed(block)
    assert doubts == []
    recogniser = Recogniser(on_doubt=doubts.append)
    recogniser.swap(model)
    recogniser.feed(felt)
    assert len(doubts) == 1
    assert "180 degrees about x" in doubts[0]


def test_a_recording_is_trained_on_as_it_would_be_of_a_board_worn_as_pictured(
    tmp_path_factory: pytest.TempPathFactory, takes: list[Recording], specification: Specification
) -> None:
    cut = []
    for turn in (Mounting(np.eye(3)), HALF_TURN_Z):
        path = tmp_path_factory.mktemp("profile") / "r.sqlite"
        with RecordingStore(path, clock=lambda: 0.0) as store:
            for take in takes[:3]:
                sign = 1 if turn.is_as_pictured else -1
                counts = take.counts * np.array([sign, sign, 1, sign, sign, 1], np.int16)
                store.add(dataclasses.replace(take, counts=counts, turn=turn))
            cut.append(Trainer(store, "ada").local_windows(specification).windows)
    np.testing.assert_array_equal(cut[0], cut[1])
