"""A question about windows that came from elsewhere, as JSON, and the model's answer.

Nothing here is believed: shapes, rates and numbers are checked, and what is wrong is said in a sentence.
"""

from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from fedmotion.host.released_model import LoadedModel
from fedmotion.models.family import decide, family
from fedmotion.models.mounting import Mounting
from fedmotion.models.specification import Specification
from fedmotion.models.windows import window_at

MAX_WINDOWS = 64
MAX_ROWS = 20_000
"""Of one window before it is resampled: 2 s at 10 kHz."""

MAX_VALUE = 10_000.0
"""Beyond what any sensor of accelerations or turns says in m/s2 or rad/s, and far from float32's end."""

MAX_RATE_HZ = 10_000.0
_MAX_TIME_US = 2**53
"""About 285 years: what JSON's numbers hold exactly (RFC 8259, section 6)."""

_OFF_BY = 0.05
"""How far a window that is to be resampled may be from the model's length in time."""

Row = tuple[float, float, float, float, float, float]


class Question(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is asked: one of `window`, `windows` and `features`.

    Rows are ax ay az gx gy gz in m/s2 and rad/s. Without `rate_hz` and `t_us` a window is as the model takes
    it; else it is resampled. In the frame `board` the axes are those of the profile's board, in `pictured`
    those of one worn as pictured.
    """

    window: tuple[Row, ...] | msgspec.UnsetType = msgspec.UNSET
    windows: tuple[tuple[Row, ...], ...] | msgspec.UnsetType = msgspec.UNSET
    features: tuple[tuple[float, ...], ...] | msgspec.UnsetType = msgspec.UNSET
    rate_hz: float | msgspec.UnsetType = msgspec.UNSET
    t_us: tuple[int, ...] | msgspec.UnsetType = msgspec.UNSET
    frame: Literal["board", "pictured"] = "board"


class Prediction(msgspec.Struct, frozen=True):
    """What a window is: the activity as it is decided live, and how likely each one is."""

    activity: str
    probability: float
    probabilities: dict[str, float]


def parse_question(body: bytes) -> Question:
    """Return the question in `body`; raises ValueError where it is none."""
    try:
        question = msgspec.json.decode(body, type=Question)
    except msgspec.ValidationError as error:
        raise ValueError(f"this is no question that can be answered: {error}") from None
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise ValueError(f"this is no JSON: {error}") from None
    asked = [
        name for name in ("window", "windows", "features") if getattr(question, name) is not msgspec.UNSET
    ]
    if len(asked) != 1:
        raise ValueError(
            f"a question has one of window, windows and features, got {', '.join(asked) or 'none of them'}"
        )
    return question


def answer(question: Question, model: LoadedModel, turn: Mounting) -> list[Prediction]:
    """Return a prediction for each window; raises ValueError with what is allowed and what came.

    `turn` is how the profile's board sits.
    """
    specification = model.specification
    its_family = family(specification.family)
    if isinstance(question.features, tuple):
        rows = _numbers(question.features, "features", specification.n_features)
        probabilities = its_family.probabilities_of_features(specification, model.parameters, rows)
    else:
        windows = _windows(question, specification)
        if question.frame == "board":
            windows = turn.apply(windows)
        probabilities = its_family.probabilities(specification, model.parameters, windows)
    activities = specification.activities
    return [
        Prediction(
            activity=activities[index],
            probability=row[index],
            probabilities=dict(zip(activities, row, strict=True)),
        )
        for row, index in zip(
            probabilities.tolist(), decide(specification, probabilities).tolist(), strict=True
        )
    ]


def _windows(question: Question, specification: Specification) -> NDArray[np.float32]:
    asked: tuple[tuple[Row, ...], ...]
    if isinstance(question.window, tuple):
        asked = (question.window,)
    else:
        asked = question.windows if isinstance(question.windows, tuple) else ()
        if question.t_us is not msgspec.UNSET:
            raise ValueError("t_us goes with window, the one that it is of; several have rate_hz")
    if not 1 <= len(asked) <= MAX_WINDOWS:
        raise ValueError(f"a question has 1 to {MAX_WINDOWS} windows, got {len(asked)}")
    return np.stack([_window(rows, question, specification) for rows in asked])


def _window(rows: tuple[Row, ...], question: Question, specification: Specification) -> NDArray[np.float32]:
    samples = _samples(rows)
    t_us = _times(question, len(rows))
    if t_us is None:
        if len(rows) != specification.window_length:
            raise ValueError(
                f"a window has {specification.window_length} samples at {specification.rate_hz:g} Hz, "
                f"got {len(rows)}: give rate_hz or t_us to have it resampled"
            )
        return samples
    # n samples stand for n periods, of which n - 1 lie between them.
    seconds = float(t_us[-1] - t_us[0]) / 1e6 * len(t_us) / (len(t_us) - 1)
    wanted_s = specification.window_length / specification.rate_hz
    if abs(seconds - wanted_s) > _OFF_BY * wanted_s:
        raise ValueError(
            f"a window lasts {wanted_s:.2f} s, within {_OFF_BY:.0%}, "
            f"got {len(rows)} samples over {seconds:.2f} s"
        )
    return window_at(specification, t_us, samples, int(t_us[0] + t_us[-1]) // 2)


def _times(question: Question, n_rows: int) -> NDArray[np.int64] | None:
    """Return the samples' times where the window is to be resampled."""
    if isinstance(question.t_us, tuple):
        if question.rate_hz is not msgspec.UNSET:
            raise ValueError("a window has rate_hz or t_us, got both")
        if len(question.t_us) != n_rows:
            raise ValueError(f"t_us has a time for each of {n_rows} samples, got {len(question.t_us)}")
        if any(abs(each) > _MAX_TIME_US for each in question.t_us):
            raise ValueError(f"times are within +-2**53 us, got {max(question.t_us, key=abs)}")
        t_us = np.array(question.t_us, dtype=np.int64)
        if n_rows < 2 or np.diff(t_us).min() <= 0:
            raise ValueError("t_us are two or more times that increase from sample to sample")
        return t_us
    if not isinstance(question.rate_hz, float):
        return None
    if not 1 <= question.rate_hz <= MAX_RATE_HZ:
        raise ValueError(f"rate_hz is 1 to {MAX_RATE_HZ:g}, got {question.rate_hz:g}")
    if n_rows < 2:
        raise ValueError(f"a window that is resampled has two samples or more, got {n_rows}")
    even: NDArray[np.int64] = np.rint(np.arange(n_rows) * (1e6 / question.rate_hz)).astype(np.int64)
    return even


def _samples(rows: tuple[Row, ...]) -> NDArray[np.float32]:
    if not 1 <= len(rows) <= MAX_ROWS:
        raise ValueError(f"a window has 1 to {MAX_ROWS} samples, got {len(rows)}")
    return _numbers(rows, "samples", 6).astype(np.float32)


def _numbers(rows: tuple[tuple[float, ...], ...], what: str, length: int) -> NDArray[np.float64]:
    if not 1 <= len(rows) <= MAX_ROWS:
        raise ValueError(f"there are 1 to {MAX_ROWS} rows of {what}, got {len(rows)}")
    wrong = next((len(row) for row in rows if len(row) != length), None)
    if wrong is not None:
        raise ValueError(f"a row of {what} has {length} numbers, got {wrong}")
    numbers = np.array(rows, dtype=np.float64)
    # Written so that NaN is refused too.
    if not (np.abs(numbers) <= MAX_VALUE).all():
        raise ValueError(f"{what} are within +-{MAX_VALUE:g}, got others")
    return numbers
