"""Bad recordings found and named before anything is trained: each take by itself, then all beside each other.

Takes are looked at once, in order, and only their signs are kept, so that MAX_TAKES bounds the memory.
"""

from collections.abc import Iterable

from fedmotion.models import set_faults, take_faults, take_likeness
from fedmotion.models.recording_findings import WHAT_TO_DO, Finding
from fedmotion.models.take_signs import Signs, signs
from fedmotion.models.takes import Take

MAX_TAKES = 100_000
"""Half a gigabyte of signs."""

_KINDS = list(WHAT_TO_DO)
_SEVERITIES = ("unusable", "doubtful", "note")


class RecordingCheck:
    """Collects takes one after another; `findings` then judges them together."""

    def __init__(self) -> None:
        self.signs: list[Signs] = []

    def add(self, take: Take) -> None:
        """Look at one take, whose samples are not kept; raises ValueError after MAX_TAKES."""
        if len(self.signs) == MAX_TAKES:
            raise ValueError(
                f"{MAX_TAKES} takes are compared at once at most, and here are more: check them in parts"
            )
        self.signs.append(signs(take))

    def findings(self) -> list[Finding]:
        """Return what is wrong, by kind, the gravest first; a take has one finding of a kind and axis."""
        takes = self.signs
        found = [fault for take in takes for fault in take_faults.faults(take)]
        for judge in (
            set_faults.axes,
            set_faults.saturations,
            set_faults.rates,
            set_faults.units,
            set_faults.lengths,
            set_faults.labels,
            set_faults.coverage,
            take_likeness.duplicates,
            take_likeness.turned,
        ):
            found += judge(takes)
        # Sorting is stable: within a severity the takes stay in order.
        found.sort(key=lambda each: (_KINDS.index(each.kind), _SEVERITIES.index(each.severity)))
        first: dict[tuple[str, str, str, str], Finding] = {}
        for each in found:
            # Findings of the whole set differ by what they say.
            first.setdefault((each.kind, each.take, each.axis, "" if each.take else each.sentence), each)
        return list(first.values())


def check(takes: Iterable[Take]) -> list[Finding]:
    """Return what is wrong with a set of takes."""
    whole = RecordingCheck()
    for take in takes:
        whole.add(take)
    return whole.findings()


def why_unusable(take: Take) -> str:
    """Return why a take by itself is not to be trained on, in words; nothing where it is."""
    found = take_faults.unusable(signs(take))
    return "; ".join(fault.sentence for fault in found)
