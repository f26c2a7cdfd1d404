import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from fedmotion.models.parameters import check_arrays, initial_parameters, select
from fedmotion.models.specification import (
    Array,
    ArraySpecification,
    Specification,
    check_specification,
    decode_specification,
    encode_specification,
    pca_svm,
)

SPECIFICATION = pca_svm(("swipe_left", "swipe_right", "other"))


def changed(**changes: Any) -> bytes:
    """Return the specification's JSON with some keys changed, as a stranger may write it."""
    return json.dumps({**json.loads(encode_specification(SPECIFICATION)), **changes}).encode()


def test_what_pca_svm_says_of_itself() -> None:
    assert SPECIFICATION.n_classes == 3
    assert SPECIFICATION.other_index == 2
    assert SPECIFICATION.has_statistics
    assert [(array.name, array.shape) for array in SPECIFICATION.of_role("basis")] == [
        ("mean", (108,)),
        ("scale", (108,)),
        ("components", (25, 108)),
    ]
    assert [(array.name, array.shape) for array in SPECIFICATION.of_role("trained")] == [
        ("coef", (3, 25)),
        ("intercept", (3,)),
    ]


def test_limits_are_of_what_clients_send_and_travel_with_the_specification() -> None:
    limits = {array.name: array.limit for array in SPECIFICATION.arrays}
    assert limits == {"mean": 1000, "scale": 0, "components": 0, "coef": 1000, "intercept": 1000}
    assert json.loads(encode_specification(SPECIFICATION))["arrays"][3]["limit"] == 1000


def test_arrays_of_pca_svm_without_their_limits_are_refused() -> None:
    arrays = json.loads(encode_specification(SPECIFICATION))["arrays"]
    for array in arrays:
        del array["limit"]
    with pytest.raises(ValueError, match=r"coef \(3, 25\) float64 trained within 1000.*, got mean"):
        decode_specification(changed(arrays=arrays))
    for limit in (float("nan"), float("inf")):
        array = ArraySpecification("w", (1,), "float64", "trained", limit)
        with pytest.raises(ValueError, match="limit of array 'w' is finite"):
            check_specification(msgspec.structs.replace(SPECIFICATION, family="later", arrays=(array,)))


def test_a_specification_survives_its_bytes() -> None:
    assert decode_specification(encode_specification(SPECIFICATION)) == SPECIFICATION
    labels = ("wischen nach links", "\u00fcber", "\u5de6", "other")
    assert decode_specification(encode_specification(pca_svm(labels))).activities == labels


def test_equal_specifications_have_equal_bytes() -> None:
    one = pca_svm(("a", "other"), rate_hz=50)
    two = pca_svm(("a", "other"), rate_hz=50.0)
    assert one == two
    assert encode_specification(one) == encode_specification(two)
    assert encode_specification(decode_specification(encode_specification(one))) == encode_specification(one)


VECTORS = json.loads(
    (Path(__file__).parents[2] / "protocol" / "vectors" / "specification.json").read_text("utf-8")
)


def test_what_uses_nothing_new_keeps_the_bytes_of_version_1() -> None:
    made = pca_svm(("a", "other"), n_components=2, seed=7)
    # What programs wrote before there was a version 2.
    first = VECTORS["specifications"][0].encode()
    assert encode_specification(made) == first
    assert decode_specification(first) == made
    assert (made.version, made.n_fourier, made.gamma, made.min_probability) == (1, 0, 0.0, 0.0)
    assert pca_svm(("a", "other"), n_components=2, seed=7, gamma=0.5) == made


def test_version_2_has_the_bytes_of_the_vectors() -> None:
    made = pca_svm(("a", "other"), n_components=2, seed=7, n_fourier=3, gamma=0.3, min_probability=0.6)
    second = VECTORS["specifications"][1].encode()
    assert encode_specification(made) == second
    assert decode_specification(second) == made


@pytest.mark.parametrize(
    "new", [{"n_fourier": 300, "gamma": 0.15}, {"min_probability": 0.6}, {"n_fourier": 1, "gamma": 1}]
)
def test_what_uses_something_new_is_of_version_2_which_older_programs_refuse(new: dict[str, Any]) -> None:
    made = pca_svm(("a", "other"), n_components=2, **new)
    data = encode_specification(made)
    assert json.loads(data)["version"] == made.version == 2
    assert {key: json.loads(data)[key] for key in new} == new
    assert decode_specification(data) == made
    assert encode_specification(decode_specification(data)) == data


