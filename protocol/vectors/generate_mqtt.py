"""Writes mqtt.json, golden bytes from mqtt.md alone: `python generate_mqtt.py [FOLDER]`.

It imports nothing of fedmotion and none of the libraries that fedmotion's codecs stand on, so that an
agreement of the two is no accident. mqtt.json holds bytes as hex beside their meaning.
"""

import hashlib
import json
import math
import struct
import sys
from pathlib import Path
from typing import Any

Fields = dict[str, Any]  # a JSON object: what it holds is JSON's business


def msgpack(value: object) -> bytes:  # noqa: PLR0911  (one return a kind of value)
    """Encode by the msgpack specification, each value in its shortest form, floats as float 64."""
    if value is None:
        return b"\xc0"
    if isinstance(value, bool):
        return b"\xc3" if value else b"\xc2"
    if isinstance(value, int):
        return msgpack_int(value)
    if isinstance(value, float):
        return b"\xcb" + struct.pack(">d", value)
    if isinstance(value, str):
        data = value.encode("utf-8", "surrogateescape")
        return sized(len(data), 0xA0, 32, {1: 0xD9, 2: 0xDA, 4: 0xDB}) + data
    if isinstance(value, bytes):
        return sized(len(value), 0, 0, {1: 0xC4, 2: 0xC5, 4: 0xC6}) + value
    if isinstance(value, list):
        return sized(len(value), 0x90, 16, {2: 0xDC, 4: 0xDD}) + b"".join(map(msgpack, value))
    if isinstance(value, dict):
        head = sized(len(value), 0x80, 16, {2: 0xDE, 4: 0xDF})
        return head + b"".join(msgpack(key) + msgpack(item) for key, item in value.items())
    raise TypeError(f"nothing on this wire is a {type(value).__name__}")


def sized(size: int, fix: int, n_fix: int, codes: dict[int, int]) -> bytes:
    """Return the head of a value of `size`: one byte below `n_fix`, else a code and a big-endian size."""
    if size < n_fix:
        return bytes([fix | size])
    n_bytes = next(n_bytes for n_bytes in codes if size < 256**n_bytes)
    return bytes([codes[n_bytes]]) + size.to_bytes(n_bytes, "big")


def msgpack_int(value: int) -> bytes:
    """Encode one integer."""
    if -32 <= value < 128:
        return (value % 256).to_bytes(1, "big")
    if value >= 0:
        exponent = next(exponent for exponent in range(4) if value < 256**2**exponent)
        return bytes([0xCC + exponent]) + value.to_bytes(2**exponent, "big")
    return b"\xd3" + (value % 2**64).to_bytes(8, "big")


def safetensors(arrays: list[Fields]) -> bytes:
    """Encode arrays: int64 first, then float64, float32, each by name; JSON padded to 8 bytes by spaces."""
    order = ["int64", "float64", "float32"]
    entries, data = [], b""
    for array in sorted(arrays, key=lambda array: (order.index(array["dtype"]), array["name"].encode())):
        code, form = {"int64": ("I64", "q"), "float64": ("F64", "d"), "float32": ("F32", "f")}[array["dtype"]]
        start = len(data)
        data += b"".join(struct.pack("<" + form, value) for value in array["values"])
        shape = ",".join(str(length) for length in array["shape"])
        entries.append(
            f'"{array["name"]}":{{"dtype":"{code}","shape":[{shape}],"data_offsets":[{start},{len(data)}]}}'
        )
    return indexed("{" + ",".join(entries) + "}", data)


def indexed(text: str, data: bytes, multiple: int = 8) -> bytes:
    """Return an index of arrays and their data."""
    index = text.encode()
    index += b" " * (-len(index) % multiple)
    return len(index).to_bytes(8, "little") + index + data


def message(header: object, body: bytes = b"", version: int = 1) -> bytes:
    """Return a whole message."""
    envelope = msgpack({"header": header, "body_sha256": hashlib.sha256(body).digest()})
    return prefixed(envelope, body, version)


def prefixed(envelope: bytes, body: bytes = b"", version: int = 1) -> bytes:
    """Return an envelope and a body behind the message's first eight bytes."""
    return b"FM" + bytes([version, 0]) + len(envelope).to_bytes(4, "little") + envelope + body


