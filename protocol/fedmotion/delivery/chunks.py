"""Messages of any length over a line that carries 256 KiB at a time: cut here, joined there.

A chunk is an envelope and a piece (protocol/mqtt.md): magic ``FC``, version u8, flags u8 (0), message id
(the first 16 bytes of the message's SHA-256), index u16, count u16, total length u32, little endian.
"""

import hashlib
import struct
from collections.abc import Callable
from dataclasses import dataclass, field

from fedmotion.broker.door import MAX_PAYLOAD_BYTES
from fedmotion.protocol.errors import MessageError

CHUNK_VERSION = 1
MESSAGE_ID_BYTES = 16
MAX_CHUNKS = 2**16 - 1

_ENVELOPE = struct.Struct(f"<2sBB{MESSAGE_ID_BYTES}sHHI")
_MAGIC = b"FC"
ENVELOPE_BYTES = _ENVELOPE.size

_PIECE_COST_BYTES = 256
"""What Python adds to a stored piece, so that many tiny pieces cannot hold more than was allowed."""

_MAX_UNFINISHED = 4
"""How many messages a sender may leave unfinished; an honest one sends them one after the other."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """One checked chunk."""

    message_id: bytes
    index: int
    count: int
    total_bytes: int
    piece: bytes


def count_chunks(n_bytes: int, max_bytes: int = MAX_PAYLOAD_BYTES) -> int:
    """Return how many chunks of at most `max_bytes` a message of `n_bytes` needs; an empty one needs 1."""
    return max(1, -(-n_bytes // (max_bytes - ENVELOPE_BYTES)))


def cut(message: bytes, max_bytes: int = MAX_PAYLOAD_BYTES) -> list[bytes]:
    """Return `message` as chunks of at most `max_bytes` each, envelope included.

    Raises
    ------
    ValueError
        If `max_bytes` leaves no room for a piece or the message would need more than 65535 chunks.
    """
    piece_bytes = max_bytes - ENVELOPE_BYTES
    if piece_bytes < 1:
        raise ValueError(f"a chunk has at least {ENVELOPE_BYTES + 1} bytes, got {max_bytes}")
    count = count_chunks(len(message), max_bytes)
    if count > MAX_CHUNKS:
        raise ValueError(
            f"a message is cut into at most {MAX_CHUNKS} chunks, {len(message)} bytes need {count}"
        )
    message_id = hashlib.sha256(message).digest()[:MESSAGE_ID_BYTES]
    view = memoryview(message)
    return [
        _ENVELOPE.pack(_MAGIC, CHUNK_VERSION, 0, message_id, index, count, len(message))
        + view[index * piece_bytes : (index + 1) * piece_bytes]
        for index in range(count)
    ]


def read_chunk(data: bytes) -> Chunk:
    """Return the chunk in `data`.

    Raises
    ------
    MessageError
        If it is no chunk of this version or its numbers contradict each other.
    """
    if len(data) < ENVELOPE_BYTES or data[:2] != _MAGIC:
        raise MessageError(
            f"a chunk starts with {_MAGIC!r} and an envelope, got {len(data)} bytes {data[:8]!r}"
        )
    _, version, flags, message_id, index, count, total_bytes = _ENVELOPE.unpack_from(data)
    if version != CHUNK_VERSION or flags != 0:
        raise MessageError(
            f"this program reads chunks of version {CHUNK_VERSION} without flags, "
            f"got version {version} and flags {flags:#x}"
        )
    piece = data[ENVELOPE_BYTES:]
    # Every piece of a message that is not empty holds something, so a total bounds the count.
    if index >= count or count > max(1, total_bytes) or not min(1, total_bytes) <= len(piece) <= total_bytes:
        raise MessageError(
            f"chunk {index} of {count} with {len(piece)} bytes cannot belong to {total_bytes} bytes"
        )
    return Chunk(message_id, index, count, total_bytes, piece)


@dataclass(slots=True)
class _Partial:
    count: int
    total_bytes: int
    pieces: dict[int, bytes] = field(default_factory=dict)
    n_bytes: int = 0

    @property
    def cost_bytes(self) -> int:
        return self.n_bytes + _PIECE_COST_BYTES * (1 + len(self.pieces))


@dataclass(slots=True)
class _Sender:
    """`partials` are by message id, in the order of arrival; `held_bytes` is the sum of their costs."""

    partials: dict[bytes, _Partial] = field(default_factory=dict)
    held_bytes: int = 0


def _ignore(_sender: str) -> None:
    return


class Joiner:
    """Joins chunks that arrive in any order, some of them twice, from several senders at a time.

    Memory is bounded by `max_total_bytes`: beyond it the sender that holds most loses its oldest
    unfinished message, so that one sender cannot crowd the others out. Whoever leaves more than four
    unfinished loses the oldest as well.

    Parameters
    ----------
    max_message_bytes
        A longer message is refused at its first chunk.
    max_total_bytes
        What all unfinished messages may hold together.
    on_evicted
        Told the sender of each unfinished message that is dropped to keep within the bounds.
    """

    def __init__(
        self,
        max_message_bytes: int,
        max_total_bytes: int,
        *,
        on_evicted: Callable[[str], object] = _ignore,
    ) -> None:
        if not 0 < max_message_bytes <= max_total_bytes:
            raise ValueError(
                f"max_message_bytes is positive and at most max_total_bytes, "
                f"got {max_message_bytes} and {max_total_bytes}"
            )
        self._max_message_bytes = max_message_bytes
        self._max_total_bytes = max_total_bytes
        self._on_evicted = on_evicted
        self._senders: dict[str, _Sender] = {}
        self._held_bytes = 0
        self.n_evicted = 0

    @property
    def held_bytes(self) -> int:
        """What the unfinished messages hold now, with an allowance for each piece."""
        return self._held_bytes

    def feed(self, sender: str, chunk: bytes) -> bytes | None:
        """Take one chunk of `sender`; return the message that it completes.

        Raises
        ------
        MessageError
            If it is nonsense, contradicts an earlier chunk of its message, belongs to a message that is
            too long, or completes one that is not what its id says.
        """
        part = read_chunk(chunk)
        if part.total_bytes > self._max_message_bytes:
            raise MessageError(
                f"a message here has at most {self._max_message_bytes} bytes, got one of {part.total_bytes}"
            )
        if part.count == 1:
            # As most messages: nothing to remember.
            return _checked(part.message_id, part.total_bytes, part.piece)
        partial = self._partial(sender, part)
        if (partial.count, partial.total_bytes) != (part.count, part.total_bytes):
            self._drop(sender, part.message_id)
            raise MessageError("two chunks of one message name different counts or lengths")
        if part.index in partial.pieces:
            return None
        before_bytes = partial.cost_bytes
        partial.pieces[part.index] = part.piece
        partial.n_bytes += len(part.piece)
        self._hold(sender, partial.cost_bytes - before_bytes)
        if partial.n_bytes > partial.total_bytes:
            self._drop(sender, part.message_id)
            raise MessageError(f"the chunks of a message of {part.total_bytes} bytes hold more than that")
        if len(partial.pieces) < partial.count:
            self._keep_within_total()
            return None
        self._drop(sender, part.message_id)
        message = b"".join(partial.pieces[index] for index in range(partial.count))
        return _checked(part.message_id, part.total_bytes, message)

    def forget(self, sender: str) -> None:
        """Drop the unfinished messages of `sender`."""
        left = self._senders.pop(sender, None)
        self._held_bytes -= left.held_bytes if left else 0

    def _partial(self, sender: str, part: Chunk) -> _Partial:
        """Return what came of the message of `part`; where that is nothing, make room for it."""
        of_sender = self._senders.setdefault(sender, _Sender())
        partial = of_sender.partials.get(part.message_id)
        if partial is None:
            if len(of_sender.partials) >= _MAX_UNFINISHED:
                self._evict(sender)
            partial = _Partial(part.count, part.total_bytes)
            of_sender.partials[part.message_id] = partial
            self._hold(sender, partial.cost_bytes)
        return partial

    def _hold(self, sender: str, n_bytes: int) -> None:
        self._senders[sender].held_bytes += n_bytes
        self._held_bytes += n_bytes

    def _drop(self, sender: str, message_id: bytes) -> None:
        of_sender = self._senders[sender]
        self._hold(sender, -of_sender.partials.pop(message_id).cost_bytes)
        if not of_sender.partials:
            del self._senders[sender]

    def _evict(self, sender: str) -> None:
        self._drop(sender, next(iter(self._senders[sender].partials)))
        self.n_evicted += 1
        self._on_evicted(sender)

    def _keep_within_total(self) -> None:
        while self._held_bytes > self._max_total_bytes:
            self._evict(max(self._senders, key=lambda sender: self._senders[sender].held_bytes))


def _checked(message_id: bytes, total_bytes: int, message: bytes) -> bytes:
    if len(message) != total_bytes or hashlib.sha256(message).digest()[:MESSAGE_ID_BYTES] != message_id:
        raise MessageError(f"the joined message of {len(message)} bytes is not what its id says")
    return message
