"""Writes specification.json, golden values from mqtt.md alone: `python generate_specification.py [FOLDER]`.

It imports nothing of fedmotion and none of the libraries that fedmotion's arithmetic stands on.
"""

import hashlib
import json
import math
import struct
import sys
from pathlib import Path
from typing import Any

Fields = dict[str, Any]  # a JSON object: what it holds is JSON's business


def specification(version: int) -> str:
    """Return the JSON of a small pca_svm, its keys in the order of mqtt.md."""
    n_inputs = 3 if version >= 2 else 2
    arrays = [
        ("mean", [108], "basis", 1000.0),
        ("scale", [108], "basis", 0.0),
        ("components", [2, 108], "basis", 0.0),
        ("coef", [2, n_inputs], "trained", 1000.0),
        ("intercept", [2], "trained", 1000.0),
        *([("log_temperature", [1], "trained", 3.2)] if version >= 2 else []),
    ]
    keys: Fields = {
        "version": version,
        "family": "pca_svm",
        "activities": ["a", "other"],
        "rate_hz": 50.0,
        "window_length": 96,
        "n_features": 108,
        "n_components": 2,
        "arrays": [
            {"name": name, "shape": shape, "dtype": "float64", "role": role, "limit": limit}
            for name, shape, role, limit in arrays
        ],
        "seed": 7,
    }
    if version >= 2:
        keys |= {"n_fourier": 3, "gamma": 0.3, "min_probability": 0.6}
    return json.dumps(keys, separators=(",", ":"))


def quantile(share: float) -> float:
    """Return the standard normal's, by halving an interval."""
    low, high = -9.0, 9.0
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if math.erfc(-middle / math.sqrt(2)) / 2 < share else (low, middle)
    return low


def fourier(seed: int, n_fourier: int, gamma: float, point: list[float]) -> Fields:
    """Return what one point becomes, to nine digits: further ones differ between C libraries."""
    n_normal = len(point) * n_fourier
    stream = hashlib.shake_256(f"fedmotion/fourier/{seed}".encode()).digest(8 * (n_normal + n_fourier))
    uniform = [((word[0] >> 11) + 0.5) / 2**53 for word in struct.iter_unpack("<Q", stream)]
    features = []
    for j in range(n_fourier):
        angle = 2 * math.pi * uniform[n_normal + j]
        for i, x in enumerate(point):
            angle += x * math.sqrt(2 * gamma) * quantile(uniform[i * n_fourier + j])
        features.append(round(math.sqrt(2 / n_fourier) * math.cos(angle), 9))
    return {"seed": seed, "n_fourier": n_fourier, "gamma": gamma, "point": point, "features": features}


def vectors() -> Fields:
    """Return what specification.json holds."""
    return {
        "specifications": [specification(version) for version in (1, 2)],
        "fourier": [
            fourier(7, 3, 0.3, [0.5, -1.5]),
            fourier(0, 5, 0.15, [0.0, 0.0, 0.0]),
            fourier(2**63 - 1, 4, 2.0, [-0.25, 1.0, 0.125]),
        ],
    }


def main(folder: Path) -> None:
    """Write specification.json into `folder`."""
    text = json.dumps(vectors(), indent=1, ensure_ascii=False) + "\n"
    (folder / "specification.json").write_text(text, encoding="utf-8")
    print(f"{folder / 'specification.json'}: {len(text)} characters")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
