import stat
from pathlib import Path
from uuid import UUID

import msgspec
import pytest

from fedmotion.host.profile import Profile, find_profile, join
from fedmotion.protocol.invitation import Invitation, encode_invitation

INVITATION = Invitation(
    federation="kitchen",
    federation_id=UUID(int=5),
    host="broker.example",
    port=1883,
    client_id="ada",
    password="secret",
)


def invitation_bytes(**changes: object) -> bytes:
    return encode_invitation(msgspec.structs.replace(INVITATION, **changes)).encode()


def test_joining_makes_a_private_folder_with_the_invitation(tmp_path: Path) -> None:
    profile = Profile(tmp_path / "profiles" / "ada")
    assert join(profile, invitation_bytes()) == INVITATION
    assert profile.read_invitation() == INVITATION
    assert stat.S_IMODE(profile.directory.stat().st_mode) == 0o700
    assert stat.S_IMODE(profile.invitation.stat().st_mode) == 0o600
    assert [path.name for path in profile.directory.iterdir()] == ["invitation.toml"]


def test_a_new_file_for_the_same_client_renews_address_and_password(tmp_path: Path) -> None:
    profile = Profile(tmp_path)
    join(profile, invitation_bytes())
    join(profile, invitation_bytes(host="elsewhere.example", password="new"))
    address = profile.address(profile.read_invitation())
    assert (address.host, address.username, address.password, address.tls_ca) == (
        "elsewhere.example",
        "ada",
        "new",
        None,
    )


def test_joining_again_is_the_consent_to_a_new_lineage(tmp_path: Path) -> None:
    profile = Profile(tmp_path)
    join(profile, invitation_bytes())
    profile.disclosed.write_bytes(b"{}")
    with pytest.raises(ValueError, match="this is no invitation"):
        join(profile, b"\xff")
    assert profile.disclosed.exists()
    join(profile, invitation_bytes())
    assert not profile.disclosed.exists()


@pytest.mark.parametrize("changes", [{"client_id": "bob"}, {"federation_id": UUID(int=6)}])
def test_a_profile_is_one_clients_of_one_federation(tmp_path: Path, changes: dict[str, object]) -> None:
    profile = Profile(tmp_path)
    join(profile, invitation_bytes())
    with pytest.raises(ValueError, match="is ada of kitchen already"):
        join(profile, invitation_bytes(**changes))
    assert profile.read_invitation() == INVITATION


def test_an_authority_of_ones_own_becomes_a_file_that_the_address_names(tmp_path: Path) -> None:
    profile = Profile(tmp_path)
    invitation = join(profile, invitation_bytes(is_tls=True, tls_ca="-----BEGIN CERTIFICATE-----\n"))
    assert profile.address(invitation).tls_ca == str(tmp_path / "authority.pem")
    assert (tmp_path / "authority.pem").read_text() == "-----BEGIN CERTIFICATE-----\n"


@pytest.mark.parametrize("data", [b"", b"\xff\xfe", b"port = 3", b"x" * 70_000])
def test_what_is_no_invitation_changes_nothing(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(ValueError, match="invitation"):
        join(Profile(tmp_path / "new"), data)
    assert not (tmp_path / "new").exists()


def test_a_profile_that_has_not_joined_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="fedmotion join FILE"):
        Profile(tmp_path).read_invitation()


def test_profiles_are_found_by_name_or_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert find_profile("ada").directory == tmp_path / "fedmotion" / "profiles" / "ada"
    assert find_profile("./here").directory == Path("here")
    assert find_profile("ada", tmp_path).directory == tmp_path / "ada"
    with pytest.raises(ValueError, match="a profile is a name"):
        find_profile("Ada Lovelace")


def test_a_file_is_no_profile(tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("")
    with pytest.raises(ValueError, match=r"a profile is a folder, and .*notes is a file"):
        find_profile(str(tmp_path / "notes"))
