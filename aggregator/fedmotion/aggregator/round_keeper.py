"""Carries out the round machine's actions in the store: only here do rounds open, finish and fail."""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from fedmotion.aggregator.aggregation import (
    STRATEGIES,
    Metrics,
    next_basis,
    next_parameters,
    score,
    whose_absence_gives_a_basis,
)
from fedmotion.aggregator.configuration import AggregatorConfiguration
from fedmotion.aggregator.federation_records import ModelReference
from fedmotion.aggregator.federation_store import FederationStore
from fedmotion.aggregator.gate import why_not_yet
from fedmotion.aggregator.rounds import (
    Aggregate,
    Aggregated,
    Announce,
    Fail,
    OpenRound,
    RoundEvent,
    State,
    in_words,
    step,
)
from fedmotion.aggregator.strategies.strategy import Update
from fedmotion.models.specification import Specification
from fedmotion.protocol.errors import MessageError
from fedmotion.protocol.messages import Receipt
from fedmotion.protocol.tensors import decode_own_arrays, encode_arrays

logger = logging.getLogger(__name__)

_LARGEST_SEARCHED = 50
"""Clients among whom the one that spoils the statistics is searched: 50 bases take well below a second."""


@dataclass(slots=True)
class Batch:
    """What one transaction found out, which counts and is told once it is committed."""

    current: ModelReference
    receipts: list[Receipt] = field(default_factory=list)
    is_greeting: bool = False
    has_new_model: bool = False
    has_failed_round: bool = False
    has_new_round: bool = False


