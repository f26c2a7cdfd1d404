import dataclasses
from collections import Counter

import numpy as np
import pytest

from fedmotion.boards.script import Script, person_script
from fedmotion.boards.simulated_node import SimulatedNode
from fedmotion.boards.virtual_mpu6050 import VirtualMpu6050
from fedmotion.host.imu_stream import ImuBlock, ImuStream
from fedmotion.host.marks import Labelling, Mark, always, by_marks
from fedmotion.host.recorder import Recorder
from fedmotion.host.recording_store import Recording
from fedmotion.models.specification import pca_svm
from fedmotion.models.windows import window_at
from fedmotion.protocol.identity import Placement

FINDING = pca_svm(("gesture", "other"))


@pytest.fixture(scope="module")
def script() -> Script:
    return person_script(3, {"swipe_left": 4, "swipe_right": 4, "other": 3})


@pytest.fixture(scope="module")
def block(script: Script) -> ImuBlock:
    """All of the performance, as one block that nothing cuts."""
    node = SimulatedNode(VirtualMpu6050(script.motion, seed=1), board_id=77, seed=1)
    stream = ImuStream(node.receive)
    stream.opened(0.0)
    duration_us = script.marks[-1].stop_us + 3_000_000
    (whole,) = stream.feed(node.advance(duration_us), 0.0)
    return whole


def marks_of(script: Script) -> list[Mark]:
    return [Mark(mark.label, mark.start_us, mark.stop_us) for mark in script.marks]


def recorder(labelling: Labelling) -> Recorder:
    return Recorder(FINDING, labelling, person="ada", placement=Placement("right", "wrist"))


def part(block: ImuBlock, start: int, stop: int, *, has_gap_before: bool = False) -> ImuBlock:
    return dataclasses.replace(
        block,
        t_us=block.t_us[start:stop],
        samples=block.samples[start:stop],
        counts=block.counts[start:stop],
        has_gap_before=has_gap_before,
    )


def record(to: Recorder, block: ImuBlock, length: int) -> list[Recording]:
    recordings: list[Recording] = []
    for start in range(0, len(block.t_us), length):
        recordings += to.feed(part(block, start, start + length, has_gap_before=start == 0))
    return recordings + to.flush()


def test_each_marked_movement_becomes_one_recording_with_its_label_and_context(
    script: Script, block: ImuBlock
) -> None:
    to = recorder(by_marks(marks_of(script)))
    recordings = record(to, block, len(block.t_us))
    assert [each.label for each in recordings] == [mark.label for mark in script.marks]
    assert to.counters.n_recorded == 11
    assert (to.counters.n_unlabelled, to.counters.n_cut_off) == (0, 0)
    for each in recordings:
        assert (each.person, each.board_id, each.hand, each.mounting) == ("ada", 77, "right", "wrist")
        assert each.start_us < each.centre_us < each.stop_us
        # The first one has the stream's beginning before it, all others CONTEXT_US and a sample's rest.
        assert each.t_us[-1] - each.stop_us > 1_480_000
        window = window_at(FINDING, each.t_us, each.samples(), each.centre_us)
        assert window.shape == (96, 6)
    assert all(each.start_us - each.t_us[0] > 1_480_000 for each in recordings[1:])
    # Gravity is in the samples: the counts were scaled by what the board said of itself.
    assert 8 < np.linalg.norm(recordings[0].samples()[0, :3]) < 12


@pytest.mark.parametrize("length", [1, 7, 500])
def test_blocks_of_any_length_give_the_same_recordings(script: Script, block: ImuBlock, length: int) -> None:
    whole = record(recorder(by_marks(marks_of(script))), block, len(block.t_us))
    pieces = record(recorder(by_marks(marks_of(script))), block, length)
    assert [each.take_sha256() for each in pieces] == [each.take_sha256() for each in whole]
    assert [each.t_us.tolist() for each in pieces] == [each.t_us.tolist() for each in whole]


@pytest.mark.parametrize("length", [2100, 2500, 3100])
def test_blocks_longer_than_what_is_kept_of_the_past_lose_no_movement(length: int) -> None:
    script = person_script(3, {"swipe_left": 12, "swipe_right": 12})
    node = SimulatedNode(VirtualMpu6050(script.motion, seed=1), seed=1)
    stream = ImuStream(node.receive)
    stream.opened(0.0)
    (block,) = stream.feed(node.advance(script.marks[-1].stop_us + 3_000_000), 0.0)
    assert block.t_us[-1] - block.t_us[0] > 60_000_000
    recordings = record(recorder(by_marks(marks_of(script))), block, length)
    assert Counter(each.label for each in recordings) == {"swipe_left": 12, "swipe_right": 12}


def test_movements_outside_the_marks_are_recorded_as_other_only_where_that_is_said(
    script: Script, block: ImuBlock
) -> None:
    lefts = [mark for mark in marks_of(script) if mark.label == "swipe_left"]
    without = recorder(by_marks(lefts))
    assert Counter(each.label for each in record(without, block, 100)) == {"swipe_left": 4}
    assert without.counters.n_unlabelled == 7
    with_other = recorder(by_marks(lefts, is_other_recorded=True))
    assert Counter(each.label for each in record(with_other, block, 100)) == {"swipe_left": 4, "other": 7}


def test_a_person_records_one_label(block: ImuBlock) -> None:
    assert {each.label for each in record(recorder(always("wave")), block, 100)} == {"wave"}


def test_a_movement_that_a_gap_cuts_is_not_recorded(script: Script, block: ImuBlock) -> None:
    third = script.marks[2]
    middle = int(np.searchsorted(block.t_us, (third.start_us + third.stop_us) // 2))
    to = recorder(by_marks(marks_of(script)))
    recordings = to.feed(part(block, 0, middle, has_gap_before=True))
    recordings += to.feed(part(block, middle + 1, len(block.t_us), has_gap_before=True))
    recordings += to.flush()
    assert all(np.diff(each.t_us).max() < 20_000 for each in recordings)
    assert not [each for each in recordings if third.start_us <= each.start_us < third.stop_us]
    assert len(recordings) == 10
    assert to.counters.n_cut_off == 2


def test_a_stream_without_an_end_needs_memory_for_the_last_seconds_only(block: ImuBlock) -> None:
    still = part(block, 0, 100)
    to = recorder(always("wave"))
    for turn in range(200):
        moved = dataclasses.replace(still, t_us=still.t_us + turn * 1_000_000, has_gap_before=turn == 0)
        assert to.feed(moved) == []
    assert len(to._past._t_us) <= 2 * 2_200
