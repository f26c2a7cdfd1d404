"""The round machine by table and by seeded walks."""

import random
from dataclasses import replace

import pytest

from fedmotion.aggregator.rounds import (
    Aggregate,
    Aggregated,
    Announce,
    Answered,
    Eligible,
    Fail,
    Linked,
    OpenRound,
    RoundEvent,
    Rules,
    Silence,
    State,
    Ticked,
    select_cohort,
    step,
    wake_at_s,
)
from fedmotion.aggregator.schedule import Progress, Schedule, next_kind

RULES = Rules(
    schedule=Schedule(has_statistics=False, n_rounds=3, evaluate_every=0),
    cohort_size=0,
    quorum=0,
    min_updates=2,
    min_clients=3,
    deadline_s=60.0,
    interval_s=0.0,
    retry_s=5.0,
    seed=1,
)
ALL = frozenset({"ann", "bob", "cid"})


def opened(rules: Rules = RULES, now_s: float = 0.0) -> State:
    """A first round that was just announced to all."""
    state, _ = step(State(), Linked(True), now_s, rules)
    state, actions = step(state, Eligible(ALL), now_s, rules)
    assert [type(action) for action in actions] == [Announce]
    return state


def names(actions: tuple[object, ...]) -> list[str]:
    return [type(action).__name__ for action in actions]


def test_no_round_opens_before_enough_clients_are_online_and_connected() -> None:
    state, actions = step(State(), Eligible(ALL), 0.0, RULES)
    assert actions == ()
    state, actions = step(state, Eligible(frozenset({"ann", "bob"})), 0.0, RULES)
    state, actions = step(state, Linked(True), 0.0, RULES)
    assert actions == ()
    assert wake_at_s(state, RULES) is None
    state, actions = step(state, Eligible(ALL), 0.0, RULES)
    assert names(actions) == ["Announce"]
    assert state.open is not None
    assert state.open.round_id == 1
    assert state.open.cohort == ("ann", "bob", "cid")
    assert wake_at_s(state, RULES) == 60.0


@pytest.mark.parametrize(
    ("verdicts", "at_s", "expected"),
    [
        (["accepted", "accepted", "accepted"], 1.0, "Aggregate"),
        (["accepted", "accepted", "declined"], 1.0, "Aggregate"),
        (["accepted", "accepted", "refused"], 1.0, "Aggregate"),
        (["accepted", "declined", "declined"], 1.0, "Fail"),
        (["refused", "refused", "refused"], 1.0, "Fail"),
        (["accepted", "accepted"], 1.0, ""),
        (["accepted", "accepted"], 59.9, ""),
        (["accepted", "accepted"], 60.0, "Aggregate"),
        (["accepted"], 60.0, "Fail"),
        ([], 60.0, "Fail"),
    ],
)
def test_a_round_closes_when_all_answered_or_at_its_deadline(
    verdicts: list[str], at_s: float, expected: str
) -> None:
    state = opened()
    done: list[str] = []
    for client, verdict in zip(sorted(ALL), verdicts, strict=False):
        state, actions = step(state, Answered(client, verdict), at_s if at_s < 60 else 1.0, RULES)  # type: ignore[arg-type]  # literals of the table
        done += names(actions)
    state, actions = step(state, Ticked(), at_s, RULES)
    done += names(actions)
    assert done == ([expected] if expected else [])


def test_a_quorum_closes_at_once_and_more_are_invited_than_it_needs() -> None:
    rules = replace(RULES, quorum=2)
    state = opened(rules)
    assert state.open is not None
    assert len(state.open.cohort) == 3
    state, actions = step(state, Answered("ann", "accepted"), 1.0, rules)
    assert actions == ()
    state, actions = step(state, Answered("cid", "accepted"), 2.0, rules)
    assert isinstance(actions[0], Aggregate)
    assert actions[0].round.accepted == {"ann", "cid"}


def test_strangers_and_second_answers_change_nothing() -> None:
    state = opened()
    state, _ = step(state, Answered("ann", "accepted"), 1.0, RULES)
    for event in (Answered("ann", "refused"), Answered("ann", "declined"), Answered("eve", "accepted")):
        after, actions = step(state, event, 1.0, RULES)
        assert after == state
        assert actions == ()


def test_a_good_answer_may_follow_a_refused_one() -> None:
    state = opened()
    state, _ = step(state, Answered("ann", "refused"), 1.0, RULES)
    state, _ = step(state, Answered("ann", "accepted"), 1.0, RULES)
    assert state.open is not None
    assert state.open.accepted == {"ann"}
    assert state.open.refused == frozenset()