class RoundKeeper:
    """The machine and its store; every call belongs into the caller's transaction.

    Parameters
    ----------
    clock
        Monotonic seconds.
    on_point
        Told "aggregated" when a round's result is written and not yet committed.
    """

    def __init__(
        self,
        store: FederationStore,
        specification: Specification,
        configuration: AggregatorConfiguration,
        clock: Callable[[], float],
        on_point: Callable[[str], None],
    ) -> None:
        self._store = store
        self._specification = specification
        self._configuration = configuration
        self._rules = configuration.rules(specification)
        self._clock = clock
        self._on_point = on_point

    def resume(self, current: ModelReference) -> State:
        """Return the machine's state as the store remembers it; an open round gets a fresh deadline."""
        store = self._store
        state = State(
            next_round_id=store.last_round_id() + 1,
            progress=store.progress(current.lineage_id),
            not_before_s=self._clock(),
        )
        record = store.the_open_round()
        if record is None:
            return state
        answers = {each.client_id: each.verdict for each in store.contributions(record.round_id)}
        logger.info("round=%d resumed with %d answers", record.round_id, len(answers))
        opened = OpenRound(
            round_id=record.round_id,
            kind=record.kind,
            cohort=record.cohort,
            deadline_at_s=self._clock() + self._rules.deadline_s,
            accepted=frozenset(client for client, verdict in answers.items() if verdict == "accepted"),
            declined=frozenset(client for client, verdict in answers.items() if verdict == "declined"),
            refused=frozenset(client for client, verdict in answers.items() if verdict == "refused"),
        )
        return replace(state, open=opened)

    def move(self, state: State, event: RoundEvent, batch: Batch) -> State:
        """Step the round machine and carry out its actions in the store."""
        before = state
        state, actions = step(before, event, self._clock(), self._rules)
        _log_benched(before, state)
        for action in actions:
            opened = action.round
            batch.has_new_round = True
            if isinstance(action, Announce):
                logger.info("round=%d kind=%s cohort=%d", opened.round_id, opened.kind, len(opened.cohort))
                self._store.open_round(opened.round_id, opened.kind, opened.cohort, batch.current)
            elif isinstance(action, Fail):
                logger.warning("round=%d kind=%s failed: %s", opened.round_id, opened.kind, action.reason)
                self._store.fail_round(opened.round_id, action.reason)
                batch.has_failed_round = True
                if opened.kind == "evaluate" and self._released_before(batch) is not None:
                    logger.warning("round=%d the grown set's model is released unevaluated", opened.round_id)
                    self._store.release(batch.current)
                    batch.has_new_model = True
            elif isinstance(action, Aggregate):
                state = self.move(state, Aggregated(self._aggregate(opened, batch)), batch)
        return state

    def _aggregate(self, opened: OpenRound, batch: Batch) -> str:
        """Store what the round's contributions give, or return why they give nothing."""
        store = self._store
        specification = self._specification
        metrics: Metrics = {}
        model: ModelReference | None = None
        n_windows = 0

        def updates() -> Iterable[Update]:
            nonlocal n_windows
            for header, body in store.spooled(opened.round_id):
                n_windows += header.n_windows
                yield Update(header.client_id, header.n_windows, decode_own_arrays(body))

        try:
            if opened.kind == "evaluate":
                metrics = score(specification, updates())
            else:
                current = decode_own_arrays(store.arrays_of(batch.current))
                if opened.kind == "statistics":
                    arrays = next_basis(specification, current, updates())
                else:
                    strategy = STRATEGIES[self._configuration.strategy]
                    arrays = next_parameters(specification, current, updates(), strategy)
                model = store.add_model(
                    batch.current.lineage_id,
                    opened.round_id,
                    encode_arrays(arrays),
                    self._configuration.n_models_kept,
                )
        except (ValueError, MessageError) as error:
            if opened.kind == "statistics" and len(opened.accepted) <= _LARGEST_SEARCHED:
                self._log_who_spoils(opened, updates())
            return f"not_aggregated: {error}"[:500]
        store.finish_round(opened.round_id, n_windows, model.sha256 if model else None, metrics)
        logger.info(
            "round=%d kind=%s finished, %d windows of %d clients%s",
            opened.round_id,
            opened.kind,
            n_windows,
            len(opened.accepted),
            f", accuracy {metrics['accuracy']:.3f}" if "accuracy" in metrics else "",
        )
        if model is not None:
            batch.current = model
            batch.has_new_model = True
            if opened.kind == "train" and (self._released_before(batch) is None or not self._evaluates):
                store.release(model)
        elif (released := self._released_before(batch)) is not None:
            self._release_if_good(released, metrics, batch)
        self._on_point("aggregated")
        return ""

    def _log_who_spoils(self, opened: OpenRound, updates: Iterable[Update]) -> None:
        """Name, for whoever runs the federation, each client without which the statistics had sufficed."""
        try:
            clients = whose_absence_gives_a_basis(self._specification, updates)
        except (ValueError, MessageError):
            return  # a spooled contribution is damaged, which the round's own failure says
        if clients:
            logger.warning(
                "round=%d the statistics would do without %s", opened.round_id, " or ".join(clients)
            )

    def _released_before(self, batch: Batch) -> ModelReference | None:
        """Return the released model where it is another lineage's: this one's is still to prove itself.

        Otherwise every trained model is for recognisers.
        """
        released = self._store.released_model()
        return released if released is not None and released.lineage_id != batch.current.lineage_id else None

    @property
    def _evaluates(self) -> bool:
        return self._rules.schedule.evaluate_every > 0

    def _release_if_good(self, released: ModelReference, metrics: Metrics, batch: Batch) -> None:
        known = self._store.specification_of(released.lineage_id).activities
        new = [each for each in self._specification.activities if each not in known]
        why = why_not_yet(self._store.last_evaluation(released.lineage_id), metrics, known, new)
        if why:
            logger.info("round=%d the grown set's model is not released yet: %s", batch.current.round_id, why)
            return
        logger.info("round=%d the grown set's model is released", batch.current.round_id)
        self._store.release(batch.current)
        batch.has_new_model = True


def _log_benched(before: State, after: State) -> None:
    """Say who is left out of the next rounds, so that its owner can be asked why it is silent."""
    if after.silences == before.silences or before.open is None:
        return
    benched = [
        f"{each.client_id} (silent in {each.n_rounds} rounds, until round {each.benched_to_round_id})"
        for each in after.silences
        if each not in before.silences and each.benched_to_round_id
    ]
    if benched:
        logger.warning(
            "round=%d left out where others are enough: %s", before.open.round_id, in_words(benched)
        )
