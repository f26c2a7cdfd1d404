"""The topics of protocol/mqtt.md, written and read in one place."""

from dataclasses import dataclass

from fedmotion.protocol.identity import check_client_id, check_federation

ROOT = "fedmotion/v1"


@dataclass(frozen=True, slots=True)
class Topics:
    """The topics of one federation."""

    federation: str

    def __post_init__(self) -> None:
        check_federation(self.federation)

    @property
    def prefix(self) -> str:
        """What every topic of the federation starts with."""
        return f"{ROOT}/{self.federation}"

    @property
    def announcement(self) -> str:
        """Retained: the current round."""
        return f"{self.prefix}/round"

    @property
    def aggregator(self) -> str:
        """Retained: the aggregator's presence."""
        return f"{self.prefix}/aggregator"

    def model(self, purpose: str, index: int | str = "+") -> str:
        """Retained: chunk `index` ("+" for all) of the model for `purpose`, which is round or released."""
        return f"{self.prefix}/model/{purpose}/{index}"

    @property
    def gestures(self) -> str:
        """Retained: the list of the federation's gestures."""
        return f"{self.prefix}/gestures"

    def answers(self, client_id: str) -> str:
        """Retained: what became of one client's proposals."""
        return f"{self.prefix}/answers/{check_client_id(client_id)}"

    def presence(self, client_id: str = "+") -> str:
        """Retained: a client's presence; only the client may write it."""
        return self._client(client_id, "presence")

    def contribution(self, client_id: str = "+") -> str:
        """A client's contributions to rounds, in chunks; only the client may write it."""
        return self._client(client_id, "contribution")

    def proposal(self, client_id: str = "+") -> str:
        """A client's proposals of gestures; only the client may write it."""
        return self._client(client_id, "proposal")

    def receipt(self, client_id: str) -> str:
        """The aggregator's receipts for one client."""
        return f"{self.prefix}/receipt/{check_client_id(client_id)}"

    def client_of(self, topic: str) -> str:
        """Return the client that may write `topic`; raises ValueError where it is no client's topic."""
        parts = topic.removeprefix(f"{self.prefix}/client/").split("/")
        if not topic.startswith(f"{self.prefix}/client/") or len(parts) != 2:
            raise ValueError(f"a client's topic is {self.prefix}/client/ID/..., got {topic[:200]!r}")
        return check_client_id(parts[0])

    def _client(self, client_id: str, leaf: str) -> str:
        if client_id != "+":
            check_client_id(client_id)
        return f"{self.prefix}/client/{client_id}/{leaf}"
