"""Who may connect to a broker and what each may read and write there.

The file `accounts.json` of an embedded broker's folder is the truth; `mosquitto_files` and `nats_files`
turn it into what the two brokers read.
"""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import msgspec

from fedmotion.broker.private_file import write_private
from fedmotion.protocol.identity import check_client_id, check_federation
from fedmotion.protocol.topics import Topics

ACCOUNTS_FILE = "accounts.json"
MAX_PASSWORD_CHARACTERS = 128

Role = Literal["aggregator", "client"]


@dataclass(frozen=True, slots=True)
class Account:
    """A user of the broker; a client's user name is its client id."""

    username: str
    password: str = field(repr=False)
    role: Role
    federation: str

    def __post_init__(self) -> None:
        check_client_id(self.username)
        check_federation(self.federation)
        if self.role not in {"aggregator", "client"}:
            raise ValueError(f"the role of {self.username} is aggregator or client, got {self.role!r}")
        is_plain = self.password.isascii() and self.password.isprintable() and " " not in self.password
        if not (is_plain and 1 <= len(self.password) <= MAX_PASSWORD_CHARACTERS):
            raise ValueError(
                f"the password of {self.username} is 1 to {MAX_PASSWORD_CHARACTERS} printable ASCII "
                f"characters without a space, got {len(self.password)} characters"
            )


@dataclass(frozen=True, slots=True)
class Permissions:
    """Topic filters that an account may read and topics or filters it may write."""

    read: tuple[str, ...]
    write: tuple[str, ...]


def new_password() -> str:
    """Return a random password of 128 bits."""
    return secrets.token_urlsafe(16)


def permissions(account: Account) -> Permissions:
    """Return what `account` may read and write (protocol/mqtt.md).

    No client reads what another contributed nor who else takes part, and each topic has one writer.
    """
    topics = Topics(account.federation)
    published = (topics.announcement, topics.aggregator, topics.model("+"), topics.gestures)
    if account.role == "aggregator":
        written = (*published, f"{topics.prefix}/receipt/+", f"{topics.prefix}/answers/+")
        clients = (topics.presence(), topics.contribution(), topics.proposal())
        return Permissions(read=(*written, *clients), write=written)
    own = account.username
    return Permissions(
        read=(*published, topics.receipt(own), topics.answers(own), topics.presence(own)),
        write=(topics.presence(own), topics.contribution(own), topics.proposal(own)),
    )


def write_accounts(directory: Path, accounts: Iterable[Account]) -> None:
    """Make `accounts` those of the embedded broker in `directory`, from its next start or reload on.

    Raises
    ------
    ValueError
        If two accounts have one user name.
    """
    chosen = tuple(accounts)
    names = [each.username for each in chosen]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"each account of a broker has a user name of its own, {', '.join(twice)} has two")
    directory.mkdir(parents=True, exist_ok=True)
    write_private(directory / ACCOUNTS_FILE, msgspec.json.format(msgspec.json.encode(chosen)).decode() + "\n")


def read_accounts(directory: Path) -> tuple[Account, ...]:
    """Return the accounts of the embedded broker in `directory`, none where there is no such file.

    Raises
    ------
    ValueError
        If the file is no list of accounts.
    """
    path = directory / ACCOUNTS_FILE
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return ()
    try:
        return msgspec.json.decode(text, type=tuple[Account, ...])
    except (msgspec.MsgspecError, RecursionError) as error:
        raise ValueError(f"{path} is a list of accounts, got something else: {error}") from None


def add_account(directory: Path, account: Account) -> None:
    """Add `account` to those in `directory`; it replaces one of the same user name."""
    others = (each for each in read_accounts(directory) if each.username != account.username)
    write_accounts(directory, (*others, account))
