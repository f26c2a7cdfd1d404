import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from fedmotion.broker.private_file import write_private


def test_a_file_is_replaced_whole_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("older and longer")
    path.chmod(0o644)
    write_private(path, "käse")
    assert path.read_bytes() == b"k\xc3\xa4se"
    write_private(path, b"\x00\xff", is_durable=False)
    assert path.read_bytes() == b"\x00\xff"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_no_file_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for name in ("folder", "pipe"):
        with pytest.raises(OSError, match=f"{name} cannot be written: it is there already and is no file"):
            write_private(tmp_path / name, "x")
    (tmp_path / "folder").rmdir()
    # As /dev/stdout is, which root could replace.
    (tmp_path / "stdout").symlink_to("pipe")
    with pytest.raises(OSError, match="stdout cannot be written"):
        write_private(tmp_path / "stdout", "x")
    assert (tmp_path / "stdout").is_symlink()
    with pytest.raises(OSError, match="secret cannot be written: No such file or directory"):
        write_private(tmp_path / "none" / "secret", "x")


FULL = """
import resource, sys
from pathlib import Path
from fedmotion.broker.private_file import write_private
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    write_private(Path(sys.argv[1]), bytes(5000))
except OSError as error:
    print(error)
"""


def test_a_full_disk_leaves_the_old_file_and_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    write_private(path, "old")
    told = subprocess.run(
        [sys.executable, "-c", FULL, str(path)], capture_output=True, text=True, check=True
    ).stdout
    assert told == f"{path} cannot be written: File too large\n"
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


WRITER = """
import sys
from pathlib import Path
from fedmotion.broker.private_file import write_private
print("begun", flush=True)
for number in range(10**9):
    write_private(Path(sys.argv[1]), bytes([number % 256]) * 50_000, is_durable=False)
"""


def test_two_writers_killed_at_any_instant_leave_one_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    for _ in range(5):
        writers = [
            subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE)
            for _ in range(2)
        ]
        for writer in writers:
            assert writer.stdout is not None
            assert writer.stdout.readline() == b"begun\n"
        while not path.exists():
            assert all(writer.poll() is None for writer in writers)
        for _ in range(200):
            data = path.read_bytes()
            assert data == data[:1] * 50_000
        for writer in writers:
            writer.send_signal(signal.SIGKILL)
            writer.communicate()
        data = path.read_bytes()
        assert data == data[:1] * 50_000
