"""What the doctor finds between a profile and its broker: real brokers, real accounts, real permissions."""

import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from fedmotion.broker.accounts import Account, write_accounts
from fedmotion.broker.embedded import BrokerError, BrokerKind, RunningBroker, start_broker
from fedmotion.broker.mosquitto_files import ACL_FILE
from fedmotion.broker.paho_door import PahoDoor
from fedmotion.broker.paho_trial import Trial
from fedmotion.delivery.presence import presence_message
from fedmotion.delivery.retained_model import publish_retained
from fedmotion.host.doctor_checks import Check
from fedmotion.host.doctor_federation import look_at_federation, try_as_client
from fedmotion.host.profile import Profile
from fedmotion.models.parameters import initial_parameters
from fedmotion.models.specification import Specification, cnn, encode_specification, pca_svm
from fedmotion.protocol.invitation import Invitation, encode_invitation
from fedmotion.protocol.messages import Model, encode_message
from fedmotion.protocol.tensors import encode_arrays, sha256_of
from fedmotion.protocol.topics import Topics

FEDERATION_ID = UUID(int=11)
TOPICS = Topics("home")
ACCOUNTS = (
    Account("aggregator", "secret-of-aggregator", "aggregator", "home"),
    Account("anna", "secret-of-anna", "client", "home"),
)


def started(folder: Path, kind: BrokerKind) -> RunningBroker:
    write_accounts(folder, ACCOUNTS)
    try:
        return start_broker(folder, prefer=kind)
    except BrokerError as error:
        if os.environ.get("CI") == "true":
            pytest.fail(f"CI skips nothing, but {error}")
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def mosquitto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningBroker]:
    with started(tmp_path_factory.mktemp("mosquitto"), "mosquitto") as broker:
        yield broker


def joined(folder: Path, port: int, **changed: Any) -> Profile:
    keys: dict[str, Any] = {
        "password": "secret-of-anna",
        "federation": "home",
        "host": "127.0.0.1",
        **changed,
    }
    invitation = Invitation(federation_id=FEDERATION_ID, port=port, client_id="anna", **keys)
    profile = Profile(folder / "profile")
    profile.create()
    profile.invitation.write_text(encode_invitation(invitation))
    if invitation.tls_ca:
        profile.authority.write_text(invitation.tls_ca)
    return profile


def looked(profile: Profile, **given: Any) -> dict[str, Check]:
    checks = look_at_federation(profile, is_asked_for=True, **given)
    return {check.name: check for check in checks}


def released(federation_id: UUID = FEDERATION_ID, specification: Specification | None = None) -> bytes:
    specification = specification or pca_svm(("swipe_left", "other"), n_components=4)
    parameters = initial_parameters(specification)
    header = Model(
        federation_id=federation_id,
        lineage_id=UUID(int=22),
        purpose="released",
        round_id=5,
        model_sha256=sha256_of(parameters),
        specification=encode_specification(specification),
        specification_version=1,
    )
    return encode_message(header, encode_arrays(parameters))


@pytest.fixture
def aggregator(mosquitto: RunningBroker) -> Iterator[PahoDoor]:
    """A door with the aggregator's account; what it retained is cleared in the end."""
    is_there = threading.Event()
    address = mosquitto.address("aggregator", "secret-of-aggregator")
    door = PahoDoor(address, name="aggregator", on_event=lambda _: is_there.set())
    door.start()
    assert is_there.wait(20)
    yield door
    for topic in (TOPICS.aggregator, TOPICS.model("released", 0)):
        door.publish(topic, b"", retain=True)
    door.close()


def online(door: PahoDoor) -> None:
    message = presence_message("aggregator", UUID(int=5), is_online=True)
    assert door.publish(TOPICS.aggregator, message, retain=True)


def test_a_client_of_a_running_federation_has_no_findings(
    mosquitto: RunningBroker, aggregator: PahoDoor, tmp_path: Path
) -> None:
    assert publish_retained(aggregator, TOPICS, "released", released())
    online(aggregator)
    checks = looked(joined(tmp_path, mosquitto.port), board_rate_hz=100.0)
    assert {name: check.state for name, check in checks.items()} == dict.fromkeys(
        ("invitation", "name", "broker", "account", "may read", "may write", "aggregator", "released model"),
        "ok",
    )
    assert checks["account"].measured == "'anna' is taken in, over MQTT 5"
    assert checks["released model"].measured == "round 5, recognises swipe_left, other"


