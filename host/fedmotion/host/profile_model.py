"""Which model a profile recognises by: the one place that asks, for whatever does not run a whole agent."""

from fedmotion.host.own_model import model_in_use
from fedmotion.host.profile import Profile
from fedmotion.host.released_model import LoadedModel


def model_of(profile: Profile) -> LoadedModel | None:
    """Return the model that the profile keeps, if there is one that is of use: a released one, else its own.

    Raises
    ------
    ValueError
        If its invitation is damaged.
    """
    return model_in_use(profile)


def need_model(profile: Profile) -> LoadedModel:
    """Return the same; raises ValueError also where there is none."""
    model = model_of(profile)
    if model is None:
        raise ValueError(
            f"the profile {profile.directory} has no model yet: `fedmotion train` makes one, or run its "
            "agent until its federation has released one"
        )
    return model
