import dataclasses
import random
import sqlite3
import stat
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fedmotion.delivery.outbox import Outbox
from fedmotion.delivery.sqlite_store import Schema, SqliteStore, StoreError
from fedmotion.host.imu_stream import STANDARD_GRAVITY_MPS2
from fedmotion.host.recording_schema import SCHEMA
from fedmotion.host.recording_store import DamagedRecordingError, Recording, RecordingStore
from fedmotion.models.mounting import AS_PICTURED, Mounting
from fedmotion.models.turns import about_axis


def recording(label: str = "swipe_left", seed: int = 0, **changes: Any) -> Recording:
    counts = np.random.default_rng(seed).integers(-20_000, 20_000, (100, 6)).astype(np.int16)
    made = Recording(
        label=label,
        person="ada",
        board_id=2**64 - 1,
        hand="left",
        mounting="wrist, cable up",
        start_us=200_000,
        stop_us=700_000,
        centre_us=450_000,
        accel_scale_mps2=2 * STANDARD_GRAVITY_MPS2 / 32768,
        gyro_scale_radps=0.000133,
        t_us=np.arange(100, dtype=np.int64) * 10_000,
        counts=counts,
    )
    return dataclasses.replace(made, **changes)


def open_store(path: Path, **options: bool | float) -> RecordingStore:
    return RecordingStore(path, clock=lambda: 1_000_000.0, **options)  # type: ignore[arg-type]  # likewise


def test_a_recording_comes_back_as_it_was_after_reopening(tmp_path: Path) -> None:
    with open_store(tmp_path / "r.sqlite") as store:
        assert store.add(recording())
    with open_store(tmp_path / "r.sqlite") as store:
        (back,) = store
    before = recording()
    for field in dataclasses.fields(Recording):
        if field.name in {"t_us", "counts"}:
            np.testing.assert_array_equal(getattr(back, field.name), getattr(before, field.name))
        else:
            assert getattr(back, field.name) == getattr(before, field.name)
    assert back.samples().dtype == np.float32
    np.testing.assert_allclose(back.samples()[0, 0], before.counts[0, 0] / 16384 * 9.80665, rtol=1e-6)


def test_labels_are_counted_and_recordings_removed(tmp_path: Path) -> None:
    with open_store(tmp_path / "r.sqlite") as store:
        store.add(recording("right", 1))
        store.add(recording("left", 2))
        store.add(recording("right", 3))
        assert store.count_by_label() == {"left": 1, "right": 2}
        first, *_ = store.recording_ids()
        assert store.remove(first)
        assert not store.remove(first)
        assert store.get(first) is None
        assert store.count_by_label() == {"left": 1, "right": 1}


def test_the_same_take_is_stored_once_whatever_its_label_or_context(tmp_path: Path) -> None:
    take = recording()
    longer = dataclasses.replace(
        take,
        label="other",
        t_us=np.concatenate([take.t_us[:1] - 10_000, take.t_us]),
        counts=np.concatenate([take.counts[:1], take.counts]),
    )
    with open_store(tmp_path / "r.sqlite") as store:
        assert store.add(take)
        assert not store.add(take)
        assert not store.add(longer)
        assert store.add(dataclasses.replace(take, board_id=1))
        assert store.count_by_label() == {"swipe_left": 2}


def test_the_store_and_its_companions_are_the_owners_alone(tmp_path: Path) -> None:
    with open_store(tmp_path / "r.sqlite") as store:
        store.add(recording())
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert modes == {"r.sqlite": 0o600, "r.sqlite-wal": 0o600, "r.sqlite-shm": 0o600}


def test_a_store_opened_for_reading_refuses_to_be_written(tmp_path: Path) -> None:
    path = tmp_path / "r.sqlite"
    with open_store(path) as store:
        store.add(recording())
    with open_store(path, read_only=True) as store:
        assert store.count_by_label() == {"swipe_left": 1}
        with pytest.raises(StoreError, match="is read-only: give this user the right to write"):
            store.add(recording(seed=9))


