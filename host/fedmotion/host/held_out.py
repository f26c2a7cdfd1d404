"""Which of a profile's takes are held out: never trained on and never told of, so that models can be asked.

Whether a take is held out is decided once and kept, for whatever was learned from it cannot be unlearned.
"""

import hashlib
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import msgspec

from fedmotion.broker.private_file import write_private
from fedmotion.models.statistics import MIN_WINDOWS


class Dealt(msgspec.Struct, frozen=True):
    """The takes that were dealt so far, by their SHA-256; deleted ones among them, which may come back."""

    trained_on: tuple[str, ...] = ()
    held_out: tuple[str, ...] = ()


class HeldOutTakes:
    """The held-out takes of one profile, in the file at `path`.

    `share` is how much of each label is held out; 0 holds out nothing, and gives to training what was.
    """

    def __init__(self, path: Path, share: float) -> None:
        self._path = path
        self._share = share
        self._dealt: Dealt | None = None

    def deal(self, labels: Mapping[str, str]) -> frozenset[str]:
        """Return which takes are held out, new ones dealt; durable on return.

        Parameters
        ----------
        labels
            The label of each take that is there.

        Raises
        ------
        ValueError
            If the file is damaged: what was trained on is not known then.
        OSError
            If it cannot be read or written.
        """
        before = self._read() if self._dealt is None else self._dealt
        after = deal(labels, before, self._share)
        if after != before:
            write_private(self._path, msgspec.json.encode(after))
        self._dealt = after
        return frozenset(after.held_out)

    def _read(self) -> Dealt:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=Dealt)
        except FileNotFoundError:
            return Dealt()
        except (msgspec.DecodeError, RecursionError) as error:
            raise ValueError(
                f"{self._path} is damaged ({error}): delete it to deal all takes anew; what is said then "
                "of takes that were trained on before is too good"
            ) from None


def deal(labels: Mapping[str, str], before: Dealt, share: float) -> Dealt:
    """Return `before` with the takes that are new dealt.

    Of each label `share` is held out, rounded down, the newcomers whose hash is smallest; labels take turns,
    and training is left MIN_WINDOWS takes at least, without which a client gives no statistics.
    """
    if not share:
        everything = (*before.trained_on, *before.held_out, *labels)
        return Dealt(trained_on=tuple(dict.fromkeys(everything)))
    known = {*before.trained_on, *before.held_out}
    held = set(before.held_out)
    n_of = Counter(labels.values())
    n_held = Counter(label for take, label in labels.items() if take in held)
    new: dict[str, list[str]] = {}
    for take, label in labels.items():
        if take not in known:
            new.setdefault(label, []).append(take)
    n_spare = len(labels) - sum(n_held.values()) - MIN_WINDOWS
    queues = {label: sorted(takes, key=_shuffled, reverse=True) for label, takes in sorted(new.items())}
    is_dealing = True
    while is_dealing:
        is_dealing = False
        for label, queue in queues.items():
            if n_spare > 0 and queue and n_held[label] < int(share * n_of[label]):
                held.add(queue.pop())
                n_held[label] += 1
                n_spare -= 1
                is_dealing = True
    newly = [take for take in labels if take not in known]
    return Dealt(
        trained_on=(*before.trained_on, *(take for take in newly if take not in held)),
        held_out=(*before.held_out, *(take for take in newly if take in held)),
    )


def _shuffled(take: str) -> bytes:
    return hashlib.sha256(f"held out/{take}".encode()).digest()
