"""The aggregator's configuration: every key with its unit and default, and the checks of all of them."""

from typing import Annotated

import msgspec
from msgspec import Meta as Said

from fedmotion.aggregator.aggregation import STRATEGIES
from fedmotion.aggregator.rounds import MAX_COHORT, Rules
from fedmotion.aggregator.schedule import Schedule
from fedmotion.models.specification import (
    MAX_FOURIER,
    MAX_GAMMA,
    Specification,
    check_activities,
    cnn,
    mlp,
    pca_svm,
)
from fedmotion.protocol.identity import check_federation
from fedmotion.protocol.messages import TrainSettings


class AggregatorConfiguration(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the owner of a federation decides, one TOML file; only the first two keys must be given.

    A new default for what is learned (activities to is_calibrated) would need a new store, of which it is a
    part for good.
    """

    federation: Annotated[
        str,
        Said(description="the federation's name in topics: 1 to 32 of a-z, 0-9 and hyphen"),
    ]
    activities: Annotated[
        tuple[str, ...],
        Said(
            description="what is recognised, in the order of the classes; holds `other`, movement that is "
            "no gesture. Part of the store for good; `fedmotion aggregator gestures` adds to it"
        ),
    ]
    model: Annotated[
        str,
        Said(
            description="what learns: `pca_svm`, a linear model of features, or a small network, `mlp` or "
            "`cnn`, which agents train with the TFLite runtime (`pip install 'fedmotion[tflite]'`)"
        ),
    ] = "pca_svm"
    rate_hz: Annotated[
        float,
        Said(description="samples a second after resampling, 1 to 10000"),
    ] = 50.0
    window_length: Annotated[
        int,
        Said(description="samples in a window, 2 to 10000; of a network 96"),
    ] = 96
    n_components: Annotated[
        int,
        Said(description="principal components that pca_svm sees; a network has none"),
    ] = 25
    n_fourier: Annotated[
        int,
        Said(
            description="random Fourier features of the components, which bend the borders between "
            "activities; 0 to 4096, 0 is none. Needs agents that read specifications of version 2"
        ),
    ] = 0
    gamma: Annotated[
        float,
        Said(description="how narrow their Gaussian kernel exp(-gamma d²) is; unused without them"),
    ] = 0.15
    min_probability: Annotated[
        float,
        Said(
            description="a gesture is recognised where its probability is at least this, else `other`; 0 "
            "asks for nothing. Needs agents that read specifications of version 2"
        ),
    ] = 0.0
    is_calibrated: Annotated[
        bool,
        Said(
            description="probabilities are brought to how often they are right, by one number more that is "
            "learned; with n_fourier or min_probability they are in any case. Needs agents that read "
            "specifications of version 2"
        ),
    ] = False
    cohort_size: Annotated[
        int,
        Said(
            description="clients invited to a round; 0 invites all that are online (at most 1000). More "
            "than the quorum over-invites, so that slow clients are not waited for"
        ),
    ] = 0
    quorum: Annotated[
        int,
        Said(
            description="accepted contributions that close a round at once; 0 waits for all that were invited"
        ),
    ] = 0
    min_updates: Annotated[
        int,
        Said(description="accepted contributions below which a round fails at its deadline"),
    ] = 2
    min_clients: Annotated[
        int,
        Said(description="clients that must be online before a round opens"),
    ] = 2
    deadline_s: Annotated[
        float,
        Said(description="seconds that a round collects at most, from its announcement"),
    ] = 60.0
    n_rounds: Annotated[
        int,
        Said(description="train rounds in all; 0 trains for ever"),
    ] = 0
    evaluate_every: Annotated[
        int,
        Said(
            description="train rounds between two evaluate rounds, of which one also follows the last; 0 "
            "never evaluates"
        ),
    ] = 1
    interval_s: Annotated[
        float,
        Said(description="seconds between the end of a round and the next one"),
    ] = 60.0
    retry_s: Annotated[
        float,
        Said(
            description="seconds between a failed round and the next one; doubles with each failure in a "
            "row, up to 60"
        ),
    ] = 5.0
    strategy: Annotated[
        str,
        Said(description="how updates become the next parameters"),
    ] = "fedavg"
    learning_rate: Annotated[
        float,
        Said(
            description="step size of the clients' training; 0 is the model's own, 0.02 of pca_svm and 0.1 "
            "of a network"
        ),
    ] = 0.0
    n_epochs: Annotated[
        int,
        Said(description="passes over a client's windows in one round"),
    ] = 3
    batch_size: Annotated[
        int,
        Said(description="windows in one step"),
    ] = 16
    proximal_mu: Annotated[
        float,
        Said(description="pull towards the round's model while training (FedProx); 0 is none"),
    ] = 0.0
    absent_share: Annotated[
        float,
        Said(
            description="once the set of gestures has grown: how far a client moves the classes that it has "
            "no take of, 0 (leaves them) to 1 (learns from all it has what such a gesture is not)"
        ),
    ] = 0.25
    seed: Annotated[
        int,
        Said(description="of the cohorts' choice and the clients' training"),
    ] = 0
    max_windows: Annotated[
        int,
        Said(description="the largest `n_windows` that is believed of one client; larger ones are refused"),
    ] = 100_000
    n_models_kept: Annotated[
        int,
        Said(
            description="models of a lineage that the store keeps, newest first; the released one and the "
            "one that the open round starts from stay in any case"
        ),
    ] = 100
    store: Annotated[
        str,
        Said(
            description="the file of clients, models and rounds, beside the configuration file unless "
            "absolute"
        ),
    ] = "federation.sqlite"
    broker: Annotated[
        str,
        Said(
            description="`mqtt[s]://user:password@host:port` of a broker that runs already; empty starts "
            "one of our own"
        ),
    ] = ""
    host: Annotated[
        str,
        Said(description="the name or address under which clients reach the broker: invitations say it"),
    ] = "127.0.0.1"
    port: Annotated[
        int,
        Said(description="the broker's port, likewise"),
    ] = 1883

    def check(self) -> "AggregatorConfiguration":
        """Return the configuration itself if all in it is possible together.

        Raises
        ------
        ValueError
            Who, what is allowed, what came.
        """
        check_federation(self.federation)
        check_activities(self.activities)
        for key, low, high in _RANGES:
            value = getattr(self, key)
            if not low <= value <= high:
                raise ValueError(f"{key} is {low:g} to {high:g}, got {value}")
        self._check_model()
        if self.strategy not in STRATEGIES:
            raise ValueError(f"strategy is one of {', '.join(sorted(STRATEGIES))}, got {self.strategy!r}")
        if self.min_clients < self.min_updates:
            raise ValueError(
                f"min_clients is at least min_updates, {self.min_updates}, as a round with fewer clients "
                f"could only fail, got {self.min_clients}"
            )
        if self.quorum and self.quorum < self.min_updates:
            raise ValueError(
                f"quorum is 0 (all) or at least min_updates, {self.min_updates}, got {self.quorum}"
            )
        if self.cohort_size and self.cohort_size < max(self.quorum, self.min_updates):
            raise ValueError(
                "cohort_size is 0 (all) or at least quorum and min_updates, "
                f"{max(self.quorum, self.min_updates)}, got {self.cohort_size}"
            )
        self.specification()
        if not self.store:
            raise ValueError("store is the name of a file, got an empty one")
        return self

    def _check_model(self) -> None:
        if self.model not in LEARNING_RATES:
            raise ValueError(f"model is one of {', '.join(LEARNING_RATES)}, got {self.model!r}")
        if self.model != "pca_svm" and (self.n_fourier or self.is_calibrated):
            raise ValueError(
                f"n_fourier and is_calibrated are of pca_svm, a {self.model} has neither: leave them out"
            )

    def specification(self) -> Specification:
        """Return what a federation founded on this configuration learns.

        Raises
        ------
        ValueError
            If there is no such model.
        """
        if self.model in _NETWORKS:
            return _NETWORKS[self.model](
                self.activities,
                rate_hz=self.rate_hz,
                window_length=self.window_length,
                seed=self.seed,
                min_probability=self.min_probability,
            )
        return pca_svm(
            self.activities,
            rate_hz=self.rate_hz,
            window_length=self.window_length,
            n_components=self.n_components,
            seed=self.seed,
            n_fourier=self.n_fourier,
            gamma=self.gamma,
            min_probability=self.min_probability,
            is_calibrated=self.is_calibrated,
        )

    def rules(self, specification: Specification) -> Rules:
        """Return how rounds are run."""
        return Rules(
            schedule=Schedule(specification.has_statistics, self.n_rounds, self.evaluate_every),
            cohort_size=self.cohort_size,
            quorum=self.quorum,
            min_updates=self.min_updates,
            min_clients=self.min_clients,
            deadline_s=self.deadline_s,
            interval_s=self.interval_s,
            retry_s=self.retry_s,
            seed=self.seed,
        )

    def train_settings(self, round_id: int, *, has_grown: bool = False) -> TrainSettings:
        """Return how the cohort of round `round_id` trains; each round shuffles in its own way."""
        return TrainSettings(
            learning_rate=self.learning_rate or LEARNING_RATES[self.model],
            n_epochs=self.n_epochs,
            batch_size=self.batch_size,
            proximal_mu=self.proximal_mu,
            seed=self.seed + round_id,
            absent_share=self.absent_share if has_grown else 1.0,
        )


_NETWORKS = {"mlp": mlp, "cnn": cnn}

LEARNING_RATES = {"pca_svm": 0.02, "mlp": 0.1, "cnn": 0.1}
"""What is used unless told otherwise: pca_svm steps once a window, a network once a batch."""

_RANGES: tuple[tuple[str, float, float], ...] = (
    ("rate_hz", 1, 10_000),
    ("window_length", 2, 10_000),
    ("n_components", 1, 10_000),
    ("n_fourier", 0, MAX_FOURIER),
    ("gamma", 1e-9, MAX_GAMMA),
    ("min_probability", 0, 0.999),
    ("cohort_size", 0, MAX_COHORT),
    ("quorum", 0, MAX_COHORT),
    ("min_updates", 1, MAX_COHORT),
    ("min_clients", 1, MAX_COHORT),
    ("deadline_s", 0.1, 7 * 86_400),
    ("n_rounds", 0, 10**9),
    ("evaluate_every", 0, 10**9),
    ("interval_s", 0, 365 * 86_400),
    ("retry_s", 0, 3600),
    ("learning_rate", 0, 1e3),
    ("n_epochs", 1, 10_000),
    ("batch_size", 1, 1_000_000),
    ("proximal_mu", 0, 1e6),
    ("absent_share", 0, 1),
    ("seed", 0, 2**31),
    ("max_windows", 20, 10**9),
    ("n_models_kept", 1, 10**6),
    ("port", 1, 65_535),
)
