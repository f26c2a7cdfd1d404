"""Who plays in a demo: the people who teach, how much each has of what, and the newcomer."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fedmotion.boards.motion import OTHER_KINDS, SWIPE_LEFT, SWIPE_RIGHT
from fedmotion.boards.recorded_takes import load_takes
from fedmotion.protocol.identity import OTHER

N_LEARNERS = 4
NEWCOMER = "newcomer"
_MAX_OTHERS = 24

# Left and right: two homes have much of one gesture and little of the other, two have one only.
_SKEW = ((8, 2), (2, 8), (8, 0), (0, 8))
# What else happens differs from home to home as well: each has its own kinds of other movement, and the
# newcomer does a little of everything, two kinds of which no home has.
_N_KINDS = 2
_N_OF_A_KIND = 8
_NEWCOMER_COUNTS = {SWIPE_LEFT: 12, SWIPE_RIGHT: 12, **dict.fromkeys(OTHER_KINDS, 2)}


@dataclass(frozen=True, slots=True)
class Role:
    """One person with one board: `person` is a simulated person's number or a recording's subject.

    `counts` is how many of each gesture and of `other`, which simulated people do by kind, and in whose place
    OTHER_KINDS stand then.
    """

    client_id: str
    person: str
    counts: Mapping[str, int]
    performance_seed: int

    @property
    def n_gestures(self) -> int:
        """How many of the performed movements are gestures."""
        return sum(count for label, count in self.counts.items() if label not in (OTHER, *OTHER_KINDS))


@dataclass(frozen=True, slots=True)
class Cast:
    """All roles of one demo; `recordings` is None where people are simulated."""

    gestures: tuple[str, ...]
    learners: tuple[Role, ...]
    newcomer: Role
    recordings: Path | None

    @property
    def activities(self) -> tuple[str, ...]:
        """The classes: the gestures, and `other`."""
        return (*self.gestures, OTHER)

    @property
    def roles(self) -> tuple[Role, ...]:
        """The learners, then the newcomer."""
        return (*self.learners, self.newcomer)


def simulated_cast(seed: int) -> Cast:
    """Return five simulated people, whom no other seed shares.

    The learners have skewed amounts of two swipes, and of other movement each two kinds of its own.
    """
    if not 0 <= seed <= 1_000_000:
        raise ValueError(f"the seed is 0 to 1000000, got {seed}")
    first = 10 * seed + 1
    chance = random.Random(seed)
    skew = chance.sample(_SKEW, k=len(_SKEW))
    kinds = chance.sample(list(OTHER_KINDS), k=N_LEARNERS * _N_KINDS)
    learners = tuple(
        Role(
            f"client-{position + 1}",
            str(first + position),
            {
                **dict(zip((SWIPE_LEFT, SWIPE_RIGHT), counts, strict=True)),
                **dict.fromkeys(kinds[position::N_LEARNERS], _N_OF_A_KIND),
            },
            seed,
        )
        for position, counts in enumerate(skew)
    )
    newcomer = Role(NEWCOMER, str(first + N_LEARNERS), _NEWCOMER_COUNTS, seed)
    return Cast((SWIPE_LEFT, SWIPE_RIGHT), learners, newcomer, None)


def recorded_cast(path: Path, labels: Sequence[str], unseen: str, seed: int) -> Cast:
    """Return a recording file's people: up to four teach, chosen by `seed`; `unseen` is the newcomer.

    Raises
    ------
    ValueError
        If the file lacks a label or a person, or has too few people.
    """
    if not labels or OTHER in labels:
        raise ValueError(
            f"the labels are one or more gestures and not {OTHER!r}, got {', '.join(labels) or 'none'}"
        )
    takes = load_takes(path)
    if unseen not in takes.people():
        raise ValueError(f"{path.name} has no person {unseen!r}; it has {', '.join(takes.people())}")
    others = [person for person in takes.people() if person != unseen]
    if len(others) < 2:
        raise ValueError(f"{path.name}: two people beside {unseen!r} are needed, it has {len(others)}")
    chosen = sorted(random.Random(seed).sample(others, k=min(N_LEARNERS, len(others))), key=others.index)

    def role(client_id: str, person: str, max_others: int) -> Role:
        counts = {label: len(takes.find(person, label)) for label in labels}
        n_others = min(len(takes.find_others(person, tuple(labels))), max_others)
        return Role(client_id, person, {**counts, OTHER: n_others}, seed)

    learners = tuple(role(f"client-{i + 1}", person, _MAX_OTHERS) for i, person in enumerate(chosen))
    n_gestures = sum(len(takes.find(unseen, label)) for label in labels)
    if not n_gestures:
        raise ValueError(f"{path.name}: {unseen!r} performs none of {', '.join(labels)}")
    return Cast(tuple(labels), learners, role(NEWCOMER, unseen, n_gestures), path)