def test_nothing_that_the_try_publishes_is_retained_or_read_as_online(
    mosquitto: RunningBroker, tmp_path: Path
) -> None:
    profile = joined(tmp_path, mosquitto.port)
    first, second = (try_as_client(profile, profile.read_invitation()) for _ in range(2))
    assert len(first.received) == len(second.received) == 1  # its own, and not the other's


def test_a_model_of_another_federation_is_refused_with_what_to_do(
    mosquitto: RunningBroker, aggregator: PahoDoor, tmp_path: Path
) -> None:
    assert publish_retained(aggregator, TOPICS, "released", released(UUID(int=99)))
    online(aggregator)
    found = looked(joined(tmp_path, mosquitto.port))["released model"]
    assert found.state == "failed"
    assert "this client's is" in found.what_to_do
    assert "join again with the newest invitation" in found.what_to_do


def test_a_board_that_is_slower_than_the_model_is_named(
    mosquitto: RunningBroker, aggregator: PahoDoor, tmp_path: Path
) -> None:
    assert publish_retained(aggregator, TOPICS, "released", released())
    online(aggregator)
    found = looked(joined(tmp_path, mosquitto.port), board_rate_hz=20.0)["released model"]
    assert found.state == "warning"
    assert (
        "the model wants 50 samples a second, the board gives 20: raise the board's rate" in found.what_to_do
    )


