"""What a federation learns: its activities, the shape of a window, and the named arrays of its model.

The aggregator reads this module, `parameters` and `statistics` and nothing else of the models: it knows
shapes, never what a number means.
"""

import math
from typing import Any, Literal

import msgspec
from numpy.typing import NDArray

from fedmotion.models.networks import N_OUTPUTS, NETWORK_WINDOW_LENGTH, NETWORKS
from fedmotion.protocol.identity import OTHER, check_label

SPECIFICATION_VERSION = 2
"""The newest that this program reads. A specification says the lowest version that has what it uses, so that
federations which use nothing new keep their bytes, and agents of before go on reading them."""

N_AXES = 6
N_PIECES = 8
N_FFT_BINS = 6
N_STATISTICS = 4
MAX_PARAMETERS = 16_000_000
MAX_FOURIER = 4096
MAX_GAMMA = 1000.0

_N_FEATURES = N_AXES * (N_STATISTICS + N_PIECES + N_FFT_BINS)
_MIN_WINDOW_LENGTH = max(N_PIECES, 2 * N_FFT_BINS + 1)

_FEATURE_LIMIT = 1000.0
"""No feature of pca_svm is beyond what is sensed: at most 16 g = 157 m/s2 and 2000 degrees/s = 35 rad/s."""

_PLANE_LIMIT = 1000.0
"""The optimum's norm is at most 1 / sqrt(alpha), 32 with pca_svm's alpha of 1e-3 (Shalev-Shwartz, Singer &
Srebro 2007, "Pegasos", theorem 1); what training passes through on its way there is given room."""

_WEIGHT_LIMIT = 100.0
"""Of a network's arrays. Trained ones stay below 10; twice as much is what one step of a very high learning
rate gives, and the product of three layers at the limit is far from float32's end."""

_LOG_TEMPERATURE_LIMIT = 3.2
"""Twice of what fits: a model's temperature is held within 1/5 to 5."""

_SINCE_VERSION_2 = {"n_fourier": 0, "gamma": 0.0, "min_probability": 0.0}

Dtype = Literal["float32", "float64", "int64"]
Array = NDArray[Any]  # of one of Dtype: which one is known where the specification is read
Parameters = dict[str, Array]


class ArraySpecification(msgspec.Struct, frozen=True):
    """One named array; a `basis` comes from a statistics round and is frozen, `trained` ones are averaged.

    No client's contribution holds a number beyond +-`limit`, and no average one beyond half of it, so that
    training from there has room; 0 is no limit. Of a basis, only that of its `mean` is asked for: see
    `statistics.moment_arrays`.
    """

    name: str
    shape: tuple[int, ...]
    dtype: Dtype
    role: Literal["basis", "trained"]
    limit: float = 0.0

    @property
    def n_elements(self) -> int:
        """The product of the shape."""
        return math.prod(self.shape)  # of Python's integers: a hostile shape cannot wrap around


class Specification(msgspec.Struct, frozen=True, kw_only=True):
    """Everything two programs must agree on to speak of the same model.

    `activities` is in the order of the classes and holds `other`; a window is `window_length` samples of
    six axes at `rate_hz`. `n_features` is how many numbers a statistics round's moments are of: features of a
    window, or the axes where the family takes windows as they are.

    Since version 2: the components become `n_fourier` random Fourier features of the Gaussian kernel
    exp(-`gamma` |x - y|^2), or stay as they are where `n_fourier` and `gamma` are 0; a gesture is decided
    where its probability is at least `min_probability`; a pca_svm learns how sure its probabilities may be.
    """

    version: int = 1
    family: str
    activities: tuple[str, ...]
    rate_hz: float
    window_length: int
    n_features: int
    n_components: int
    arrays: tuple[ArraySpecification, ...]
    seed: int = 0
    n_fourier: int = 0
    gamma: float = 0.0
    min_probability: float = 0.0

    @property
    def n_classes(self) -> int:
        """How many activities there are, `other` among them."""
        return len(self.activities)

    @property
    def other_index(self) -> int:
        """The class of movement that is no gesture."""
        return self.activities.index(OTHER)

    @property
    def has_statistics(self) -> bool:
        """Whether a lineage begins with a statistics round."""
        return any(array.role == "basis" for array in self.arrays)

    def of_role(self, role: str) -> tuple[ArraySpecification, ...]:
        """Return the arrays of one role, in order."""
        return tuple(array for array in self.arrays if array.role == role)


def check_activities(activities: tuple[str, ...]) -> tuple[str, ...]:
    """Return `activities`, each a label once, with `other` among them.

    Raises
    ------
    ValueError
        If a label breaks its rule, is there twice, `other` is missing, or no gesture stands beside it.
    """
    for activity in activities:
        check_label(activity, "an activity")
    if len(set(activities)) != len(activities):
        raise ValueError(f"each activity stands once, got {', '.join(activities)}")
    if OTHER not in activities or len(activities) < 2:
        raise ValueError(f"activities are {OTHER!r} and at least one gesture, got {', '.join(activities)}")
    return activities


