"""A model as retained chunks, one topic each: written by the aggregator, read by every agent."""

from fedmotion.broker.door import Door
from fedmotion.delivery.chunks import Joiner, cut, read_chunk
from fedmotion.protocol.errors import MessageError
from fedmotion.protocol.messages import MAX_MESSAGE_BYTES, Purpose
from fedmotion.protocol.topics import Topics


def publish_retained(
    door: Door, topics: Topics, purpose: Purpose, message: bytes, n_previous_chunks: int = 0
) -> bool:
    """Publish `message` as the model for `purpose` and clear what a longer predecessor left behind.

    Parameters
    ----------
    door, topics, purpose
        Where to.
    message
        The whole message, as `encode_message` made it.
    n_previous_chunks
        How many chunks the predecessor had (`count_chunks` of its length); 0 for none.

    Returns
    -------
    bool
        Whether the door took everything; else publish again on `Connected`.
    """
    chunks = cut(message)
    for index, chunk in enumerate(chunks):
        if not door.publish(topics.model(purpose, index), chunk, retain=True):
            return False
    return all(
        door.publish(topics.model(purpose, index), b"", retain=True)
        for index in range(len(chunks), n_previous_chunks)
    )


class ModelMailbox:
    """Collects the chunks of the model for one purpose and yields each new model once.

    A connection that comes back brings the same retained chunks again: the model they make is the last one
    and is not yielded twice. Chunks of two models under way at once do not mix.
    """

    def __init__(self, topics: Topics, purpose: Purpose, max_message_bytes: int = MAX_MESSAGE_BYTES) -> None:
        self.topic_filter = topics.model(purpose)
        self._prefix = self.topic_filter.removesuffix("+")
        # Room for the old and the new one at a time.
        self._joiner = Joiner(max_message_bytes, 2 * max_message_bytes + 2**20)
        self._last_id = b""

    def feed(self, topic: str, payload: bytes) -> bytes | None:
        """Take what arrived on `topic`; return the model's message once it is complete and a new one.

        A topic that is not below `topic_filter` and an empty payload (a leftover that was cleared) give None.

        Raises
        ------
        MessageError
            If it is no chunk, or one that belongs on another topic.
        """
        if not topic.startswith(self._prefix) or not payload:
            return None
        chunk = read_chunk(payload)
        if topic != f"{self._prefix}{chunk.index}":
            raise MessageError(f"chunk {chunk.index} of a model came on {topic}")
        if chunk.message_id == self._last_id:
            return None
        message = self._joiner.feed(self._prefix, payload)
        if message is not None:
            self._last_id = chunk.message_id
            self._joiner.forget(self._prefix)
        return message
