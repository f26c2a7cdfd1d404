"""Who is there: retained messages, set by each program on connecting and by its will on vanishing.

A broker may publish the will of a dead session long after the same client came back; the session id keeps
that from taking the new one down.
"""

import logging
from dataclasses import dataclass
from uuid import UUID

from fedmotion.protocol.errors import MessageError
from fedmotion.protocol.messages import Presence, decode_message, encode_message

logger = logging.getLogger(__name__)

_MAX_SUPERSEDED = 16


def presence_message(name: str, session: UUID, *, is_online: bool) -> bytes:
    """Return the message that says that `name` came or, as its will and its goodbye, that it went.

    `session` is made once per start of the program.
    """
    return encode_message(Presence(name=name, session=session, is_online=is_online))


def is_overwritten(message: bytes, name: str, session: UUID) -> bool:
    """Return whether `message`, read from one's own presence topic, hides that this session is there.

    An agent that reads so publishes its presence again: the aggregator's book was not misled, but one that
    starts later would see only what is retained.
    """
    if not message:
        return True
    try:
        presence, _ = decode_message(message, Presence)
    except MessageError:
        return True
    return presence.name != name or presence.session != session or not presence.is_online


@dataclass(slots=True)
class _Entry:
    session: UUID
    is_online: bool
    superseded: list[UUID]


class PresenceBook:
    """Who is online, by name, from presence messages in the order of their arrival."""

    def __init__(self) -> None:
        self._entries: dict[str, _Entry] = {}

    def receive(self, name: str, message: bytes) -> bool:
        """Take the message on the topic of `name`, which only `name` may write; return whether it changed.

        An empty message (the retained one was cleared) forgets the name.

        Raises
        ------
        MessageError
            If it is no presence message, or one of another name.
        """
        was_online = self.is_online(name)
        if not message:
            self._entries.pop(name, None)
            return was_online
        presence, _ = decode_message(message, Presence)
        if presence.name != name:
            raise MessageError(f"the presence on the topic of {name} names {presence.name}")
        entry = self._entries.get(name)
        if entry is None:
            self._entries[name] = _Entry(presence.session, presence.is_online, [])
        elif presence.session == entry.session:
            entry.is_online = presence.is_online
        elif not presence.is_online or (presence.session in entry.superseded and entry.is_online):
            logger.debug("client=%s late presence of an old session ignored", name)
        else:
            superseded = [*entry.superseded, entry.session][-_MAX_SUPERSEDED:]
            self._entries[name] = _Entry(presence.session, is_online=True, superseded=superseded)
        return self.is_online(name) != was_online

    def is_online(self, name: str) -> bool:
        """Return whether `name` said that it is there and nothing ended that session."""
        entry = self._entries.get(name)
        return entry is not None and entry.is_online

    def online(self) -> tuple[str, ...]:
        """Return the names that are online, sorted."""
        return tuple(sorted(name for name, entry in self._entries.items() if entry.is_online))
