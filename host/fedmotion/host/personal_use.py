"""Which of the released and the personal model an agent recognises by, from one release to the next."""

from collections.abc import Callable

from fedmotion.host.benefit import Benefit, Comparison
from fedmotion.host.personal_model import Personal, PersonalFiles, Personaliser
from fedmotion.host.profile import Profile
from fedmotion.host.released_model import LoadedModel, ReleasedModelFile
from fedmotion.host.trainer import Trainer
from fedmotion.models.personal import Personalisation
from fedmotion.protocol.invitation import Invitation


class PersonalUse:
    """One agent's: `begin` and `choose` belong to its loop, `keep` and `look_at` to the thread that trains.

    `how` None makes no personal model and uses none.
    """

    def __init__(self, profile: Profile, how: Personalisation | None, invitation: Invitation | None) -> None:
        self._released_file = ReleasedModelFile(profile.released_model)
        self._files = PersonalFiles(profile.personal_model)
        self._how = how
        self._invitation = invitation
        self._released: LoadedModel | None = None
        self._used: LoadedModel | None = None
        self._personaliser: Personaliser | None = None

    def teach_by(self, trainer: Trainer, clock: Callable[[], float]) -> None:
        """Make personal models from now on, of what `trainer` has."""
        if self._how is not None and self._invitation is not None:
            invitation = self._invitation
            self._personaliser = Personaliser(
                trainer, self._files, invitation.federation, invitation.federation_id, self._how, clock
            )

    def begin(self, released: LoadedModel) -> LoadedModel:
        """Return what to recognise by at a release: a personal model where one was made of it before."""
        personal = None
        if self._how is not None and self._invitation is not None:
            personal = self._files.read(self._invitation.federation_id, released)
        self._released = released
        self._used = released if personal is None else _better(released, personal)
        return self._used

    def keep(self, released: LoadedModel, written_unix_s: float) -> None:
        """Keep the released model itself; the log says why where it cannot be kept."""
        if self._invitation is not None:
            self._released_file.try_to_write(released, self._invitation, written_unix_s)

    def look_at(
        self,
        released: LoadedModel,
        comparison: Comparison | None,
        on_done: Callable[[Personal | Benefit], object],
    ) -> None:
        """Make the personal model of `released` and compare; `on_done` is told of what comes of either."""
        personal = None if self._personaliser is None else self._personaliser.try_to_make(released)
        if personal is not None:
            on_done(personal)
        if comparison is not None:
            comparison.try_to_compare(released, on_done, personal)

    def choose(self, personal: Personal) -> LoadedModel | None:
        """Return what to recognise by now that `personal` is there.

        None where that is what is in use, or a newer release came since.
        """
        released, used = self._released, self._used
        if released is None or used is None or personal.record.base_sha256 != released.sha256.hex():
            return None
        self._used = _better(released, personal)
        return None if self._used.sha256 == used.sha256 else self._used


def _better(released: LoadedModel, personal: Personal) -> LoadedModel:
    return personal.model if personal.record.is_better else released
