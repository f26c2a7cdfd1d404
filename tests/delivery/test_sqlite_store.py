"""Stores under attack: each trouble is a sentence, and nothing that was committed is lost."""

import os
import random
import sqlite3
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from fedmotion.delivery.sqlite_store import Schema, SqliteStore, StoreError

SCHEMA = Schema(
    "the notes",
    int.from_bytes(b"test", "big"),
    2,
    "CREATE TABLE notes (number INTEGER PRIMARY KEY, text BLOB NOT NULL); CREATE TABLE empty (a)",
    migrations=("ALTER TABLE notes ADD COLUMN text BLOB NOT NULL DEFAULT x'3f'; CREATE TABLE empty (a)",),
)
FIRST = Schema(SCHEMA.what, SCHEMA.application_id, 1, "CREATE TABLE notes (number INTEGER PRIMARY KEY)")


class Notes(SqliteStore):
    def __init__(self, path: Path, *, read_only: bool = False, busy_timeout_s: float = 5.0) -> None:
        super().__init__(path, SCHEMA, read_only=read_only, busy_timeout_s=busy_timeout_s)

    def write(self, number: int, text: bytes = b"") -> None:
        with self.transaction():
            self._execute("INSERT INTO notes VALUES (?, ?)", (number, text))

    def numbers(self) -> list[int]:
        return [number for (number,) in self._execute("SELECT number FROM notes ORDER BY number")]

    def texts(self) -> list[tuple[int, bytes]]:
        return self._execute("SELECT number, text FROM notes ORDER BY number")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "odd #?%20 näme.sqlite"


def test_it_is_durable_and_only_its_owner_reads_it(path: Path) -> None:
    with Notes(path) as notes:
        notes.claim()
        notes.write(1)
        assert notes._execute("PRAGMA journal_mode") == [("wal",)]
        full = 2
        assert notes._execute("PRAGMA synchronous") == [(full,)]
        modes = {file.name.removeprefix(path.name): file.stat().st_mode for file in path.parent.iterdir()}
    assert set(modes) == {"", "-wal", "-shm", "-running", "-running-journal"}
    assert {stat.S_IMODE(mode) for mode in modes.values()} == {0o600}


def test_what_a_raising_transaction_wrote_is_gone(path: Path) -> None:
    def write_and_raise(notes: Notes) -> None:
        with notes.transaction():
            notes._execute("INSERT INTO notes VALUES (1, x'')")
            raise KeyboardInterrupt

    with Notes(path) as notes:
        with pytest.raises(KeyboardInterrupt):
            write_and_raise(notes)
        assert notes.numbers() == []
        notes.write(1)


def test_a_locked_store_says_so_and_goes_on_later(path: Path) -> None:
    with Notes(path, busy_timeout_s=0.0) as notes, closing(sqlite3.connect(path)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match=r"^the notes .*sqlite is locked by another program: end it"):
            notes.write(1)
        with pytest.raises(StoreError, match="is locked by another program"):
            Notes(path, busy_timeout_s=0.0)
        other.execute("ROLLBACK")
        notes.write(1)


def test_an_onlooker_reads_while_another_writes_and_cannot_write(path: Path) -> None:
    with pytest.raises(StoreError, match="is missing"):
        Notes(path, read_only=True)
    path.touch()
    with pytest.raises(StoreError, match="is empty: nothing was stored yet"):
        Notes(path, read_only=True)
    with Notes(path) as notes, Notes(path, read_only=True) as onlooker, notes.transaction():
        seen = onlooker.data_version()
        notes._execute("INSERT INTO notes VALUES (1, x'')")
        assert onlooker.numbers() == []
        notes._execute("COMMIT")
        assert onlooker.data_version() != seen
        assert onlooker.numbers() == [1]
        with pytest.raises(StoreError, match="is read-only: give this user the right to write the file"):
            onlooker.write(2)
        notes._execute("BEGIN")


