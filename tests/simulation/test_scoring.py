from fedmotion.boards.script import Mark
from fedmotion.host.stream_score import match
from fedmotion.simulation.scoring import Decision, Score, score

LEFT, OTHER, RIGHT = Mark("left", 1000, 2000), Mark("other", 3000, 4000), Mark("right", 5000, 6000)
MARKS = (LEFT, OTHER, RIGHT)


def decision(activity: str, start_us: int, stop_us: int) -> Decision:
    return Decision(activity, start_us, stop_us, probability=1.0)


def test_each_gesture_decided_once_and_rightly_is_correct() -> None:
    decisions = [decision("left", 1100, 1900), decision("right", 4900, 6100)]
    assert match(MARKS, decisions) == [0, 2]
    assert score(MARKS, decisions) == Score(
        n_performed=2, n_correct=2, n_confused=0, n_missed=0, n_false_alarms=0
    )


def test_silence_misses_every_gesture_and_raises_no_alarm() -> None:
    assert score(MARKS, []) == Score(n_performed=2, n_correct=0, n_confused=0, n_missed=2, n_false_alarms=0)


def test_a_second_decision_on_one_gesture_is_a_false_alarm() -> None:
    decisions = [decision("left", 1000, 1400), decision("left", 1500, 2000)]
    assert score(MARKS, decisions) == Score(2, n_correct=1, n_confused=0, n_missed=1, n_false_alarms=1)


def test_the_first_decision_on_a_gesture_counts_though_the_second_were_right() -> None:
    decisions = [decision("right", 1000, 1400), decision("left", 1500, 2000)]
    assert score(MARKS, decisions) == Score(2, n_correct=0, n_confused=1, n_missed=1, n_false_alarms=1)


def test_a_gesture_taken_for_another_is_confused_and_not_missed() -> None:
    decisions = [decision("right", 1100, 1900), decision("right", 5100, 5900)]
    assert score(MARKS, decisions) == Score(2, n_correct=1, n_confused=1, n_missed=0, n_false_alarms=0)


def test_a_gesture_seen_in_other_movement_or_at_rest_is_a_false_alarm() -> None:
    decisions = [decision("left", 3100, 3900), decision("left", 2200, 2800), decision("left", 9000, 9500)]
    assert match(MARKS, decisions) == [1, None, None]
    assert score(MARKS, decisions) == Score(2, n_correct=0, n_confused=0, n_missed=2, n_false_alarms=3)


def test_a_decision_belongs_to_the_movement_that_it_overlaps_longest() -> None:
    # 200 us of the first, 600 us of the second.
    assert match(MARKS, [decision("left", 1800, 3600)]) == [1]
    assert match(MARKS, [decision("left", 1300, 3600)]) == [0]


def test_times_that_only_touch_do_not_overlap() -> None:
    assert match(MARKS, [decision("left", 2000, 3000), decision("left", 500, 1000)]) == [None, None]


def test_a_stream_without_gestures_has_alarms_only() -> None:
    assert score([OTHER], [decision("left", 3100, 3900)]) == Score(0, 0, 0, 0, n_false_alarms=1)
    assert match([], [decision("left", 1, 2)]) == [None]