def encode_specification(specification: Specification) -> bytes:
    """Return the specification as JSON, keys in order, so that equal ones have equal bytes."""
    if specification.version >= 2:
        return msgspec.json.encode(specification, order="deterministic")
    keys = (key for key in specification.__struct_fields__ if key not in _SINCE_VERSION_2)
    return msgspec.json.encode({key: getattr(specification, key) for key in keys})


def decode_specification(data: bytes) -> Specification:
    """Return the specification in `data`.

    Raises
    ------
    ValueError
        If it is no JSON, of a newer version, or describes something impossible.
    """
    try:
        specification = msgspec.json.decode(data, type=Specification)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError(f"the specification is not readable: {error}") from None
    return check_specification(specification)


def check_specification(specification: Specification) -> Specification:
    """Return `specification` if all in it is possible; raises ValueError with what is not."""
    if not 1 <= specification.version <= SPECIFICATION_VERSION:
        raise ValueError(
            f"this program reads specifications of version 1 to {SPECIFICATION_VERSION}, "
            f"got {specification.version}"
        )
    for key, nothing in _SINCE_VERSION_2.items():
        # A reader of before would skip the key and recognise something else.
        if specification.version < 2 and getattr(specification, key) != nothing:
            raise ValueError(f"{key} needs a specification of version 2, got one of {specification.version}")
    check_label(specification.family, "a model family")
    check_activities(specification.activities)
    if not 1 <= specification.rate_hz <= 10_000:
        raise ValueError(f"rate_hz is 1 to 10000, got {specification.rate_hz}")
    if not 2 <= specification.window_length <= 10_000:
        raise ValueError(f"window_length is 2 to 10000 samples, got {specification.window_length}")
    for name in ("n_features", "n_components", "seed"):
        if not 0 <= getattr(specification, name) < 2**63:
            raise ValueError(f"{name} is 0 to 2**63 - 1, got {getattr(specification, name)}")
    if not 0 <= specification.min_probability < 1:
        raise ValueError(f"min_probability is 0 to below 1, got {specification.min_probability}")
    _check_family(specification)
    _check_arrays(specification)
    return specification


def pca_svm(
    activities: tuple[str, ...],
    *,
    rate_hz: float = 50.0,
    window_length: int = 96,
    n_components: int = 25,
    seed: int = 0,
    n_fourier: int = 0,
    gamma: float = 0.0,
    min_probability: float = 0.0,
    is_calibrated: bool = False,
) -> Specification:
    """Return the specification of a PCA + linear SVM over `features` of windows.

    Without `n_fourier` there is no `gamma`, whatever is given. Each specification of version 2 is calibrated,
    and so is one with `n_fourier` or `min_probability`.
    The counts of features stand here and not beside their formulas, so that an aggregator can make a
    specification without importing what reads motion; a test holds the two together.
    """
    version = 2 if is_calibrated or n_fourier or min_probability else 1
    return check_specification(
        Specification(
            family="pca_svm",
            activities=activities,
            rate_hz=float(rate_hz),  # 50 and 50.0 are equal, and so are their bytes then
            window_length=window_length,
            n_features=_N_FEATURES,
            n_components=n_components,
            arrays=_pca_svm_arrays(version, len(activities), n_fourier or n_components, n_components),
            seed=seed,
            n_fourier=n_fourier,
            gamma=float(gamma) if n_fourier else 0.0,
            min_probability=float(min_probability),
            version=version,
        )
    )


def mlp(
    activities: tuple[str, ...],
    *,
    rate_hz: float = 50.0,
    window_length: int = NETWORK_WINDOW_LENGTH,
    seed: int = 0,
    min_probability: float = 0.0,
) -> Specification:
    """Return the specification of a small network of dense layers over windows as they are."""
    return _network("mlp", activities, rate_hz, window_length, seed, min_probability)


def cnn(
    activities: tuple[str, ...],
    *,
    rate_hz: float = 50.0,
    window_length: int = NETWORK_WINDOW_LENGTH,
    seed: int = 0,
    min_probability: float = 0.0,
) -> Specification:
    """Return the specification of a small network of convolutions along time over windows as they are.

    Its `seed` is that of the arrays that training starts from.
    """
    return _network("cnn", activities, rate_hz, window_length, seed, min_probability)


def _network(
    family: str,
    activities: tuple[str, ...],
    rate_hz: float,
    window_length: int,
    seed: int,
    min_probability: float,
) -> Specification:
    return check_specification(
        Specification(
            family=family,
            activities=activities,
            rate_hz=float(rate_hz),
            window_length=window_length,
            n_features=N_AXES,
            n_components=0,
            arrays=_network_arrays(family),
            seed=seed,
            min_probability=float(min_probability),
            version=2 if min_probability else 1,
        )
    )