def test_a_second_connection_of_a_program_leaves_the_locks_of_the_first(path: Path) -> None:
    # Closing any descriptor of a file ends all POSIX locks of the process on it.
    remover = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('SELECT * FROM notes'); c.close()"
    )
    with Notes(path) as notes:
        notes.write(1)
        Notes(path).close()
        subprocess.run([sys.executable, "-c", remover, str(path)], check=True)
        assert path.with_name(f"{path.name}-wal").exists()
        notes.write(2)
    with Notes(path) as notes:
        assert notes.numbers() == [1, 2]


def test_a_newer_store_is_left_as_it_is(path: Path) -> None:
    with Notes(path) as notes:
        notes._execute("PRAGMA user_version = 3")
    before = path.read_bytes()
    for read_only in (False, True):
        with pytest.raises(
            StoreError, match=r"is of version 3, this program reads up to 2: .* newer fedmotion"
        ):
            Notes(path, read_only=read_only)
    assert path.read_bytes() == before


def test_what_is_not_ours_is_left_as_it_is(tmp_path: Path) -> None:
    text, foreign = tmp_path / "text", tmp_path / "foreign"
    text.write_bytes(b"my holiday pictures" * 100)
    with closing(sqlite3.connect(foreign)) as other:
        other.execute("CREATE TABLE mine (a)")
    before = text.read_bytes(), foreign.read_bytes()
    with pytest.raises(StoreError, match="is damaged or no database: restore a backup, or move it away"):
        Notes(text)
    with pytest.raises(StoreError, match="foreign is not the notes: name another file, or move it away"):
        Notes(foreign)
    assert (text.read_bytes(), foreign.read_bytes()) == before


def test_what_is_no_file_or_has_no_folder_says_so(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"the folder .*nowhere is missing; make it first"):
        Notes(tmp_path / "nowhere" / "store")
    with pytest.raises(
        StoreError, match="cannot be opened: is it a file, in a folder, that this user may read"
    ):
        Notes(tmp_path)
    (tmp_path / "store-running").mkdir()
    with (
        Notes(tmp_path / "store") as notes,
        pytest.raises(StoreError, match="cannot be opened: is it a file"),
    ):
        notes.claim()
    with pytest.raises(StoreError, match="cannot be made: File name too long"):
        Notes(tmp_path / ("x" * 300))


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


def test_a_file_or_folder_without_the_right_to_write_says_so(mortal: Path) -> None:
    path = mortal / "store"
    Notes(path).close()
    path.chmod(0o400)
    with pytest.raises(
        StoreError, match="store is read-only: give this user the right to write the file and"
    ):
        Notes(path)
    path.chmod(0o000)
    with pytest.raises(StoreError, match=r"store cannot be opened: .* that this user may read and write"):
        Notes(path)
    path.chmod(0o600)
    mortal.chmod(0o500)
    try:
        with pytest.raises(StoreError, match=r"store .* folder"):
            Notes(path)
        with pytest.raises(StoreError, match="new cannot be made: Permission denied"):
            Notes(mortal / "new")
    finally:
        mortal.chmod(0o700)


def test_a_store_used_after_its_closing_says_so(path: Path) -> None:
    notes = Notes(path)
    notes.close()
    notes.close()
    with pytest.raises(StoreError, match="closed database"):
        notes.write(1)


