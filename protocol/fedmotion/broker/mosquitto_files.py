"""What mosquitto reads: its configuration, passwords and permissions, for the embedded and the real one.

Formats: mosquitto.conf(5), and mosquitto_passwd(1) for ``$7$iterations$salt$hash``, which is
PBKDF2-HMAC-SHA512 with salt and hash in base64.
"""

import base64
import hashlib
import os
import secrets
from collections.abc import Iterable
from importlib import resources
from pathlib import Path

from fedmotion.broker.accounts import Account, permissions
from fedmotion.broker.door import MAX_PAYLOAD_BYTES
from fedmotion.broker.private_file import write_private

PASSWORDS_FILE = "fedmotion.passwords"
ACL_FILE = "fedmotion.acl"
CONFIGURATION_FILE = "mosquitto.conf"

PBKDF2_ITERATIONS = 1000
"""Our passwords are 128 random bits, which no number of iterations protects further, and mosquitto serves
nobody while it computes them."""

_SALT_BYTES = 12
_HASH_BYTES = 64
_MAX_TOPIC_BYTES = 1024
_MAX_QUEUED_BYTES = 64 * 2**20


def hash_password(password: str, salt: bytes, iterations: int = PBKDF2_ITERATIONS) -> str:
    """Return what stands for `password` in mosquitto's password file; `salt` has 12 bytes."""
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, iterations, _HASH_BYTES)
    return f"$7${iterations}${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"


def write_mosquitto_accounts(directory: Path, accounts: Iterable[Account]) -> None:
    """Add `accounts` to `fedmotion.passwords` and `fedmotion.acl` in `directory`; others in them stay.

    For a production mosquitto: copy both to where the packaged `production_configuration` names them,
    readable by mosquitto's user, and send mosquitto a SIGHUP. The files hold no password in the clear.
    """
    chosen = tuple(accounts)
    directory.mkdir(parents=True, exist_ok=True)
    names = {each.username for each in chosen}
    passwords = {
        name: f"{name}:{rest}"
        for name, _, rest in (line.partition(":") for line in _lines(directory / PASSWORDS_FILE))
        if name not in names
    }
    sections = {
        name: section for name, section in _sections(directory / ACL_FILE).items() if name not in names
    }
    for each in chosen:
        hashed = hash_password(each.password, secrets.token_bytes(_SALT_BYTES))
        passwords[each.username] = f"{each.username}:{hashed}"
        sections[each.username] = _acl_section(each)
    write_private(directory / PASSWORDS_FILE, "".join(f"{line}\n" for line in passwords.values()))
    write_private(directory / ACL_FILE, "\n".join(sections.values()))


def write_embedded_files(directory: Path, accounts: Iterable[Account], host: str, port: int) -> Path:
    """Write all that the embedded mosquitto in `directory` reads and return its configuration's path."""
    for name in (PASSWORDS_FILE, ACL_FILE):
        (directory / name).unlink(missing_ok=True)
    write_mosquitto_accounts(directory, accounts)
    lines = [
        f"listener {port} {host}",
        "allow_anonymous false",
        f"password_file {PASSWORDS_FILE}",
        f"acl_file {ACL_FILE}",
        "persistence true",
        "persistence_location ./",
        # By default 1000 messages to a slow subscriber are kept and the rest is lost without a word.
        "max_queued_messages 100000",
        # Nor may one who sends faster than a subscriber reads fill the memory: 100000 full ones are 25 GB.
        f"max_queued_bytes {_MAX_QUEUED_BYTES}",
        "max_inflight_messages 1000",
        "set_tcp_nodelay true",
        # By default a killed mosquitto forgets up to half an hour of retained messages. Seconds: to save
        # after every change (autosave_on_changes) would write all of them dozens of times in a round.
        "autosave_interval 1",
        f"max_packet_size {MAX_PAYLOAD_BYTES + _MAX_TOPIC_BYTES}",
        "log_dest stderr",
        "log_type error",
        "log_type warning",
        "log_type notice",
        "log_timestamp_format %Y-%m-%dT%H:%M:%S",
    ]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        # Else mosquitto becomes the user mosquitto, who may not read our folder.
        lines.append("user root")
    path = directory / CONFIGURATION_FILE
    write_private(path, "".join(f"{line}\n" for line in lines))
    return path


def production_configuration() -> str:
    """Return the packaged configuration for a production mosquitto, for /etc/mosquitto/conf.d."""
    return (resources.files("fedmotion.broker") / "production_mosquitto.conf").read_text("utf-8")


def _acl_section(account: Account) -> str:
    allowed = permissions(account)
    both = [each for each in allowed.read if each in allowed.write]
    rows = [f"user {account.username}"]
    rows += [f"topic readwrite {each}" for each in both]
    rows += [f"topic read {each}" for each in allowed.read if each not in both]
    rows += [f"topic write {each}" for each in allowed.write if each not in both]
    return "".join(f"{row}\n" for row in rows)


def _lines(path: Path) -> list[str]:
    if not path.exists():
        return []
    return [line for line in path.read_text("utf-8").splitlines() if line.strip()]


def _sections(path: Path) -> dict[str, str]:
    sections: dict[str, str] = {}
    name = ""
    for line in _lines(path):
        if line.startswith("user "):
            name = line.removeprefix("user ").strip()
        sections[name] = sections.get(name, "") + line + "\n"
    return sections