def test_a_network_that_cannot_be_trained_here_is_named_with_what_to_install(
    mosquitto: RunningBroker, aggregator: PahoDoor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert publish_retained(
        aggregator, TOPICS, "released", released(specification=cnn(("swipe_left", "other")))
    )
    profile = joined(tmp_path, mosquitto.port)
    assert looked(profile)["training"].measured == "a cnn can be trained here"
    monkeypatch.setattr("fedmotion.models.tflite_door._of_thread", threading.local())
    for module in ("ai_edge_litert", "ai_edge_litert.interpreter", "tflite_runtime"):
        monkeypatch.setitem(sys.modules, module, None)
    check = looked(profile)["training"]
    assert (check.state, check.measured) == ("failed", "a cnn cannot be trained here")
    assert "which is not installed: pip install 'fedmotion[tflite]'" in check.what_to_do


def test_an_absent_aggregator_is_to_be_started_by_its_owner(mosquitto: RunningBroker, tmp_path: Path) -> None:
    checks = looked(joined(tmp_path, mosquitto.port))
    assert checks["aggregator"].state == "warning"
    assert "rounds wait until its owner starts `fedmotion aggregator`" in checks["aggregator"].what_to_do
    assert checks["released model"].state == "not checked"


def test_a_wrong_password_is_told_from_an_absent_broker(mosquitto: RunningBroker, tmp_path: Path) -> None:
    checks = looked(joined(tmp_path, mosquitto.port, password="wrong"))
    assert checks["broker"].state == "ok"
    assert checks["account"].state == "failed"
    assert (
        "it refuses user 'anna' or the password: correct them or join again" in checks["account"].what_to_do
    )
    assert checks["may read"].state == "not checked"


def test_an_absent_broker_is_to_be_started(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    checks = looked(joined(tmp_path, port))
    assert checks["name"].state == "ok"
    assert checks["broker"].state == "failed"
    assert f"no broker answers at 127.0.0.1:{port} (Connection refused): start it" in (
        checks["broker"].what_to_do
    )


def test_a_name_that_nobody_has_is_to_be_written_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    checks = looked(joined(tmp_path, 1883, host="no-such-host.invalid"))
    assert checks["name"].state == "failed"
    sentence = (
        "no machine is called no-such-host.invalid (Name or service not known): write the name as it was"
    )
    assert sentence in checks["name"].what_to_do
    assert checks["account"].state == "not checked"


def test_topics_of_another_federation_are_forbidden_and_named(
    mosquitto: RunningBroker, tmp_path: Path
) -> None:
    checks = looked(joined(tmp_path, mosquitto.port, federation="other"))
    assert checks["may write"].state == "failed"
    assert checks["may write"].measured == (
        "not client/anna/presence (Not authorized), client/anna/contribution (Not authorized), "
        "client/anna/proposal (Not authorized)"
    )
    assert "its owner runs `fedmotion invite anna` again" in checks["may write"].what_to_do
    assert checks["may read"].state == "not checked"


@pytest.mark.parametrize("topic", ["contribution", "proposal"])
def test_one_forbidden_topic_is_named_alone(tmp_path: Path, topic: str) -> None:
    with started(tmp_path / "broker", "mosquitto") as broker:
        acl = broker.directory / ACL_FILE
        acl.write_text(acl.read_text().replace(f"topic write {TOPICS.prefix}/client/anna/{topic}\n", ""))
        os.kill(broker.pid, signal.SIGHUP)
        profile = joined(tmp_path, broker.port)
        checks = looked(profile)
        while checks["may write"].state == "ok":  # until the broker has read its permissions again
            checks = looked(profile)
    assert checks["may write"].measured == f"not client/anna/{topic} (Not authorized)"
    assert checks["may read"].state == "ok"


def test_a_broker_of_mqtt_3_does_not_say_what_it_drops_and_that_is_said(tmp_path: Path) -> None:
    with started(tmp_path / "broker", "nats") as broker:
        checks = looked(joined(tmp_path, broker.port))
        others = looked(joined(tmp_path, broker.port, federation="other"))
    assert checks["account"].measured == "'anna' is taken in, over MQTT 3.1.1"
    assert checks["may read"].state == "ok"
    assert checks["may write"].state == "not checked"
    assert "over MQTT 3.1.1 a broker acknowledges also what it drops" in checks["may write"].measured
    assert others["may read"].state == "failed"


def answering(greeting: bytes) -> Iterator[int]:
    """Yield a port where each connection gets `greeting` and is hung up."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        is_over = threading.Event()

        def serve() -> None:
            while True:
                connection, _ = server.accept()
                with connection:
                    if is_over.is_set():
                        return
                    connection.settimeout(5)
                    if connection.recv(100):
                        connection.sendall(greeting)

        thread = threading.Thread(target=serve)
        thread.start()
        port = server.getsockname()[1]
        yield port
        is_over.set()
        socket.create_connection(("127.0.0.1", port)).close()
        thread.join(20)


@pytest.fixture
def web_server() -> Iterator[int]:
    yield from answering(b"HTTP/1.1 400 Bad Request\r\n\r\n")


def test_what_is_no_broker_is_said_so(web_server: int, tmp_path: Path) -> None:
    found = looked(joined(tmp_path, web_server))["account"]
    assert found.state == "failed"
    assert "does not answer as an MQTT broker does: is the port right" in found.what_to_do


def test_tls_where_there_is_none_is_said_so(mosquitto: RunningBroker, tmp_path: Path) -> None:
    checks = looked(joined(tmp_path, mosquitto.port, is_tls=True))
    assert checks["broker"].state == "ok"
    assert checks["TLS"].state == "failed"
    assert f"127.0.0.1:{mosquitto.port} does not answer to TLS" in checks["TLS"].what_to_do
    assert "is it another port, often 8883, or an invitation without TLS?" in checks["TLS"].what_to_do
    assert checks["account"].state == "not checked"


def test_a_certificate_near_its_end_is_to_be_renewed(tmp_path: Path) -> None:
    trial = Trial(
        reached="account",
        tls="TLSv1.3",
        certificate_unix_s=10 * 86_400.0,
        protocol="MQTT 5",
        hosts=("127.0.0.1",),
    )
    profile = joined(tmp_path, 8883, is_tls=True)
    checks = looked(profile, try_it=lambda *_: trial, wall_clock=lambda: 0.0)
    assert checks["certificate"].state == "warning"
    assert checks["certificate"].measured == "good for 10 more days"
    assert "renews its certificate" in checks["certificate"].what_to_do


def test_a_profile_without_federation_is_a_finding_where_it_was_asked_for(tmp_path: Path) -> None:
    profile = Profile(tmp_path / "absent")
    asked, *_ = look_at_federation(profile, is_asked_for=True)
    not_asked, *rest = look_at_federation(profile, is_asked_for=False)
    assert asked.state == "failed"
    assert asked.what_to_do.startswith("`fedmotion join FILE`")
    assert {check.state for check in (not_asked, *rest)} == {"not checked"}


def test_a_damaged_invitation_is_to_be_joined_again(tmp_path: Path) -> None:
    profile = Profile(tmp_path)
    profile.invitation.write_bytes(b"\xff\xfe")
    found = looked(profile)["invitation"]
    assert found.state == "failed"
    assert "join again with the file" in found.what_to_do


def test_an_aggregator_of_another_version_is_to_be_matched(tmp_path: Path) -> None:
    trial = Trial(reached="account", hosts=("::1",), received=((TOPICS.aggregator, b"nonsense"),))
    checks = looked(joined(tmp_path, 1883), try_it=lambda *_: trial)
    assert checks["aggregator"].state == "warning"
    assert "need the same major version of fedmotion" in checks["aggregator"].what_to_do
    assert checks["released model"].state == "not checked"
