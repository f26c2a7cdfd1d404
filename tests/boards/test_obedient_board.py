"""A simulated person performs when told, and rests before, between and after."""

import time

import numpy as np
import pytest

from fedmotion.boards.obedient_board import ObedientBoard
from fedmotion.host.imu_stream import ImuStream
from fedmotion.host.serial_line import SerialLine
from fedmotion.models.specification import pca_svm
from fedmotion.models.windows import WindowStream


def test_each_activity_is_performed_once_when_it_is_told() -> None:
    found: list[int] = []
    with ObedientBoard(3) as board:
        line = SerialLine(board.address, 500_000)
        stream = ImuStream(line.write)
        windows = WindowStream(pca_svm(("a", "other")))
        stream.opened(time.monotonic())
        told = {1.0: "swipe_left", 4.5: "swipe_right"}
        until_s = time.monotonic() + 30
        last_s = 0.0
        while last_s < 8 and time.monotonic() < until_s:
            for block in stream.feed(line.read(), time.monotonic()):
                found += [window.start_us for window in windows.feed(block.t_us, block.samples)]
                last_s = float(block.t_us[-1]) / 1e6
                for at_s in [at_s for at_s in told if at_s <= last_s]:
                    board.perform(told.pop(at_s))
        line.close()
    starts_s = np.array(found) / 1e6
    assert len(starts_s) == 2
    assert 1.0 < starts_s[0] < 2.5
    assert 4.5 < starts_s[1] < 6.0


def test_what_nobody_can_perform_is_refused() -> None:
    with (
        ObedientBoard(3) as board,
        pytest.raises(ValueError, match="performs one of swipe_left, swipe_right"),
    ):
        board.perform("somersault")
