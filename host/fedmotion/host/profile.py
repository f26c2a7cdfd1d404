"""A profile: one agent's folder on this host, with its invitation, recordings, outbox and released model.

One host runs several agents, each with a profile of its own.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from fedmotion.broker.address import Address
from fedmotion.broker.private_file import write_private
from fedmotion.host.disclosure import FILE_NAME
from fedmotion.protocol.identity import check_client_id
from fedmotion.protocol.invitation import Invitation, decode_invitation

MAX_INVITATION_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class Profile:
    """Where the files of one agent are."""

    directory: Path

    @property
    def invitation(self) -> Path:
        """The invitation as it came; it holds a password, so its mode is 600."""
        return self.directory / "invitation.toml"

    @property
    def recordings(self) -> Path:
        """The store of recordings, which never leaves."""
        return self.directory / "recordings.sqlite"

    @property
    def turn(self) -> Path:
        """How the board is turned, where `fedmotion mount` has found it; see `mounting_file`."""
        return self.directory / "turn.toml"

    @property
    def outbox(self) -> Path:
        """What is to be sent until the aggregator's receipt comes."""
        return self.directory / "outbox.sqlite"

    @property
    def released_model(self) -> Path:
        """The last released model, as a model file."""
        return self.directory / "released.safetensors"

    @property
    def personal_model(self) -> Path:
        """What was made of the released model with the takes here, a model file with a record beside it."""
        return self.directory / "personal.safetensors"

    @property
    def own_model(self) -> Path:
        """The model that `fedmotion train` made of the recordings here, as a model file."""
        return self.directory / "own.safetensors"

    @property
    def answered(self) -> Path:
        """Which round was answered last, so that a restart does not train for it again."""
        return self.directory / "answered.json"

    @property
    def held_out(self) -> Path:
        """Which takes are never trained on."""
        return self.directory / "held_out.json"

    @property
    def benefit(self) -> Path:
        """What each released model was worth on the takes that were held out."""
        return self.directory / "benefit.json"

    @property
    def collected(self) -> Path:
        """How many movements were collected as `other` today."""
        return self.directory / "collected.json"

    @property
    def disclosed(self) -> Path:
        """Which lineage this client answers for, and what it has told of its recordings."""
        return self.directory / FILE_NAME

    @property
    def gestures(self) -> Path:
        """The federation's gestures, this client's proposals, and what its owner teaches."""
        return self.directory / "gestures.sqlite"

    @property
    def authority(self) -> Path:
        """The certificate that the broker's must follow from, where the invitation holds one."""
        return self.directory / "authority.pem"

    def address(self, invitation: Invitation) -> Address:
        """Return where and as whom to call the broker."""
        tls_ca = (str(self.authority) if invitation.tls_ca else "") if invitation.is_tls else None
        return Address(
            host=invitation.host,
            port=invitation.port,
            username=invitation.client_id,
            password=invitation.password,
            tls_ca=tls_ca,
        )

    def create(self) -> None:
        """Make the folder, readable to its owner only, where there is none."""
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)

    def read_invitation(self) -> Invitation:
        """Return the invitation.

        Raises
        ------
        ValueError
            If the profile has joined no federation, or its file is damaged.
        """
        try:
            return parse_invitation(self.invitation.read_bytes())
        except FileNotFoundError:
            raise ValueError(
                f"the profile {self.directory} has joined no federation: "
                "run `fedmotion join FILE` with the file that its owner gave you"
            ) from None
        except OSError as error:
            raise ValueError(f"{self.invitation} cannot be read: {error.strerror}") from None


def profiles_directory() -> Path:
    """Return where profiles are kept by default (XDG Base Directory Specification 0.8)."""
    data = os.environ.get("XDG_DATA_HOME", "")
    return (Path(data) if data else Path.home() / ".local" / "share") / "fedmotion" / "profiles"


def find_profile(name_or_folder: str, root: Path | None = None) -> Profile:
    """Return the profile of a plain name below `root`, or of a folder where the text has a slash.

    Raises
    ------
    ValueError
        If the name is not 1 to 32 of a-z, 0-9 and hyphen, or a file has the folder's name.
    """
    profile = _named(name_or_folder, root)
    if profile.directory.exists() and not profile.directory.is_dir():
        raise ValueError(f"a profile is a folder, and {profile.directory} is a file")
    return profile


def _named(name_or_folder: str, root: Path | None) -> Profile:
    if "/" in name_or_folder or os.sep in name_or_folder or name_or_folder.startswith((".", "~")):
        return Profile(Path(name_or_folder).expanduser())
    try:
        name = check_client_id(name_or_folder)
    except ValueError:
        raise ValueError(
            f"a profile is a name of 1 to 32 of a-z, 0-9 and hyphen, or a folder, got {name_or_folder!r}"
        ) from None
    return Profile((root or profiles_directory()) / name)


def parse_invitation(data: bytes) -> Invitation:
    """Return the invitation in `data`; raises ValueError where it is none."""
    if len(data) > MAX_INVITATION_BYTES:
        raise ValueError(f"an invitation has at most {MAX_INVITATION_BYTES} bytes, got {len(data)}")
    try:
        return decode_invitation(data.decode())
    except UnicodeDecodeError:
        raise ValueError("this is no invitation: it is not text") from None


def join(profile: Profile, data: bytes) -> Invitation:
    """Make `profile` that of the invitation in `data`, and return it.

    Joining again with a file for the same client renews address and password, and is its owner's consent to
    a new lineage: what was disclosed before no longer binds.

    Raises
    ------
    ValueError
        If `data` is no invitation, or the profile is another client's or federation's already.
    """
    invitation = parse_invitation(data)
    profile.create()
    if profile.invitation.exists():
        present = profile.read_invitation()
        if (present.federation_id, present.client_id) != (invitation.federation_id, invitation.client_id):
            raise ValueError(
                f"the profile {profile.directory} is {present.client_id} of {present.federation} already: "
                "give another --profile"
            )
    if invitation.tls_ca:
        write_private(profile.authority, invitation.tls_ca)
    write_private(profile.invitation, data)
    profile.disclosed.unlink(missing_ok=True)
    return invitation
