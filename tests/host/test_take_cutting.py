import numpy as np
import pytest
from import_files import motion
from numpy.typing import NDArray

from fedmotion.host.take_cutting import MAX_SAMPLES, Piece, TakeCutter
from fedmotion.models.specification import pca_svm

FINDING = pca_svm(("gesture", "other"))


def cut(
    t_us: NDArray[np.int64], samples: NDArray[np.float32], size: int = 10**9, *, is_whole: bool = False
) -> tuple[list[Piece], TakeCutter]:
    cutter = TakeCutter(FINDING, is_whole=is_whole)
    pieces: list[Piece] = []
    for at in range(0, len(t_us), size):
        pieces += cutter.feed(t_us[at : at + size], samples[at : at + size])
    return pieces + cutter.finish(), cutter


def long_take(n_movements: int = 4) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Movements at 2, 6, 10 ... s of a take that is 4 s long for each."""
    samples = np.concatenate([motion(seed, 4.0) for seed in range(n_movements)])
    return np.arange(len(samples), dtype=np.int64) * 10_000, samples


def test_a_short_take_is_one_piece_about_where_it_moves_most() -> None:
    samples = motion(1, 2.0)
    t_us = np.arange(len(samples), dtype=np.int64) * 10_000 + 5_000_000
    (piece,), cutter = cut(t_us, samples)
    assert (piece.start_us, piece.stop_us) == (5_000_000, 6_990_000)
    assert abs(piece.centre_us - 6_000_000) < 60_000
    assert (piece.samples == samples).all()
    assert not cutter.is_long


def test_a_take_too_short_to_be_a_gesture_is_none() -> None:
    assert cut(np.arange(9, dtype=np.int64) * 50_000, motion()[:9])[0] == []
    assert cut(np.arange(30, dtype=np.int64) * 5_000, motion()[:30])[0] == []


def test_a_long_take_is_cut_into_its_movements_with_what_surrounds_them() -> None:
    pieces, cutter = cut(*long_take())
    assert cutter.is_long
    assert [round(piece.centre_us / 1e6) for piece in pieces] == [2, 6, 10, 14]
    assert all(0.8 < (piece.stop_us - piece.start_us) / 1e6 < 1 for piece in pieces)
    assert all(piece.start_us - piece.t_us[0] == 1_500_000 for piece in pieces)
    assert cutter.n_cut_off == 0


@pytest.mark.parametrize("size", [1, 3, 64, 700])
def test_how_a_long_take_comes_changes_nothing(size: int) -> None:
    whole, _ = cut(*long_take())
    parts, _ = cut(*long_take(), size)
    assert len(parts) == len(whole) == 4
    for one, other in zip(parts, whole, strict=True):
        assert (one.start_us, one.stop_us, one.centre_us) == (other.start_us, other.stop_us, other.centre_us)
        np.testing.assert_array_equal(one.samples, other.samples)


def test_a_movement_across_a_gap_is_left_out_and_counted() -> None:
    t_us, samples = long_take()
    t_us[1000:] += 3_000_000
    pieces, cutter = cut(t_us, samples, 64)
    assert [round(piece.centre_us / 1e6) for piece in pieces] == [2, 6, 17]
    assert cutter.n_cut_off >= 1


def test_a_long_take_stays_whole_where_that_is_asked_for() -> None:
    t_us, samples = long_take()
    (piece,), cutter = cut(t_us, samples, 64, is_whole=True)
    assert len(piece.t_us) == len(t_us)
    assert not cutter.is_long


def test_a_whole_take_has_a_longest_length() -> None:
    cutter = TakeCutter(FINDING, is_whole=True)
    t_us = np.arange(MAX_SAMPLES + 1, dtype=np.int64)
    with pytest.raises(ValueError, match="stays whole has at most 2000000 samples: leave --whole out"):
        cutter.feed(t_us, np.zeros((MAX_SAMPLES + 1, 6), np.float32))
