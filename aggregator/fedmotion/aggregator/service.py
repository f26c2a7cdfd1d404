"""The aggregator at work: one thread that takes events, carries out the round machine's actions, and answers.

All events that wait become durable in one commit; nothing is said about them before it.
"""

import logging
import queue
import random
import threading
from collections.abc import Callable, Iterable
from uuid import UUID

from fedmotion.aggregator.configuration import AggregatorConfiguration
from fedmotion.aggregator.federation_records import Federation
from fedmotion.aggregator.federation_store import FederationStore
from fedmotion.aggregator.founding import new_id
from fedmotion.aggregator.gesture_desk import GestureDesk
from fedmotion.aggregator.growing import grow
from fedmotion.aggregator.intake import Intake
from fedmotion.aggregator.publisher import PRESENCE_NAME, Publisher
from fedmotion.aggregator.round_keeper import Batch, RoundKeeper
from fedmotion.aggregator.rounds import Begun, Eligible, Held, Linked, State, Ticked, wake_at_s
from fedmotion.aggregator.schedule import next_kind
from fedmotion.broker.door import Connected, Disconnected, Door, Event, Received, Refused
from fedmotion.delivery.presence import PresenceBook, is_overwritten
from fedmotion.delivery.sqlite_store import StoreError
from fedmotion.protocol.errors import MessageError
from fedmotion.protocol.messages import Announcement

logger = logging.getLogger(__name__)

POINTS = ("announced", "received", "committed", "receipted", "aggregated", "published")
"""The names that `on_point` is called with: where tests end the process. Where a set grows, also "grown"."""

_LONGEST_WAIT_S = 0.5
_STORE_RETRY_S = 1.0
_RETELL_S = 1.0
_MAX_BATCH_EVENTS = 256
_MAX_BATCH_BYTES = 32 * 2**20


def _nothing(point: str) -> None:
    del point


def _no_clients() -> None:
    pass