def test_a_damaged_row_is_named(tmp_path: Path) -> None:
    path = tmp_path / "r.sqlite"
    with open_store(path) as store:
        store.add(recording())
        connection = sqlite3.connect(path)
        connection.execute("UPDATE recordings SET hand = 'third'")
        connection.commit()
        connection.close()
        with pytest.raises(DamagedRecordingError, match=r"recording 1 of .* is damaged: .*third"):
            store.get(1)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"label": ""}, "a label is not empty"),
        ({"person": " ada"}, "a person is not empty and has no spaces"),
        ({"mounting": "a\nb"}, "a mounting holds no control characters"),
        ({"hand": "third"}, "a hand is one of unset, left, right"),
        ({"board_id": 2**64}, "a board id is 0 to"),
        ({"start_us": -1}, "a movement lies within its samples"),
        ({"stop_us": 2_000_000}, "a movement lies within its samples"),
        ({"counts": np.zeros((99, 6), np.int16)}, "counts"),
        ({"counts": np.zeros((100, 6), np.float32)}, "int16"),
    ],
)
def test_what_breaks_a_rule_is_not_stored(tmp_path: Path, changes: dict[str, Any], sentence: str) -> None:
    with open_store(tmp_path / "r.sqlite") as store:
        with pytest.raises(ValueError, match=sentence):
            store.add(recording(**changes))
        assert store.count_by_label() == {}


def test_a_recording_whose_counts_changed_is_named_and_the_others_are_read(tmp_path: Path) -> None:
    path = tmp_path / "r.sqlite"
    with open_store(path) as store:
        for seed in range(3):
            store.add(recording(seed=seed))
        store._execute("UPDATE recordings SET counts = zeroblob(1200) WHERE recording_id = 2")
        store._execute("UPDATE recordings SET t_us = zeroblob(7) WHERE recording_id = 3")
        with pytest.raises(DamagedRecordingError, match=r"recording 2 of .*r\.sqlite is damaged: its counts"):
            store.get(2)
        with pytest.raises(
            DamagedRecordingError, match=r"recording 3 of .*r\.sqlite is damaged: buffer size"
        ):
            store.get(3)
        assert store.get(1) is not None


def test_a_damaged_file_gives_recordings_as_they_were_or_says_so(tmp_path: Path) -> None:
    rng = random.Random(3)
    whole = tmp_path / "whole"
    with open_store(whole) as store:
        for seed in range(8):
            store.add(recording(seed=seed))
        counts = [each.counts.tobytes() for each in store]
    for index in range(12):
        path = tmp_path / f"{index}.sqlite"
        data = bytearray(whole.read_bytes())
        for _ in range(rng.choice((1, 30, 300))):
            data[rng.randrange(100, len(data))] = rng.randrange(256)
        path.write_bytes(data)
        try:
            with open_store(path, busy_timeout_s=0.0) as store:
                for recording_id in store.recording_ids():
                    back = store.get(recording_id)
                    # What surrounds the movement is under no hash.
                    assert back is None or back.counts[20:70].tobytes() in b"".join(counts)
        except StoreError as error:
            assert str(path) in str(error)  # noqa: PT017 - some damages are survived, some are told


def test_another_store_of_ours_is_not_taken_for_one_of_recordings(tmp_path: Path) -> None:
    Outbox(tmp_path / "outbox.sqlite").close()
    with pytest.raises(StoreError, match=r"outbox\.sqlite is not the store of recordings: name another file"):
        open_store(tmp_path / "outbox.sqlite")


def older(script: str, last_column: str) -> str:
    """Return the script of a version whose last column that is."""
    table, index = script.split(") STRICT")
    before, found, after = table.partition(f"        {last_column} ")
    return f"{before}{found}{after.split(',')[0]}) STRICT{index}"


TURNED = Mounting(about_axis(2, 30), is_mirrored=True)


def test_a_recording_keeps_how_the_board_sat(tmp_path: Path) -> None:
    with open_store(tmp_path / "r.sqlite") as store:
        store.add(recording(turn=TURNED))
        store.add(recording("right", 1))
    with open_store(tmp_path / "r.sqlite") as store:
        assert [each.turn for each in store] == [TURNED, AS_PICTURED]
        assert store.set_turn(TURNED) == 2
        assert [each.turn for each in store] == [TURNED, TURNED]
        assert store.set_turn(AS_PICTURED) == 2
        assert [each.turn for each in store] == [AS_PICTURED, AS_PICTURED]


