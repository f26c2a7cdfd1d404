import hashlib
import stat
from pathlib import Path

import pytest

from fedmotion.delivery.outbox import MAX_PENDING, Outbox, Pending


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "outbox.sqlite"


def test_what_was_put_is_pending_until_it_is_removed(path: Path) -> None:
    with Outbox(path) as outbox:
        sha256 = outbox.put(3, b"update")
        assert sha256 == hashlib.sha256(b"update").digest()
        outbox.put(4, b"next")
        assert outbox.pending() == [
            Pending(sha256, 3, b"update"),
            Pending(hashlib.sha256(b"next").digest(), 4, b"next"),
        ]
        assert outbox.remove(sha256)
        assert not outbox.remove(sha256)
        assert [each.message for each in outbox.pending()] == [b"next"]


def test_the_same_message_twice_is_there_once(path: Path) -> None:
    with Outbox(path) as outbox:
        outbox.put(3, b"update")
        outbox.put(3, b"update")
        assert len(outbox.pending()) == 1


def test_it_is_durable_and_only_its_owner_reads_it(path: Path) -> None:
    with Outbox(path) as outbox:
        outbox.put(1, b"update")
        assert outbox._execute("PRAGMA journal_mode") == [("wal",)]
        assert outbox._execute("PRAGMA synchronous") == [(2,)]
        for file in path.parent.iterdir():
            assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_the_oldest_goes_when_nobody_ever_answers(path: Path) -> None:
    with Outbox(path) as outbox:
        for index in range(MAX_PENDING + 5):
            outbox.put(index, index.to_bytes(2, "big"))
        assert [each.round_id for each in outbox.pending()] == list(range(5, MAX_PENDING + 5))


def test_a_round_is_pending_until_its_message_is_removed(tmp_path: Path) -> None:
    with Outbox(tmp_path / "outbox.sqlite") as outbox:
        sha256 = outbox.put(3, b"update")
        assert outbox.has_round(3)
        assert not outbox.has_round(4)
        outbox.remove(sha256)
        assert not outbox.has_round(3)


def test_what_is_put_after_a_removal_is_durable_again(tmp_path: Path) -> None:
    with Outbox(tmp_path / "outbox.sqlite") as outbox:
        outbox.remove(outbox.put(3, b"update"))
        full = 2
        assert outbox._execute("PRAGMA synchronous") == [(full,)]
