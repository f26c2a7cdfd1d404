"""What a bad cable does to bytes: it loses some and adds noise, at random from a seed."""

import numpy as np


class LineDamage:
    """Damages a stream of bytes.

    Parameters
    ----------
    drop_probability
        Of each byte, to be lost.
    garbage_probability
        Of each byte, to be followed by a burst of 1 to 40 random bytes.
    """

    def __init__(self, seed: int, *, drop_probability: float = 0.0, garbage_probability: float = 0.0) -> None:
        for name, value in {"drop": drop_probability, "garbage": garbage_probability}.items():
            if not 0 <= value <= 1:
                raise ValueError(f"{name}_probability is 0 to 1, got {value}")
        # Two generators, so that what is damaged does not depend on how the bytes come in pieces.
        self._rng = np.random.default_rng([0xDA, seed])
        self._burst_rng = np.random.default_rng([0xDB, seed])
        self._drop = drop_probability
        self._garbage = garbage_probability
        self.n_dropped_bytes = 0
        self.n_garbage_bytes = 0

    def apply(self, data: bytes) -> bytes:
        """Return what arrives of `data`."""
        out = bytearray()
        for byte, (drop, garbage) in zip(data, self._rng.random((len(data), 2)), strict=True):
            if drop < self._drop:
                self.n_dropped_bytes += 1
            else:
                out.append(byte)
            if garbage < self._garbage:
                burst = self._burst_rng.bytes(int(self._burst_rng.integers(1, 41)))
                self.n_garbage_bytes += len(burst)
                out += burst
        return bytes(out)