def test_an_aggregated_round_is_followed_by_the_next_until_all_are_done() -> None:
    state = opened()
    for round_id in (1, 2, 3):
        for client in sorted(ALL):
            state, actions = step(state, Answered(client, "accepted"), 1.0, RULES)
        assert names(actions) == ["Aggregate"]
        assert state.open is not None
        assert state.open.round_id == round_id
        state, actions = step(state, Aggregated(), 1.0, RULES)
        assert names(actions) == (["Announce"] if round_id < 3 else [])
    assert state.progress.n_trained == 3
    assert wake_at_s(state, RULES) is None


def test_failed_rounds_are_named_wait_longer_each_time_and_never_give_their_id_again() -> None:
    state = opened()
    now_s = 0.0
    pauses: list[float] = []
    for round_id in range(1, 7):
        assert state.open is not None
        assert state.open.round_id == round_id
        now_s = state.open.deadline_at_s
        state, actions = step(state, Ticked(), now_s, RULES)
        assert isinstance(actions[0], Fail)
        assert actions[0].reason == (
            "too_few_updates: the deadline passed with 0 accepted of at least 2; "
            "0 declined, 0 refused, 3 silent (ann, bob, cid)"
        )
        pauses.append(state.not_before_s - now_s)
        now_s = state.not_before_s
        state, actions = step(state, Ticked(), now_s, RULES)
        assert names(actions) == ["Announce"]
    assert pauses == [5.0, 10.0, 20.0, 40.0, 60.0, 60.0]


FOUR = replace(RULES, schedule=Schedule(has_statistics=False, n_rounds=0, evaluate_every=0))


def played(state: State, answering: set[str], rules: Rules = FOUR) -> tuple[State, OpenRound]:
    """The state after the open round closed with `answering` accepted, and that round."""
    assert state.open is not None
    round_ = state.open
    now_s = round_.deadline_at_s - rules.deadline_s
    for client in sorted(answering & set(round_.cohort)):
        state, actions = step(state, Answered(client, "accepted"), now_s, rules)
    if answering < set(round_.cohort):
        state, actions = step(state, Ticked(), round_.deadline_at_s, rules)
    assert names(actions) == ["Aggregate"]
    state, _ = step(state, Aggregated(), round_.deadline_at_s, rules)
    return state, round_


def opened_to_four(rules: Rules = FOUR) -> State:
    state, _ = step(State(), Eligible(ALL | {"dee"}), 0.0, rules)
    return step(state, Linked(True), 0.0, rules)[0]


def test_a_silent_client_is_left_out_of_ever_more_rounds_while_the_others_are_enough() -> None:
    state = opened_to_four()
    invited: list[int] = []
    for _ in range(220):
        state, round_ = played(state, set(ALL))
        if "dee" in round_.cohort:
            invited.append(round_.round_id)
    # Twice at once, then after 1, 2, 4 ... and at most 64 rounds without it.
    assert invited == [1, 2, 4, 7, 12, 21, 38, 71, 136, 201]
    assert state.silences == (Silence("dee", 10, 201 + 64),)


@pytest.mark.parametrize("verdict", ["accepted", "declined", "refused"])
def test_any_answer_ends_a_silence(verdict: str) -> None:
    state = opened_to_four()
    for _ in range(3):
        state, round_ = played(state, set(ALL))
    assert round_.cohort == ("ann", "bob", "cid")
    assert state.silences == (Silence("dee", 2, 3),)
    assert state.open is not None
    assert state.open.cohort == ("ann", "bob", "cid", "dee")
    state, _ = step(state, Answered("dee", verdict), 180.0, FOUR)  # type: ignore[arg-type]  # literals of the table
    assert state.silences == ()


def test_silence_counts_in_rounds_that_waited_and_is_that_of_rounds_in_a_row() -> None:
    rules = replace(FOUR, quorum=3)
    state = opened_to_four(rules)
    for client in sorted(ALL):
        state, _ = step(state, Answered(client, "accepted"), 1.0, rules)
    assert state.open is not None
    assert state.open.is_closing
    assert state.silences == ()
    state = opened_to_four()
    for answering in (ALL, ALL | {"dee"}, ALL, ALL | {"dee"}):
        state, round_ = played(state, set(answering))
        assert "dee" in round_.cohort
    assert state.silences == ()


def test_the_silent_are_invited_all_the_same_where_the_others_are_too_few() -> None:
    state = opened_to_four()
    for _ in range(3):
        state, round_ = played(state, {"ann", "bob"})
        assert round_.cohort == ("ann", "bob", "cid", "dee")
    state, round_ = played(state, {"ann", "bob", "cid"})
    assert state.open is not None
    assert state.open.cohort == ("ann", "bob", "cid")