def _check_arrays(specification: Specification) -> None:
    names = [array.name for array in specification.arrays]
    if len(set(names)) != len(names) or not specification.of_role("trained"):
        raise ValueError(f"arrays have distinct names and one is trained, got {', '.join(names)}")
    for array in specification.arrays:
        check_label(array.name, "an array's name")
        if not 1 <= len(array.shape) <= 8 or any(not 1 <= length <= MAX_PARAMETERS for length in array.shape):
            raise ValueError(f"array {array.name!r} has 1 to 8 axes of positive length, got {array.shape}")
        if not 0 <= array.limit < math.inf:
            raise ValueError(f"limit of array {array.name!r} is finite and not negative, got {array.limit}")
    n_parameters = sum(array.n_elements for array in specification.arrays)
    if n_parameters > MAX_PARAMETERS:
        raise ValueError(f"a model has at most {MAX_PARAMETERS} parameters, got {n_parameters}")


def _pca_svm_arrays(
    version: int, n_classes: int, n_inputs: int, n_components: int
) -> tuple[ArraySpecification, ...]:
    arrays = (
        ArraySpecification("mean", (_N_FEATURES,), "float64", "basis", _FEATURE_LIMIT),
        ArraySpecification("scale", (_N_FEATURES,), "float64", "basis"),
        ArraySpecification("components", (n_components, _N_FEATURES), "float64", "basis"),
        ArraySpecification("coef", (n_classes, n_inputs), "float64", "trained", _PLANE_LIMIT),
        ArraySpecification("intercept", (n_classes,), "float64", "trained", _PLANE_LIMIT),
    )
    temperature = ArraySpecification("log_temperature", (1,), "float64", "trained", _LOG_TEMPERATURE_LIMIT)
    return arrays if version < 2 else (*arrays, temperature)


def _check_family(specification: Specification) -> None:
    if specification.family == "pca_svm":
        _check_pca_svm(specification)
    elif specification.family in NETWORKS:
        _check_network(specification)


def _network_arrays(family: str) -> tuple[ArraySpecification, ...]:
    # An axis is within what a feature of it may be.
    return (
        ArraySpecification("mean", (N_AXES,), "float64", "basis", _FEATURE_LIMIT),
        ArraySpecification("scale", (N_AXES,), "float64", "basis"),
        *(
            ArraySpecification(name, shape, "float32", "trained", _WEIGHT_LIMIT)
            for name, shape in NETWORKS[family].shapes().items()
        ),
    )


def _check_network(specification: Specification) -> None:
    family = specification.family
    if specification.window_length != NETWORK_WINDOW_LENGTH:
        raise ValueError(
            f"window_length of {family} is {NETWORK_WINDOW_LENGTH} samples, for which its graph is made, got "
            f"{specification.window_length}: another rate_hz lets a window last longer or shorter"
        )
    if specification.n_classes > N_OUTPUTS:
        raise ValueError(
            f"{family} has room for {N_OUTPUTS} activities, `other` among them, got {specification.n_classes}"
        )
    wanted = {"n_features": N_AXES, "n_components": 0, "n_fourier": 0, "gamma": 0}
    for name, value in wanted.items():
        if getattr(specification, name) != value:
            raise ValueError(f"{name} of {family} is {value}, got {getattr(specification, name)}")
    expected = _network_arrays(family)
    if specification.arrays != expected:
        raise ValueError(
            f"arrays of {family} are {_in_words(expected)}, got {_in_words(specification.arrays)[:200]}"
        )


def _check_pca_svm(specification: Specification) -> None:
    # Each piece needs a sample, and each bin of the spectrum lies below half the rate.
    if specification.window_length < _MIN_WINDOW_LENGTH:
        raise ValueError(
            f"window_length of pca_svm is at least {_MIN_WINDOW_LENGTH} samples, "
            f"got {specification.window_length}"
        )
    if specification.n_features != _N_FEATURES:
        raise ValueError(f"n_features of pca_svm is {_N_FEATURES}, got {specification.n_features}")
    if not 1 <= specification.n_components <= _N_FEATURES:
        raise ValueError(
            f"n_components is 1 to {_N_FEATURES}, the number of features, got {specification.n_components}"
        )
    if not 0 <= specification.n_fourier <= MAX_FOURIER:
        raise ValueError(f"n_fourier is 0 (none) to {MAX_FOURIER}, got {specification.n_fourier}")
    if specification.n_fourier and not 0 < specification.gamma <= MAX_GAMMA:
        raise ValueError(f"gamma is above 0 and at most {MAX_GAMMA:g}, got {specification.gamma}")
    if not specification.n_fourier and specification.gamma:
        raise ValueError(f"gamma is 0 where n_fourier is 0, got {specification.gamma}")
    expected = _pca_svm_arrays(
        specification.version,
        specification.n_classes,
        specification.n_fourier or specification.n_components,
        specification.n_components,
    )
    if specification.arrays != expected:
        raise ValueError(
            f"arrays of pca_svm are {_in_words(expected)}, got {_in_words(specification.arrays)[:200]}"
        )


def _in_words(arrays: tuple[ArraySpecification, ...]) -> str:
    return ", ".join(
        f"{array.name} {array.shape} {array.dtype} {array.role}"
        + (f" within {array.limit:g}" if array.limit else "")
        for array in arrays
    )
