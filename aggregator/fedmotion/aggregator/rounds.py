"""The round state machine: events and a clock in, actions out, no I/O.

`step` returns a new state and never changes the old one, so that whoever carries out the actions keeps the
old state where a commit fails. Kinds of round share the machine and one sequence of ids.
"""

import random
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Literal

from fedmotion.aggregator.schedule import NOTHING_DONE, Progress, Schedule, next_kind
from fedmotion.protocol.messages import RoundKind

MAX_COHORT = 1000
"""33 bytes a name must fit the announcement's header of 65,536 bytes, with room for the rest."""

LONGEST_RETRY_S = 60.0

N_ROUNDS_FORGIVEN = 1
"""Silent rounds in a row that cost a client nothing: a deadline may pass while it comes back."""

LONGEST_BENCH_ROUNDS = 64
N_NAMED = 10
"""Names that a sentence lists."""

Verdict = Literal["accepted", "declined", "refused"]


@dataclass(frozen=True, slots=True)
class Rules:
    """How rounds are run; the durations are in seconds.

    Attributes
    ----------
    cohort_size
        Clients to invite to a round; 0 invites all that are online. More than `quorum` over-invites.
    quorum
        Accepted contributions that close a round at once; 0 waits for the whole cohort.
    min_updates
        Accepted contributions below which a round fails at its deadline.
    min_clients
        Clients that must be online before a round opens.
    retry_s
        Pause after a failed round; it doubles with each failure in a row, up to a minute.
    """

    schedule: Schedule
    cohort_size: int
    quorum: int
    min_updates: int
    min_clients: int
    deadline_s: float
    interval_s: float
    retry_s: float
    seed: int


@dataclass(frozen=True, slots=True)
class OpenRound:
    """A round that collects; `deadline_at_s` is a point on the caller's monotonic clock."""

    round_id: int
    kind: RoundKind
    cohort: tuple[str, ...]
    deadline_at_s: float
    accepted: frozenset[str] = frozenset()
    declined: frozenset[str] = frozenset()
    refused: frozenset[str] = frozenset()
    is_closing: bool = False

    @property
    def missing(self) -> tuple[str, ...]:
        """Who of the cohort has not answered in any way, in order."""
        return tuple(sorted(set(self.cohort) - self.accepted - self.declined - self.refused))

    @property
    def n_missing(self) -> int:
        """How many of the cohort have not answered in any way."""
        return len(self.missing)


@dataclass(frozen=True, slots=True)
class Silence:
    """A client that let rounds wait for their deadlines.

    Attributes
    ----------
    n_rounds
        Rounds in a row that invited it, waited until their deadline, and had no answer of it.
    benched_to_round_id
        The last round that does without it, if others are enough; 0 where it was forgiven.
    """

    client_id: str
    n_rounds: int
    benched_to_round_id: int = 0


@dataclass(frozen=True, slots=True)
class State:
    """All that the machine knows.

    Attributes
    ----------
    eligible
        The clients that are known and online.
    is_connected
        Whether there is a way to the clients. Without one no round opens and no deadline passes.
    not_before_s
        When the next round may open.
    n_failed
        Failed rounds in a row.
    silences
        The clients that were silent last, in order of their ids. A restart forgets them.
    is_held
        Whether no further round opens, as the next one is another lineage's.
    """

    next_round_id: int = 1
    progress: Progress = NOTHING_DONE
    eligible: frozenset[str] = frozenset()
    is_connected: bool = False
    open: OpenRound | None = None
    not_before_s: float = 0.0
    n_failed: int = 0
    silences: tuple[Silence, ...] = ()
    is_held: bool = False


@dataclass(frozen=True, slots=True)
class Eligible:
    """The clients that are known and online are now these."""

    clients: frozenset[str]


@dataclass(frozen=True, slots=True)
class Linked:
    """The way to the clients came up, and an open round gets a fresh deadline; or it went down."""

    is_connected: bool


@dataclass(frozen=True, slots=True)
class Held:
    """Another lineage is to begin as soon as no round is open, or no longer."""

    is_held: bool


@dataclass(frozen=True, slots=True)
class Begun:
    """A lineage began, with no round open; `progress` is what it has behind it already."""

    progress: Progress