def test_unknown_keys_are_for_later_versions_and_are_skipped() -> None:
    assert decode_specification(changed(colour="green")) == SPECIFICATION


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"version": 3}, "reads specifications of version 1 to 2, got 3"),
        ({"version": 0}, "reads specifications of version 1 to 2, got 0"),
        ({"n_fourier": 500}, "n_fourier needs a specification of version 2, got one of 1"),
        ({"min_probability": 0.5}, "min_probability needs a specification of version 2, got one of 1"),
        ({"version": 2, "min_probability": 1.0}, "min_probability is 0 to below 1, got 1.0"),
        ({"version": 2, "min_probability": -0.1}, "min_probability is 0 to below 1, got -0.1"),
        ({"version": 2, "n_fourier": 4097, "gamma": 0.1}, r"n_fourier is 0 \(none\) to 4096, got 4097"),
        ({"version": 2, "n_fourier": -1}, r"n_fourier is 0 \(none\) to 4096, got -1"),
        ({"version": 2, "n_fourier": 9}, "gamma is above 0 and at most 1000, got 0.0"),
        ({"version": 2, "n_fourier": 9, "gamma": 1e9}, "gamma is above 0 and at most 1000, got 1000000000.0"),
        ({"version": 2, "gamma": 0.1}, "gamma is 0 where n_fourier is 0, got 0.1"),
        ({"version": 2, "n_fourier": 9, "gamma": 0.1}, r"arrays of pca_svm are .*coef \(3, 9\)"),
        ({"activities": ["swipe"]}, "activities are 'other' and at least one gesture, got swipe"),
        ({"activities": ["other"]}, "at least one gesture"),
        ({"activities": []}, "at least one gesture"),
        ({"activities": ["a", "a", "other"]}, "each activity stands once"),
        ({"activities": ["u\u0308ber", "other"]}, "an activity is in Unicode form NFC"),
        ({"activities": ["", "other"]}, "an activity is not empty"),
        ({"activities": ["x" * 65, "other"]}, "an activity has at most 64 bytes"),
        ({"activities": ["a\nb", "other"]}, "an activity holds no control characters"),
        ({"family": ""}, "a model family is not empty"),
        ({"rate_hz": 0.5}, "rate_hz is 1 to 10000, got 0.5"),
        ({"rate_hz": 1e300}, "rate_hz is 1 to 10000"),
        ({"window_length": 1}, "window_length is 2 to 10000 samples, got 1"),
        ({"window_length": 12}, "window_length of pca_svm is at least 13 samples, got 12"),
        ({"n_features": 107}, "n_features of pca_svm is 108, got 107"),
        ({"n_components": 0}, "n_components is 1 to 108, the number of features, got 0"),
        ({"n_components": 109}, "n_components is 1 to 108, the number of features, got 109"),
        ({"n_components": 24}, r"arrays of pca_svm are .*components \(24, 108\) float64 basis"),
        ({"n_components": -1}, "n_components is 0 to"),
        ({"n_components": 2**70}, "n_components is 0 to|not readable"),
        ({"seed": -1}, "seed is 0 to"),
        ({"arrays": []}, "arrays of pca_svm are"),
        ({"arrays": [], "family": "later"}, "arrays have distinct names and one is trained"),
    ],
)
def test_an_impossible_specification_is_refused_in_a_sentence(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        decode_specification(changed(**changes))


def test_a_rate_that_is_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match="rate_hz is 1 to 10000, got nan"):
        check_specification(msgspec.structs.replace(SPECIFICATION, rate_hz=float("nan")))
    with pytest.raises(ValueError, match="not readable"):
        decode_specification(changed(rate_hz=float("nan")))


def shaped(*shapes: list[int], name: str = "w") -> list[dict[str, Any]]:
    return [
        {"name": f"{name}{index}", "shape": shape, "dtype": "float32", "role": "trained"}
        for index, shape in enumerate(shapes)
    ]


