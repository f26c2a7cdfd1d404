"""The invitation: the one file that an aggregator's owner gives to an agent's owner.

It is TOML for people's eyes and holds a password, so whoever writes it makes it readable to its owner only.
"""

import json
from uuid import UUID

import msgspec

from fedmotion.protocol.identity import check_client_id, check_federation

INVITATION_VERSION = 1

_HEADING = """\
# An invitation to a fedmotion federation. It holds a password: give it to its one client and nobody else.
# Use it with:  fedmotion join FILE
"""


class Invitation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a federation is met, and as whom.

    `client_id` is also the name under which the client logs in at the broker. `tls_ca` is the text of the
    PEM certificate that the broker's must follow from; with `is_tls` and without it the system's
    certificates count.
    """

    version: int = INVITATION_VERSION
    federation: str
    federation_id: UUID
    host: str
    port: int
    client_id: str
    password: str
    is_tls: bool = False
    tls_ca: str = ""


def encode_invitation(invitation: Invitation) -> str:
    """Return the invitation as the TOML text of its file."""
    lines = [f"{key} = {_toml(value)}" for key, value in msgspec.to_builtins(invitation).items()]
    return _HEADING + "\n".join(lines) + "\n"


def decode_invitation(text: str) -> Invitation:
    """Return the invitation in `text`.

    Raises
    ------
    ValueError
        If it is no invitation, of another version, or breaks a rule of names, ports or passwords.
    """
    try:
        invitation = msgspec.toml.decode(text, type=Invitation)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise ValueError(f"this is no invitation: {error}") from None
    if invitation.version != INVITATION_VERSION:
        raise ValueError(
            f"this program reads invitations of version {INVITATION_VERSION}, got {invitation.version}"
        )
    return check_invitation(invitation)


def check_invitation(invitation: Invitation) -> Invitation:
    """Return `invitation` if a client can use it; raises ValueError with what is wrong."""
    check_federation(invitation.federation)
    check_client_id(invitation.client_id)
    if not invitation.host or any(character.isspace() for character in invitation.host):
        raise ValueError(f"an invitation's host is a name or an address, got {invitation.host!r}")
    if not 1 <= invitation.port <= 65_535:
        raise ValueError(f"an invitation's port is 1 to 65535, got {invitation.port}")
    if not invitation.password:
        raise ValueError("an invitation holds a password, got an empty one")
    return invitation


def _toml(value: object) -> str:
    # JSON's strings, integers and booleans are TOML's too (TOML 1.0.0, "String" and "Boolean"), but for DEL,
    # which JSON leaves as it is and TOML forbids.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
