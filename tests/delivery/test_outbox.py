import hashlib
import os
import sqlite3
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from fedmotion.delivery.outbox import MAX_PENDING, Outbox, Pending
from fedmotion.delivery.sqlite_store import StoreError


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


def test_it_is_there_after_the_program_was_killed(path: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path; from fedmotion.delivery.outbox import Outbox\n"
        "outbox = Outbox(Path(sys.argv[1]))\n"
        "outbox.put(1, b'a' * 200_000); print('stored', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == b"stored\n"
        program.kill()
    with Outbox(path) as outbox:
        assert outbox.pending() == [Pending(hashlib.sha256(b"a" * 200_000).digest(), 1, b"a" * 200_000)]


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


def test_a_locked_file_is_said_in_words(path: Path) -> None:
    with Outbox(path, busy_timeout_s=0.05) as outbox, closing(sqlite3.connect(path)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match=r"outbox\.sqlite is locked by another program"):
            outbox.put(1, b"update")
        other.execute("ROLLBACK")
        outbox.put(1, b"update")


def test_a_file_of_a_newer_version_is_left_alone(path: Path) -> None:
    Outbox(path).close()
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA user_version = 7")
    with pytest.raises(
        StoreError, match=r"the outbox .* is of version 7, this program reads up to 1: .* newer fedmotion"
    ):
        Outbox(path)


def test_a_file_that_is_no_outbox_is_left_alone(path: Path) -> None:
    path.write_bytes(b"my holiday pictures" * 100)
    with pytest.raises(StoreError, match="is damaged or no database: restore a backup, or move it away"):
        Outbox(path)
    assert path.read_bytes() == b"my holiday pictures" * 100


def test_a_folder_that_is_not_there_is_said_in_words(path: Path) -> None:
    with pytest.raises(StoreError, match=r"the folder .*none is missing; make it first"):
        Outbox(path.parent / "none" / "outbox.sqlite")


@pytest.fixture
def mortal() -> Iterator[Path]:
    """A folder in which this process has no superuser's rights."""
    with tempfile.TemporaryDirectory() as folder:
        if os.geteuid() != 0:
            yield Path(folder)
            return
        # Nobody, on every Debian and macOS of the last twenty years, or simply not root.
        os.chown(folder, 65534, 65534)
        os.seteuid(65534)
        try:
            yield Path(folder)
        finally:
            os.seteuid(0)


def test_a_read_only_file_and_a_read_only_folder_are_said_in_words(mortal: Path) -> None:
    path = mortal / "outbox.sqlite"
    Outbox(path).close()
    path.chmod(0o400)
    with pytest.raises(StoreError, match=r"outbox\.sqlite is read-only: give this user the right to write"):
        Outbox(path)
    path.chmod(0o600)
    mortal.chmod(0o500)
    try:
        with pytest.raises(StoreError, match=r"outbox\.sqlite .*this user .*file.* folder"):
            Outbox(path)
    finally:
        mortal.chmod(0o700)


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
