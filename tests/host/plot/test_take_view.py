"""Takes of a file as a plot sees them."""

import dataclasses
from collections.abc import Callable
from uuid import UUID

import numpy as np
import pytest

from fedmotion.boards.script import Script
from fedmotion.host.imu_stream import ImuBlock
from fedmotion.host.plot.scene import TakeSource
from fedmotion.host.plot.take_view import gestures_in, view_of
from fedmotion.host.plot.trace import units
from fedmotion.host.released_model import LoadedModel, load_model
from fedmotion.models.specification import Parameters
from fedmotion.models.takes import Take


def take(t_us: np.ndarray, samples: np.ndarray, label: str = "wave") -> Take:
    return Take(
        name="file.npz#0",
        label=label,
        person="ada",
        trial="",
        t_us=t_us.astype(np.int64),
        samples=samples.astype(np.float32),
        declared_rate_hz=None,
        has_stamps=True,
        full_scale=np.full(6, np.nan, dtype=np.float32),
    )


@pytest.fixture
def model(model_message: Callable[..., bytes], trained_parameters: Parameters) -> LoadedModel:
    return load_model(
        model_message(trained_parameters, round_id=5), federation_id=UUID(int=11), purpose="released"
    )


def test_a_take_begins_at_second_0_and_a_gap_is_a_row_that_is_no_number() -> None:
    t_us = 5_000_000 + np.concatenate([np.arange(100), np.arange(150, 250)]) * 10_000
    view = view_of(take(t_us, np.ones((200, 6))), units(is_degrees=True))
    assert (view.t_s[0], view.t_s[-1], len(view.t_s)) == (0.0, 2.49, 201)
    assert np.flatnonzero(np.isnan(view.values).all(axis=1)).tolist() == [100]
    np.testing.assert_allclose(view.t_s[100], (0.99 + 1.5) / 2)
    np.testing.assert_allclose(view.values[0], [1, 1, 1, 57.29578, 57.29578, 57.29578], rtol=1e-6)
    assert view.spans == ()


def test_stamps_that_go_back_tangle_no_lines() -> None:
    view = view_of(take(np.array([0, 10_000, 5_000, 20_000]), np.zeros((4, 6))), units())
    assert view.t_s.tolist() == [0.0, 0.01, 0.01, 0.02]


def test_the_models_gestures_are_marked_in_a_take(
    model: LoadedModel, script: Script, performance: ImuBlock
) -> None:
    gestures = [mark for mark in script.marks if mark.label != "other"]
    later = take(performance.t_us + 9_000_000, performance.samples)
    spans = gestures_in(later, model)
    assert [span.label for span in spans] == [mark.label for mark in gestures]
    first_us = int(performance.t_us[0])
    for span, mark in zip(spans, gestures, strict=True):
        assert span.start_s < (mark.stop_us - first_us) / 1e6
        assert span.stop_s > (mark.start_us - first_us) / 1e6
        assert span.probability is not None


def test_no_gesture_reaches_across_what_is_missing(
    model: LoadedModel, script: Script, performance: ImuBlock
) -> None:
    whole = gestures_in(take(performance.t_us, performance.samples), model)
    samples = performance.samples.copy()
    first = script.marks[0]
    is_first = (performance.t_us >= first.start_us) & (performance.t_us <= first.stop_us)
    samples[is_first, 3] = np.nan
    cut = gestures_in(take(performance.t_us, samples), model)
    assert len(cut) == len(whole) - 1
    assert [span.label for span in cut] == [span.label for span in whole[1:]]
    # Without one axis there is nothing to decide by.
    samples[:, 3] = np.nan
    assert gestures_in(take(performance.t_us, samples), model) == ()


def test_pages_are_turned_round_and_round() -> None:
    takes = [
        dataclasses.replace(
            take(np.arange(100) * 10_000, np.zeros((100, 6)), label), name=f"file.npz#{index}"
        )
        for index, label in enumerate(("wave", "tap", ""))
    ]
    source = TakeSource(takes.__getitem__, 3, 1)
    titles = [source.scene().title]
    for n_pages in (1, 1, -1):
        source.turn(n_pages)
        titles.append(source.scene().title)
    assert titles == [
        "file.npz#1   tap, person ada",
        "file.npz#2   person ada",
        "file.npz#0   wave, person ada",
        "file.npz#2   person ada",
    ]
    assert source.scene() is source.scene()
    assert source.limits_s == (0.0, 0.99)
    assert source.scene().corner == "take 2 of 3   100 Hz   gaps 0"


@pytest.mark.parametrize("n_samples", [0, 1])
def test_a_take_without_samples_says_so(n_samples: int, model: LoadedModel) -> None:
    few = take(np.zeros(n_samples), np.zeros((n_samples, 6)))
    source = TakeSource(lambda _: few, 1, model=model)
    assert source.scene().trouble == "this take has no samples to draw"
    assert source.limits_s == (0.0, 1.0)
