"""The model that a profile's own recordings gave, and which model a profile recognises by.

An own model lies beside the released one. It has no federation: its id is the nil UUID, its round 0.
"""

from uuid import UUID

from fedmotion.host.personal_model import PersonalFiles
from fedmotion.host.profile import Profile
from fedmotion.host.released_model import LoadedModel, ReleasedModelFile
from fedmotion.models.specification import Parameters, Specification
from fedmotion.protocol.tensors import sha256_of

OWN = "own"
OWN_FEDERATION_ID = UUID(int=0)
"""The nil UUID (RFC 9562, section 5.9), which no federation has."""

OWN_ROUND_ID = 0
"""No round made it; a federation's model of round 0 is untrained and never released."""


def own_model(specification: Specification, parameters: Parameters) -> LoadedModel:
    """Return a model that was trained here alone; its lineage follows from its arrays, as its basis does."""
    sha256 = sha256_of(parameters)
    lineage_id = UUID(bytes=sha256[:16], version=4)
    return LoadedModel(lineage_id, OWN_ROUND_ID, sha256, specification, parameters)


def keep_own_model(profile: Profile, model: LoadedModel, written_unix_s: float) -> None:
    """Keep `model` as the profile's own; raises OSError where it cannot be written."""
    ReleasedModelFile(profile.own_model).write(
        model, federation=OWN, federation_id=OWN_FEDERATION_ID, written_unix_s=written_unix_s
    )


def read_own_model(profile: Profile) -> LoadedModel | None:
    """Return the profile's own model; none where there is none or it is of no use, which is logged."""
    return ReleasedModelFile(profile.own_model).read(OWN_FEDERATION_ID)


def model_in_use(profile: Profile, *, is_personal: bool = True) -> LoadedModel | None:
    """Return what the profile recognises by: its federation's released model, else its own.

    With `is_personal` it is the personal model in place of the released one that it was made of, where it
    decided more of the held-out takes rightly.

    Raises
    ------
    ValueError
        If its invitation is damaged.
    """
    released = None
    if profile.invitation.exists():
        federation_id = profile.read_invitation().federation_id
        released = ReleasedModelFile(profile.released_model).read(federation_id)
        if released is not None and is_personal:
            personal = PersonalFiles(profile.personal_model).read(federation_id, released)
            if personal is not None and personal.record.is_better:
                return personal.model
    return released or read_own_model(profile)


def in_words(model: LoadedModel) -> str:
    """Return how people call a model: one's own, that of a round, or the personal one made of that."""
    if model.round_id == OWN_ROUND_ID:
        return "own model"
    return f"{'personal ' if model.is_personal else ''}model of round {model.round_id}"