def test_a_failure_names_the_first_ten_of_the_silent() -> None:
    state, _ = step(State(), Linked(True), 0.0, RULES)
    state, _ = step(state, Eligible(frozenset(f"c{index:02}" for index in range(12))), 0.0, RULES)
    state, actions = step(state, Ticked(), 60.0, RULES)
    assert isinstance(actions[0], Fail)
    assert actions[0].reason.endswith(
        "12 silent (c00, c01, c02, c03, c04, c05, c06, c07, c08, c09 and 2 more)"
    )
    assert [each.n_rounds for each in state.silences] == [1] * 12


def test_a_result_that_cannot_be_aggregated_fails_the_round() -> None:
    state = opened()
    for client in sorted(ALL):
        state, _ = step(state, Answered(client, "accepted"), 1.0, RULES)
    state, actions = step(state, Aggregated("not_aggregated: no"), 1.0, RULES)
    assert names(actions) == ["Fail"]
    assert state.open is None
    assert state.progress.n_trained == 0


def test_no_deadline_passes_without_a_broker_and_the_next_connection_brings_a_fresh_one() -> None:
    state, _ = step(opened(), Linked(False), 10.0, RULES)
    assert wake_at_s(state, RULES) is None
    state, actions = step(state, Ticked(), 1000.0, RULES)
    assert actions == ()
    state, actions = step(state, Linked(True), 1001.0, RULES)
    assert actions == ()
    assert wake_at_s(state, RULES) == 1061.0


def test_the_cohort_follows_from_seed_and_round_alone() -> None:
    clients = [f"c{index}" for index in range(20)]
    first = select_cohort(clients, 5, seed=3, round_id=7)
    assert first == select_cohort(reversed(clients), 5, seed=3, round_id=7)  # type: ignore[arg-type]  # any order
    assert len(set(first)) == 5
    assert list(first) == sorted(first)
    assert len({select_cohort(clients, 5, seed=3, round_id=each) for each in range(30)}) > 20
    chosen = {client for each in range(100) for client in select_cohort(clients, 5, 3, each)}
    assert chosen == set(clients)


@pytest.mark.parametrize(
    ("schedule", "progress", "expected"),
    [
        (Schedule(True, 2, 1), Progress(), "statistics"),
        (Schedule(True, 2, 1), Progress(True), "train"),
        (Schedule(False, 2, 1), Progress(), "train"),
        (Schedule(True, 2, 1), Progress(True, 1, 0), "evaluate"),
        (Schedule(True, 2, 1), Progress(True, 1, 1), "train"),
        (Schedule(True, 2, 1), Progress(True, 2, 1), "evaluate"),
        (Schedule(True, 2, 1), Progress(True, 2, 2), None),
        (Schedule(True, 5, 3), Progress(True, 2, 0), "train"),
        (Schedule(True, 5, 3), Progress(True, 3, 0), "evaluate"),
        (Schedule(True, 5, 3), Progress(True, 5, 3), "evaluate"),
        (Schedule(True, 5, 0), Progress(True, 4, 0), "train"),
        (Schedule(True, 5, 0), Progress(True, 5, 0), None),
        (Schedule(True, 0, 0), Progress(True, 10**6, 0), "train"),
    ],
)
def test_the_next_kind_follows_from_the_progress(
    schedule: Schedule, progress: Progress, expected: str | None
) -> None:
    assert next_kind(schedule, progress) == expected


def test_a_failed_evaluation_is_not_repeated_and_other_failures_are() -> None:
    assert Progress(True, 2, 1).after("evaluate", is_finished=False) == Progress(True, 2, 2)
    assert Progress(True, 2, 1).after("train", is_finished=False) == Progress(True, 2, 1)
    assert Progress().after("statistics", is_finished=False) == Progress()


class Ledger:
    """A store of the walks: what the actions say, and what a restart remembers."""

    def __init__(self, rules: Rules, rng: random.Random) -> None:
        self.rules = rules
        self.rng = rng
        self.ids: list[int] = []
        self.open: OpenRound | None = None
        self.answers: dict[str, str] = {}
        self.progress = Progress()
        self.closed: dict[int, str] = {}

    def restart(self, now_s: float) -> State:
        state = State(
            next_round_id=len(self.ids) + 1, progress=self.progress, not_before_s=now_s, open=self.open
        )
        if self.open is None:
            return state
        accepted = frozenset(client for client, verdict in self.answers.items() if verdict == "accepted")
        declined = frozenset(client for client, verdict in self.answers.items() if verdict == "declined")
        return replace(state, open=replace(self.open, accepted=accepted, declined=declined, is_closing=False))

    def carry_out(self, state: State, event: RoundEvent, now_s: float) -> State:
        """Return the state after `event`, or after a restart where the process died before its commit."""
        after, actions = step(state, event, now_s, self.rules)
        writes: list[tuple[str, OpenRound]] = []
        while actions:
            action, *rest = actions
            if isinstance(action, Aggregate):
                reason = self.rng.choice(["", "", "", "not_aggregated"])
                if not reason:
                    writes.append(("finished", action.round))
                after, more = step(after, Aggregated(reason), now_s, self.rules)
                rest += more
            else:
                writes.append(("open" if isinstance(action, Announce) else "failed", action.round))
            actions = tuple(rest)
        if self.rng.random() < 0.15:
            return self.restart(now_s)
        self.commit(event, writes)
        return after

    def commit(self, event: RoundEvent, writes: list[tuple[str, OpenRound]]) -> None:
        if isinstance(event, Answered) and self.open and event.client_id in self.open.cohort:
            self.answers.setdefault(event.client_id, event.verdict)
        for what, each in writes:
            if what == "open":
                assert self.open is None
                self.ids.append(each.round_id)
                self.open, self.answers = each, {}
            else:
                assert self.open is not None
                assert self.open.round_id == each.round_id
                assert each.round_id not in self.closed
                self.closed[each.round_id] = what
                self.progress = self.progress.after(each.kind, is_finished=what == "finished")
                self.open = None


