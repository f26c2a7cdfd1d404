"""The whole board as `fedmotion sim-board` runs it."""

import json
import queue
import socket
import threading
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from fedmotion.boards.simulated_board import make_script, run
from fedmotion.protocol.serial_frames import Hello, Samples, Status
from fedmotion.protocol.serial_framing import Frame, FrameDecoder


def played(**arguments: object) -> tuple[list[Frame], Status]:
    """All frames of one run as fast as they can be read, and the node's last status."""
    addresses: queue.Queue[str] = queue.Queue()
    results: queue.Queue[Status] = queue.Queue()

    def board() -> None:
        results.put(
            run(port="tcp:0", speed=0, exit_at_end=True, announce=addresses.put, **arguments)  # type: ignore[arg-type]  # each test gives what run takes
        )

    thread = threading.Thread(target=board)
    thread.start()
    decoder = FrameDecoder()
    frames: list[Frame] = []
    host, port = addresses.get(timeout=10).removeprefix("socket://").split(":")
    # A bare socket: at a line's end pyserial raises, and what it has read in that call is lost.
    with socket.create_connection((host, int(port)), timeout=10) as line:
        while data := line.recv(65536):
            frames += decoder.feed(data)
    thread.join(10)
    assert not thread.is_alive()
    assert decoder.counters.n_bad == 0
    return frames, results.get(timeout=1)


def stream_of(frames: list[Frame]) -> tuple[np.ndarray, np.ndarray]:
    t_us = np.array([frame.t_us for frame in frames if isinstance(frame.body, Samples)])
    counts = np.concatenate([frame.body.counts for frame in frames if isinstance(frame.body, Samples)])
    return t_us, counts


def test_the_marks_written_match_what_is_in_the_stream(tmp_path: Path) -> None:
    counts = {"swipe_right": 2, "swipe_left": 2, "other": 2}
    frames, status = played(person=4, counts=counts, board_id=9, marks_path=tmp_path / "marks.json")
    marks = json.loads((tmp_path / "marks.json").read_text(encoding="utf-8"))
    assert Counter(mark["label"] for mark in marks) == counts
    t_us, samples = stream_of(frames)
    turning_dps = np.linalg.norm(samples[:, 3:] * (1000 / 32768), axis=1)
    inside = np.zeros(len(t_us), dtype=bool)
    for mark in marks:
        now = (t_us >= mark["start_us"]) & (t_us <= mark["stop_us"])
        assert turning_dps[now].max() > 20
        inside |= now
    assert turning_dps[~inside].max() < 10
    assert isinstance(frames[0].body, Hello)
    assert frames[0].body.board_id == 9
    assert (status.faults, status.n_dropped, status.n_sensor_errors) == (0, 0, 0)
    assert status.n_samples == len(t_us)


def test_the_same_seeds_give_the_same_bytes_and_others_do_not() -> None:
    counts = {"swipe_right": 1}
    first, again, another = (stream_of(played(counts=counts, seed=seed)[0])[1] for seed in (1, 1, 2))
    assert first.tolist() == again.tolist()
    assert first.tolist() != another.tolist()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"board": "uno"}, "a simulated board is one of simulated, got 'uno'"),
        ({"port": "COM3"}, "a port is tcp:PORT with PORT 0 to 65535, or pty, got 'COM3'"),
        ({"port": "tcp:99999"}, "got 'tcp:99999'"),
        ({"rate_hz": 5}, "the rate is 16 to 1000 Hz, got 5"),
        ({"speed": -2}, "the speed is 0"),
        ({"person": "anna"}, "named by a number, its seed, got 'anna'"),
        ({"counts": {"jump": 1}}, "got 'jump'"),
        ({"accel_full_scale_g": 3}, "accel full scale is one of"),
        ({"recordings": Path("takes.npz")}, "takes.npz: name the labels to play, got none"),
    ],
)
def test_impossible_arguments_are_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        run(**arguments)  # type: ignore[arg-type]  # impossible ones are the point


def test_labels_choose_among_a_persons_activities() -> None:
    script = make_script(person=1, recordings=None, labels=["swipe_left"], counts={"swipe_left": 3}, seed=0)
    assert [mark.label for mark in script.marks] == ["swipe_left"] * 3


def test_real_people_keep_their_swipes(data_folder: Path) -> None:
    script = make_script(
        person=2,
        recordings=data_folder / "utd_mhad_inertial.npz",
        labels=["swipe_left", "swipe_right"],
        counts=None,
        seed=0,
    )
    assert Counter(mark.label for mark in script.marks) == {"swipe_left": 4, "swipe_right": 4, "other": 8}
    turning = np.linalg.norm(script.motion.angular_rate_radps, axis=1)
    for mark in script.marks:
        inside = (script.motion.t_s * 1e6 >= mark.start_us) & (script.motion.t_s * 1e6 <= mark.stop_us)
        assert turning[inside].max() > 1.0
