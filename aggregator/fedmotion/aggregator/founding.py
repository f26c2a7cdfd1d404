"""How a federation begins: its specification, its ids and its first lineage, stored once."""

import random
from uuid import UUID

from fedmotion.aggregator.federation_records import Federation
from fedmotion.aggregator.federation_store import FederationStore
from fedmotion.models.parameters import initial_parameters
from fedmotion.models.specification import Specification
from fedmotion.protocol.identity import check_federation
from fedmotion.protocol.tensors import encode_arrays


def open_federation(
    store: FederationStore, name: str, specification: Specification, rng: random.Random
) -> Federation:
    """Return the store's federation, which is founded now if the store is new.

    Parameters
    ----------
    rng
        Makes the ids: `random.SystemRandom()` but in tests.

    Raises
    ------
    ValueError
        If the store holds a federation of another name or specification.
    """
    held = store.federation()
    if held is None:
        held = Federation(new_id(rng), check_federation(name), specification)
        with store.transaction():
            store.found(held)
            store.begin_lineage(new_id(rng), encode_arrays(initial_parameters(specification)))
        return held
    if held.name != name:
        raise ValueError(f"{store.path} holds federation {held.name!r}, the configuration names {name!r}")
    # A set that has grown may be named as it was founded or as it is.
    if specification not in {store.founding_specification(), held.specification}:
        raise ValueError(
            f"{store.path} holds a federation with {_describe(held.specification)}; the configuration asks "
            f"for {_describe(specification)}: keep the old keys, or name another store (a gesture more comes "
            "by `fedmotion aggregator gestures add NAME`)"
        )
    return held


def new_id(rng: random.Random) -> UUID:
    """Return a random id (RFC 9562, version 4)."""
    return UUID(bytes=rng.randbytes(16), version=4)


def _describe(specification: Specification) -> str:
    # What version 2 has beside the first is told where it is used.
    also = "" if specification.version < 2 else ", is_calibrated"
    also += "".join(
        f", {key} {value:g}"
        for key in ("n_fourier", "gamma", "min_probability")
        if (value := getattr(specification, key))
    )
    return (
        f"family {specification.family}, activities {', '.join(specification.activities)}, "
        f"rate_hz {specification.rate_hz:g}, window_length {specification.window_length}, "
        f"n_components {specification.n_components}, seed {specification.seed}{also}"
    )
