"""The store of recordings under kill -9, on a full disk, and with several programs at it at once."""

import subprocess
import sys
from pathlib import Path

from import_files import motion, write_npz

PRELUDE = """
import os, random, select, signal, sys, time
from dataclasses import replace
from pathlib import Path

import numpy as np

from fedmotion.host.import_rows import ImportOptions
from fedmotion.host.recording_import import import_file
from fedmotion.host.recording_staging import StagingStore
from fedmotion.host.recording_store import Recording, RecordingStore
from fedmotion.delivery.sqlite_store import StoreError
from fedmotion.models.specification import pca_svm

# A program that hangs ends by itself.
signal.alarm(45)
FINDING = pca_svm(("gesture", "other"))

def open_store(path, kind=RecordingStore, **options):
    return kind(path, clock=lambda: 0.0, **options)

def recording(number, n_samples=400):
    counts = np.random.default_rng(number).integers(-20_000, 20_000, (n_samples, 6)).astype(np.int16)
    return Recording(
        label="swipe", person="ada", board_id=number, hand="left", mounting="wrist", start_us=500_000,
        stop_us=1_500_000, centre_us=900_000, accel_scale_mps2=0.001, gyro_scale_radps=0.001,
        t_us=np.arange(n_samples, dtype=np.int64) * 10_000, counts=counts,
    )

def check(store, numbers):
    assert store.damage() == []
    there = {each.board_id: each for each in store}
    assert set(numbers) <= set(there), (sorted(numbers), sorted(there))
    for number, each in there.items():
        assert (each.counts == recording(number, len(each.counts)).counts).all()
    return set(there)
"""

ADDING = """
rng = random.Random(11)
path = Path(sys.argv[1])
acknowledged = set()
for kill in range(25):
    said = os.pipe()
    child = os.fork()
    if child == 0:
        store = open_store(path)
        for number in range(1000 * kill + 1, 10**9):
            assert store.add(recording(number, rng.randrange(200, 1500)))
            os.write(said[1], b"%d\\n" % number)
    os.close(said[1])
    # Some die while they open the store, most while they write.
    select.select([said[0]] if kill > 5 else [], [], [], 20 if kill > 5 else 0.01)
    time.sleep(rng.random() * 0.05)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    heard = b""
    while rest := os.read(said[0], 65_536):
        heard += rest
    os.close(said[0])
    acknowledged |= set(map(int, heard.split()))
    with open_store(path) as store:
        there = check(store, acknowledged)
        # At most the one that was under way is there without having been said.
        assert len(there - acknowledged) <= 1
        acknowledged = there
print(len(acknowledged) >= 19)
"""

IMPORTING = """
rng = random.Random(12)
path, file = Path(sys.argv[1]), Path(sys.argv[2])
n_whole = n_none = 0
for kill in range(25):
    for stale in path.parent.glob("r.sqlite*"):
        stale.unlink()
    with open_store(path) as store:
        store.add(recording(7))
    said = os.pipe()
    child = os.fork()
    if child == 0:
        with open_store(path, StagingStore) as store:
            report = import_file(store, file, ImportOptions(), finding=FINDING)
            os.write(said[1], b"%d" % report.n_added)
        os._exit(0)
    os.close(said[1])
    # Some die soon, some late, and some not before they are through.
    select.select([said[0]], [], [], rng.random() * 0.4)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    acknowledged = os.read(said[0], 100)
    os.close(said[0])
    with open_store(path) as store:
        n_there = len(store.recording_ids())
        assert n_there in (1, 41), n_there
        assert n_there == 41 or not acknowledged
        assert store.damage() == [] and len(list(store)) == n_there
    n_whole += n_there == 41
    n_none += n_there == 1
    assert {each.name for each in path.parent.iterdir()} <= {
        "r.sqlite", "r.sqlite-wal", "r.sqlite-shm", "takes.npz"
    }
print(n_whole + n_none == 25 and n_none > 0)
"""

