"""Model files: everybody can open them, and what is not all that it claims to be is refused in words."""

import hashlib
import io
import json
import pickle
import random
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save

from fedmotion.models.model_file import (
    MAX_INDEX_BYTES,
    MAX_MODEL_FILE_BYTES,
    StoredModel,
    decode_model_file,
    encode_model_file,
)
from fedmotion.models.parameters import initial_parameters
from fedmotion.models.specification import SPECIFICATION_VERSION, Parameters, pca_svm
from fedmotion.protocol.tensors import decode_arrays, encode_arrays, sha256_of

SPECIFICATION = pca_svm(("wischen", "grüßen", "other"), n_components=4)
KEYS = {
    "format",
    "format_version",
    "federation",
    "federation_id",
    "lineage_id",
    "round_id",
    "arrays_sha256",
    "specification",
    "written_utc",
    "written_by",
}


def parameters() -> Parameters:
    rng = np.random.default_rng(5)
    return {
        name: rng.standard_normal(array.shape).astype(array.dtype)
        for name, array in initial_parameters(SPECIFICATION).items()
    }


def stored(arrays: Parameters | None = None, **changes: Any) -> StoredModel:
    arrays = parameters() if arrays is None else arrays
    model = StoredModel(
        federation="home",
        federation_id=UUID(int=11),
        lineage_id=UUID(int=22),
        round_id=12,
        sha256=sha256_of(arrays),
        specification=SPECIFICATION,
        parameters=arrays,
        written_utc="2026-03-01T12:34:56Z",
        written_by="fedmotion 0.1.0",
    )
    return replace(model, **changes)


DATA = encode_model_file(stored())


def parts(data: bytes) -> tuple[dict[str, Any], bytes]:
    """Return index and arrays as a reader with nothing but the format's documentation sees them."""
    end = 8 + int.from_bytes(data[:8], "little")
    return json.loads(data[8:end]), data[end:]


def joined(index: dict[str, Any], body: bytes) -> bytes:
    text = json.dumps(index, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + body


def with_metadata(**changes: str | None) -> bytes:
    """Return the file with entries of its metadata changed, or left out where None."""
    index, body = parts(DATA)
    metadata = {**index.pop("__metadata__"), **changes}
    return joined(
        {"__metadata__": {k: v for k, v in metadata.items() if v is not None}, **index},
        body,
    )


def with_specification(**changes: object) -> bytes:
    index, _ = parts(DATA)
    specification = {**json.loads(index["__metadata__"]["specification"]), **changes}
    return with_metadata(specification=json.dumps(specification, separators=(",", ":"), ensure_ascii=False))


def with_arrays(arrays: Parameters) -> bytes:
    """Return a file of these arrays that names them truly."""
    index, body = parts(encode_arrays(arrays))
    metadata, _ = parts(DATA)
    metadata["__metadata__"]["arrays_sha256"] = sha256_of(arrays).hex()
    return joined({"__metadata__": metadata["__metadata__"], **index}, body)


def changed(name: str, value: float) -> Parameters:
    arrays = parameters()
    arrays[name].flat[0] = value
    return arrays


def test_a_model_comes_back_with_all_that_is_known_of_it() -> None:
    model, again = stored(), decode_model_file(DATA)
    for field in fields(StoredModel):
        if field.name != "parameters":
            assert getattr(again, field.name) == getattr(model, field.name)
    assert again.parameters.keys() == model.parameters.keys()
    for name, array in model.parameters.items():
        np.testing.assert_array_equal(again.parameters[name], array)
    assert encode_model_file(again) == DATA


def test_everybody_s_safetensors_opens_it(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(DATA)
    loaded = load_file(path)
    assert loaded.keys() == parameters().keys()
    for name, array in parameters().items():
        np.testing.assert_array_equal(loaded[name], array)
    with safe_open(path, framework="np") as file:
        metadata = file.metadata()
    assert metadata.keys() == KEYS
    assert (metadata["federation"], metadata["round_id"]) == ("home", "12")
    assert json.loads(metadata["specification"])["activities"] == ["wischen", "grüßen", "other"]


def test_everybody_s_safetensors_writes_one() -> None:
    """In whatever order it writes the metadata, which differs from one call to the next."""
    metadata = parts(DATA)[0]["__metadata__"]
    for _ in range(20):
        assert decode_model_file(bytes(save(parameters(), metadata))).sha256 == stored().sha256


def test_its_hash_is_that_of_the_arrays_as_they_travel() -> None:
    index, body = parts(DATA)
    del index["__metadata__"]
    travelling = joined(index, body)
    decode_arrays(travelling)
    assert travelling == encode_arrays(parameters())
    assert parts(DATA)[0]["__metadata__"]["arrays_sha256"] == hashlib.sha256(travelling).hexdigest()


def zip_of_numpy() -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, coef=parameters()["coef"])
    return buffer.getvalue()


def array_of_numpy() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.zeros(3))
    return buffer.getvalue()


