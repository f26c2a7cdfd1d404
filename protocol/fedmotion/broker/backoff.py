"""How long to wait before the next attempt to connect."""

import random
from dataclasses import dataclass, field


@dataclass(slots=True)
class Backoff:
    """Waits that double from `first_s` to `most_s`, each shortened at random by up to half.

    The first retry is quick, so that a broker's restart costs little; the jitter keeps a hundred agents
    from calling in the same instant (M. Brooker, "Exponential backoff and jitter", AWS 2015, "equal
    jitter").
    """

    first_s: float = 0.5
    most_s: float = 30.0
    rng: random.Random = field(default_factory=random.Random)
    _n_failures: int = 0

    def next_s(self) -> float:
        """Return the wait after one more failure, in seconds."""
        # The exponent is bounded so that a week without a broker does not overflow a float.
        whole_s = min(self.first_s * 2.0 ** min(self._n_failures, 60), self.most_s)
        self._n_failures += 1
        return whole_s * self.rng.uniform(0.5, 1.0)

    def slow_s(self) -> float:
        """Return the wait after a refusal, which rarely mends itself, in seconds."""
        return self.most_s * self.rng.uniform(0.5, 1.0)

    def reset(self) -> None:
        """Begin again with quick retries."""
        self._n_failures = 0
