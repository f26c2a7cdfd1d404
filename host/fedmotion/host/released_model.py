"""Models as they come in: checked against everything that they claim, and the released one kept on disk."""

import hashlib
import logging
import time
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import UUID

from fedmotion.broker.private_file import write_private
from fedmotion.models.family import family
from fedmotion.models.model_file import (
    MAX_MODEL_FILE_BYTES,
    StoredModel,
    decode_model_file,
    encode_model_file,
)
from fedmotion.models.parameters import check_arrays
from fedmotion.models.specification import (
    SPECIFICATION_VERSION,
    Parameters,
    Specification,
    decode_specification,
)
from fedmotion.protocol.errors import MessageError
from fedmotion.protocol.invitation import Invitation
from fedmotion.protocol.messages import PROTOCOL_VERSION, Model, Purpose, decode_message
from fedmotion.protocol.tensors import decode_arrays

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model that is all it claims to be: readable, of this federation, as specified, finite.

    One that `is_personal` was made here of the released model of its round, see `personal_model`.
    """

    lineage_id: UUID
    round_id: int
    sha256: bytes
    specification: Specification
    parameters: Parameters
    is_personal: bool = False


def load_model(
    message: bytes, *, federation_id: UUID, purpose: Purpose, known: LoadedModel | None = None
) -> LoadedModel:
    """Return the model in a whole `message`.

    Parameters
    ----------
    known
        A model that was loaded before: where `message` says that it is this one, its arrays are taken from
        there and not read again. A released model is most often the next round's.

    Raises
    ------
    MessageError
        In words: truncated, of another version, federation or purpose, of another shape or dtype, not
        finite, or not the arrays that its SHA-256 names.
    """
    header, body = decode_message(message, Model)
    if header.federation_id != federation_id:
        raise MessageError(
            f"the model is of federation {header.federation_id}, this client's is {federation_id}"
        )
    if header.purpose != purpose:
        raise MessageError(f"expected a model for {purpose!r}, got one for {header.purpose!r}")
    if header.protocol_version > PROTOCOL_VERSION:
        raise MessageError(
            f"the model needs protocol {header.protocol_version}, this program speaks {PROTOCOL_VERSION}: "
            "update fedmotion"
        )
    if header.specification_version > SPECIFICATION_VERSION:
        raise MessageError(
            f"the model needs specifications of version {header.specification_version}, this program reads "
            f"{SPECIFICATION_VERSION}: update fedmotion"
        )
    if hashlib.sha256(body).digest() != header.model_sha256:
        raise MessageError("the model's arrays are not those that its SHA-256 names")
    try:
        specification = decode_specification(header.specification)
        if known is not None and (known.sha256, known.specification) == (header.model_sha256, specification):
            return replace(known, lineage_id=header.lineage_id, round_id=header.round_id)
        # Arrays have one encoding: the hash of these bytes is that of the arrays.
        arrays = decode_arrays(body)
        family(specification.family)
        check_arrays(arrays, specification.arrays)
    except ValueError as error:
        raise MessageError(f"the model does not fit its specification: {error}") from None
    return LoadedModel(header.lineage_id, header.round_id, header.model_sha256, specification, arrays)


class ReleasedModelFile:
    """The last released model as a model file, so that a host without network recognises from its start."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(
        self, model: LoadedModel, *, federation: str, federation_id: UUID, written_unix_s: float
    ) -> None:
        """Keep `model`; after a crash the file holds the old one or the new one whole.

        Raises
        ------
        OSError
            If it cannot be written.
        ValueError
            If it does not fit a model file, whose specification is shorter than a message may have it.
        """
        stored = StoredModel(
            federation=federation,
            federation_id=federation_id,
            lineage_id=model.lineage_id,
            round_id=model.round_id,
            sha256=model.sha256,
            specification=model.specification,
            parameters=model.parameters,
            written_utc=utc(written_unix_s),
            written_by=this_program(),
        )
        write_private(self._path, encode_model_file(stored))

    def try_to_write(self, model: LoadedModel, invitation: Invitation, written_unix_s: float) -> None:
        """Do the same for a worker, which must not fail: the log says why it cannot be kept."""
        try:
            self.write(
                model,
                federation=invitation.federation,
                federation_id=invitation.federation_id,
                written_unix_s=written_unix_s,
            )
        except (OSError, ValueError) as error:
            _log.warning("round=%d the released model is used and cannot be kept: %s", model.round_id, error)

    def read(self, federation_id: UUID) -> LoadedModel | None:
        """Return the model that was kept; none where there is none or it is of no use, which is logged."""
        try:
            stored = read_model_file(self._path)
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            _log.warning("the kept model is not used: %s", error)
            return None
        if stored.federation_id != federation_id:
            _log.warning(
                "the kept model is not used: %s is of federation %s, this client's is %s",
                self._path,
                stored.federation_id,
                federation_id,
            )
            return None
        return LoadedModel(
            stored.lineage_id, stored.round_id, stored.sha256, stored.specification, stored.parameters
        )


def read_model_file(path: Path) -> StoredModel:
    """Return the model in the file at `path`.

    Raises
    ------
    OSError
        If it cannot be read.
    ValueError
        If it is no model file, or one that this program cannot use; see `decode_model_file`.
    """
    with path.open("rb") as file:
        data = file.read(MAX_MODEL_FILE_BYTES + 1)
    try:
        return decode_model_file(data)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def utc(unix_s: float) -> str:
    """Return a time as model files have it, in whole seconds; a clock that is not set yet gives 1970."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(unix_s))


def this_program() -> str:
    """Return this program's name and version."""
    # Asks the installed packages, which takes longer than all the rest of a start that only reads.
    from importlib.metadata import version  # noqa: PLC0415 - see above

    return f"fedmotion {version('fedmotion')}"