@pytest.mark.parametrize(
    ("arrays", "sentence"),
    [
        (shaped([]), "has 1 to 8 axes of positive length"),
        (shaped([0]), "has 1 to 8 axes of positive length"),
        (shaped([-3, -3]), "has 1 to 8 axes of positive length"),
        (shaped([1] * 9), "has 1 to 8 axes of positive length"),
        (shaped([2**62]), "has 1 to 8 axes of positive length"),
        (shaped([16_000_001]), "has 1 to 8 axes of positive length"),
        (shaped([16_000_000], [1]), "at most 16000000 parameters, got 16000001"),
        # The product of these wraps to 0 in 64 bits.
        (shaped([2**23] * 8), f"at most 16000000 parameters, got {2**184}"),
        (shaped([3]) + shaped([3]), "arrays have distinct names"),
        ([{**shaped([3])[0], "limit": -1.0}], "limit of array 'w0' is finite and not negative, got -1.0"),
        ([{**shaped([3])[0], "limit": "1"}], "not readable"),
        (shaped([3], name="\n"), "an array's name"),
    ],
)
def test_impossible_arrays_are_refused_whatever_the_family(
    arrays: list[dict[str, Any]], sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        decode_specification(changed(arrays=arrays, family="later"))


def test_a_family_of_later_is_readable_so_that_its_users_can_be_told() -> None:
    assert decode_specification(changed(arrays=shaped([3, 4]), family="later")).family == "later"


@pytest.mark.parametrize(
    "data",
    [b"", b"null", b"[]", b"\xff\xfe", b'{"version": 1}', b"[" * 100_000, b'{"x":' * 100_000],
    ids=["empty", "null", "list", "no utf-8", "too little", "deep list", "deep object"],
)
def test_what_is_no_specification_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="the specification is not readable"):
        decode_specification(data)


def test_damaged_bytes_raise_value_errors_alone() -> None:
    rng = np.random.default_rng(1)
    whole = encode_specification(SPECIFICATION)
    n_refused = 0
    for _ in range(3000):
        data = bytearray(whole)
        for _ in range(rng.integers(1, 6)):
            at = int(rng.integers(len(data)))
            match rng.integers(4):
                case 0:
                    data[at] = int(rng.integers(256))
                case 1:
                    del data[at : at + int(rng.integers(1, 20))]
                case 2:
                    data[at:at] = b"9" * int(rng.integers(1, 30))
                case _:
                    data[at:at] = data[: int(rng.integers(len(data)))]
        try:
            decode_specification(bytes(data))
        except ValueError:
            n_refused += 1
    assert n_refused > 2500


def test_initial_parameters_are_zeros_as_specified() -> None:
    parameters = initial_parameters(SPECIFICATION)
    check_arrays(parameters, SPECIFICATION.arrays)
    assert all(not array.any() for array in parameters.values())
    assert list(select(parameters, "trained", SPECIFICATION)) == ["coef", "intercept"]


EXPECTED = (
    ArraySpecification("w", (2, 3), "float32", "trained"),
    ArraySpecification("n", (1,), "int64", "trained"),
)


def given(**changes: Any) -> dict[str, Array]:
    arrays = {"w": np.zeros((2, 3), np.float32), "n": np.zeros(1, np.int64)}
    return {**arrays, **changes}


def with_infinity() -> Array:
    array = np.zeros((2, 3), np.float32)
    array[1, 2] = -np.inf
    return array


def test_arrays_as_specified_pass() -> None:
    check_arrays(given(), EXPECTED)


@pytest.mark.parametrize(
    ("arrays", "sentence"),
    [
        ({"w": np.zeros((2, 3), np.float32)}, "array 'n' is missing"),
        (given(x=np.zeros(1)), "the arrays are w, n, got also 'x'"),
        (given(w=np.zeros((3, 2), np.float32)), r"array 'w' has shape \(2, 3\), got \(3, 2\)"),
        (given(w=np.zeros((1, 3), np.float32)), r"got \(1, 3\)"),
        (given(w=np.float32(0)), r"got \(\)"),
        (given(w=np.zeros((2, 3))), "array 'w' is of float32, got float64"),
        (given(w=np.zeros((2, 3), ">f4")), "array 'w' is of float32, got >f4"),
        (given(w=np.zeros((2, 3), object)), "array 'w' is of float32, got object"),
        (given(n=np.zeros(1, bool)), "array 'n' is of int64, got bool"),
        (given(n=np.zeros(1, "M8[s]")), "array 'n' is of int64, got datetime64"),
        (given(w=with_infinity()), r"array 'w' is finite, got -inf at \(1, 2\)"),
    ],
)
def test_arrays_that_are_not_as_specified_are_refused(arrays: dict[str, Array], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        check_arrays(arrays, EXPECTED)


def test_specifications_are_values() -> None:
    assert len({SPECIFICATION, pca_svm(("swipe_left", "swipe_right", "other"))}) == 1
    assert isinstance(SPECIFICATION, Specification)