def array(name: str, dtype: str, shape: list[int], values: list[float]) -> Fields:
    """Return one array's meaning; `values` are in C order."""
    return {"name": name, "dtype": dtype, "shape": shape, "values": values}


ARRAYS = {
    "a trained model": [
        array("coef", "float32", [2, 3], [0.5, -1.25, 3.0, 1e-3, 65_504.0, -0.0]),
        array("intercept", "float32", [2], [0.125, -2.0]),
    ],
    "summed moments": [
        array("scatter", "float64", [2, 2], [1.5, -0.1, -0.1, 2.5]),
        array("mean", "float64", [2], [0.1, 9.80665]),
    ],
    "a confusion": [array("confusion", "int64", [2, 2], [19, 1, 0, 2**53])],
    "all dtypes, a scalar, an empty array, a name that is not ASCII": [
        array("b", "float32", [1], [1.0]),
        array("a", "float64", [], [-1e300]),
        array("größe", "int64", [1], [-1]),
        array("empty", "float32", [0, 4], []),
    ],
    "nothing": [],
}

FEDERATION = {"federation_id": "6ba7b810-9dad-11d1-80b4-00c04fd430c8"}
LINEAGE = {"lineage_id": "00000000-0000-4000-8000-0123456789ab", "signature": b""}
MODEL_SHA256 = hashlib.sha256(safetensors(ARRAYS["a trained model"])).digest()
SETTINGS = {
    "learning_rate": 0.01,
    "n_epochs": 5,
    "batch_size": 16,
    "proximal_mu": 0.0,
    "seed": 0,
    "absent_share": 1.0,
}

ANNOUNCEMENT: Fields = {
    "type": "announcement",
    **FEDERATION,
    **LINEAGE,
    "round_id": 7,
    "round_kind": "train",
    "cohort": ["anna", "ben-2"],
    "deadline_s": 30.0,
    "model_sha256": MODEL_SHA256,
    "settings": SETTINGS,
}
MODEL: Fields = {
    "type": "model",
    **FEDERATION,
    **LINEAGE,
    "purpose": "round",
    "round_id": 6,
    "model_sha256": MODEL_SHA256,
    "specification": b'{"version":1}',
    "specification_version": 1,
    "protocol_version": 1,
}
CONTRIBUTION: Fields = {
    "type": "contribution",
    **FEDERATION,
    **LINEAGE,
    "round_id": 7,
    "round_kind": "train",
    "client_id": "anna",
    "base_sha256": MODEL_SHA256,
    "n_windows": 300,
    "n_steps": 95,
    "metrics": {"loss": 0.25},
    "declined": "",
}
PRESENCE: Fields = {
    "type": "presence",
    "name": "anna",
    "session": "f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
    "is_online": True,
    "protocol_version": 1,
}


EXAMPLE: Fields = {
    "duration_s": 1.25,
    "acceleration_mps2": 15.5,
    "rate_radps": 6.0,
    "counts": bytes((5 * index - 360) % 256 for index in range(144)),
}
GESTURES: Fields = {
    "type": "gestures",
    **FEDERATION,
    "gestures": [
        {"name": "swipe_left", "sentence": "", "example": None, "is_learned": True},
        {"name": "größe", "sentence": "Zwei Hände, weit: <b>.", "example": EXAMPLE, "is_learned": False},
    ],
}
PROPOSAL: Fields = {
    "type": "proposal",
    **FEDERATION,
    "client_id": "anna",
    "proposal_id": "0e6b6a1c-58d4-4f3f-9d2b-3a53f4a7c001",
    "name": "circle",
    "sentence": "A full circle in the air, clockwise as the wearer sees it.",
    "example": None,
    "is_withdrawn": False,
}
ANSWERS: Fields = {
    "type": "answers",
    **FEDERATION,
    "client_id": "anna",
    "answers": [
        {"proposal_id": PROPOSAL["proposal_id"], "name": "circle", "state": "accepted", "why": ""},
        {
            "proposal_id": "0e6b6a1c-58d4-4f3f-9d2b-3a53f4a7c002",
            "name": "Circle",
            "state": "declined",
            "why": "we have circle",
        },
    ],
}


def receipt(**changed: Any) -> Fields:
    """Return a receipt for the contribution above."""
    sha256 = hashlib.sha256(message(CONTRIBUTION, safetensors(ARRAYS["a trained model"]))).digest()
    return {
        "type": "receipt",
        **FEDERATION,
        **LINEAGE,
        "round_id": 7,
        "client_id": "anna",
        "contribution_sha256": sha256,
        "verdict": "accepted",
        "reason": "",
        "text": "",
    } | changed


