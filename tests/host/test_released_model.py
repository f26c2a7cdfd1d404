from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest

from fedmotion.host.released_model import ReleasedModelFile, load_model
from fedmotion.models.specification import Parameters, Specification, pca_svm
from fedmotion.protocol.errors import MessageError

FEDERATION_ID = UUID(int=11)


def changed(parameters: Parameters, name: str, value: float) -> Parameters:
    array = parameters[name].copy()
    array.flat[0] = value
    return {**parameters, name: array}


def test_a_model_that_is_what_it_claims_is_loaded(
    model_message: Callable[..., bytes], trained_parameters: Parameters, specification: Specification
) -> None:
    model = load_model(
        model_message(trained_parameters, round_id=7), federation_id=FEDERATION_ID, purpose="released"
    )
    assert (model.round_id, model.specification) == (7, specification)
    for name, array in trained_parameters.items():
        np.testing.assert_array_equal(model.parameters[name], array)


def test_what_does_not_fit_is_refused_in_words(
    model_message: Callable[..., bytes], trained_parameters: Parameters, specification: Specification
) -> None:
    good = model_message(trained_parameters)
    shorter = {**trained_parameters, "coef": trained_parameters["coef"][:, :-1]}
    single = {**trained_parameters, "coef": trained_parameters["coef"].astype(np.float32)}
    without = {name: array for name, array in trained_parameters.items() if name != "scale"}
    other = pca_svm(("swipe_left", "swipe_right", "wave", "other"), n_components=8)
    refused = {
        "truncated or damaged": good[:-1],
        "a message starts with": b"",
        "does not fit": good[:100],
        "protocol 1, the message is of version 9": good[:2] + b"\x09" + good[3:],
        r"is of federation 00000000-0000-0000-0000-000000000063": model_message(
            trained_parameters, federation_id=UUID(int=99)
        ),
        "expected a model for 'released', got one for 'round'": model_message(trained_parameters, "round"),
        "needs protocol 2, this program speaks 1: update": model_message(
            trained_parameters, protocol_version=2
        ),
        "needs specifications of version 2, this program reads 1: update": model_message(
            trained_parameters, specification_version=2
        ),
        "not those that its SHA-256 names": model_message(trained_parameters, model_sha256=b"x" * 32),
        r"'coef' has shape \(3, 8\), got \(3, 7\)": model_message(shorter),
        r"'coef' has shape \(4, 8\), got \(3, 8\)": model_message(trained_parameters, of=other),
        "'coef' is of float64, got float32": model_message(single),
        "'scale' is missing": model_message(without),
        "'intercept' is finite, got nan": model_message(
            changed(trained_parameters, "intercept", float("nan"))
        ),
        "'coef' is finite, got inf": model_message(changed(trained_parameters, "coef", float("inf"))),
    }
    for sentence, message in refused.items():
        with pytest.raises(MessageError, match=sentence):
            load_model(message, federation_id=FEDERATION_ID, purpose="released")


def test_the_kept_model_survives_a_restart_and_a_torn_one_is_not_used(
    tmp_path: Path, model_message: Callable[..., bytes], trained_parameters: Parameters
) -> None:
    file = ReleasedModelFile(tmp_path / "released.model")
    assert file.read(FEDERATION_ID) is None
    file.write(model_message(trained_parameters, round_id=3))
    file.write(model_message(trained_parameters, round_id=4))
    kept = ReleasedModelFile(tmp_path / "released.model").read(FEDERATION_ID)
    assert kept is not None
    assert kept.round_id == 4
    assert file.read(UUID(int=12)) is None
    assert [path.name for path in tmp_path.iterdir()] == ["released.model"]
    (tmp_path / "released.model").write_bytes(model_message(trained_parameters)[:500])
    assert file.read(FEDERATION_ID) is None
