import random

from fedmotion.broker.backoff import Backoff


def test_waits_double_from_half_a_second_to_thirty_and_are_shortened_by_up_to_half() -> None:
    backoff = Backoff(rng=random.Random(3))
    whole_s = [0.5, 1, 2, 4, 8, 16, 30, 30]
    waits_s = [backoff.next_s() for _ in whole_s]
    assert all(whole / 2 <= wait <= whole for whole, wait in zip(whole_s, waits_s, strict=True))


def test_after_a_reset_the_next_retry_is_quick() -> None:
    backoff = Backoff(rng=random.Random(3))
    for _ in range(10):
        backoff.next_s()
    backoff.reset()
    assert backoff.next_s() <= 0.5


def test_a_refusal_is_followed_by_a_long_wait() -> None:
    assert 15 <= Backoff(rng=random.Random(3)).slow_s() <= 30


def test_two_seeds_do_not_call_at_the_same_time() -> None:
    assert Backoff(rng=random.Random(1)).next_s() != Backoff(rng=random.Random(2)).next_s()


def test_a_week_of_failures_does_not_overflow() -> None:
    backoff = Backoff(rng=random.Random(3))
    assert max(backoff.next_s() for _ in range(30_000)) <= 30
