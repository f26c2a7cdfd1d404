"""The packaged configuration with a real mosquitto, in the clear and over TLS."""

import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from fedmotion.broker.accounts import Account
from fedmotion.broker.address import Address
from fedmotion.broker.door import Connected, Disconnected, Received
from fedmotion.broker.embedded import BrokerError, find_broker
from fedmotion.broker.mosquitto_files import (
    production_configuration,
    write_embedded_files,
    write_mosquitto_accounts,
)
from fedmotion.broker.paho_door import PahoDoor
from fedmotion.broker.paho_trial import try_broker

PRESENCE = "fedmotion/v1/home/client/anna/presence"


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate of localhost and its key in one file, made for this test."""
    path = tmp_path / "localhost.pem"
    made = subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
            *("-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"),
            *("-keyout", "-", "-out", "-"),
        ],
        check=True,
        capture_output=True,
    )
    path.write_bytes(made.stdout)
    return path


@pytest.fixture
def program() -> Path:
    try:
        return find_broker("mosquitto")[1]
    except BrokerError as error:
        if os.environ.get("CI") == "true":
            pytest.fail(f"CI skips nothing, but {error}")
        pytest.skip(str(error))


@contextmanager
def production(program: Path, directory: Path, changes: dict[str, str]) -> Iterator[None]:
    write_mosquitto_accounts(directory, [Account("anna", "secret", "client", "home")])
    (directory / "conf.d").mkdir()
    text = production_configuration()
    for ours, here in changes.items():
        assert ours in text
        text = text.replace(ours, here)
    (directory / "conf.d" / "fedmotion.conf").write_text(text)
    # Debian's main file, with its log on the terminal; as root mosquitto would become another user.
    user = "user root\n" if os.geteuid() == 0 else ""
    main = directory / "main.conf"
    main.write_text(
        f"{user}persistence true\npersistence_location {directory}/\nlog_dest stderr\n"
        f"include_dir {directory}/conf.d\n"
    )
    with subprocess.Popen([str(program), "-c", str(main)], stderr=subprocess.DEVNULL) as mosquitto:
        try:
            yield
        finally:
            mosquitto.terminate()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def test_it_serves_an_account(program: Path, tmp_path: Path, new_owner: Callable[..., Any]) -> None:
    port = free_port()
    changes = {"/etc/mosquitto/": f"{tmp_path}/", "listener 1883": f"listener {port}"}
    with production(program, tmp_path, changes):
        owner = new_owner(Address("127.0.0.1", port, "anna", "secret"), PRESENCE)
        owner.door.start()
        owner.wait_for(Connected)
        owner.door.publish(PRESENCE, b"here", retain=True)
        assert owner.wait_for(Received).payload == b"here"
        owner.door.close()


def test_both_configurations_end_what_waits_for_a_slow_subscriber_at_64_mib(tmp_path: Path) -> None:
    embedded = write_embedded_files(tmp_path, [], "127.0.0.1", 1).read_text()
    for text in (embedded, production_configuration()):
        assert "\nmax_queued_bytes 67108864\n" in text


def test_its_tls_serves_who_trusts_its_authority_and_nobody_else(
    program: Path, tmp_path: Path, certificate: Path, new_owner: Callable[..., Any]
) -> None:
    port, plain_port = free_port(), free_port()
    changes = {
        "/etc/mosquitto/certs/fullchain.pem": str(certificate),
        "/etc/mosquitto/certs/privkey.pem": str(certificate),
        "/etc/mosquitto/": f"{tmp_path}/",
        "listener 1883": f"listener {plain_port}",
        "#listener 8883": f"listener {port} 127.0.0.1",
        "#certfile": "certfile",
        "#keyfile": "keyfile",
    }
    with production(program, tmp_path, changes):
        owner = new_owner(Address("localhost", port, "anna", "secret", str(certificate)), PRESENCE)
        owner.door.start()
        owner.wait_for(Connected)
        owner.door.publish(PRESENCE, bytes(200_000), retain=True)
        assert owner.wait_for(Received).payload == bytes(200_000)
        owner.door.close()
        stranger = new_owner(Address("localhost", port, "anna", "secret", ""))
        stranger.door.start()
        assert "is not to be trusted (self-signed certificate)" in stranger.wait_for(Disconnected).reason
        stranger.door.close()
        tried = [
            try_broker(
                Address("localhost", port, "anna", "secret", trusted), name="anna", filters=[], messages=[]
            )
            for trusted in (str(certificate), "", None)
        ]
        assert [trial.reached for trial in tried] == ["account", "port", "port"]
        assert tried[0].tls == "TLSv1.3"
        assert tried[0].certificate_unix_s == pytest.approx(time.time() + 2 * 86_400, abs=3600)
        assert "is not to be trusted (self-signed certificate)" in tried[1].trouble
        assert "is TLS wanted there (mqtts)?" in tried[2].trouble
        careless = new_owner(Address("localhost", port, "anna", "secret"))
        careless.door.start()
        assert "hung up at the first word: is the address right?" in careless.wait_for(Disconnected).reason
        careless.door.close()


def test_a_file_of_certificates_that_is_none_is_refused_at_the_border(tmp_path: Path) -> None:
    for path, reason in ((tmp_path / "none.pem", "No such file"), (tmp_path, "")):
        with pytest.raises(ValueError, match=rf"readable PEM file of certificates.*{reason}"):
            PahoDoor(Address("localhost", tls_ca=str(path)), name="x", on_event=lambda _: None)