REFUSED: dict[str, Callable[[], bytes]] = {
    "begins with the length of its index, .* got nothing": lambda: b"",
    "this is no model file; .* got 73 68 6f 72 74$": lambda: b"short",
    "no model file": lambda: bytes(64),
    "a pickle, which may run code": lambda: pickle.dumps(parameters()),
    "a pickle, which may run code where it": lambda: pickle.dumps(parameters(), protocol=2),
    "a zip archive, as of numpy or PyTorch": zip_of_numpy,
    "an array of numpy": array_of_numpy,
    "a message of the wire": lambda: b"FM\x01\x00\x84\x03\x00\x00" + bytes(900),
    "an SQLite store": lambda: b"SQLite format 3\0" + bytes(4096),
    "cut short: its index ends at byte": lambda: DATA[:100],
    "damaged or was changed": lambda: DATA[:-1],
    "or was changed: its arrays": lambda: DATA + b"\0",
    "its index is not readable": lambda: DATA[:8] + b"[" * (len(DATA) - 8),
    "index is not readable .*surrogate": lambda: (
        joined({}, b"")[:0] + (16).to_bytes(8, "little") + b'{"\\ud800": "" } '
    ),
    f"at most {MAX_INDEX_BYTES}, got": lambda: (MAX_INDEX_BYTES + 1).to_bytes(8, "little") + bytes(200_000),
    f"at most {MAX_MODEL_FILE_BYTES} bytes, got": lambda: bytes(MAX_MODEL_FILE_BYTES + 1),
    "of another program: .* got 'none'": lambda: bytes(save(parameters())),
    "of another program: .* got 'pt'": lambda: bytes(save(parameters(), {"format": "pt"})),
    "format version 2, this program reads 1: update fedmotion": lambda: with_metadata(
        format_version="2", later="1"
    ),
    "break a rule: .*`lineage_id`": lambda: with_metadata(lineage_id=None),
    "break a rule: .*unknown field `note`": lambda: with_metadata(note="mine"),
    "break a rule: .*round_id": lambda: with_metadata(round_id="-1"),
    "break a rule: .*`\\$.round_id`": lambda: with_metadata(round_id="1\n"),
    "break a rule: .*UUID": lambda: with_metadata(federation_id="home"),
    "break a rule: .*federation`": lambda: with_metadata(federation="My Home"),
    "break a rule: .*written_utc": lambda: with_metadata(written_utc="2026-13-01T00:00:00Z"),
    "break a rule: .*written_by": lambda: with_metadata(written_by="\x1b[31mred"),
    "not in the one encoding": lambda: with_metadata(lineage_id=UUID(int=22).hex),
    "was changed: its arrays are not those": lambda: with_metadata(arrays_sha256="0" * 64),
    "specification is not readable": lambda: with_metadata(specification="mean, scale"),
    f"specifications of version {SPECIFICATION_VERSION + 1}, .*: update fedmotion": lambda: (
        with_specification(version=SPECIFICATION_VERSION + 1, arrays="later")
    ),
    "no use here: .*'tensor_forest'": lambda: with_specification(family="tensor_forest"),
    "no use here: .*'other' and at least one gesture": lambda: with_specification(activities=["a", "b"]),
    "specification is not in the one encoding": lambda: with_metadata(
        specification=parts(DATA)[0]["__metadata__"]["specification"].replace(",", ", ")
    ),
    r"array 'coef' has shape \(3, 4\), got \(3, 3\)": lambda: with_arrays(
        {**parameters(), "coef": parameters()["coef"][:, :3]}
    ),
    "array 'coef' is of float64, got float32": lambda: with_arrays(
        {**parameters(), "coef": parameters()["coef"].astype(np.float32)}
    ),
    "array 'scale' is missing": lambda: with_arrays(
        {name: array for name, array in parameters().items() if name != "scale"}
    ),
    "got also 'hidden'": lambda: with_arrays({**parameters(), "hidden": np.zeros(2)}),
    "array 'mean' is finite, got nan at": lambda: with_arrays(changed("mean", np.nan)),
    "array 'coef' is finite, got -inf": lambda: with_arrays(changed("coef", -np.inf)),
}


