"""Which model a profile recognises by: the one place that asks, for whatever does not run a whole agent."""

from fedmotion.host.profile import Profile
from fedmotion.host.released_model import LoadedModel, ReleasedModelFile


def model_of(profile: Profile) -> LoadedModel | None:
    """Return the model that the profile keeps, if there is one that is of use.

    Raises
    ------
    ValueError
        If its invitation is damaged.
    """
    if not profile.invitation.exists():
        return None
    return ReleasedModelFile(profile.released_model).read(profile.read_invitation().federation_id)


def need_model(profile: Profile) -> LoadedModel:
    """Return the same; raises ValueError also where there is none."""
    model = model_of(profile)
    if model is None:
        raise ValueError(
            f"the profile {profile.directory} has no model yet: run its agent until its federation has released one"
        )
    return model
