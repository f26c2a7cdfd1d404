"""How much `other` is collected by itself: so many a day, and never more than a share of all takes."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from fedmotion.broker.private_file import write_private
from fedmotion.host.configuration import AgentConfiguration
from fedmotion.host.profile import Profile
from fedmotion.protocol.identity import OTHER


class _Collected(msgspec.Struct, frozen=True):
    day_utc: str
    n: int


class OtherQuota:
    """What may still be collected today.

    The count of the day is kept in the file at `path`, so that a restart does not begin it anew; a file that
    is lost or damaged costs a day's bound and nothing else. `clock` gives Unix seconds.
    """

    def __init__(self, path: Path, *, per_day: int, share: float, clock: Callable[[], float]) -> None:
        self._path = path
        self._per_day = per_day
        self._share = share
        self._clock = clock
        self._collected = self._read()

    def has_room(self, n_by_label: Mapping[str, int]) -> bool:
        """Tell whether one more may be collected beside the takes that there are."""
        n_other, n_takes = n_by_label.get(OTHER, 0), sum(n_by_label.values())
        return self._n_today() < self._per_day and n_other + 1 <= self._share * (n_takes + 1)

    def take(self) -> None:
        """Count one; raises OSError where that cannot be kept."""
        self._collected = _Collected(self._today(), self._n_today() + 1)
        write_private(self._path, msgspec.json.encode(self._collected), is_durable=False)

    def _n_today(self) -> int:
        return self._collected.n if self._collected.day_utc == self._today() else 0

    def _today(self) -> str:
        return time.strftime("%Y-%m-%d", time.gmtime(self._clock()))

    def _read(self) -> _Collected:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=_Collected)
        except (OSError, msgspec.DecodeError, RecursionError):
            return _Collected("", 0)


def quota_of(
    profile: Profile, configuration: AgentConfiguration, clock: Callable[[], float]
) -> OtherQuota | None:
    """Return the quota that a profile's owner agreed to; None where nothing is to be collected."""
    if not configuration.is_other_collected:
        return None
    return OtherQuota(
        profile.collected, per_day=configuration.other_quota, share=configuration.other_share, clock=clock
    )