def any_event(rng: random.Random) -> RoundEvent:
    kind = rng.randrange(6)
    if kind == 0:
        return Ticked()
    if kind == 1:
        return Linked(rng.random() < 0.8)
    if kind == 2:
        return Eligible(frozenset(client for client in ALL if rng.random() < 0.9))
    return Answered(rng.choice(sorted(ALL)), "declined" if rng.random() < 0.2 else "accepted")


@pytest.mark.parametrize("seed", range(40))
def test_walks_with_crashes_at_any_step_record_every_round_once(seed: int) -> None:
    rng = random.Random(seed)
    rules = replace(
        RULES,
        schedule=Schedule(has_statistics=True, n_rounds=4, evaluate_every=2),
        quorum=rng.choice([0, 2]),
        cohort_size=rng.choice([0, 3]),
        min_clients=2,
        deadline_s=rng.choice([2.0, 30.0]),
    )
    ledger = Ledger(rules, rng)
    state = State()
    now_s = 0.0
    for _ in range(3000):
        now_s += rng.choice([0.0, 0.1, 1.0, 5.0])
        state = ledger.carry_out(state, any_event(rng), now_s)
        if next_kind(rules.schedule, ledger.progress) is None and ledger.open is None:
            break
    assert ledger.ids == list(range(1, len(ledger.ids) + 1))
    assert sorted(ledger.closed) == ledger.ids
    assert ledger.progress.n_trained == 4
    assert state.progress == ledger.progress


@pytest.mark.parametrize("seed", range(10))
def test_walks_with_silent_clients_never_leave_out_whom_a_round_needs_nor_who_answers(seed: int) -> None:
    rng = random.Random(seed)
    rules = replace(FOUR, min_clients=rng.choice([2, 3, 5]))
    clients = {f"c{index}": rng.choice([0.0, 0.3, 0.9, 1.0, 1.0]) for index in range(6)}
    state, _ = step(State(), Linked(True), 0.0, rules)
    now_s, n_spared, n_needed, n_open = 0.0, 0, 0, 0
    for _ in range(300):
        online = frozenset(client for client in clients if rng.random() < 0.9)
        silences = state.silences
        state, actions = step(state, Eligible(online), now_s, rules)
        for action in actions:
            assert isinstance(action, Announce)
            round_ = action.round
            n_open += 1
            benched = {each.client_id for each in silences if each.benched_to_round_id >= round_.round_id}
            is_enough = len(online - benched) >= rules.min_clients
            assert set(round_.cohort) == (online - benched if is_enough else online)
            n_spared += is_enough and bool(benched & online)
            n_needed += not is_enough and bool(benched & online)
        assert all(clients[each.client_id] < 1 for each in state.silences)
        assert [each.client_id for each in state.silences] == sorted({e.client_id for e in state.silences})
        if state.open is None:
            now_s = max(now_s, state.not_before_s)
            continue
        answering = [name for name in state.open.cohort if rng.random() < clients[name]]
        events: list[RoundEvent] = [Answered(name, "accepted") for name in answering]
        for event in [*events, Ticked()]:
            now_s += rules.deadline_s if isinstance(event, Ticked) else 0.0
            if state.open is not None and not state.open.is_closing:
                state, actions = step(state, event, now_s, rules)
        if state.open is not None and state.open.is_closing:
            # The next one opens with the next event, once it is known who is online then.
            state, _ = step(replace(state, eligible=frozenset()), Aggregated(), now_s, rules)
        else:
            state = replace(state, eligible=frozenset())
    assert n_open > 100
    assert n_spared + n_needed > 0 or all(chance >= 0.9 for chance in clients.values())
