import stat
from pathlib import Path

import numpy as np
import pytest

from fedmotion.host.mounting_file import KeptTurn, mounting_of, read_turn, write_turn
from fedmotion.models.mounting import AS_PICTURED, Mounting
from fedmotion.models.turns import about_axis

OBLIQUE = Mounting(about_axis(2, 33.0) @ about_axis(0, 180.0), is_mirrored=True)


def kept(mounting: Mounting = OBLIQUE) -> KeptTurn:
    return KeptTurn(mounting, "two-poses", "2026-03-01T12:00:00Z", 'the "other" way round, é\n')


def test_a_turn_comes_back_to_the_bit_and_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "turn.toml"
    write_turn(path, kept())
    assert read_turn(path) == kept()
    assert mounting_of(path) == OBLIQUE
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["turn.toml"]


def test_without_a_file_the_board_is_worn_as_pictured(tmp_path: Path) -> None:
    assert read_turn(tmp_path / "turn.toml") is None
    assert mounting_of(tmp_path / "turn.toml") == AS_PICTURED


def test_no_number_is_a_negative_zero(tmp_path: Path) -> None:
    path = tmp_path / "turn.toml"
    write_turn(path, kept(Mounting(np.diag([1.0, -1.0, -1.0]) @ np.eye(3))))
    assert "-0.0" not in path.read_text()


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("version = 1", "version = 2", "is of version 2, this program reads 1: .*newer fedmotion"),
        ("version = 1", "version = 0", "Invalid enum value 0 .*; run `fedmotion mount` again"),
        ("version = 1", 'version = "1"', "Expected `int`, got `str`"),
        ("version = 1", "", "missing required field `version`"),
        ("is_mirrored = true", "is_mirrored = true\nextra = 1", "unknown field `extra`"),
        ("1.0", "nan", "9 finite numbers"),
        ("1.0", "inf", "9 finite numbers"),
        ("1.0", "-1.0", "rotation is proper"),
        ("1.0", "0.5", "rotation is proper"),
        ("two-poses", "guessing", "Invalid enum value 'guessing'"),
        ("rotation = [", "rotation = [[", "is not TOML"),
    ],
)
def test_a_file_that_says_something_else_is_refused_in_words(
    tmp_path: Path, old: str, new: str, sentence: str
) -> None:
    path = tmp_path / "turn.toml"
    write_turn(path, kept(Mounting(np.diag([1.0, -1.0, -1.0]), is_mirrored=True)))
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(ValueError, match=sentence) as refusal:
        read_turn(path)
    assert str(path) in str(refusal.value)


def test_a_file_that_is_far_too_long_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "turn.toml"
    path.write_bytes(b"#" * 5000)
    with pytest.raises(ValueError, match="has at most 4096 bytes, got 5000"):
        read_turn(path)


def test_a_failed_write_leaves_the_file_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "turn.toml"
    write_turn(path, kept())

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError, match="cannot be written: No space left"):
        write_turn(path, kept(AS_PICTURED))
    assert read_turn(path) == kept()
    assert [each.name for each in tmp_path.iterdir()] == ["turn.toml"]
