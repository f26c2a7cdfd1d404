"""Counters of a few bits on the wire, made endless on the host."""


class Unwrapper:
    """Follows a counter that wraps at 2**bits and returns its endless value.

    A step is taken to be forward when it is less than half the counter's range, else backward, so a
    jump of half the range or more (35 minutes for 32 bits of microseconds) cannot be told.
    """

    __slots__ = ("_half", "_last", "_modulus")

    def __init__(self, bits: int) -> None:
        self._modulus = 1 << bits
        self._half = self._modulus >> 1
        self._last: int | None = None

    def __call__(self, value: int) -> int:
        """Return the endless value of `value`, 0 <= value < 2**bits."""
        if self._last is None:
            self._last = value
        else:
            step = (value - self._last) % self._modulus
            self._last += step if step < self._half else step - self._modulus
        return self._last
