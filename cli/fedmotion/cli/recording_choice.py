"""Which of a profile's recordings a command is about: ids, ranges of ids, a label, a person."""

import re
import shlex
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import click

from fedmotion.host.disclosure import DisclosureFile
from fedmotion.host.profile import Profile, find_profile
from fedmotion.host.recording_entry import Entry
from fedmotion.host.recording_store import RecordingStore

_F = TypeVar("_F", bound=Callable[..., Any])
_IDS = re.compile(r"#?([0-9]{1,18})(?:-#?([0-9]{1,18}))?")

profile_option = click.option(
    "--profile", default="default", show_default=True, help="Whose recordings: a profile's name or folder."
)
json_option = click.option("--json", "is_json", is_flag=True, help="Everything as JSON.")


def which_options(function: _F) -> _F:
    """Add the options that choose by label and person."""
    for flag in ("--person", "--label"):
        function = click.option(flag, help=f"Only those of this {flag[2:]}.")(function)
    return function


def open_recordings(name: str, *, read_only: bool = True) -> tuple[Profile, RecordingStore]:
    """Return a profile and its store; raises ValueError where it has recorded nothing yet."""
    profile = find_profile(name)
    if not profile.recordings.exists():
        raise ValueError(
            f"the profile {profile.directory} has no recordings yet: `fedmotion record LABEL` makes some, "
            "and `fedmotion recordings import FILE` takes some in"
        )
    return profile, RecordingStore(profile.recordings, clock=time.time, read_only=read_only)


def choose(
    entries: Sequence[Entry],
    words: Iterable[str] = (),
    *,
    label: str | None = None,
    person: str | None = None,
) -> list[Entry]:
    """Return the entries with these ids (all, where none is given), label and person, in the order given.

    Raises
    ------
    ValueError
        If a word is no id or range, no recording has one of the ids, or none is left.
    """
    by_id = {entry.recording_id: entry for entry in entries}
    chosen: dict[int, Entry] = {}
    is_any = False
    for word in words:
        is_any = True
        match = _IDS.fullmatch(word)
        if match is None:
            raise ValueError(f"a recording is named by its id, such as 12, or a range, 12-31; got {word!r}")
        first, last = int(match[1]), int(match[2] or match[1])
        found = {each: by_id[each] for each in by_id if first <= each <= last}
        if not found:
            known = f"their ids are {min(by_id)} to {max(by_id)}" if by_id else "there are none"
            raise ValueError(
                f"there is no recording {word} here: {known} (`fedmotion recordings list --deleted` has "
                "those that were deleted)"
            )
        chosen |= found
    left = [
        entry
        for entry in (chosen if is_any else by_id).values()
        if label in (None, entry.label) and person in (None, entry.person)
    ]
    if not left and (is_any or label is not None or person is not None):
        which = " and ".join(
            f"{what} {value!r}" for what, value in (("label", label), ("person", person)) if value is not None
        )
        counts = Counter(entry.label for entry in entries)
        labels = ", ".join(f"{count} {name}" for name, count in sorted(counts.items())) or "none"
        raise ValueError(f"no recording here has {which}; there are {labels}")
    return left


def ranges(ids: Iterable[int]) -> str:
    """Return ids as people and `choose` write them: 3-9 12."""
    parts: list[list[int]] = []
    for each in sorted(ids):
        if parts and each == parts[-1][-1] + 1:
            parts[-1][1:] = [each]
        else:
            parts.append([each])
    return " ".join("-".join(map(str, part)) for part in parts)


def by_label(entries: Iterable[Entry]) -> str:
    """Return how many there are of each label, in words."""
    counts = Counter(entry.label for entry in entries)
    return ", ".join(f"{count} {label}" for label, count in sorted(counts.items()))


def n_disclosed(profile: Profile, entries: Iterable[Entry]) -> int:
    """Return how many of these are in the sums that the profile gave its federation."""
    try:
        kept = DisclosureFile(profile.disclosed).read()
    except ValueError:
        return 0
    told = set(kept.statistics) if kept else set()
    return sum(entry.take in told for entry in entries)


def profile_words(name: str) -> str:
    """Return the option that names a profile again, with a space before it; nothing for the default."""
    return "" if name == "default" else f" --profile {shlex.quote(name)}"
