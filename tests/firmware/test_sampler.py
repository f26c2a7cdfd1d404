"""When samples are due, how they are numbered, how many go in a frame: arithmetic modulo 2**32."""

from typing import Any

import pytest

from fedmotion.boards.simulated_node import batch_size


def sampler(ffi: Any, c: Any, period_us: int, now_us: int) -> Any:
    made = ffi.new("fm_sampler *")
    c.fm_sampler_start(made, period_us, now_us)
    return made


def take(ffi: Any, c: Any, made: Any, now_us: int) -> tuple[int, int]:
    n_missed = ffi.new("uint32_t *")
    return c.fm_sampler_take(made, now_us % 2**32, n_missed), n_missed[0]


@pytest.mark.parametrize("start_us", [0, 2**31 - 5_000, 2**32 - 5_000])
def test_the_grid_goes_on_where_the_clock_wraps(ffi: Any, c: Any, start_us: int) -> None:
    made = sampler(ffi, c, 1_000, start_us)
    for k in range(20):
        due_us = start_us + 1_000 * (k + 1)
        assert c.fm_sampler_slack_us(made, (due_us - 300) % 2**32) == 300
        assert take(ffi, c, made, due_us + 3) == (k, 0)


def test_a_late_sample_is_the_instant_s_own_until_the_next_is_due(ffi: Any, c: Any) -> None:
    made = sampler(ffi, c, 1_000, 0)
    assert take(ffi, c, made, 1_999) == (0, 0)
    assert c.fm_sampler_slack_us(made, 1_999) == 1
    assert take(ffi, c, made, 2_000) == (1, 0)


def test_missed_instants_keep_their_numbers(ffi: Any, c: Any) -> None:
    made = sampler(ffi, c, 1_000, 0)
    assert take(ffi, c, made, 1_000) == (0, 0)
    assert take(ffi, c, made, 5_700) == (4, 3)
    assert c.fm_sampler_slack_us(made, 5_700) == 300
    assert take(ffi, c, made, 6_000) == (5, 0)


def test_the_number_wraps(ffi: Any, c: Any) -> None:
    made = sampler(ffi, c, 1_000, 0)
    made.next_index = 2**32 - 2
    assert [take(ffi, c, made, 1_000 * k)[0] for k in range(1, 5)] == [2**32 - 2, 2**32 - 1, 0, 1]


def test_the_longest_pause_that_can_be_told_is_told(ffi: Any, c: Any) -> None:
    made = sampler(ffi, c, 1_000, 0)
    assert take(ffi, c, made, 1_000 + 2**31 - 1) == (2_147_483, 2_147_483)


def test_a_new_grid_goes_on_with_the_numbers(ffi: Any, c: Any) -> None:
    made = sampler(ffi, c, 1_000, 0)
    assert take(ffi, c, made, 1_000) == (0, 0)
    c.fm_sampler_start(made, 65_535, 1_500)
    assert c.fm_sampler_slack_us(made, 1_500) == 65_535
    assert take(ffi, c, made, 67_035) == (1, 0)


def test_batches_are_those_of_the_simulated_node(c: Any) -> None:
    for period_us in range(1_000, 65_536):
        assert c.fm_batch_size(period_us) == batch_size(period_us), period_us


@pytest.mark.parametrize(
    ("index", "t_us", "is_next"),
    [
        (9, 2_500, True),
        (9, 2_550, True),
        (9, 2_450, True),
        (9, 2_551, False),
        (9, 2_449, False),
        (10, 2_500, False),
    ],
)
def test_a_frame_takes_only_what_it_will_tell_truly(
    ffi: Any, c: Any, index: int, t_us: int, is_next: bool
) -> None:
    batch, buffer = ffi.new("fm_batch *"), ffi.new("uint8_t[255]")
    c.fm_batch_begin(batch, buffer, 0, 7, 500, 1_000)
    for _ in range(2):
        c.fm_batch_append(batch, ffi.new("int16_t[6]"))
    assert c.fm_batch_continues(batch, index, t_us) == is_next
