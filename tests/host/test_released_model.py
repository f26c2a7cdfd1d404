import pickle
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest

from fedmotion.host.released_model import LoadedModel, ReleasedModelFile, load_model, read_model_file
from fedmotion.models.specification import SPECIFICATION_VERSION, Parameters, Specification, pca_svm
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
        f"needs specifications of version {SPECIFICATION_VERSION + 1}, this program reads": model_message(
            trained_parameters, specification_version=SPECIFICATION_VERSION + 1
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


@pytest.fixture
def released(model_message: Callable[..., bytes], trained_parameters: Parameters) -> LoadedModel:
    return load_model(
        model_message(trained_parameters, round_id=4), federation_id=FEDERATION_ID, purpose="released"
    )


def keep(file: ReleasedModelFile, model: LoadedModel) -> None:
    file.write(model, federation="home", federation_id=FEDERATION_ID, written_unix_s=1_000_000_000.0)


def test_the_kept_model_survives_a_restart_and_is_one_file_that_only_its_owner_reads(
    tmp_path: Path, released: LoadedModel
) -> None:
    path = tmp_path / "released.safetensors"
    assert ReleasedModelFile(path).read(FEDERATION_ID) is None
    keep(ReleasedModelFile(path), replace(released, round_id=3))
    keep(ReleasedModelFile(path), released)
    kept = ReleasedModelFile(path).read(FEDERATION_ID)
    assert kept is not None
    assert (kept.lineage_id, kept.round_id, kept.sha256) == (released.lineage_id, 4, released.sha256)
    assert kept.specification == released.specification
    for name, array in released.parameters.items():
        np.testing.assert_array_equal(kept.parameters[name], array)
    assert [each.name for each in tmp_path.iterdir()] == ["released.safetensors"]
    assert path.stat().st_mode & 0o777 == 0o600


def test_the_kept_model_says_whose_it_is_and_when_it_was_kept(tmp_path: Path, released: LoadedModel) -> None:
    keep(ReleasedModelFile(tmp_path / "released.safetensors"), released)
    stored = read_model_file(tmp_path / "released.safetensors")
    assert (stored.federation, stored.federation_id) == ("home", FEDERATION_ID)
    assert stored.written_utc == "2001-09-09T01:46:40Z"
    assert re.fullmatch(r"fedmotion \d+\.\d+\.\d+", stored.written_by)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda data: data[:500], "cut short"),
        (lambda data: data[:-500], "not those that its SHA-256 names"),
        (lambda _: b"", "no model file"),
        (lambda _: pickle.dumps({"coef": 1}), "a pickle, which may run code where it is opened"),
    ],
    ids=["its index torn", "its arrays torn", "empty", "pickle"],
)
def test_a_kept_model_of_no_use_is_not_used_and_the_log_says_why(
    tmp_path: Path,
    released: LoadedModel,
    damage: Callable[[bytes], bytes],
    said: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    path = tmp_path / "released.safetensors"
    file = ReleasedModelFile(path)
    keep(file, released)
    path.write_bytes(damage(path.read_bytes()))
    assert file.read(FEDERATION_ID) is None
    assert f"the kept model is not used: {path}: " in caplog.text
    assert said in caplog.text


def test_the_model_of_another_federation_is_not_used(
    tmp_path: Path, released: LoadedModel, caplog: pytest.LogCaptureFixture
) -> None:
    file = ReleasedModelFile(tmp_path / "released.safetensors")
    keep(file, released)
    assert file.read(UUID(int=12)) is None
    assert "is of federation 00000000-0000-0000-0000-00000000000b" in caplog.text


def test_a_model_that_cannot_be_written_leaves_the_old_one(tmp_path: Path, released: LoadedModel) -> None:
    file = ReleasedModelFile(tmp_path / "released.safetensors")
    keep(file, released)
    with pytest.raises(ValueError, match="round_id"):
        keep(file, replace(released, round_id=-1))
    kept = file.read(FEDERATION_ID)
    assert kept is not None
    assert kept.round_id == 4
