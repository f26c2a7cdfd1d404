"""Both real brokers for the tests of this room."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from fedmotion.broker.accounts import Account, write_accounts
from fedmotion.broker.embedded import BrokerError, BrokerKind, RunningBroker, find_broker, start_broker


@pytest.fixture(params=["mosquitto", "nats"])
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RunningBroker]:
    kind: BrokerKind = request.param
    try:
        find_broker(kind)
    except BrokerError as error:
        if os.environ.get("CI") == "true":
            pytest.fail(f"CI skips nothing, but {error}")
        pytest.skip(str(error))
    directory = tmp_path / "broker"
    write_accounts(
        directory,
        [
            Account("aggregator", "secret", "aggregator", "home"),
            Account("anna", "secret", "client", "home"),
        ],
    )
    with start_broker(directory, prefer=kind) as running:
        yield running