@dataclass(frozen=True, slots=True)
class Answered:
    """A client of the cohort answered the open round; a good answer may still follow a refused one."""

    client_id: str
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Aggregated:
    """The round that `Aggregate` named is stored, or could not be for `reason`."""

    reason: str = ""


@dataclass(frozen=True, slots=True)
class Ticked:
    """Time went by, and everything that waited was told: only now may a deadline pass."""


@dataclass(frozen=True, slots=True)
class Announce:
    """Store this round as open, then tell its cohort."""

    round: OpenRound


@dataclass(frozen=True, slots=True)
class Aggregate:
    """Make the next model of what this round has accepted, and answer with `Aggregated`."""

    round: OpenRound


@dataclass(frozen=True, slots=True)
class Fail:
    """Store this round as failed for `reason`."""

    round: OpenRound
    reason: str


RoundEvent = Eligible | Linked | Held | Begun | Answered | Aggregated | Ticked
Action = Announce | Aggregate | Fail


def step(state: State, event: RoundEvent, now_s: float, rules: Rules) -> tuple[State, tuple[Action, ...]]:
    """Return the state after `event` at `now_s`, and what is to be done, in order."""
    actions: list[Action] = []
    if isinstance(event, Eligible):
        state = replace(state, eligible=event.clients)
    elif isinstance(event, Linked):
        state = _linked(state, event, now_s, rules)
    elif isinstance(event, Held | Begun):
        state = _of_lineage(state, event, now_s)
    elif isinstance(event, Answered):
        state = _answered(state, event)
    elif isinstance(event, Aggregated):
        state = _closed(state, event.reason, now_s, rules, actions)
    if state.open is not None:
        opened = state.open
        is_due = isinstance(event, Ticked) and state.is_connected and now_s >= opened.deadline_at_s
        if not opened.is_closing and _is_complete(opened, rules):
            state = _close(state, opened, now_s, rules, actions)
        elif not opened.is_closing and is_due:
            state = replace(state, silences=_with_silent(state.silences, opened))
            state = _close(state, opened, now_s, rules, actions)
    if state.open is None:
        state = _open(state, now_s, rules, actions)
    return state, tuple(actions)


def wake_at_s(state: State, rules: Rules) -> float | None:
    """Return when the machine next wants a tick, or None where only another event can move it."""
    if state.open is not None:
        return state.open.deadline_at_s if state.is_connected else None
    if state.is_held or _n_wanted(state, rules) == 0 or next_kind(rules.schedule, state.progress) is None:
        return None
    return state.not_before_s


def select_cohort(clients: Collection[str], size: int, seed: int, round_id: int) -> tuple[str, ...]:
    """Return `size` of `clients` in order of their ids, or all where `size` is 0.

    The choice follows from `seed` and `round_id` alone, so that it is the same after a restart.
    """
    ordered = sorted(clients)
    n_selected = min(size or len(ordered), len(ordered), MAX_COHORT)
    # A seeded choice that anyone can repeat is wanted; nothing here is secret.
    chooser = random.Random(f"cohort {seed} {round_id}")
    return tuple(sorted(chooser.sample(ordered, n_selected)))


def in_words(names: Collection[str]) -> str:
    """Return the first of `names`, and how many more there are."""
    more = f" and {len(names) - N_NAMED} more" if len(names) > N_NAMED else ""
    return ", ".join(list(names)[:N_NAMED]) + more


def _linked(state: State, event: Linked, now_s: float, rules: Rules) -> State:
    opened = state.open
    if event.is_connected and opened is not None:
        opened = replace(opened, deadline_at_s=now_s + rules.deadline_s)
    return replace(state, is_connected=event.is_connected, open=opened)


def _of_lineage(state: State, event: Held | Begun, now_s: float) -> State:
    if isinstance(event, Held):
        return replace(state, is_held=event.is_held)
    return replace(state, progress=event.progress, is_held=False, not_before_s=now_s, n_failed=0)


def _answered(state: State, event: Answered) -> State:
    opened = state.open
    if opened is None or event.client_id not in opened.cohort or event.client_id in opened.accepted:
        return state
    client = frozenset({event.client_id})
    state = replace(state, silences=tuple(each for each in state.silences if each.client_id not in client))
    if event.verdict == "refused":
        return replace(state, open=replace(opened, refused=opened.refused | client))
    if event.verdict == "declined":
        return replace(state, open=replace(opened, declined=opened.declined | client))
    accepted = replace(opened, accepted=opened.accepted | client, refused=opened.refused - client)
    return replace(state, open=accepted)


