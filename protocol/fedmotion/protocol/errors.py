"""The error that a bad message raises; bad configuration raises ValueError instead."""


class MessageError(Exception):
    """A message or frame that cannot be what its sender meant; the receiving loop logs, counts and drops it."""
