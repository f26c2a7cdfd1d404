import base64
import stat
from pathlib import Path

import pytest

from fedmotion.broker.accounts import (
    Account,
    add_account,
    new_password,
    permissions,
    read_accounts,
    write_accounts,
)
from fedmotion.broker.mosquitto_files import hash_password, write_mosquitto_accounts

ANNA = Account("anna", "p", "client", "home")
BEN = Account("ben", "q", "client", "home")


def test_a_hash_is_what_mosquitto_passwd_writes() -> None:
    # Made by mosquitto_passwd 2.0.11 with `-b -c FILE u p`.
    assert hash_password("p", base64.b64decode("iKtNsqPXDXs+FqFP"), 101) == (
        "$7$101$iKtNsqPXDXs+FqFP$"
        "X5ptrM7n9N9shgw3P8jWA++LwuXYErdtX1CfoVTwlK7FbbfElIgYNOl7uF6TeNBGmfpRk6hJgKZo5pXSv1lCXg=="
    )


def test_accounts_are_read_as_written_and_only_by_their_owner(tmp_path: Path) -> None:
    write_accounts(tmp_path / "new", [ANNA, BEN])
    assert read_accounts(tmp_path / "new") == (ANNA, BEN)
    assert stat.S_IMODE((tmp_path / "new" / "accounts.json").stat().st_mode) == 0o600
    assert read_accounts(tmp_path / "none") == ()


def test_an_added_account_replaces_its_namesake(tmp_path: Path) -> None:
    write_accounts(tmp_path, [ANNA, BEN])
    again = Account("anna", "new", "client", "home")
    add_account(tmp_path, again)
    assert read_accounts(tmp_path) == (BEN, again)


def test_two_accounts_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="anna has two"):
        write_accounts(tmp_path, [ANNA, Account("anna", "x", "client", "other")])


@pytest.mark.parametrize("text", ['[{"username": "Anna!"}]', "", '[{"x": ' + "[" * 100_000, "\0" * 500])
def test_a_damaged_file_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "accounts.json").write_text(text)
    with pytest.raises(ValueError, match=r"accounts\.json is a list of accounts"):
        read_accounts(tmp_path)


@pytest.mark.parametrize(
    ("username", "password", "role", "federation"),
    [
        ("An:na", "p", "client", "home"),
        ("anna", "", "client", "home"),
        ("anna", "a b", "client", "home"),
        ("anna", "a\nben:x", "client", "home"),
        ("anna", "ä", "client", "home"),
        ("anna", "p" * 129, "client", "home"),
        ("anna", "p", "owner", "home"),
        ("anna", "p", "client", "#"),
    ],
)
def test_what_could_break_a_brokers_files_is_no_account(
    username: str, password: str, role: str, federation: str
) -> None:
    with pytest.raises(ValueError, match=r"client id|password|role|federation"):
        Account(username, password, role, federation)  # type: ignore[arg-type]  # wrong on purpose


def test_a_password_is_in_no_repr() -> None:
    assert "secret" not in repr(Account("anna", "secret", "client", "home"))
    assert new_password() != new_password()
    assert len(new_password()) == 22


def test_each_topic_has_one_writer() -> None:
    aggregator = permissions(Account("aggregator", "x", "aggregator", "home"))
    assert aggregator.write == (
        "fedmotion/v1/home/round",
        "fedmotion/v1/home/aggregator",
        "fedmotion/v1/home/model/+/+",
        "fedmotion/v1/home/gestures",
        "fedmotion/v1/home/receipt/+",
        "fedmotion/v1/home/answers/+",
    )
    assert permissions(ANNA).write == (
        "fedmotion/v1/home/client/anna/presence",
        "fedmotion/v1/home/client/anna/contribution",
        "fedmotion/v1/home/client/anna/proposal",
    )
    assert "fedmotion/v1/home/answers/anna" in permissions(ANNA).read


def test_mosquittos_files_keep_other_users_and_hold_no_password_in_the_clear(tmp_path: Path) -> None:
    write_mosquitto_accounts(tmp_path, [Account("anna", "first-password", "client", "home")])
    write_mosquitto_accounts(tmp_path, [Account("ben", "bens-password", "client", "home")])
    before = (tmp_path / "fedmotion.passwords").read_text()
    write_mosquitto_accounts(tmp_path, [Account("anna", "second-password", "client", "cabin")])
    passwords = (tmp_path / "fedmotion.passwords").read_text()
    assert [line.split(":")[0] for line in passwords.splitlines()] == ["ben", "anna"]
    assert before.splitlines()[1] == passwords.splitlines()[0]
    assert "password" not in passwords
    acl = (tmp_path / "fedmotion.acl").read_text()
    assert "topic write fedmotion/v1/home/client/ben/contribution\n" in acl
    assert "topic write fedmotion/v1/cabin/client/anna/contribution\n" in acl
    assert "home/client/anna" not in acl
    assert acl.count("user ") == 2