def test_threads_take_turns(path: Path) -> None:
    def work(first: int) -> None:
        for number in range(first, first + 50):
            with notes.transaction():
                notes._execute("INSERT INTO notes VALUES (?, x'')", (number,))
                assert notes._execute("SELECT max(number) FROM notes WHERE number = ?", (number,)) == [
                    (number,)
                ]

    with Notes(path) as notes:
        threads = [threading.Thread(target=work, args=(1000 * index,)) for index in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(notes.numbers()) == 200


DAMAGES = ("bit", "bytes", "end", "page", "header", "wal", "shm")


def damage(path: Path, kind: str, rng: random.Random) -> None:
    data = bytearray(path.read_bytes())
    if kind == "bit":
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    elif kind == "bytes":
        for _ in range(200):
            data[rng.randrange(100, len(data))] = rng.randrange(256)
    elif kind == "end":
        del data[rng.randrange(1, len(data)) :]
    elif kind == "page":
        start = rng.randrange(len(data) // 16384) * 16384
        data[start + 100 : start + 16384] = rng.randbytes(16284)
    elif kind == "header":
        data[rng.randrange(100)] = rng.randrange(256)
    else:
        path.with_name(f"{path.name}-{kind}").write_bytes(rng.randbytes(40_000))
    path.write_bytes(data)


@pytest.mark.parametrize("kind", DAMAGES)
def test_a_damaged_store_works_or_says_so(tmp_path: Path, kind: str) -> None:
    rng = random.Random(kind)
    whole = tmp_path / "whole"
    with Notes(whole) as notes:
        for number in range(10):
            notes.write(number, rng.randbytes(6000))
    n_worked = 0
    for index in range(12):
        path = tmp_path / f"{index}.sqlite"
        path.write_bytes(whole.read_bytes())
        damage(path, kind, rng)
        try:
            with Notes(path, busy_timeout_s=0.0) as notes:
                notes.texts()
                notes.write(100 + index)
            n_worked += 1
        except StoreError as error:
            assert str(path) in str(error)  # noqa: PT017 - most damages are survived, some are told
    if kind in {"wal", "shm"}:
        assert n_worked == 12


FULL = """
import resource, sys
from pathlib import Path
from test_sqlite_store import Notes, StoreError

def let_files_grow_to(n_bytes):
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, resource.RLIM_INFINITY))

path = Path(sys.argv[1])
for n_bytes in (0, 1000, 20_000, 60_000):
    let_files_grow_to(n_bytes)
    try:
        Notes(path).close()
    except StoreError as error:
        print(n_bytes, str(error).replace(str(path), "PATH"))
let_files_grow_to(300_000)
notes = Notes(path)
number = 0
try:
    while True:
        notes.write(number, bytes(10_000))
        number += 1
except StoreError as error:
    print(str(error).replace(str(path), "PATH"))
assert notes.numbers() == list(range(number)) and number >= 5, number
let_files_grow_to(-1)
notes.write(number, bytes(10_000))
assert notes.numbers() == list(range(number + 1))
assert notes._execute("PRAGMA integrity_check") == [("ok",)]
notes.close()
"""
IS_FULL = (
    "the notes PATH cannot be read or written: is the disk full, failing or over a quota? (disk I/O error)"
)


def run(script: str, *arguments: object) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout.splitlines()


def test_a_full_disk_says_so_and_a_store_goes_on_when_there_is_room(path: Path) -> None:
    assert run(FULL, path) == [*(f"{n_bytes} {IS_FULL}" for n_bytes in (0, 1000, 20_000)), IS_FULL]


RACE = """
import os, sys
from pathlib import Path
from test_sqlite_store import Notes

folder = Path(sys.argv[1])
for race in range(5):
    go, ready = os.pipe(), os.pipe()
    children = []
    for child in range(4):
        children.append(os.fork())
        if children[-1] == 0:
            os.close(go[1])
            os.write(ready[1], b"x")
            os.read(go[0], 1)
            with Notes(folder / str(race)) as notes:
                for number in range(5):
                    notes.write(10 * child + number)
                assert notes._execute("PRAGMA journal_mode") == [("wal",)]
            os._exit(0)
    for child in children:
        os.read(ready[0], 1)
    os.close(go[1])
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 4
    with Notes(folder / str(race)) as notes:
        assert len(notes.numbers()) == 20
"""


def test_programs_that_make_the_same_store_at_once_all_write_to_it(tmp_path: Path) -> None:
    run(RACE, tmp_path)


KILLS = """
import os, random, select, signal, sys
from pathlib import Path
from test_sqlite_store import Notes

rng = random.Random(7)
folder = Path(sys.argv[1])
committed = {}
for kill in range(20):
    path = folder / str(kill % 3)
    said = os.pipe()
    child = os.fork()
    if child == 0:
        notes = Notes(path)
        notes.claim()
        for number in range(1000 * kill, 10**9):
            notes.write(number, bytes(number % 20_000))
            os.write(said[1], b"%d\\n" % number)
    os.close(said[1])
    # Some die while they make the store, most while they write.
    select.select([said[0]] if kill > 5 else [], [], [], rng.random() * 0.01 if kill <= 5 else None)
    heard = b"".join(os.read(said[0], 100) for _ in range(rng.randrange(5) if kill > 5 else 0))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    while rest := os.read(said[0], 65_536):
        heard += rest
    os.close(said[0])
    committed.setdefault(path, set()).update(map(int, heard.split()))
    with Notes(path) as notes:
        notes.claim()
        numbers = notes.numbers()
        assert committed[path] <= set(numbers), (committed[path], numbers)
        assert notes._execute("PRAGMA integrity_check") == [("ok",)]
        # At most the one that was under way is there without having been said.
        assert len(set(numbers) - committed[path]) <= 1
        committed[path] = set(numbers)
print(sum(map(len, committed.values())) >= 14)
"""


def test_kill_9_twenty_times_loses_nothing_that_was_committed(tmp_path: Path) -> None:
    assert run(KILLS, tmp_path) == ["True"]


def test_two_programs_cannot_both_claim_a_store(path: Path) -> None:
    script = "import sys; from test_sqlite_store import *; Notes(Path(sys.argv[1])).claim()"
    with Notes(path) as notes:
        notes.claim()
        with pytest.raises(
            AssertionError, match=r"StoreError: the notes .* is in use by another program: end"
        ):
            run(script, path)
    run(script, path)


def first_version(path: Path, *numbers: int) -> None:
    with SqliteStore(path, FIRST) as store:
        for number in numbers:
            store._execute("INSERT INTO notes VALUES (?)", (number,))


def test_an_older_file_becomes_a_newer_one_and_keeps_all(path: Path) -> None:
    first_version(path, 1, 2)
    with Notes(path) as notes:
        assert notes.file_version() == 2
        assert notes.texts() == [(1, b"?"), (2, b"?")]
        notes.write(3, b"new")
    with Notes(path) as notes:  # once only: a second time the column would be there already
        assert notes.texts() == [(1, b"?"), (2, b"?"), (3, b"new")]


def test_an_older_file_that_is_only_read_stays_as_it_is(path: Path) -> None:
    first_version(path, 1)
    with Notes(path, read_only=True) as notes:
        assert notes.file_version() == 1
        assert notes.numbers() == [1]
    with SqliteStore(path, FIRST) as store:
        assert store.file_version() == 1


def test_a_migration_that_fails_leaves_the_older_file_whole(path: Path) -> None:
    first_version(path, 1)
    failing = Schema(
        SCHEMA.what, SCHEMA.application_id, 2, SCHEMA.script, ("CREATE TABLE empty (a); NO STATEMENT",)
    )
    with pytest.raises(StoreError):
        SqliteStore(path, failing)
    with SqliteStore(path, FIRST) as store:
        assert store.file_version() == 1
        assert store._execute("SELECT number FROM notes") == [(1,)]
        assert store._execute("SELECT count(*) FROM sqlite_schema WHERE name = 'empty'") == [(0,)]


def test_two_programs_that_open_an_older_file_at_once_migrate_it_once(path: Path) -> None:
    first_version(path, 1)
    troubles: list[Exception] = []

    def use() -> None:
        try:
            with Notes(path) as notes:
                assert notes.texts() == [(1, b"?")]
        except (StoreError, AssertionError) as error:
            troubles.append(error)

    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert troubles == []


def test_a_schema_has_a_migration_to_each_of_its_versions() -> None:
    with pytest.raises(ValueError, match="a schema of version 3 has 2 migrations, got 1"):
        Schema("the notes", 1, 3, "CREATE TABLE a (b)", ("CREATE TABLE c (d)",))