def _with_silent(silences: tuple[Silence, ...], opened: OpenRound) -> tuple[Silence, ...]:
    """Return `silences` with one more round for each client that `opened` waited for in vain."""
    known = {each.client_id: each for each in silences}
    for client_id in opened.missing:
        n_rounds = (known[client_id].n_rounds if client_id in known else 0) + 1
        n_beyond = n_rounds - N_ROUNDS_FORGIVEN
        # The exponent is bounded first: a client may be silent for years where it cannot be spared.
        n_benched = min(LONGEST_BENCH_ROUNDS, 2 ** min(n_beyond - 1, 30)) if n_beyond > 0 else 0
        benched_to = opened.round_id + n_benched if n_benched else 0
        known[client_id] = Silence(client_id, n_rounds, benched_to)
    return tuple(known[client_id] for client_id in sorted(known))


def _is_complete(opened: OpenRound, rules: Rules) -> bool:
    """Return whether the quorum is there, or nobody is left who could still answer."""
    quorum = min(max(rules.quorum or len(opened.cohort), rules.min_updates), len(opened.cohort))
    return len(opened.accepted) >= quorum or opened.n_missing == 0


def _close(state: State, opened: OpenRound, now_s: float, rules: Rules, actions: list[Action]) -> State:
    closing = replace(opened, is_closing=True)
    if len(opened.accepted) >= rules.min_updates:
        actions.append(Aggregate(closing))
        return replace(state, open=closing)
    silent = f"{opened.n_missing} silent" + (f" ({in_words(opened.missing)})" if opened.missing else "")
    why = "the deadline passed" if opened.n_missing else "all have answered"
    reason = (
        f"too_few_updates: {why} with {len(opened.accepted)} accepted of at least {rules.min_updates}; "
        f"{len(opened.declined)} declined, {len(opened.refused)} refused, {silent}"
    )
    return _closed(replace(state, open=closing), reason, now_s, rules, actions)


def _closed(state: State, reason: str, now_s: float, rules: Rules, actions: list[Action]) -> State:
    opened = state.open
    if opened is None or not opened.is_closing:
        return state
    progress = state.progress.after(opened.kind, is_finished=not reason)
    n_failed = 0
    # The pause stands before a train round that follows others; an evaluation belongs to what it evaluates.
    has_pause = opened.kind != "statistics" and next_kind(rules.schedule, progress) == "train"
    pause_s = rules.interval_s if has_pause else 0.0
    if reason:
        n_failed = state.n_failed + 1
        # 2**6 is beyond every sensible cap and keeps the float small after thousands of failures.
        pause_s = min(LONGEST_RETRY_S, rules.retry_s * 2.0 ** min(state.n_failed, 6))
        actions.append(Fail(opened, reason))
    return replace(
        state,
        progress=progress,
        open=None,
        not_before_s=now_s + pause_s,
        n_failed=n_failed,
    )


def _open(state: State, now_s: float, rules: Rules, actions: list[Action]) -> State:
    kind = next_kind(rules.schedule, state.progress)
    if kind is None or state.is_held or _n_wanted(state, rules) == 0 or now_s < state.not_before_s:
        return state
    opened = OpenRound(
        round_id=state.next_round_id,
        kind=kind,
        cohort=select_cohort(_candidates(state, rules), rules.cohort_size, rules.seed, state.next_round_id),
        deadline_at_s=now_s + rules.deadline_s,
    )
    actions.append(Announce(opened))
    return replace(state, open=opened, next_round_id=state.next_round_id + 1)


def _candidates(state: State, rules: Rules) -> frozenset[str]:
    """Return whom the next round may invite: the silent are left out while the others are enough."""
    benched = {each.client_id for each in state.silences if state.next_round_id <= each.benched_to_round_id}
    others = state.eligible - benched
    return others if len(others) >= max(1, rules.min_clients) else state.eligible


def _n_wanted(state: State, rules: Rules) -> int:
    """Return how many clients a round could invite now: 0 where too few are online."""
    n_online = len(state.eligible) if state.is_connected else 0
    return n_online if n_online >= max(1, rules.min_clients) else 0
