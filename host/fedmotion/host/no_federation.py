"""What stands in a client's place where a profile has joined no federation."""

from collections import Counter

from fedmotion.broker.door import Event
from fedmotion.host.federated_client import WorkDone


class NoFederation:
    """Does nothing that a `FederatedClient` does: there is nobody to answer and nothing to wait for."""

    def __init__(self) -> None:
        self.counters: Counter[str] = Counter()
        self.is_connected = False
        self.n_pending = 0

    def start(self) -> None:
        """Connect to nobody."""

    def close(self) -> None:
        """Leave nobody."""

    def tick(self, now_s: float) -> None:
        """Wait for nothing."""

    def handle(self, event: Event | WorkDone, now_s: float) -> None:
        """Take what never comes."""
