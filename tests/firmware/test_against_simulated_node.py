"""The firmware and the simulated node are two boards of one kind: the same bytes, the same answers."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from fedmotion.boards.kinematics import Motion
from fedmotion.boards.simulated_node import SimulatedNode
from fedmotion.boards.virtual_mpu6050 import VirtualMpu6050
from fedmotion.protocol.serial_frames import Hello, Result
from fedmotion.protocol.serial_framing import FrameDecoder


def answers(data: bytes) -> list[Hello | Result]:
    """Results and HELLOs, in order; a board's name is its own."""
    frames = FrameDecoder().feed(data)
    return [
        replace(frame.body, board="") if isinstance(frame.body, Hello) else frame.body
        for frame in frames
        if isinstance(frame.body, Hello | Result)
    ]


@pytest.mark.parametrize("seed", range(10))
def test_both_boards_answer_a_damaged_line_alike(
    board: Any, damaged_line: Callable[[int], bytes], seed: int
) -> None:
    still = Motion(np.array([0.0]), np.zeros((1, 3)), np.zeros((1, 3)))
    simulated = SimulatedNode(VirtualMpu6050(still))
    data = damaged_line(100 + seed)
    simulated.receive(data)
    expected = answers(simulated.advance(1))
    sent = board.run_bytes(200_000)
    board.send(data)
    # Setting the sensor again and again keeps it from being read, not from being answered for.
    sent += board.run_bytes(3_000_000)
    assert board.raw.n_read == board.raw.n_received
    assert answers(sent) == expected
    assert len(expected) > 150
    assert board.raw.node.faults.n_bad_commands == simulated.n_bad_commands