@pytest.mark.parametrize("turn", [b"", b"\x00" * 73, TURNED.rotation.tobytes() + b"\x02"])
def test_a_damaged_turn_is_said_of_that_recording_alone(tmp_path: Path, turn: bytes) -> None:
    with open_store(tmp_path / "r.sqlite") as store:
        store.add(recording())
        store.add(recording("right", 1))
        store._execute("UPDATE recordings SET turn = ? WHERE recording_id = 1", (turn,))
        with pytest.raises(DamagedRecordingError, match=r"recording 1 of .* is damaged: "):
            store.get(1)
        assert store.get(2) is not None


def test_recordings_of_the_first_version_are_of_a_board_worn_as_pictured(tmp_path: Path) -> None:
    path = tmp_path / "r.sqlite"
    with open_store(path) as store:
        store.add(recording())
        (row,) = store._execute("SELECT * FROM recordings")
    path.unlink()
    first = Schema(SCHEMA.what, SCHEMA.application_id, 1, older(SCHEMA.script, "created_unix_s"))
    with SqliteStore(path, first) as old:
        old._execute(f"INSERT INTO recordings VALUES ({', '.join('?' * 15)})", row[:15])
    with open_store(path, read_only=True) as store:
        assert [each.turn for each in store] == [AS_PICTURED]
        assert store.file_version() == 1
    with open_store(path) as store:
        assert store.file_version() == 3
        store.set_turn(TURNED)
        assert [each.turn for each in store] == [TURNED]


def imported(seed: int = 0, **changes: Any) -> Recording:
    si = np.random.default_rng(seed).normal(size=(100, 6)).astype(np.float32)
    unknown = {"accel_scale_mps2": 0.0, "gyro_scale_radps": 0.0, "counts": np.empty((0, 6), np.int16)}
    return recording(**{**unknown, "si": si, "source": "utd.npz#3", **changes})


def test_an_imported_recording_comes_back_as_float32_to_the_bit(tmp_path: Path) -> None:
    before = imported()
    with open_store(tmp_path / "r.sqlite") as store:
        assert store.add(before)
        assert not store.add(dataclasses.replace(before, label="other"))
        assert store.add(imported(1))
    with open_store(tmp_path / "r.sqlite") as store:
        back, _ = store
    assert before.si is not None
    np.testing.assert_array_equal(back.samples(), before.si)
    assert (back.source, len(back.counts), str(back.samples().dtype)) == ("utd.npz#3", 0, "float32")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"si": np.full((100, 6), np.nan, np.float32)}, "imported samples are finite"),
        ({"si": np.zeros((100, 6))}, "samples float32"),
        ({"t_us": np.zeros(100, np.int64) + 450_000}, "times of imported samples ascend"),
        ({"counts": np.zeros((100, 6), np.int16)}, "counts or samples in SI units, got both"),
        ({"centre_us": 2_000_000}, "a movement's centre lies within its samples"),
    ],
)
def test_what_no_import_may_bring_is_not_stored(
    tmp_path: Path, changes: dict[str, Any], sentence: str
) -> None:
    with open_store(tmp_path / "r.sqlite") as store:
        with pytest.raises(ValueError, match=sentence):
            store.add(imported(**changes))
        assert store.count_by_label() == {}


def test_what_is_deleted_is_out_of_sight_until_it_is_restored_as_it_was(tmp_path: Path) -> None:
    with open_store(tmp_path / "r.sqlite") as store:
        for seed in range(3):
            store.add(recording(seed=seed))
        assert store.delete([1, 3]) == 2
        assert store.delete([3, 99]) == 0
        assert (store.recording_ids(), store.get(3), store.count_by_label()) == ([2], None, {"swipe_left": 1})
        assert [entry.recording_id for entry in store.entries(is_deleted=True)] == [1, 3]
        assert store.set_turn(TURNED) == 1
        assert store.relabel([1, 2], "right") == 1
        # A new one gets a new id, so that both can be there.
        store.add(recording(seed=9))
        assert store.restore([1, 3]) == 2
        assert [(each.label, each.turn) for each in store][::2] == [
            ("swipe_left", AS_PICTURED),
            ("swipe_left", AS_PICTURED),
        ]
        assert store.recording_ids() == [1, 2, 3, 4]