def as_json(value: object) -> object:
    """Return a header's meaning with bytes as hex."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict):
        return {key: as_json(item) for key, item in value.items()}
    if isinstance(value, list):
        return [as_json(item) for item in value]
    return value


def messages() -> list[Fields]:
    """Return a vector of each message."""
    statistics = CONTRIBUTION | {"round_kind": "statistics", "n_windows": 20, "n_steps": 0, "metrics": {}}
    evaluation = CONTRIBUTION | {"round_kind": "evaluate", "n_windows": 20, "n_steps": 0}
    declined = statistics | {"n_windows": 0, "declined": "19 windows, statistics take 20"}
    listed: list[tuple[str, Fields, str]] = [
        ("an announcement", ANNOUNCEMENT, "nothing"),
        (
            "an announcement with numbers at their ends",
            ANNOUNCEMENT
            | {
                "round_id": 2**53,
                "cohort": [],
                "deadline_s": 0.0,
                "settings": SETTINGS | {"seed": 2**63 - 1},
            },
            "nothing",
        ),
        ("a round's model", MODEL, "a trained model"),
        ("a released model", MODEL | {"purpose": "released"}, "a trained model"),
        ("an update", CONTRIBUTION, "a trained model"),
        ("statistics", statistics, "summed moments"),
        ("an evaluation", evaluation, "a confusion"),
        ("a declined round", declined, "nothing"),
        ("a receipt", receipt(), "nothing"),
        (
            "a refusal",
            receipt(verdict="refused", reason="wrong_base", text="round 7 starts from another model"),
            "nothing",
        ),
        ("a list of gestures", GESTURES, "nothing"),
        ("a list of none", GESTURES | {"gestures": []}, "nothing"),
        ("a proposal", PROPOSAL, "nothing"),
        ("a proposal with an example", PROPOSAL | {"example": EXAMPLE}, "nothing"),
        ("a proposal withdrawn", PROPOSAL | {"sentence": "", "is_withdrawn": True}, "nothing"),
        ("answers to proposals", ANSWERS, "nothing"),
        (
            "a proposal's receipt",
            receipt(round_id=0, contribution_sha256=hashlib.sha256(message(PROPOSAL)).digest()),
            "nothing",
        ),
        ("presence", PRESENCE, "nothing"),
        ("absence, the will", PRESENCE | {"is_online": False}, "nothing"),
    ]
    return [
        {
            "name": name,
            "header": as_json(header),
            "arrays": arrays,
            "message": message(header, b"" if arrays == "nothing" else safetensors(ARRAYS[arrays])).hex(),
        }
        for name, header, arrays in listed
    ]


def without(header: Fields, *names: str) -> Fields:
    """Return a header that lacks fields."""
    return {name: value for name, value in header.items() if name not in names}


def refused_messages() -> list[Fields]:
    """Return messages that break one rule each."""
    envelope = {"header": PRESENCE, "body_sha256": hashlib.sha256(b"").digest()}
    good = message(CONTRIBUTION, safetensors(ARRAYS["a trained model"]))
    listed: list[tuple[str, bytes]] = [
        ("nothing", b""),
        ("seven bytes", good[:7]),
        ("another magic", b"XM" + good[2:]),
        ("version 0", message(PRESENCE, version=0)),
        ("version 2", message(PRESENCE, version=2)),
        ("the header cut", good[:100]),
        ("the body cut", good[:-1]),
        ("the body longer", good + b"\0"),
        ("one bit of the body changed", good[:-1] + bytes([good[-1] ^ 1])),
        ("a header length of 2**32 - 1", b"FM\1\0\xff\xff\xff\xff" + bytes(64)),
        ("bytes after the header's map", prefixed(msgpack(envelope) + b"\0")),
        ("a header that is a list", prefixed(msgpack([1, 2]))),
        ("an unknown kind", message(PRESENCE | {"type": "pickle"})),
        ("no kind", message(without(PRESENCE, "type"))),
        ("a field missing", message(without(PRESENCE, "session"))),
        ("no body's SHA-256", prefixed(msgpack({"header": PRESENCE}))),
        ("a list that claims 2**32 - 1 members", prefixed(b"\x81\xa6header\xdd\xff\xff\xff\xff")),
        ("text that is not UTF-8", message(PRESENCE | {"name": "\udcff"})),
        ("a name with a newline", message(PRESENCE | {"name": "anna\n"})),
        ("a name of 33 characters", message(PRESENCE | {"name": "a" * 33})),
        ("an empty name", message(PRESENCE | {"name": ""})),
        ("a name that is a path", message(PRESENCE | {"name": "../anna"})),
        ("a session that is no UUID", message(PRESENCE | {"session": "anna"})),
        ("a count below zero", message(CONTRIBUTION | {"n_windows": -1})),
        ("a count over 2**53", message(CONTRIBUTION | {"n_windows": 2**53 + 1})),
        ("a count of a half", message(CONTRIBUTION | {"n_windows": 0.5})),
        ("a count that is true", message(CONTRIBUTION | {"n_windows": True})),
        ("a metric that is not a number", message(CONTRIBUTION | {"metrics": {"loss": math.nan}})),
        ("an infinite metric", message(CONTRIBUTION | {"metrics": {"loss": math.inf}})),
        ("65 metrics", message(CONTRIBUTION | {"metrics": {f"m{i}": 0.0 for i in range(65)}})),
        ("a metric's name of 65 characters", message(CONTRIBUTION | {"metrics": {"m" * 65: 0.0}})),
        ("declined in 501 characters", message(CONTRIBUTION | {"declined": "x" * 501})),
        ("a SHA-256 of 31 bytes", message(CONTRIBUTION | {"base_sha256": bytes(31)})),
        ("an unknown round kind", message(CONTRIBUTION | {"round_kind": "sleep"})),
        ("a signature of 1025 bytes", message(CONTRIBUTION | {"signature": bytes(1025)})),
        ("a deadline that is not a number", message(ANNOUNCEMENT | {"deadline_s": math.nan})),
        ("a deadline in the past", message(ANNOUNCEMENT | {"deadline_s": -1.0})),
        ("a deadline in 31 days", message(ANNOUNCEMENT | {"deadline_s": 31 * 86_400.0})),
        ("an invited path", message(ANNOUNCEMENT | {"cohort": ["#"]})),
        ("1025 invited", message(ANNOUNCEMENT | {"cohort": ["a"] * 1025})),
        ("a batch of 0", message(ANNOUNCEMENT | {"settings": SETTINGS | {"batch_size": 0}})),
        ("10001 epochs", message(ANNOUNCEMENT | {"settings": SETTINGS | {"n_epochs": 10_001}})),
        ("a learning rate below 0", message(ANNOUNCEMENT | {"settings": SETTINGS | {"learning_rate": -1.0}})),
        ("a share above 1", message(ANNOUNCEMENT | {"settings": SETTINGS | {"absent_share": 1.5}})),
        ("a purpose that is a path", message(MODEL | {"purpose": "../x"})),
        ("a verdict of perhaps", message(receipt(verdict="perhaps"))),
        ("an unnamed gesture", message(PROPOSAL | {"name": ""})),
        ("a gesture's name of 65 characters", message(PROPOSAL | {"name": "x" * 65})),
        ("a sentence of 201 characters", message(PROPOSAL | {"sentence": "x" * 201})),
        ("an example of 143 bytes", message(PROPOSAL | {"example": EXAMPLE | {"counts": bytes(143)}})),
        ("an example of no time", message(PROPOSAL | {"example": EXAMPLE | {"duration_s": 0.0}})),
        ("an example as text", message(PROPOSAL | {"example": "left"})),
        ("an example beyond belief", message(PROPOSAL | {"example": EXAMPLE | {"rate_radps": 1000.5}})),
        ("a proposal of a path", message(PROPOSAL | {"client_id": "../anna"})),
        ("513 gestures", message(GESTURES | {"gestures": [{"name": "a"}] * 513})),
        ("65 answers", message(ANSWERS | {"answers": ANSWERS["answers"][:1] * 65})),
        ("an answer of maybe", message(ANSWERS | {"answers": [ANSWERS["answers"][0] | {"state": "maybe"}]})),
        ("a reason of several words", message(receipt(verdict="refused", reason="Not today"))),
    ]
    return [{"name": name, "message": data.hex()} for name, data in listed]


def refused_arrays() -> list[Fields]:
    """Return bodies that break one rule each."""
    good = safetensors(ARRAYS["a trained model"])

    def entry(dtype: str = "F32", shape: str = "[1]", offsets: str = "[0,4]", name: str = "a") -> str:
        return f'"{name}":{{"dtype":"{dtype}","shape":{shape},"data_offsets":{offsets}}}'

    def one(data: bytes = bytes(4), **changed: str) -> bytes:
        return indexed("{" + entry(**changed) + "}", data)

    two = [entry(name="a"), entry(name="b", offsets="[4,8]")]
    listed: list[tuple[str, bytes]] = [
        ("seven bytes", good[:7]),
        ("the data cut", good[:-1]),
        ("bytes after the data", good + b"\0"),
        ("the index cut", good[:20]),
        ("an index of 2**63 bytes", (2**63).to_bytes(8, "little") + good[8:]),
        ("an index that is no JSON", indexed("{", b"")),
        ("an index that is a list", indexed("[]", b"")),
        ("bfloat16", one(bytes(2), dtype="BF16", offsets="[0,2]")),
        ("float16", one(bytes(2), dtype="F16", offsets="[0,2]")),
        ("float8", one(bytes(1), dtype="F8_E4M3", offsets="[0,1]")),
        ("complex64", one(bytes(8), dtype="C64", offsets="[0,8]")),
        ("bool", one(bytes(1), dtype="BOOL", offsets="[0,1]")),
        ("uint64", one(bytes(8), dtype="U64", offsets="[0,8]")),
        ("an unknown dtype", one(dtype="PICKLE")),
        ("a shape larger than the data", one(shape="[1000000000]")),
        ("a shape beyond 2**64", one(shape="[4294967296,4294967296]")),
        ("nothing, times 2**62", one(b"", shape="[0,4611686018427387904]", offsets="[0,0]")),
        ("a negative length", one(shape="[-1]")),
        ("65 axes", one(shape="[" + ",".join(["1"] * 65) + "]")),
        ("offsets the wrong way round", one(offsets="[4,0]")),
        ("offsets beyond the end", one(offsets="[0,8]", shape="[2]")),
        ("a hole", one(bytes(8), offsets="[4,8]")),
        ("two arrays in one place", indexed("{" + two[0] + "," + entry(name="b") + "}", bytes(4))),
        ("a name twice", indexed("{" + two[0] + "," + two[0] + "}", bytes(4))),
        ("metadata", indexed('{"__metadata__":{"a":"b"},' + entry() + "}", bytes(4))),
        ("another order", indexed("{" + two[1] + "," + two[0] + "}", bytes(8))),
        ("spaces in the index", indexed("{ " + entry() + "}", bytes(4))),
        ("an index not padded to 8", indexed("{" + entry() + "}", bytes(4), multiple=1)),
    ]
    return [{"name": name, "arrays": data.hex()} for name, data in listed]


def chunks(data: bytes, max_bytes: int) -> list[str]:
    """Cut a message into chunks, each with its envelope of 28 bytes."""
    room = max_bytes - 28
    parts = [data[start : start + room] for start in range(0, len(data), room)]
    identity = hashlib.sha256(data).digest()[:16]
    return [
        (
            b"FC\1\0"
            + identity
            + index.to_bytes(2, "little")
            + len(parts).to_bytes(2, "little")
            + len(data).to_bytes(4, "little")
            + part
        ).hex()
        for index, part in enumerate(parts)
    ]


def mqtt() -> Fields:
    """Return what mqtt.json holds."""
    update = message(CONTRIBUTION, safetensors(ARRAYS["a trained model"]))
    return {
        "arrays": [
            {"name": name, "arrays": arrays, "bytes": safetensors(arrays).hex()}
            for name, arrays in ARRAYS.items()
        ],
        "messages": messages(),
        "chunks": [
            {"message": update.hex(), "max_bytes": max_bytes, "chunks": chunks(update, max_bytes)}
            for max_bytes in (262_144, 256, 128)
        ],
        "refused_messages": refused_messages(),
        "refused_arrays": refused_arrays(),
    }


def main(folder: Path) -> None:
    """Write mqtt.json into `folder`."""
    text = json.dumps(mqtt(), indent=1, ensure_ascii=False) + "\n"
    (folder / "mqtt.json").write_text(text, encoding="utf-8")
    print(f"{folder / 'mqtt.json'}: {len(text)} characters")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