TOGETHER = """
path, file = Path(sys.argv[1]), Path(sys.argv[2])
children = []
for child in range(5):
    children.append(os.fork())
    if children[-1]:
        continue
    signal.alarm(45)
    if child == 0:
        with open_store(path, StagingStore) as store:
            assert import_file(store, file, ImportOptions(), finding=FINDING).n_added == 40
    elif child == 1:
        while not path.exists():
            pass
        with open_store(path) as store:
            while len(store.recording_ids()) < 40 + 3 * 30:
                assert all(each.label == "swipe" for each in store)
    else:
        with open_store(path) as store:
            for number in range(30):
                assert store.add(recording(1000 * child + number))
                if number % 10 == 9:
                    (newest,) = [each for each in store.entries() if each.board_id == 1000 * child + number]
                    assert store.delete([newest.recording_id]) == 1
                    assert store.restore([newest.recording_id]) == 1
    os._exit(0)
assert [os.waitpid(child, 0)[1] for child in children] == [0] * 5
with open_store(path) as store:
    print(len(store.recording_ids()), store.damage())
"""

FULL = """
import resource

def let_files_grow_to(n_bytes):
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, resource.RLIM_INFINITY))

path, file = Path(sys.argv[1]), Path(sys.argv[2])
let_files_grow_to(1_500_000)
acknowledged = set()
with open_store(path, StagingStore) as store:
    try:
        while True:
            number = len(acknowledged) + 1
            store.add(recording(number))
            acknowledged.add(number)
    except StoreError as error:
        print(str(error).replace(str(path), "PATH"))
    assert len(acknowledged) > 10
    assert check(store, acknowledged) == acknowledged
    for n_bytes in (400_000, 30_000, 1_000):
        let_files_grow_to(n_bytes)
        try:
            import_file(store, file, ImportOptions(), finding=FINDING)
        except StoreError as error:
            print(str(error).replace(str(path), "PATH"))
        assert check(store, acknowledged) == acknowledged
    let_files_grow_to(-1)
    assert import_file(store, file, ImportOptions(), finding=FINDING).n_added == 40
    assert store.add(recording(99_999))
    assert store.damage() == []
print(len(acknowledged) > 10)
"""


def run(script: str, *arguments: object) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", PRELUDE + script, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout.splitlines()


def takes(folder: Path) -> Path:
    return write_npz(folder / "takes.npz", [motion(seed) for seed in range(40)])


def test_kill_9_of_a_recording_program_loses_no_take_that_was_acknowledged(tmp_path: Path) -> None:
    assert run(ADDING, tmp_path / "r.sqlite") == ["True"]


def test_kill_9_of_an_import_leaves_the_whole_file_or_nothing_of_it(tmp_path: Path) -> None:
    assert run(IMPORTING, tmp_path / "r.sqlite", takes(tmp_path)) == ["True"]


def test_programs_that_record_import_delete_and_read_at_once_all_get_through(tmp_path: Path) -> None:
    assert run(TOGETHER, tmp_path / "r.sqlite", takes(tmp_path)) == ["130 []"]


def test_a_full_disk_says_so_and_loses_nothing(tmp_path: Path) -> None:
    said = run(FULL, tmp_path / "r.sqlite", takes(tmp_path))
    full = (
        "the store of recordings PATH cannot be read or written: is the disk full, failing or over a quota?"
    )
    assert said == [*[f"{full} (disk I/O error)"] * 4, "True"]


def test_a_store_may_be_larger_than_what_one_read_takes(tmp_path: Path) -> None:
    # A take of half an hour, whose rows span many pages.
    script = """
with open_store(Path(sys.argv[1])) as store:
    assert store.add(recording(1, 200_000))
with open_store(Path(sys.argv[1]), read_only=True) as store:
    (back,) = store
    print((back.counts == recording(1, 200_000).counts).all())
"""
    assert run(script, tmp_path / "r.sqlite") == ["True"]
