from pathlib import Path

import pytest

from fedmotion.host.marks import Mark, always, by_marks, read_marks

MARKS = (Mark("left", 1_000, 2_000), Mark("right", 3_000, 4_000))


@pytest.mark.parametrize(
    ("start_us", "stop_us", "label"),
    [
        (1_000, 2_000, "left"),
        (900, 2_600, "left"),  # the movement holds the mark
        (1_200, 1_400, "left"),  # the mark holds the movement
        (1_500, 2_500, "left"),  # half of each
        (1_501, 2_501, None),  # less than half of each
        (2_200, 2_800, None),
        (1_400, 3_700, "right"),  # 600 of the one, 700 of the other
        (1_400, 3_600, "left"),  # 600 of each: the earlier one
    ],
)
def test_a_movement_belongs_to_the_mark_that_it_overlaps_longest_by_half_of_the_shorter(
    start_us: int, stop_us: int, label: str | None
) -> None:
    assert by_marks(MARKS)(start_us, stop_us) == label


def test_movements_outside_the_marks_are_other_only_where_that_is_said() -> None:
    assert by_marks(MARKS, is_other_recorded=True)(2_200, 2_800) == "other"
    assert by_marks(MARKS)(2_200, 2_800) is None


def test_a_person_may_record_one_label_only() -> None:
    assert always("wave")(5, 6) == "wave"
    with pytest.raises(ValueError, match="a label is not empty"):
        always("")


def test_marks_are_read_in_order_of_time(tmp_path: Path) -> None:
    path = tmp_path / "marks.json"
    path.write_text(
        '[{"label": "b", "start_us": 5, "stop_us": 9}, {"label": "a", "start_us": 1, "stop_us": 2}]'
    )
    assert read_marks(path) == (Mark("a", 1, 2), Mark("b", 5, 9))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "are a list of label"),
        ('{"label": "a"}', "are a list of label"),
        ('[{"label": "a", "start_us": 1}]', "stop_us"),
        ('[{"label": "a", "start_us": 1, "stop_us": 2, "colour": 3}]', "colour"),
        ('[{"label": "a", "start_us": 2, "stop_us": 2}]', "stops after its start"),
        ('[{"label": "", "start_us": 1, "stop_us": 2}]', "a mark's label is not empty"),
    ],
)
def test_marks_that_are_none_are_refused_with_the_reason(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "marks.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=sentence):
        read_marks(path)


def test_marks_that_are_not_there_are_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cannot be read"):
        read_marks(tmp_path / "absent.json")
