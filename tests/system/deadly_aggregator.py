"""An aggregator that dies at a named point: `deadly_aggregator.py FOLDER URL N_ROUNDS self|broker PLAN`."""

import os
import queue
import random
import signal
import sys
import threading
import time
from pathlib import Path
from uuid import uuid4

from deadly import Deaths, read_pid

from fedmotion.aggregator.configuration import AggregatorConfiguration
from fedmotion.aggregator.federation_store import FederationStore
from fedmotion.aggregator.founding import open_federation
from fedmotion.aggregator.publisher import aggregator_will
from fedmotion.aggregator.service import Service
from fedmotion.broker.address import parse_address
from fedmotion.broker.backoff import Backoff
from fedmotion.broker.door import Event
from fedmotion.broker.paho_door import PahoDoor


def configuration(n_rounds: int) -> AggregatorConfiguration:
    """Return what the federations of these tests share: all three clients, and small arrays."""
    return AggregatorConfiguration(
        federation="gestures",
        activities=("left", "right", "other"),
        window_length=13,
        n_components=2,
        n_rounds=n_rounds,
        evaluate_every=2,
        min_clients=3,
        interval_s=0.0,
    ).check()


def main() -> None:
    """Serve until SIGTERM, or a planned death."""
    folder, url, n_rounds, victim, plan = sys.argv[1:]
    keys = configuration(int(n_rounds))
    pid_path = Path(folder) / "broker.pid"
    deaths = Deaths(
        plan.split(",") if plan else [],
        (lambda: read_pid(pid_path)) if victim == "broker" else os.getpid,
        Path(folder) / "aggregator.points",
    )
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    store = FederationStore(Path(folder) / "federation.sqlite")
    open_federation(store, keys.federation, keys.specification(), random.SystemRandom())
    events: queue.SimpleQueue[Event] = queue.SimpleQueue()
    session = uuid4()
    door = PahoDoor(
        parse_address(url),
        name="aggregator",
        on_event=events.put,
        will=aggregator_will(keys.federation, session),
        backoff=Backoff(first_s=0.02, most_s=0.1),
    )
    Service(store, door, keys, time.monotonic, session, on_point=deaths.at).run(events, stop)
    store.close()


if __name__ == "__main__":
    main()
