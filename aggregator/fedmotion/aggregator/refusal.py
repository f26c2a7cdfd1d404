"""Why a contribution is refused: checks of its header and of its arrays, each giving a named refusal or None.

Every check stands before any arithmetic, so that nothing of one client reaches the others' model unseen.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

import numpy as np

from fedmotion.models.specification import Array, ArraySpecification, Specification
from fedmotion.models.statistics import MIN_WINDOWS, moment_arrays, moments_from
from fedmotion.protocol.messages import (
    MAX_HEADER_BYTES,
    PROTOCOL_VERSION,
    Contribution,
    RefusalReason,
    RoundKind,
)

LARGEST_NUMBER = float(np.finfo(np.float32).max)
"""Larger float64 numbers count as not finite, so that no sum or mean over clients can overflow."""

_FRAMING_BYTES = MAX_HEADER_BYTES + 16_384
"""The message's header, and the arrays' names, dtypes and shapes."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """The name under which a refusal is counted, and a sentence for the client's owner."""

    reason: RefusalReason
    text: str


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a contribution must say to be taken.

    Attributes
    ----------
    round_id, round_kind, cohort, base_sha256
        The open round's; a `round_id` of 0 means that none is open.
    last_round_id
        The last round that was ever announced.
    max_windows
        The largest count of windows that is believed.
    """

    federation_id: UUID
    lineage_id: UUID
    round_id: int
    round_kind: RoundKind
    cohort: frozenset[str]
    base_sha256: bytes
    last_round_id: int
    max_windows: int


def confusion_arrays(specification: Specification) -> tuple[ArraySpecification, ...]:
    """Return what an evaluate contribution holds: counts by true and predicted class."""
    shape = (specification.n_classes, specification.n_classes)
    return (ArraySpecification("confusion", shape, "int64", "trained"),)


def expected_arrays(
    specification: Specification, kind: RoundKind, n_windows: int = 0
) -> tuple[ArraySpecification, ...]:
    """Return the arrays that a contribution of `n_windows` windows to a round of `kind` holds."""
    if kind == "statistics":
        return moment_arrays(specification, n_windows)
    if kind == "evaluate":
        return confusion_arrays(specification)
    return specification.of_role("trained")


def max_message_bytes(specification: Specification) -> int:
    """Return the size of the largest message that an honest client of any round sends."""
    kinds: tuple[RoundKind, ...] = ("statistics", "train", "evaluate")
    sizes = (
        sum(array.n_elements * np.dtype(array.dtype).itemsize for array in arrays)
        for arrays in (expected_arrays(specification, kind) for kind in kinds)
    )
    return _FRAMING_BYTES + max(sizes)


def check_message(data: bytes, limit_bytes: int) -> Refusal | None:
    """Return why `data` is not even to be decoded."""
    if len(data) > limit_bytes:
        return Refusal("oversized", f"a contribution has at most {limit_bytes} bytes, got {len(data)}")
    if data[:2] == b"FM" and len(data) > 2 and data[2] != PROTOCOL_VERSION:
        return Refusal(
            "wrong_version",
            f"this aggregator speaks protocol {PROTOCOL_VERSION}, the message is of version {data[2]}",
        )
    return None


def check_membership(header: Contribution, sender: str, expectation: Expectation) -> Refusal | None:
    """Return why what came on the topic of `sender` is of another federation, client or round."""
    if header.federation_id != expectation.federation_id:
        return Refusal(
            "foreign", f"this is federation {expectation.federation_id}, not {header.federation_id}"
        )
    if header.client_id != sender:
        return Refusal("foreign", f"{sender!r} may not speak for {header.client_id!r}")
    if not 1 <= header.round_id <= expectation.last_round_id:
        return Refusal("foreign", f"round {header.round_id} was never announced")
    return None


def check_header(header: Contribution, expectation: Expectation) -> Refusal | None:
    """Return why a member's contribution does not fit the open round."""
    if header.lineage_id != expectation.lineage_id:
        return Refusal("other_lineage", f"the lineage is {expectation.lineage_id}, not {header.lineage_id}")
    if header.round_id != expectation.round_id:
        return Refusal("late", f"round {header.round_id} is closed")
    if header.client_id not in expectation.cohort:
        return Refusal("not_invited", f"round {header.round_id} did not invite {header.client_id!r}")
    if header.round_kind != expectation.round_kind:
        return Refusal(
            "wrong_kind",
            f"round {header.round_id} is of kind {expectation.round_kind}, got {header.round_kind}",
        )
    return None if header.declined else _check_numbers(header, expectation)


def _check_numbers(header: Contribution, expectation: Expectation) -> Refusal | None:
    if header.base_sha256 != expectation.base_sha256:
        return Refusal(
            "wrong_base",
            f"round {header.round_id} starts from model {expectation.base_sha256.hex()[:12]}, "
            f"got {header.base_sha256.hex()[:12]}",
        )
    least = MIN_WINDOWS if header.round_kind == "statistics" else 1
    if not least <= header.n_windows <= expectation.max_windows:
        return Refusal(
            "bad_count", f"n_windows is {least} to {expectation.max_windows}, got {header.n_windows}"
        )
    return None


def check_body(
    header: Contribution, arrays: Mapping[str, Array], specification: Specification
) -> Refusal | None:
    """Return why the arrays of a contribution may not be summed with the others'."""
    if header.declined:
        return Refusal("malformed", "whoever declines sends no arrays") if arrays else None
    expected = expected_arrays(specification, header.round_kind, header.n_windows)
    if refusal := _check_arrays(arrays, expected):
        return refusal
    if header.round_kind == "statistics":
        try:
            moments_from(specification, header.n_windows, arrays)
        except ValueError as error:
            return Refusal("malformed", str(error))
    if header.round_kind == "evaluate":
        return _check_confusion(arrays["confusion"], header.n_windows)
    return None


def _check_arrays(arrays: Mapping[str, Array], expected: tuple[ArraySpecification, ...]) -> Refusal | None:
    names = {array.name for array in expected}
    if set(arrays) != names:
        # repr(), as the names are the sender's.
        return Refusal("malformed", f"the arrays are {sorted(names)}, got {sorted(arrays)!r:.200}")
    for array in expected:
        given = arrays[array.name]
        if given.shape != array.shape:
            return Refusal(
                "wrong_shape", f"array {array.name!r} has shape {array.shape}, got {str(given.shape)[:200]}"
            )
        if given.dtype != np.dtype(array.dtype):
            return Refusal("wrong_dtype", f"array {array.name!r} is of {array.dtype}, got {given.dtype.name}")
        # NaN compares false, so this refuses it together with what is too large.
        if given.dtype.kind == "f" and not bool((np.abs(given) <= LARGEST_NUMBER).all()):
            return Refusal(
                "not_finite", f"array {array.name!r} is finite and of at most {LARGEST_NUMBER:.4g}"
            )
        if array.limit and not bool(((given >= -array.limit) & (given <= array.limit)).all()):
            return Refusal(
                "implausible",
                f"array {array.name!r} is within +-{array.limit:g}, got {np.abs(given).max():.4g}",
            )
    return None


def _check_confusion(confusion: Array, n_windows: int) -> Refusal | None:
    # The bounds of each entry come first: a sum of int64 could wrap around to the count.
    counts = confusion.astype(np.int64)
    is_possible = bool(((counts >= 0) & (counts <= n_windows)).all())
    if not is_possible or sum(int(count) for count in counts.ravel()) != n_windows:
        return Refusal(
            "bad_count", f"a confusion's counts are not negative and sum to n_windows, {n_windows}"
        )
    return None
