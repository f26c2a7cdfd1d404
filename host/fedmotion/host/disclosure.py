"""What this client has told of its recordings, and what it therefore tells no more or not at all.

An aggregator, or whoever took over its broker, may ask anything again and again, each time a little
differently, and compute from the differences what no single answer holds. These rules make that harder and
prove nothing.
"""

import hashlib
from collections.abc import Collection, Sequence
from pathlib import Path
from uuid import UUID

import msgspec

from fedmotion.broker.private_file import write_private
from fedmotion.models.growth import with_activities
from fedmotion.models.specification import Specification, encode_specification
from fedmotion.models.statistics import MIN_WINDOWS
from fedmotion.protocol.messages import TrainSettings

FILE_NAME = "disclosed.json"

MAX_EPOCHS = 1_000
MAX_CLASS_STEPS = 50_000
"""Epochs times batches times classes of one training, the ordinary one being below a thousand."""

MAX_WINDOW_BYTES = 256 * 2**20

_BYTES_PER_INSTANT = 6 * 4  # axes, each a float32


class Disclosed(msgspec.Struct, frozen=True):
    """The lineage and specification that this client answers for, and what of it is out.

    `statistics` names the takes whose windows were summed last by their SHA-256, in the order of summing.
    `n_joined` counts the specification's activities that its owner agreed to by joining, behind which others
    grew later; 0, of files of before, is all. `basis_sha256` names the basis of its first training, empty
    before that.
    """

    lineage_id: UUID
    specification_sha256: str
    statistics: tuple[str, ...] = ()
    n_joined: int = 0
    basis_sha256: str = ""


class DisclosureFile:
    """The `Disclosed` of a profile; read again each time, since joining again takes the file away."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> Disclosed | None:
        """Return what is kept, or None where nothing was disclosed since joining.

        Raises
        ------
        ValueError
            If the file is damaged: what it forbade is not known then, so nothing may be told.
        OSError
            If it cannot be read.
        """
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=Disclosed)
        except FileNotFoundError:
            return None
        except (msgspec.DecodeError, RecursionError) as error:
            raise ValueError(
                f"{self._path} is damaged ({error}): join again to take part in rounds"
            ) from None

    def write(self, disclosed: Disclosed) -> None:
        """Keep `disclosed`, durable on return; raises OSError where that fails."""
        write_private(self._path, msgspec.json.encode(disclosed))


def first_disclosed(lineage_id: UUID, specification: Specification) -> Disclosed:
    """Return what a first answer pins this client to."""
    return Disclosed(lineage_id, _sha256_of(specification), n_joined=specification.n_classes)


def grown_from(
    kept: Disclosed | None, asked: Disclosed, specification: Specification, basis_sha256: str
) -> Disclosed | None:
    """Return what this client is pinned to where a lineage is the kept one's set grown, else None.

    That is where taking the last activities away gives the specification of `kept` and the basis is the same
    bit by bit: no other view of the motion, only names more, of which nothing is told that its owner has not
    agreed to (see `agreed`).

    Parameters
    ----------
    asked
        What a first answer to the round would pin to.
    basis_sha256
        Of the round's model.
    """
    if kept is None or kept.lineage_id == asked.lineage_id:
        return None
    if kept.basis_sha256 and kept.basis_sha256 != basis_sha256:
        return None
    for n_known in range(specification.n_classes - 1, 1, -1):
        try:
            smaller = with_activities(specification, specification.activities[:n_known])
        except ValueError:
            continue  # `other` was among those taken away
        if _sha256_of(smaller) == kept.specification_sha256:
            return msgspec.structs.replace(
                kept,
                lineage_id=asked.lineage_id,
                specification_sha256=asked.specification_sha256,
                n_joined=kept.n_joined or n_known,
            )
    return None


def agreed(disclosed: Disclosed, specification: Specification, taught: Collection[str]) -> frozenset[str]:
    """Return the activities whose recordings answers may rest on: those joined for, and those `taught`."""
    n_joined = disclosed.n_joined or specification.n_classes
    return frozenset(specification.activities[:n_joined]) | frozenset(taught)


def _sha256_of(specification: Specification) -> str:
    return hashlib.sha256(encode_specification(specification)).hexdigest()


def why_not_this_lineage(kept: Disclosed | None, asked: Disclosed) -> str:
    """Return why a round of the lineage and specification of `asked` gets no answer, or nothing.

    Each specification is another view of the same motion, and a few dozen views are the motion itself.
    """
    if kept is None:
        return ""
    if kept.lineage_id != asked.lineage_id:
        return (
            "this client takes part in another lineage; its owner must join again (`fedmotion join FILE`) "
            "to begin a new one"
        )
    if kept.specification_sha256 != asked.specification_sha256:
        return (
            "this client takes part with another specification; its owner must join again "
            "(`fedmotion join FILE`) to begin a new one"
        )
    return ""


def choose_statistics(present: Sequence[str], before: Sequence[str]) -> tuple[str, ...]:
    """Return the takes whose windows to sum, of those `present`, where those of `before` were summed last.

    Sets that are answered for grow by at least MIN_WINDOWS or not at all, so that any two of them differ
    by nothing or by that many windows.

    Raises
    ------
    ValueError
        With the reason to decline for: too few windows, or some of `before` are gone.
    """
    names = tuple(dict.fromkeys(present))
    if len(names) < MIN_WINDOWS:
        raise ValueError(
            f"statistics need at least {MIN_WINDOWS} windows, so that none shows by itself; "
            f"here are {len(names)}"
        )
    known = set(before)
    if not known.issubset(names):
        raise ValueError(
            "recordings were deleted here, or relabelled, since the last statistics, and a second sum would "
            "show them; the owner must give them back or join again to give statistics anew"
        )
    added = tuple(name for name in names if name not in known)
    return (*before, *added) if len(added) >= MIN_WINDOWS else tuple(before)


def why_too_much_memory(specification: Specification, n_recordings: int) -> str:
    """Return why windows of so many recordings, and the features made of them, are too many, or nothing."""
    n_bytes_each = specification.window_length * _BYTES_PER_INSTANT + specification.n_fourier * 8
    n_bytes = n_bytes_each * n_recordings
    if n_bytes <= MAX_WINDOW_BYTES:
        return ""
    return f"the windows would take {n_bytes} bytes here, this client allows {MAX_WINDOW_BYTES}"


def why_too_much_work(settings: TrainSettings, specification: Specification, n_windows: int) -> str:
    """Return why a training of `n_windows` is longer than this client works for one round, or nothing."""
    if settings.n_epochs > MAX_EPOCHS:
        return f"this client trains at most {MAX_EPOCHS} epochs a round, got {settings.n_epochs}"
    n_batches = -(-n_windows // settings.batch_size)
    n_class_steps = settings.n_epochs * n_batches * specification.n_classes
    if n_class_steps > MAX_CLASS_STEPS:
        return (
            f"this client works at most {MAX_CLASS_STEPS} steps times classes a round, "
            f"these settings ask for {n_class_steps}"
        )
    return ""
