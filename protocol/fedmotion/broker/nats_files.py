"""What nats-server reads: one configuration file with the MQTT listener, the accounts and their permissions.

Formats: https://docs.nats.io/running-a-nats-service/configuration, MQTT under "mqtt". A topic is a subject
with dots for slashes, ``*`` for ``+`` and ``>`` for ``#``. The file holds the passwords in the clear (NATS
takes bcrypt as well, which Python's library does not make), so its mode is 600.
"""

import json
from collections.abc import Iterable
from pathlib import Path

from fedmotion.broker.accounts import Account, permissions
from fedmotion.broker.door import MAX_PAYLOAD_BYTES
from fedmotion.broker.private_file import write_private

CONFIGURATION_FILE = "nats.conf"

_QOS1_SUBJECTS = ("$MQTT.sub.>",)
"""Where the server hands QoS 1 messages to a session; without it every QoS 1 subscription is refused."""


def write_embedded_files(directory: Path, accounts: Iterable[Account], host: str, port: int) -> Path:
    """Write all that the embedded nats-server in `directory` reads and return its configuration's path."""
    configuration = {
        "server_name": "fedmotion",
        # NATS's own protocol is not used but cannot be switched off: any free port of this machine.
        "listen": "127.0.0.1:-1",
        "max_payload": 2 * MAX_PAYLOAD_BYTES,
        "jetstream": {"store_dir": str(directory / "jetstream"), "sync_interval": "always"},
        "mqtt": {"host": host, "port": port, "max_ack_pending": 1000},
        "accounts": {"fedmotion": {"jetstream": "enabled", "users": [_user(each) for each in accounts]}},
    }
    path = directory / CONFIGURATION_FILE
    # The format is a superset of JSON.
    write_private(path, json.dumps(configuration, indent=1) + "\n")
    return path


def _user(account: Account) -> dict[str, object]:
    allowed = permissions(account)
    return {
        "user": account.username,
        "password": account.password,
        # Only over MQTT: the other protocol's headers and requests are nothing that a client needs.
        "allowed_connection_types": ["MQTT"],
        "permissions": {
            "publish": {"allow": [_subject(each) for each in allowed.write]},
            "subscribe": {"allow": [*(_subject(each) for each in allowed.read), *_QOS1_SUBJECTS]},
        },
    }


def _subject(topic_filter: str) -> str:
    return topic_filter.replace("/", ".").replace("+", "*").replace("#", ">")