def test_a_deleted_take_that_is_recorded_again_takes_its_place(tmp_path: Path) -> None:
    with open_store(tmp_path / "r.sqlite") as store:
        store.add(recording())
        store.delete([1])
        assert store.add(recording("right"))
        assert store.count_by_label() == {"right": 1}
        assert store.entries(is_deleted=True) == []


def test_what_is_erased_leaves_no_trace_in_the_files(tmp_path: Path) -> None:
    secret = recording(seed=5)
    trace = secret.counts[40:60].tobytes()
    with open_store(tmp_path / "r.sqlite") as store:
        for seed in range(4, 8):
            store.add(recording(seed=seed))
        store.delete([2])
        assert any(trace in path.read_bytes() for path in tmp_path.iterdir())
        assert store.erase([2]) == 1
        assert store.entries(is_deleted=True) == []
        assert not any(trace in path.read_bytes() for path in tmp_path.iterdir())
        assert len(list(store)) == 3


def test_relabelling_is_all_or_none_and_keeps_the_take(tmp_path: Path) -> None:
    with open_store(tmp_path / "r.sqlite") as store:
        store.add(recording(seed=0))
        store.add(recording("right", 1))
        takes = [take for _, take in store.takes().values()]
        with pytest.raises(ValueError, match="a label is not empty"):
            store.relabel([1, 2], "")
        assert store.count_by_label() == {"right": 1, "swipe_left": 1}
        assert store.relabel([1, 2], "right") == 1
        assert store.count_by_label() == {"right": 2}
        assert [take for _, take in store.takes().values()] == takes


def test_entries_say_what_there_is_without_reading_samples(tmp_path: Path) -> None:
    with open_store(tmp_path / "r.sqlite") as store:
        store.add(recording(turn=TURNED))
        store.add(imported())
        first, second = store.entries()
    assert (first.label, first.person, first.hand, first.board_id) == ("swipe_left", "ada", "left", 2**64 - 1)
    assert (first.n_samples, first.rate_hz, first.movement_s, first.is_turned) == (100, 100.0, 0.5, True)
    assert (first.created_unix_s, first.deleted_unix_s) == (1_000_000.0, None)
    assert (second.source, second.is_turned) == ("utd.npz#3", False)
    assert first.take == recording().take_sha256().hex()


def test_a_store_of_the_second_version_keeps_all_and_can_be_read_before(tmp_path: Path) -> None:
    path = tmp_path / "r.sqlite"
    with open_store(path) as store:
        store.add(recording(turn=TURNED))
        (row,) = store._execute("SELECT * FROM recordings")
    path.unlink()
    second = Schema(
        SCHEMA.what, SCHEMA.application_id, 2, older(SCHEMA.script, "turn"), SCHEMA.migrations[:1]
    )
    with SqliteStore(path, second) as old:
        old._execute(f"INSERT INTO recordings VALUES ({', '.join('?' * 16)})", row[:16])
    with open_store(path, read_only=True) as store:
        assert ([each.turn for each in store], store.file_version()) == ([TURNED], 2)
        assert [entry.source for entry in store.entries()] == [""]
        assert store.entries(is_deleted=True) == []
    with open_store(path) as store:
        assert ([each.turn for each in store], store.file_version()) == ([TURNED], 3)
        assert store.delete([1]) == 1


def test_a_store_of_a_newer_version_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "r.sqlite"
    with open_store(path) as store:
        store.add(recording())
        store._execute("PRAGMA user_version = 4")
    before = path.read_bytes()
    for read_only in (False, True):
        with pytest.raises(StoreError, match=r"is of version 4, this program reads up to 3: .* newer fedmot"):
            open_store(path, read_only=read_only)
    assert path.read_bytes() == before


def test_what_was_deleted_counts_for_no_person_and_no_board(tmp_path: Path, takes: list[Recording]) -> None:
    with RecordingStore(tmp_path / "r.sqlite", clock=lambda: 0.0) as store:
        first, second, third = takes[:3]
        for take in (first, second, third):
            store.add(dataclasses.replace(take, label="wave"))
        assert store.ids_of("wave", "ada") == [1, 2, 3]
        assert store.ids_of("wave", "bert") == []
        assert store.count_by_board() == {77: 3}
        store.delete([2])
        assert store.remove_take(third.take_sha256())
        assert not store.remove_take(third.take_sha256())
        assert store.ids_of("wave", "ada") == [1]
        assert store.count_by_board() == {77: 1}
