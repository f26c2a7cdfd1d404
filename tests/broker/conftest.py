"""Real brokers and owners of doors for the tests of this room."""

import os
import queue
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import pytest

from fedmotion.broker.accounts import Account, write_accounts
from fedmotion.broker.address import Address
from fedmotion.broker.backoff import Backoff
from fedmotion.broker.door import Connected, Event, Received, Will
from fedmotion.broker.embedded import BrokerError, BrokerKind, RunningBroker, find_broker, start_broker
from fedmotion.broker.paho_door import PahoDoor

ACCOUNTS = (
    Account("aggregator", "secret-of-aggregator", "aggregator", "home"),
    Account("anna", "secret-of-anna", "client", "home"),
    Account("ben", "secret-of-ben", "client", "home"),
)


class Owner:
    """What owns a door in these tests: it keeps every event and waits for the one it is asked for."""

    def __init__(
        self, address: Address, *topic_filters: str, will: Will | None = None, keepalive_s: int = 10
    ) -> None:
        self.seen: list[Event] = []
        self._waiting: list[Event] = []
        self._queue: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self.door = PahoDoor(
            address,
            name=address.username or "nobody",
            on_event=self._queue.put,
            will=will,
            keepalive_s=keepalive_s,
            backoff=Backoff(first_s=0.05, most_s=0.2, rng=random.Random(1)),
        )
        self.door.subscribe(*topic_filters)

    def wait_for(self, kind: type[Event], timeout_s: float = 15.0) -> Event:
        """Return the next event of `kind`; others stay for whoever waits for them."""
        for event in self._waiting:
            if isinstance(event, kind):
                self._waiting.remove(event)
                return event
        while True:
            event = self._queue.get(timeout=timeout_s)
            self.seen.append(event)
            if isinstance(event, kind):
                return event
            self._waiting.append(event)

    def wait_for_payload(self, payload: bytes) -> list[bytes]:
        """Return the payloads received before `payload` arrived."""
        before: list[bytes] = []
        while True:
            event = self.wait_for(Received)
            assert isinstance(event, Received)
            if event.payload == payload:
                return before
            before.append(event.payload)


class OpenDoor(Protocol):
    """The fixture `open_door`."""

    def __call__(
        self, username: str, *topic_filters: str, will: Will | None = None, keepalive_s: int = 10
    ) -> Owner: ...


@pytest.fixture(params=["mosquitto", "nats"])
def broker_kind(request: pytest.FixtureRequest) -> BrokerKind:
    kind: BrokerKind = request.param
    try:
        find_broker(kind)
    except BrokerError as error:
        if os.environ.get("CI") == "true":
            pytest.fail(f"CI skips nothing, but {error}")
        pytest.skip(str(error))
    return kind


@pytest.fixture
def broker(broker_kind: BrokerKind, tmp_path: Path) -> Iterator[RunningBroker]:
    directory = tmp_path / "a broker"
    write_accounts(directory, ACCOUNTS)
    with start_broker(directory, prefer=broker_kind) as running:
        yield running


@pytest.fixture
def open_door(broker: RunningBroker) -> Iterator[OpenDoor]:
    owners: list[Owner] = []

    def opened(username: str, *topic_filters: str, will: Will | None = None, keepalive_s: int = 10) -> Owner:
        address = broker.address(username, f"secret-of-{username}")
        owner = Owner(address, *topic_filters, will=will, keepalive_s=keepalive_s)
        owners.append(owner)
        owner.door.start()
        owner.wait_for(Connected)
        return owner

    yield opened
    for owner in owners:
        owner.door.close()


@pytest.fixture
def new_owner() -> Iterator[Callable[..., Owner]]:
    """Owners whose door is not started; it is closed in the end."""
    owners: list[Owner] = []

    def made(address: Address, *topic_filters: str, keepalive_s: int = 10) -> Owner:
        owners.append(Owner(address, *topic_filters, keepalive_s=keepalive_s))
        return owners[-1]

    yield made
    for owner in owners:
        owner.door.close()