@pytest.mark.parametrize("sentence", REFUSED)
def test_what_is_no_model_of_use_is_refused_in_one_sentence(sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence) as refused:
        decode_model_file(REFUSED[sentence]())
    said = str(refused.value)
    assert len(said.splitlines()) == 1
    assert said.isprintable()
    assert len(said) < 800


def test_a_name_twice_or_anything_beside_the_arrays_is_refused() -> None:
    end = 8 + int.from_bytes(DATA[:8], "little")
    index = DATA[8:end].rstrip()
    for entry in (
        b',"__metadata__":{}}',
        b',"coef":{"dtype":"F64","shape":[3,4],"data_offsets":[0,96]}}',
        b"} ",
    ):
        text = index[:-1] + entry
        text += b" " * (-len(text) % 8)
        data = len(text).to_bytes(8, "little") + text + DATA[end:]
        if data != DATA:
            with pytest.raises(ValueError, match=r"(model|safetensors) file"):
                decode_model_file(data)
    padded = index + b" " * (-len(index) % 8 + 8)
    with pytest.raises(ValueError, match="not in the one encoding"):
        decode_model_file(len(padded).to_bytes(8, "little") + padded + DATA[end:])


def test_nobody_writes_what_nobody_would_read() -> None:
    for sentence, model in {
        "not those that its SHA-256 names": stored(sha256=bytes(32)),
        "got nan": stored(changed("mean", np.nan)),
        "round_id": stored(round_id=-1),
        "written_utc": stored(written_utc="yesterday"),
        "'coef' has shape": stored({**parameters(), "coef": np.zeros((2, 2))}),
    }.items():
        with pytest.raises(ValueError, match=sentence):
            encode_model_file(model)


def damaged(rng: random.Random) -> bytes:
    """Return the file cut, or with a bit flipped, or bytes changed, left out or repeated."""
    data = bytearray(DATA)
    n_index = 8 + int.from_bytes(DATA[:8], "little")
    for _ in range(rng.choice((1, 1, 2, 5))):
        # As often in the few bytes of the index as in all of the arrays.
        at = rng.randrange(min(len(data), rng.choice((8, n_index, len(DATA)))) or 1)
        length = rng.randrange(1, 40)
        match rng.randrange(5):
            case 0:
                del data[at:]
            case 1:
                data[at : at + 1] = bytes(byte ^ 1 << rng.randrange(8) for byte in data[at : at + 1])
            case 2:
                data[at : at + 1] = rng.randbytes(1)
            case 3:
                del data[at : at + length]
            case _:
                data[at:at] = data[at : at + length]
    return bytes(data)


def test_no_damage_gets_at_what_was_learned_or_ends_otherwise_than_in_a_sentence() -> None:
    rng = random.Random(2026)
    read: list[StoredModel] = []
    refused: list[str] = []
    for _ in range(3000):
        try:
            read.append(decode_model_file(damaged(rng)))
        except ValueError as error:
            refused.append(str(error))
    assert len(refused) > 2500
    assert all(said.isprintable() and len(said) <= 600 for said in refused)
    # Names and dates of the metadata are the writer's word, and damage can make them other words.
    assert {model.sha256 for model in read} <= {stored().sha256}
