"""The error that a bad message raises; bad configuration raises ValueError instead."""


class MessageError(Exception):
    """A message or frame that cannot be what its sender meant.

    The loop that received it logs, counts and drops it.
    """
