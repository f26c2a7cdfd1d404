"""Why a gesture was recognised: the nearest own take, and the picture of it."""

import threading
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest
from matplotlib.image import imread

from fedmotion.host.gesture_output import Gesture, GestureFilter
from fedmotion.host.imu_stream import ImuBlock
from fedmotion.host.recogniser import Decision, Recogniser
from fedmotion.host.recording_store import Recording, RecordingStore
from fedmotion.host.released_model import LoadedModel
from fedmotion.host.why import Explanation, OwnTakes
from fedmotion.host.why_output import MAX_WAITING, WhyOutput, check_place
from fedmotion.host.why_picture import draw, save
from fedmotion.models.specification import Parameters, Specification
from fedmotion.protocol.tensors import sha256_of


@pytest.fixture(scope="module")
def model(specification: Specification, trained_parameters: Parameters) -> LoadedModel:
    return LoadedModel(UUID(int=22), 7, sha256_of(trained_parameters), specification, trained_parameters)


@pytest.fixture
def own(tmp_path: Path, takes: list[Recording]) -> OwnTakes:
    with RecordingStore(tmp_path / "recordings.sqlite", clock=lambda: 0.0) as store:
        for take in takes:
            store.add(take)
    return OwnTakes(tmp_path / "recordings.sqlite")


@pytest.fixture(scope="module")
def decision(model: LoadedModel, performance: ImuBlock) -> Decision:
    decisions: list[Decision] = []
    recogniser = Recogniser(on_decision=decisions.append)
    recogniser.swap(model)
    recogniser.feed(performance)
    return next(each for each in decisions if each.activity == "swipe_right")


def test_the_nearest_own_take_is_the_window_s_own_recording_and_without_it_its_kin(
    own: OwnTakes, model: LoadedModel, decision: Decision, takes: list[Recording]
) -> None:
    explained = own.explain(model, decision.window, least=0.4)
    assert explained.activity == "swipe_right"
    assert explained.activities == ("swipe_left", "swipe_right", "other")
    assert explained.probabilities == pytest.approx(decision.probabilities)
    assert (explained.least, explained.n_takes) == (0.4, 28)
    nearest = explained.nearest
    assert nearest is not None
    # Recordings are cut to the microsecond about the stream's own centre.
    assert nearest.distance < 0.01
    assert (nearest.take.label, nearest.take.person) == ("swipe_right", "ada")
    without = own.explain(model, decision.window, without=nearest.take.recording_id)
    assert without.n_takes == 27
    assert without.nearest is not None
    assert without.nearest.take.label == "swipe_right"
    assert without.nearest.usual is not None
    assert 0 < without.nearest.usual < 10 * without.nearest.distance


def test_a_profile_without_recordings_has_nothing_to_compare_with(
    tmp_path: Path, model: LoadedModel, decision: Decision
) -> None:
    absent = OwnTakes(tmp_path / "absent.sqlite")
    assert absent.explain(model, decision.window).nearest is None
    with pytest.raises(ValueError, match=r"absent\.sqlite has no recording 3"):
        absent.get(3, model.specification)


def test_recordings_that_come_and_go_are_followed(
    own: OwnTakes, model: LoadedModel, decision: Decision, tmp_path: Path
) -> None:
    first = own.explain(model, decision.window).nearest
    assert first is not None
    with RecordingStore(tmp_path / "recordings.sqlite", clock=lambda: 0.0) as store:
        store.remove(first.take.recording_id)
    second = own.explain(model, decision.window).nearest
    assert second is not None
    assert second.take.recording_id != first.take.recording_id


@pytest.mark.parametrize("has_takes", [True, False])
def test_the_picture_has_both_sensors_and_a_bar_an_activity(
    own: OwnTakes, model: LoadedModel, decision: Decision, tmp_path: Path, has_takes: bool
) -> None:
    takes = own if has_takes else OwnTakes(tmp_path / "absent.sqlite")
    explained = takes.explain(model, decision.window, least=0.6)
    above, below, bars = draw(explained, "swipe_right").axes
    assert len(above.lines) == len(below.lines) == (6 if has_takes else 3)
    assert len(bars.patches) == 3
    assert [label.get_text() for label in bars.get_yticklabels()][-1] == "swipe_right"
    assert bars.get_xlabel() == "dotted: told from 60% on"
    path = tmp_path / "why.png"
    save(explained, "swipe_right", path)
    picture = imread(path)
    assert picture.shape[1] == 1320
    assert np.ptp(picture) > 0
    assert [each.name for each in tmp_path.iterdir() if each.name.startswith(".")] == []


def told(number: int, decision: Decision) -> Gesture:
    _, gesture = GestureFilter().judge(decision)
    assert gesture is not None
    return Gesture(**{**{f: getattr(gesture, f) for f in gesture.__struct_fields__}, "number": number})


def test_each_gesture_is_drawn_into_the_folder_beside_the_stream(
    own: OwnTakes, decision: Decision, tmp_path: Path
) -> None:
    saved: list[tuple[str, str]] = []
    enough = threading.Event()

    def keep(_explained: Explanation, title: str, path: Path) -> None:
        saved.append((title, path.name))
        if len(saved) == 2:
            enough.set()

    output = WhyOutput(tmp_path / "pictures", own, save=keep)
    output.on_gesture(told(1, decision), decision)
    output.on_gesture(told(2, decision), decision)
    assert enough.wait(20)
    output.close()
    seconds = decision.start_us / 1e6
    assert saved == [
        (f"swipe_right, {seconds:.1f} s in the board's time", "0001-swipe_right.png"),
        (f"swipe_right, {seconds:.1f} s in the board's time", "0002-swipe_right.png"),
    ]


def test_gestures_faster_than_pictures_go_without_and_a_failure_costs_one(
    own: OwnTakes, decision: Decision, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    jobs: list[object] = []

    def fail(_explained: Explanation, _title: str, _path: Path) -> None:
        raise OSError(28, "No space left on device")

    output = WhyOutput(tmp_path / "why.png", own, submit=jobs.append, save=fail)
    for number in range(1, 7):
        output.on_gesture(told(number, decision), decision)
    assert (len(jobs), output.n_skipped) == (MAX_WAITING, 2)
    jobs[0]()  # type: ignore[operator]
    assert "gesture=swipe_right is not drawn: [Errno 28] No space left on device" in caplog.text
    output.on_gesture(told(7, decision), decision)
    assert len(jobs) == MAX_WAITING + 1


def test_where_no_picture_can_be_written_is_said_at_the_start(tmp_path: Path) -> None:
    assert check_place(tmp_path / "why.png") is True
    assert check_place(tmp_path / "a" / "b") is False
    assert (tmp_path / "a" / "b").is_dir()
    for place, sentence in (
        (tmp_path / "absent" / "why.png", "--why writes into a folder that is there"),
        (tmp_path / "why.svg", r"--why is a folder, or a file that ends in \.png"),
    ):
        with pytest.raises(ValueError, match=sentence):
            check_place(place)
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match="--why cannot make the folder"):
        check_place(tmp_path / "file" / "folder")
