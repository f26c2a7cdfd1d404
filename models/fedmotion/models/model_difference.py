"""What lies between two models: their lineage, their specifications, and how far their arrays are apart."""

import msgspec
import numpy as np

from fedmotion.models.model_file import StoredModel
from fedmotion.models.specification import Array, Specification


class ArrayDifference(msgspec.Struct, frozen=True):
    """One array of B beside that of A.

    `largest` is the largest absolute change of an element, `relative` the norm of the change by that of A,
    `cosine` that of the angle between the two; the latter two are None where an array is zero.
    """

    name: str
    role: str
    largest: float
    relative: float | None
    cosine: float | None


class ModelDifference(msgspec.Struct, frozen=True, kw_only=True):
    """How B differs from A.

    `kinship` says in words what they are to each other, `basis` what their scaling and components are, and
    `specification` each key in which theirs differ.
    Arrays that only one has, or that are of other shapes, are in `not_compared`.
    """

    kinship: str
    is_same_model: bool
    is_same_specification: bool
    is_same_basis: bool
    basis: str
    specification: tuple[str, ...]
    arrays: tuple[ArrayDifference, ...]
    not_compared: tuple[str, ...]


def difference(a: StoredModel, b: StoredModel) -> ModelDifference:
    """Return how `b` differs from `a`."""
    roles = {array.name: array.role for array in b.specification.arrays}
    shared = [
        name
        for name in a.parameters.keys() & b.parameters.keys()
        if a.parameters[name].shape == b.parameters[name].shape
    ]
    in_order = [array.name for array in b.specification.arrays if array.name in shared]
    return ModelDifference(
        kinship=_kinship(a, b),
        is_same_model=(a.sha256, a.specification) == (b.sha256, b.specification),
        is_same_specification=a.specification == b.specification,
        is_same_basis=_basis(a) == _basis(b),
        basis=_basis_in_words(a, b),
        specification=_specification_differences(a.specification, b.specification),
        arrays=tuple(
            _array_difference(name, roles[name], a.parameters[name], b.parameters[name]) for name in in_order
        ),
        not_compared=tuple(sorted((a.parameters.keys() | b.parameters.keys()) - set(shared))),
    )


def _kinship(a: StoredModel, b: StoredModel) -> str:
    if (a.sha256, a.specification) == (b.sha256, b.specification):
        if (a.lineage_id, a.round_id) == (b.lineage_id, b.round_id):
            return "A and B are the same model"
        return f"A and B have the same arrays; A says it is of round {a.round_id}, B of round {b.round_id}"
    if a.federation_id != b.federation_id:
        return f"A is of federation {a.federation}, B of federation {b.federation}: they learned apart"
    if a.lineage_id != b.lineage_id:
        return f"B is of another lineage than A, in the same federation ({b.federation})"
    n_rounds = b.round_id - a.round_id
    if n_rounds == 0:
        return (
            f"A and B both say that they are of round {a.round_id} of the same lineage, and their arrays "
            "differ: one of them is not what it says"
        )
    rounds = "1 round" if abs(n_rounds) == 1 else f"{abs(n_rounds)} rounds"
    return f"B is {rounds} {'after' if n_rounds > 0 else 'before'} A in the same lineage"


def _basis(model: StoredModel) -> dict[str, tuple[tuple[int, ...], bytes]]:
    return {
        array.name: (array.shape, model.parameters[array.name].tobytes())
        for array in model.specification.of_role("basis")
    }


def _basis_in_words(a: StoredModel, b: StoredModel) -> str:
    if _basis(a) == _basis(b):
        return "the basis is the same"
    for name, model in (("A", a), ("B", b)):
        arrays = [model.parameters[array.name] for array in model.specification.of_role("basis")]
        if arrays and not any(array.any() for array in arrays):
            return f"{name} has no basis yet: it is from before its lineage's statistics round"
    return "the basis is another one"


def _specification_differences(a: Specification, b: Specification) -> tuple[str, ...]:
    told = [name for name in Specification.__struct_fields__ if name != "arrays"]
    lines = [
        f"{name} {_in_words(getattr(a, name))} became {_in_words(getattr(b, name))}"
        for name in told
        if getattr(a, name) != getattr(b, name)
    ]
    if a.arrays != b.arrays:
        lines.append(f"arrays {_in_words(_shapes(a))} became {_in_words(_shapes(b))}")
    return tuple(lines)


def _shapes(specification: Specification) -> tuple[str, ...]:
    return tuple(f"{array.name} {list(array.shape)}" for array in specification.arrays)


def _in_words(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _array_difference(name: str, role: str, a: Array, b: Array) -> ArrayDifference:
    x, y = a.astype(np.float64).ravel(), b.astype(np.float64).ravel()
    with np.errstate(over="ignore", invalid="ignore"):
        norm_x, norm_y = float(np.linalg.norm(x)), float(np.linalg.norm(y))
        relative = float(np.linalg.norm(y - x)) / norm_x if norm_x else None
        # Of unit vectors, so that no product overflows.
        cosine = float(np.clip((x / norm_x) @ (y / norm_y), -1, 1)) if norm_x and norm_y else None
        largest = float(np.abs(y - x).max())
    return ArrayDifference(name, role, largest, relative, cosine)
