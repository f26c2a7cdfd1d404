"""What an evaluation compares, and how: with the data and the version all that repeats it."""

from typing import Literal

import msgspec

from fedmotion.aggregator.configuration import AggregatorConfiguration
from fedmotion.models.specification import Specification
from fedmotion.protocol.identity import OTHER

Axes = Literal["six", "accel"]
Split = Literal["people", "classes"]
Cut = Literal["movement", "fixed"]


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """How people are recorded, split and learned from.

    Attributes
    ----------
    gestures
        The labels to tell apart.
    other
        Labels that are trained as `other`: movement that is no gesture. Without any the question is which of
        the gestures a movement is, and `other` is no answer.
    unseen
        Labels that nobody trains on: a gesture recognised in them is a false alarm.
    is_one_sided
        Whether each client has a share of the kinds of `other` only, all different ones, as homes do.
    cut
        "movement": one window a recording, round its centre of energy, as agents cut gestures; "fixed":
        windows that overlap by half from the first sample to the last, for what goes on, as walking does.
    model
        The family that learns, by its name.
    n_components, n_rounds, learning_rate, n_epochs, strategy
        The federation's, which are also those of each client alone. A learning rate of 0 is the model's own.
    split
        "people": each person is a client; "classes": as many clients, and each has some of the gestures, of
        everybody.
    n_seeds
        How often all is repeated: seeds 0 to n_seeds - 1 shuffle the training, deal the classes and `other`
        movements, and choose the newcomer's own takes.
    n_personal
        Takes of each gesture that the newcomer records for the personalised model; 0 leaves that out.
    is_turned
        Whether the newcomers also wear their boards turned and mirrored.
    newcomers
        Who is held out, each in turn; nobody is everybody.
    """

    gestures: tuple[str, ...]
    other: tuple[str, ...] = ()
    unseen: tuple[str, ...] = ()
    is_one_sided: bool = False
    model: str = "pca_svm"
    axes: Axes = "six"
    split: Split = "people"
    cut: Cut = "movement"
    rate_hz: float = 50.0
    window_length: int = 96
    n_components: int = 60
    n_rounds: int = 50
    learning_rate: float = 0.0
    n_epochs: int = 3
    strategy: str = "fedavg"
    is_turned: bool = False
    n_seeds: int = 5
    n_personal: int = 1
    newcomers: tuple[str, ...] = ()

    @property
    def activities(self) -> tuple[str, ...]:
        """The classes: the gestures, and `other`."""
        return (*self.gestures, OTHER)

    @property
    def is_closed(self) -> bool:
        """Whether every movement is one of the gestures, and `other` is no answer."""
        return not self.other

    def configuration(self, seed: int) -> AggregatorConfiguration:
        """Return how the federation of this seed is run.

        A batch of pca_svm is all that a client has: it steps once a window whatever the batch, which only
        says how often FedProx pulls, and there is no pull here.
        """
        return AggregatorConfiguration(
            federation="evaluation",
            activities=self.activities,
            model=self.model,
            rate_hz=self.rate_hz,
            window_length=self.window_length,
            n_components=self.n_components,
            n_rounds=self.n_rounds,
            learning_rate=self.learning_rate,
            n_epochs=self.n_epochs,
            strategy=self.strategy,
            batch_size=1_000_000 if self.model == "pca_svm" else 16,
            seed=seed,
        ).check()

    def specification(self) -> Specification:
        """Return what the federation learns."""
        return self.configuration(0).specification()
