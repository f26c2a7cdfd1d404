"""What a check of the doctor says, and how a check that breaks is kept from breaking the others."""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

Section = Literal["board", "sensor", "federation", "machine"]
State = Literal["ok", "warning", "failed", "not checked"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at.

    Attributes
    ----------
    measured : what was found, with its unit; of one that was not checked, why
    limit : what it is held against; "" where there is nothing to measure
    what_to_do : a sentence for a person; "" where nothing is to be done
    value, unit : the number in `measured` for scripts, where it is one
    """

    section: Section
    name: str
    state: State
    measured: str
    limit: str = ""
    what_to_do: str = ""
    value: float | None = None
    unit: str = ""

    @property
    def is_finding(self) -> bool:
        """Whether something is to be done about it."""
        return self.state in {"warning", "failed"}


def judged(
    section: Section,
    name: str,
    *,
    is_right: bool,
    measured: str,
    what_to_do: str,
    limit: str = "",
    otherwise: State = "failed",
    value: float | None = None,
    unit: str = "",
) -> Check:
    """Return a check that is ok, or `otherwise` with `what_to_do`."""
    if is_right:
        return Check(section, name, "ok", measured, limit, "", value, unit)
    return Check(section, name, otherwise, measured, limit, what_to_do, value, unit)


def not_checked(section: Section, names: Iterable[str], why: str) -> list[Check]:
    """Return a check for each of `names` that could not be made."""
    return [Check(section, name, "not checked", why) for name in names]


def guarded(section: Section, name: str, checks: Callable[[], Iterable[Check]]) -> list[Check]:
    """Return what `checks` yields; where it breaks, also a check `name` that says so."""
    made: list[Check] = []
    try:
        made.extend(checks())
    except Exception as error:  # noqa: BLE001 - where one check breaks, the others are wanted all the more
        _log.debug("section=%s name=%s broke", section, name, exc_info=True)
        made.append(
            Check(
                section,
                name,
                "failed",
                f"and this is a defect: {type(error).__name__}: {error}",
                what_to_do="please report this line, with the command that you ran",
            )
        )
    return made
