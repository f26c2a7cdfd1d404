"""What a model is, for people: its arrays in figures, and what its activities are recognised by."""

import msgspec
import numpy as np

from fedmotion.models.feature_names import feature_names
from fedmotion.models.model_file import StoredModel
from fedmotion.models.parameters import select
from fedmotion.models.specification import Array, ArraySpecification
from fedmotion.protocol.tensors import encode_arrays

N_HEAVIEST = 6


class ArrayReport(msgspec.Struct, frozen=True):
    """One array in figures; `norm` is the root of the sum of squares."""

    name: str
    role: str
    dtype: str
    shape: tuple[int, ...]
    n_bytes: int
    minimum: float
    maximum: float
    norm: float


class FeatureWeight(msgspec.Struct, frozen=True):
    """By how much an activity's margin grows where a feature is one standard deviation larger."""

    feature: str
    weight: float


class ModelReport(msgspec.Struct, frozen=True, kw_only=True):
    """All that there is to say of a model.

    `update_bytes` are those of the arrays that a client sends each round, without the message's header of a
    few hundred. `heaviest` holds for each activity the features that weigh most, heaviest first; it is empty
    where single features do not add up to the decision, and `why_no_weights` then says why.
    """

    federation: str
    federation_id: str
    lineage_id: str
    round_id: int
    sha256: str
    written_utc: str
    written_by: str
    specification_version: int
    family: str
    activities: tuple[str, ...]
    rate_hz: float
    window_length: int
    n_features: int
    n_components: int
    n_fourier: int
    gamma: float
    min_probability: float
    n_parameters: int
    n_bytes: int
    update_bytes: int
    is_trained: bool
    arrays: tuple[ArrayReport, ...]
    heaviest: dict[str, tuple[FeatureWeight, ...]]
    why_no_weights: str


def report_on(model: StoredModel) -> ModelReport:
    """Return what there is to say of `model`."""
    specification = model.specification
    trained = select(model.parameters, "trained", specification)
    is_trained = any(array.any() for array in trained.values())
    why_no_weights = _why_no_weights(model, is_trained=is_trained)
    return ModelReport(
        federation=model.federation,
        federation_id=str(model.federation_id),
        lineage_id=str(model.lineage_id),
        round_id=model.round_id,
        sha256=model.sha256.hex(),
        written_utc=model.written_utc,
        written_by=model.written_by,
        specification_version=specification.version,
        family=specification.family,
        activities=specification.activities,
        rate_hz=specification.rate_hz,
        window_length=specification.window_length,
        n_features=specification.n_features,
        n_components=specification.n_components,
        n_fourier=specification.n_fourier,
        gamma=specification.gamma,
        min_probability=specification.min_probability,
        n_parameters=sum(array.n_elements for array in specification.arrays),
        n_bytes=len(encode_arrays(model.parameters)),
        update_bytes=len(encode_arrays(trained)),
        is_trained=is_trained,
        arrays=tuple(_array_report(each, model.parameters[each.name]) for each in specification.arrays),
        heaviest={} if why_no_weights else _heaviest(model),
        why_no_weights=why_no_weights,
    )


def _array_report(specified: ArraySpecification, array: Array) -> ArrayReport:
    with np.errstate(over="ignore"):
        norm = float(np.linalg.norm(array.astype(np.float64)))
    return ArrayReport(
        name=specified.name,
        role=specified.role,
        dtype=specified.dtype,
        shape=specified.shape,
        n_bytes=array.nbytes,
        minimum=float(array.min()),
        maximum=float(array.max()),
        norm=norm,
    )


def _why_no_weights(model: StoredModel, *, is_trained: bool) -> str:
    if model.specification.family != "pca_svm":
        return f"a {model.specification.family} has no weights of single features"
    if not is_trained:
        return "it is not trained yet and recognises nothing"
    if model.specification.n_fourier:
        return "it decides by random Fourier features, of which each is made of all features"
    return ""


def _heaviest(model: StoredModel) -> dict[str, tuple[FeatureWeight, ...]]:
    # A margin is coef (components ((x - mean) / scale)) + intercept: linear in the standardised features.
    weights = model.parameters["coef"] @ model.parameters["components"]
    names = feature_names()
    return {
        activity: tuple(
            FeatureWeight(names[index], float(row[index]))
            for index in np.argsort(-np.abs(row), kind="stable")[:N_HEAVIEST]
        )
        for activity, row in zip(model.specification.activities, weights, strict=True)
    }
