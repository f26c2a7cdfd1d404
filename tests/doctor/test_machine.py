"""What the doctor finds on a machine: full disks, newer and damaged stores, open files, clocks, packages."""

import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from fedmotion.delivery.outbox import Outbox
from fedmotion.host import doctor_machine
from fedmotion.host.doctor_checks import Check
from fedmotion.host.doctor_machine import free_bytes, look_at_machine, may_use
from fedmotion.host.profile import Profile
from fedmotion.host.recording_schema import SCHEMA
from fedmotion.host.recording_store import RecordingStore

MB = 10**6


@pytest.fixture
def profile(tmp_path: Path) -> Profile:
    """A profile with stores, readable to its owner only."""
    made = Profile(tmp_path / "profile")
    made.create()
    RecordingStore(made.recordings, clock=time.time).close()
    Outbox(made.outbox).close()
    made.invitation.write_text("password")
    made.invitation.chmod(0o600)
    return made


def looked(profile: Profile, *, free_mb: float = 10_000, now_unix_s: float | None = None) -> dict[str, Check]:
    now = time.time() if now_unix_s is None else now_unix_s
    checks = look_at_machine(profile, disk_free=lambda _: int(free_mb * MB), wall_clock=lambda: now)
    return {check.name: check for check in checks}


def test_a_sound_machine_has_no_findings(profile: Profile) -> None:
    checks = looked(profile)
    assert not [check for check in checks.values() if check.is_finding]
    assert {checks[name].state for name in ("disk", "recordings", "outbox", "private files", "clock")} == {
        "ok"
    }
    assert checks["packages"].measured.endswith("scikit-learn: there and loadable")


def test_a_new_machine_has_no_findings(tmp_path: Path) -> None:
    checks = looked(Profile(tmp_path / "never" / "made"))
    assert not [check for check in checks.values() if check.is_finding]
    assert checks["recordings"].state == "not checked"
    assert free_bytes(tmp_path / "never" / "made") > 0


def test_a_profile_that_another_user_made_is_to_be_given_back(profile: Profile) -> None:
    checks = {check.name: check for check in look_at_machine(profile, is_usable=lambda _: False)}
    assert checks["profile"].state == "failed"
    assert checks["profile"].what_to_do.startswith(
        f"sudo chown -R $USER {profile.directory}, where fedmotion was"
    )
    assert "recordings" not in checks
    assert checks["Python"].state == "ok"


def test_a_folder_without_permission_is_not_usable(profile: Profile, monkeypatch: pytest.MonkeyPatch) -> None:
    absent = Profile(profile.directory / "not" / "yet")
    assert may_use(profile)
    assert may_use(absent)
    # Root may use everything, so that the answer and not the folder is changed.
    monkeypatch.setattr(os, "access", lambda path, _mode: path != profile.directory)
    assert not may_use(profile)
    assert not may_use(absent)


@pytest.mark.parametrize(
    ("free_mb", "state"), [(200, "ok"), (199, "warning"), (20, "warning"), (19, "failed")]
)
def test_a_full_disk_is_to_be_cleared(profile: Profile, free_mb: float, state: str) -> None:
    found = looked(profile, free_mb=free_mb)["disk"]
    assert found.state == state
    assert found.measured == f"{free_mb} MB free at {profile.directory}"
    assert found.what_to_do.startswith("make room: " if state != "ok" else "")


def test_a_newer_store_needs_a_newer_fedmotion(profile: Profile) -> None:
    with closing(sqlite3.connect(profile.recordings)) as store:
        store.execute("PRAGMA user_version = 99")
    found = looked(profile)["recordings"]
    assert found.state == "failed"
    assert f"is of version 99, this program reads up to {SCHEMA.version}" in found.what_to_do
    assert "written by a newer fedmotion, install that one" in found.what_to_do


def test_a_damaged_store_is_to_be_moved_away(profile: Profile) -> None:
    with closing(sqlite3.connect(profile.recordings)) as store:
        store.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    data = bytearray(profile.recordings.read_bytes())
    data[16_384 + 100 :] = b"\xa5" * (len(data) - 16_384 - 100)
    profile.recordings.write_bytes(data)
    found = looked(profile)["recordings"]
    assert found.state == "failed"
    assert "move" in found.what_to_do


def test_a_damaged_model_is_to_be_deleted(profile: Profile) -> None:
    profile.released_model.write_bytes(b"no model")
    checks = looked(profile)
    assert checks["kept model"].state == "failed"
    assert checks["kept model"].what_to_do.startswith(
        f"delete {profile.released_model}, and the agent keeps the"
    )
    assert checks["clock"].state == "ok"


def test_another_programs_file_is_no_store(profile: Profile) -> None:
    profile.outbox.write_bytes(b"this is text and no database" * 100)
    found = looked(profile)["outbox"]
    assert found.state == "failed"
    assert "is damaged or no database: restore a backup, or move it away" in found.what_to_do


def test_secrets_that_others_may_read_are_to_be_closed(profile: Profile) -> None:
    profile.invitation.chmod(0o644)
    found = looked(profile)["private files"]
    assert found.state == "warning"
    assert found.measured == "others may read or write invitation.toml"
    assert found.what_to_do == f"chmod 600 {profile.invitation}"


def test_a_machine_of_1970_is_to_be_given_the_time(profile: Profile) -> None:
    found = looked(profile, now_unix_s=3600.0)["clock"]
    assert found.state == "failed"
    assert found.measured == "1970-01-01 01:00 UTC"
    assert "sudo timedatectl set-ntp true" in found.what_to_do


def test_a_clock_that_went_back_is_seen_by_the_profiles_files(profile: Profile) -> None:
    found = looked(profile, now_unix_s=time.time() - 86_400)["clock"]
    assert found.state == "failed"
    assert ".sqlite" in found.limit or ".toml" in found.limit


@pytest.mark.parametrize(
    ("requirement", "state", "said"),
    [
        ("click>=8.1", "ok", "click: there and loadable"),
        ("click>=99", "failed", "is too old, >=99 is needed"),
        ("no-such-package>=1", "failed", "no-such-package is not installed"),
        ("numpy>=1; extra == 'demo'", "ok", "numpy: there and loadable"),
        ("no-such-package>=1; extra == 'demo'", "not checked", "pip install --upgrade 'fedmotion[demo]'"),
        ("click>=99; extra == 'demo'", "failed", "is too old, >=99 is needed"),
        ("no-such-package==2; (platform_machine in 'vax pdp11') and extra == 'demo'", "ok", ""),
    ],
)
def test_packages_are_missing_too_old_or_there(requirement: str, state: str, said: str) -> None:
    found = list(doctor_machine._packages([requirement]))[-1]
    assert found.state == state
    assert said in found.measured
    if state == "failed":
        assert "pip install --upgrade 'fedmotion" in found.what_to_do


def test_a_package_that_does_not_load_is_named_with_its_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "fedmotion_broken.py").write_text("raise ImportError('wrong ELF class')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(doctor_machine._MODULES, "click", "fedmotion_broken")
    (found,) = doctor_machine._packages(["click>=1"])
    assert found.state == "failed"
    assert "is there and does not load (ImportError: wrong ELF class)" in found.measured
    assert "where a wheel is missing for this machine (" in found.what_to_do