class Service:
    """One federation's rounds over one door and one store, which it makes its own.

    Parameters
    ----------
    store
        A store in which the federation was founded (`founding.open_federation`).
    door
        Not started yet; its will is `publisher.aggregator_will` and its `on_event` puts into the queue
        that `run` reads.
    configuration
        Checked.
    clock
        Monotonic seconds.
    session
        Made once per start, the same as in the will.
    rng
        Makes the ids of lineages; None but in tests.
    on_point
        Called with each of POINTS as it is reached.
    on_clients
        Called when another program has invited clients, so that the broker's accounts can follow.

    Raises
    ------
    StoreError
        If the store is in use by another aggregator.
    """

    def __init__(
        self,
        store: FederationStore,
        door: Door,
        configuration: AggregatorConfiguration,
        clock: Callable[[], float],
        session: UUID,
        *,
        rng: random.Random | None = None,
        on_point: Callable[[str], None] = _nothing,
        on_clients: Callable[[], None] = _no_clients,
    ) -> None:
        federation = store.federation()
        if federation is None:
            raise StoreError(f"{store.path} holds no federation yet")
        store.claim()
        self._store = store
        self._door = door
        self._configuration = configuration
        self._federation_id = federation.federation_id
        self._clock = clock
        self._session = session
        self._on_point = on_point
        self._on_clients = on_clients
        self._rng = rng or random.SystemRandom()
        self._work_for(federation)
        self._desk = GestureDesk(store)
        self._publisher = Publisher(door, federation, session)
        self._book = PresenceBook()
        self._unhandled: list[Event] = []
        self._awaited = ""
        self._is_presence_due = False
        self._told_again_at_s: float | None = None
        self._retry_at_s: float | None = None
        self._current = store.current_model()
        self._state = self._keeper.resume(self._current)
        self._data_version = store.data_version()
        self._invited = store.clients()
        self._clients = frozenset(client.client_id for client in self._invited)
        topics = self._publisher.topics
        door.subscribe(topics.presence(), topics.contribution(), topics.proposal(), topics.aggregator)

    @property
    def state(self) -> State:
        """What the round machine knows, as committed."""
        return self._state

    @property
    def is_done(self) -> bool:
        """Whether all rounds that the configuration wants have finished."""
        is_over = next_kind(self._rules.schedule, self._state.progress) is None
        return is_over and self._state.open is None and not self._desk.is_to_grow

    @property
    def _has_told(self) -> bool:
        return self._state.is_connected and self._told_again_at_s is None

    def run(
        self, events: queue.SimpleQueue[Event], stop: threading.Event, *, until_done: bool = False
    ) -> None:
        """Serve until `stop` is set, then say goodbye; with `until_done` also once the last round is told.

        One that is started again after its last commit tells first: the one before may not have.
        """
        self._door.start()
        try:
            while not stop.is_set() and not (until_done and self.is_done and self._has_told):
                self._survive(_next_batch(events, self.tick()))
        finally:
            self.close()

    def close(self) -> None:
        """Say goodbye and close the door; the store stays open."""
        self._publisher.presence(is_online=False)
        self._door.close()

    def handle(self, event: Event) -> None:
        """Take one event."""
        self.handle_all((event,))

    def handle_all(self, events: Iterable[Event]) -> None:
        """Take events in one transaction; where the store fails, clients send again what it missed."""
        taken = [*self._unhandled, *events]
        batch = Batch(self._current)
        state = self._state
        self._look_around()
        try:
            with self._store.transaction():
                state = self._keeper.move(state, Held(self._desk.is_to_grow), batch)
                for event in taken:
                    state = self._take(event, state, batch)
                state = self._keeper.move(state, Eligible(self._clients & set(self._book.online())), batch)
                state = self._keeper.move(state, Ticked(), batch)
        except StoreError as error:
            logger.error("nothing was stored, trying again in %.0f s: %s", _STORE_RETRY_S, error)  # noqa: TRY400 - its sentence says all
            self._unhandled = [event for event in taken if not _is_sent_again(event)]
            self._retry_at_s = self._clock() + _STORE_RETRY_S
            return
        self._unhandled = []
        self._retry_at_s = None
        self._state = state
        self._current = batch.current
        if batch.receipts or batch.has_new_round:
            self._on_point("committed")
        self._tell(batch)
        self._say_what_is_awaited()
        if self._desk.is_to_grow and self._state.open is None:
            self._grow()

    def tick(self) -> float:
        """Do what is due and return the seconds until the next tick is."""
        now_s = self._clock()
        if self._is_presence_due:
            self._is_presence_due = False
            self._publisher.presence()
        is_untold = self._told_again_at_s is not None and now_s >= self._told_again_at_s
        if is_untold and self._state.is_connected:
            self._tell(Batch(self._current, is_greeting=True))
        wake_s = self._retry_at_s if self._retry_at_s is not None else wake_at_s(self._state, self._rules)
        is_due = wake_s is not None and now_s >= wake_s
        if is_due or (self._retry_at_s is None and self._look_around()):
            self.handle_all(())
            wake_s = self._retry_at_s if self._retry_at_s is not None else wake_at_s(self._state, self._rules)
        return _LONGEST_WAIT_S if wake_s is None else min(max(wake_s - self._clock(), 0.0), _LONGEST_WAIT_S)

    def _say_what_is_awaited(self) -> None:
        """Log, once, why no round is open, so that nobody has to guess what a quiet aggregator does."""
        state, rules = self._state, self._rules
        awaited = ""
        kind = next_kind(rules.schedule, state.progress)
        if state.open is None and state.is_connected:
            wait_s = state.not_before_s - self._clock()
            if kind is None:
                awaited = "all rounds are done"
            elif len(state.eligible) < rules.min_clients:
                online = ", ".join(sorted(state.eligible)[:10]) or "none"
                awaited = (
                    f"waiting for clients: {len(state.eligible)} of {rules.min_clients} online ({online})"
                )
            elif wait_s > 1:
                awaited = f"the next {kind} round comes in {wait_s:.0f} s"
        if awaited and awaited.rstrip(" s0123456789") != self._awaited:
            logger.info("%s", awaited)
        self._awaited = awaited.rstrip(" s0123456789")

    def _survive(self, events: list[Event]) -> None:
        """Handle a batch; what nobody foresaw is logged and harms the event that raised it only."""
        if not events:
            return
        try:
            self.handle_all(events)
        except Exception:  # the outermost loop of the program: one event must not take the others with it
            logger.exception("a batch of %d events failed, taking them one by one", len(events))
            for event in events:
                try:
                    self.handle_all((event,))
                except Exception:  # likewise
                    logger.exception("dropped an event of kind %s", type(event).__name__)

    def _look_around(self) -> bool:
        """Read again what another program has written to the store; return whether one has."""
        try:
            version = self._store.data_version()
            if version == self._data_version:
                return False
            invited = self._store.clients()
            self._desk.look()
        except StoreError:
            return False  # the transaction that follows meets it too, and says so
        self._data_version = version
        if invited != self._invited:
            self._invited = invited
            self._clients = frozenset(client.client_id for client in invited)
            self._on_clients()
        return True

    def _work_for(self, federation: Federation) -> None:
        """Judge and average by the specification that `federation` has from now on."""
        self._federation = federation
        self._has_grown = federation.specification != self._store.founding_specification()
        self._rules = self._configuration.rules(federation.specification)
        self._keeper = RoundKeeper(
            self._store, federation.specification, self._configuration, self._clock, self._on_point
        )
        self._intake = Intake(self._store, federation, self._configuration.max_windows, self._on_point)

    def _grow(self) -> None:
        """Begin the lineage of the set that has grown: at once durable, then told, and its rounds follow."""
        try:
            with self._store.transaction():
                federation = grow(self._store, new_id(self._rng))
            current = self._store.current_model()
            progress = self._store.progress(current.lineage_id)
        except StoreError as error:
            logger.error("the set of gestures cannot grow yet: %s", error)  # noqa: TRY400 - its sentence says all
            self._retry_at_s = self._clock() + _STORE_RETRY_S
            return
        logger.info(
            "lineage %s begins: %s", current.lineage_id, ", ".join(federation.specification.activities)
        )
        self._on_point("grown")
        self._work_for(federation)
        self._current = current
        self._desk.look()
        batch = Batch(current, has_new_model=True)
        self._state = self._keeper.move(self._state, Begun(progress), batch)
        self._tell(batch)
        self.handle_all(())

    def _take(self, event: Event, state: State, batch: Batch) -> State:
        if isinstance(event, Connected):
            batch.is_greeting = True
            return self._keeper.move(state, Linked(True), batch)
        if isinstance(event, Received):
            try:
                return self._receive(event, state, batch)
            except (MessageError, ValueError) as error:
                logger.warning("topic=%s dropped a message: %s", event.topic[:200], error)
                return state
        if isinstance(event, Refused):
            logger.warning("the broker refuses us: %s", event.reason)
        elif isinstance(event, Disconnected):
            logger.warning("no broker: %s", event.reason)
        # What was retained comes again with the next connection, and says who is online then.
        self._book = PresenceBook()
        return self._keeper.move(state, Linked(False), batch)

    def _receive(self, event: Received, state: State, batch: Batch) -> State:
        topics = self._publisher.topics
        if event.topic == topics.aggregator:
            # The late will of an earlier session; told with the next tick, not in a volley with a twin.
            self._is_presence_due |= is_overwritten(event.payload, PRESENCE_NAME, self._session)
            return state
        sender = topics.client_of(event.topic)
        is_known = sender in self._clients
        if event.topic == topics.presence(sender):
            if is_known:
                self._book.receive(sender, event.payload)
            return state
        if event.topic == topics.proposal(sender) and event.payload:
            receipt = self._desk.take(sender, event.payload, batch.current, is_known=is_known)
            batch.receipts += [] if receipt is None else [receipt]
            return state
        # An empty one is a client's try whether it may.
        if event.topic != topics.contribution(sender) or not event.payload:
            return state
        outcome = self._intake.take(sender, event.payload, state, batch.current, is_known=is_known)
        if outcome is None:
            return state
        batch.receipts.append(outcome.receipt)
        return state if outcome.answered is None else self._keeper.move(state, outcome.answered, batch)

    def _tell(self, batch: Batch) -> None:
        """Publish what is committed; the round's model stands before its round."""
        publisher = self._publisher
        is_told = not batch.is_greeting or publisher.presence()
        for receipt in batch.receipts:
            publisher.receipt(receipt)
        if batch.receipts:
            self._on_point("receipted")
        # Again after a failure: nats-server loses a retained message to who subscribes in that very moment,
        # and who has no model stays silent in every round that starts from it.
        has_model = batch.has_new_model or batch.has_failed_round or batch.is_greeting
        if has_model:
            arrays = self._store.arrays_of(self._current)
            is_told &= publisher.model("round", self._current, arrays, self._federation.specification)
        if batch.has_new_round or batch.is_greeting:
            is_told &= publisher.announcement(self._announcement())
            self._on_point("announced")
        # Behind the announcement: the cohort trains while recognisers get their copy.
        if has_model and (released := self._store.released_model()) is not None:
            specification = self._store.specification_of(released.lineage_id)
            is_told &= publisher.model("released", released, self._store.arrays_of(released), specification)
        if has_model:
            self._on_point("published")
        if self._desk.has_news or batch.is_greeting:
            is_told &= self._desk.tell(publisher)
        if not is_told:
            # The connection broke, which its next beginning makes good, or the door's queue is full.
            self._told_again_at_s = self._clock() + _RETELL_S
        elif batch.is_greeting:
            self._told_again_at_s = None

    def _announcement(self) -> Announcement | None:
        opened = self._state.open
        if opened is None:
            return None
        return Announcement(
            federation_id=self._federation_id,
            lineage_id=self._current.lineage_id,
            round_id=opened.round_id,
            round_kind=opened.kind,
            cohort=opened.cohort,
            deadline_s=max(opened.deadline_at_s - self._clock(), 0.0),
            model_sha256=self._current.sha256,
            settings=self._configuration.train_settings(opened.round_id, has_grown=self._has_grown),
        )


def _is_sent_again(event: Event) -> bool:
    """Return whether its sender repeats it until there is a receipt."""
    return isinstance(event, Received) and event.topic.endswith(("/contribution", "/proposal"))


def _next_batch(events: queue.SimpleQueue[Event], timeout_s: float) -> list[Event]:
    """Return what waits in the queue, or what comes first; bounded, so that a transaction stays small."""
    batch: list[Event] = []
    n_bytes = 0
    try:
        while len(batch) < _MAX_BATCH_EVENTS and n_bytes < _MAX_BATCH_BYTES:
            event = events.get_nowait() if batch or timeout_s <= 0 else events.get(timeout=timeout_s)
            batch.append(event)
            n_bytes += len(event.payload) if isinstance(event, Received) else 0
    except queue.Empty:
        pass
    return batch
