"""What a running aggregator knows of its gestures: proposals that come in, list and answers to be told."""

from fedmotion.aggregator.federation_records import ModelReference, ProposalRecord
from fedmotion.aggregator.federation_store import FederationStore
from fedmotion.aggregator.growing import gesture_list
from fedmotion.aggregator.proposal_intake import ProposalIntake
from fedmotion.aggregator.publisher import Publisher
from fedmotion.protocol.messages import Receipt


class GestureDesk:
    """The list, the proposals and their answers of one store.

    Attributes
    ----------
    is_to_grow
        Whether the owner has accepted what no lineage learns yet.
    has_news
        Whether what is retained is no longer what the store says.
    """

    def __init__(self, store: FederationStore) -> None:
        self._store = store
        self._intake = ProposalIntake(store)
        self.has_news = True
        self.is_to_grow = bool(store.wanted())

    def look(self) -> None:
        """Read again what the owner may have decided in another program."""
        self.is_to_grow = bool(self._store.wanted())
        self.has_news = True

    def take(self, sender: str, message: bytes, current: ModelReference, *, is_known: bool) -> Receipt | None:
        """Take a proposal, within the caller's transaction; return its receipt."""
        self.has_news = True
        return self._intake.take(sender, message, current, is_known=is_known)

    def tell(self, publisher: Publisher) -> bool:
        """Publish the list, and to each client what became of its proposals; False is to be said again."""
        is_told = publisher.gestures(gesture_list(self._store))
        by_client: dict[str, list[ProposalRecord]] = {}
        for each in self._store.proposals():
            by_client.setdefault(each.client_id, []).append(each)
        for client_id, proposals in by_client.items():
            is_told &= publisher.answers(client_id, proposals)
        self.has_news = not is_told
        return is_told
