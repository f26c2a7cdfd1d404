"""Which recordings of a profile are trained on: all but the unusable ones, and those too where told to."""

import logging
from collections.abc import Iterable
from pathlib import Path

import msgspec
import numpy as np

from fedmotion.broker.private_file import write_private
from fedmotion.host.imu_stream import scale_vector
from fedmotion.host.recording_store import Recording
from fedmotion.models.takes import Take

FILE_NAME = "accepted.json"

_REST_US = 300_000
"""Rest kept on both sides of a movement: the rest of its context may hold other movements."""

_LARGEST_COUNT = 32_767
"""A board's counts are int16; -32768 is beyond, and an axis whose sign was turned ends at -32767."""

_log = logging.getLogger(__name__)


class _Accepted(msgspec.Struct, frozen=True):
    """Takes that are trained on although the check finds them unusable, by their SHA-256."""

    takes: tuple[str, ...] = ()


class AcceptedTakes:
    """The takes that a profile's owner accepted, in the file `accepted.json` beside the recordings."""

    def __init__(self, recordings: Path) -> None:
        self._path = recordings.with_name(FILE_NAME)

    def read(self) -> frozenset[str]:
        """Return the takes' SHA-256.

        Raises
        ------
        ValueError
            If the file is damaged.
        OSError
            If it cannot be read.
        """
        try:
            return frozenset(msgspec.json.decode(self._path.read_bytes(), type=_Accepted).takes)
        except FileNotFoundError:
            return frozenset()
        except (msgspec.DecodeError, RecursionError) as error:
            raise ValueError(
                f"{self._path} is damaged ({error}): delete it, and accept what is to be accepted again"
            ) from None

    def add(self, takes: Iterable[str]) -> None:
        """Accept `takes` besides those accepted before, durable on return."""
        write_private(self._path, msgspec.json.encode(_Accepted(tuple(sorted(self.read() | set(takes))))))


class RecordingReview:
    """Decides for a trainer which recordings it leaves out, and says so once."""

    def __init__(self, recordings: Path, client_id: str) -> None:
        self._accepted = AcceptedTakes(recordings)
        self._client_id = client_id
        self._said: set[str] = set()

    def why_left_out(self, recording_id: int, recording: Recording) -> str:
        """Return why a recording may not teach, nothing where it may; the first time the log says it too."""
        why = why_not_trained_on(recording)
        if not why:
            return ""
        take = recording.take_sha256().hex()
        try:
            if take in self._accepted.read():
                return ""
        except (ValueError, OSError) as error:
            why = f"{why} ({error})"
        if take not in self._said:
            self._said.add(take)
            _log.warning(
                "client=%s trains without recording %d: %s; `fedmotion recordings check --accept %d` would "
                "train on it",
                self._client_id,
                recording_id,
                why,
                recording_id,
            )
        return why


def why_not_trained_on(recording: Recording) -> str:
    """Return why a recording by itself is not trained on, in words; nothing where it is."""
    # Only here: the check and what it imports are 3 MB, which an agent that idles would carry for nothing.
    from fedmotion.models.recording_check import why_unusable  # noqa: PLC0415 - see above

    return why_unusable(take_of(recording, "this take"))


def take_of(recording: Recording, name: str) -> Take:
    """Return the movement of `recording` as the board measured it, with some rest around."""
    inside = (recording.t_us >= recording.start_us - _REST_US) & (
        recording.t_us <= recording.stop_us + _REST_US
    )
    scale = scale_vector(recording.accel_scale_mps2, recording.gyro_scale_radps)
    # Of imported samples the sensor's range is not known.
    full_scale = np.where(scale > 0, _LARGEST_COUNT * scale, np.nan)
    return Take(
        name=name,
        label=recording.label,
        person=recording.person,
        trial="",
        t_us=recording.t_us[inside],
        samples=recording.samples()[inside],
        declared_rate_hz=None,
        has_stamps=True,
        full_scale=full_scale.astype(np.float32),
    )
