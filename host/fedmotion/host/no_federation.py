"""What stands in a client's place where a profile has joined no federation."""

from collections import Counter

from fedmotion.broker.door import Event
from fedmotion.host.federated_client import WorkDone
from fedmotion.host.profile import Profile
from fedmotion.protocol.invitation import Invitation


def invitation_of(profile: Profile, *, takes_part: bool, has_model: bool) -> Invitation | None:
    """Return the profile's invitation; none where it does without, as one that only recognises may.

    Raises
    ------
    ValueError
        If it cannot do without, or the invitation is damaged.
    """
    if takes_part or profile.invitation.exists():
        return profile.read_invitation()
    if not has_model:
        raise ValueError(
            f"the profile {profile.directory} has nothing to recognise by: `fedmotion train` makes a model "
            "of its recordings, `fedmotion join FILE` takes a federation's"
        )
    return None


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
