"""A set of activities that grows: the specification with one more, and where its model starts.

The aggregator imports this: it moves rows and knows nothing of what they mean.
"""

import msgspec
import numpy as np

from fedmotion.models.parameters import check_arrays, initial_parameters
from fedmotion.models.specification import Parameters, Specification, check_specification, pca_svm

_NOT_THIS = -1.0
"""The margin by which a linear SVM's new class starts: "this is none of it", just where a hinge loss is 0."""


def with_activities(specification: Specification, activities: tuple[str, ...]) -> Specification:
    """Return `specification` with other activities, and all else as it is.

    Raises
    ------
    ValueError
        If the family has no model of these.
    """
    if specification.family != "pca_svm":
        return check_specification(msgspec.structs.replace(specification, activities=activities))
    return pca_svm(
        activities,
        rate_hz=specification.rate_hz,
        window_length=specification.window_length,
        n_components=specification.n_components,
        seed=specification.seed,
        n_fourier=specification.n_fourier,
        gamma=specification.gamma,
        min_probability=specification.min_probability,
        is_calibrated=specification.version >= 2,
    )


def grown(specification: Specification, parameters: Parameters, larger: Specification) -> Parameters:
    """Return where a model of `larger` starts, which knows what `parameters` know, and nothing more.

    `larger` has the activities of `specification` and more behind them. Arrays of one shape in both stay,
    the basis among them: what is known of the old classes is known in its terms. An array with a row for
    each class keeps the rows that it has and gets initial ones; where it is a pca_svm's `intercept`, these
    are -1, so that the model decides everything as before and is no less sure of it.

    Raises
    ------
    ValueError
        If `larger` is no growth of `specification`, or `parameters` are not as it says.
    """
    n_known = specification.n_classes
    if larger.activities[:n_known] != specification.activities or larger.n_classes <= n_known:
        raise ValueError(
            f"a set grows behind its last activity: {', '.join(specification.activities)} and more, "
            f"got {', '.join(larger.activities)}"
        )
    if larger != with_activities(specification, larger.activities):
        raise ValueError("a specification that grows changes its activities and nothing else, got another")
    check_arrays(parameters, specification.arrays)
    start = initial_parameters(larger)
    for name, array in start.items():
        known = parameters[name]
        if array.shape == known.shape:
            start[name] = known
            continue
        if array.shape[1:] != known.shape[1:] or array.shape[0] != larger.n_classes:
            raise ValueError(f"array {name!r} has no row for each class: {known.shape} and {array.shape}")
        rows = np.full(array.shape, _NOT_THIS if name == "intercept" else 0.0, array.dtype)
        rows[:n_known] = known
        start[name] = rows
    return start
