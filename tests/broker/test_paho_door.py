"""The door against both real brokers."""

import contextlib
import random
import signal
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fedmotion.broker.accounts import Account, write_accounts
from fedmotion.broker.address import Address
from fedmotion.broker.door import MAX_PAYLOAD_BYTES, Connected, Disconnected, Received, Refused, Will
from fedmotion.broker.embedded import RunningBroker, start_broker
from fedmotion.broker.paho_door import PahoDoor

ROUND = "fedmotion/v1/home/round"
OF_ANNA = "fedmotion/v1/home/client/anna/contribution"
PRESENCE_OF_ANNA = "fedmotion/v1/home/client/anna/presence"
TO_ANNA = "fedmotion/v1/home/receipt/anna"


def test_the_largest_payload_goes_there_and_back(open_door: Any) -> None:
    aggregator = open_door("aggregator", OF_ANNA)
    anna = open_door("anna", TO_ANNA)
    payload = random.Random(1).randbytes(MAX_PAYLOAD_BYTES)
    assert anna.door.publish(OF_ANNA, payload)
    assert aggregator.wait_for(Received) == Received(OF_ANNA, payload)
    assert aggregator.door.publish(TO_ANNA, payload)
    assert anna.wait_for(Received) == Received(TO_ANNA, payload)


def test_a_longer_payload_is_never_sent(open_door: Any) -> None:
    anna = open_door("anna")
    with pytest.raises(ValueError, match="at most 262144 bytes, got 262145"):
        anna.door.publish(OF_ANNA, bytes(MAX_PAYLOAD_BYTES + 1))


def test_small_packets_leave_at_once(open_door: Any) -> None:
    anna = open_door("anna")
    sock = anna.door._client.socket()
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0


def test_two_hundred_messages_at_once_all_arrive_in_order(open_door: Any) -> None:
    aggregator = open_door("aggregator", OF_ANNA)
    anna = open_door("anna")
    sent = [index.to_bytes(2, "little") + bytes(5000) for index in range(200)]
    assert all(anna.door.publish(OF_ANNA, payload) for payload in sent)
    assert aggregator.wait_for_payload(sent[-1]) == sent[:-1]


def test_a_retained_message_is_there_for_who_comes_later_until_cleared(open_door: Any) -> None:
    aggregator = open_door("aggregator", ROUND)
    aggregator.door.publish(ROUND, b"round 1", retain=True)
    aggregator.wait_for_payload(b"round 1")
    assert open_door("anna", ROUND).wait_for(Received) == Received(ROUND, b"round 1")
    aggregator.door.publish(ROUND, b"", retain=True)
    aggregator.wait_for_payload(b"")
    ben = open_door("ben", ROUND)
    aggregator.door.publish(ROUND, b"after", retain=True)
    assert ben.wait_for_payload(b"after") == []


def test_a_subscription_made_later_counts_at_once_and_after_a_reconnection(
    open_door: Any, broker: RunningBroker
) -> None:
    aggregator = open_door("aggregator")
    anna = open_door("anna")
    aggregator.door.publish(ROUND, b"kept", retain=True)
    anna.door.subscribe(ROUND)
    anna.wait_for_payload(b"kept")
    broker.restart()
    aggregator.wait_for(Connected)
    anna.wait_for(Connected)
    aggregator.door.publish(ROUND, b"again", retain=True)
    anna.wait_for_payload(b"again")


def test_the_will_arrives_when_a_connection_ends_without_a_goodbye_and_not_after_one(open_door: Any) -> None:
    aggregator = open_door("aggregator", "fedmotion/v1/home/client/+/presence")
    polite = open_door("ben", will=Will("fedmotion/v1/home/client/ben/presence", b"never sent"))
    polite.door.close()
    anna = open_door("anna", will=Will(PRESENCE_OF_ANNA, b"gone"))
    # What the end of a process does to its socket.
    anna.door._client.socket().shutdown(socket.SHUT_RDWR)
    assert aggregator.wait_for_payload(b"gone") == []


def test_what_was_handed_over_before_close_arrives(open_door: Any) -> None:
    aggregator = open_door("aggregator", PRESENCE_OF_ANNA)
    anna = open_door("anna")
    for index in range(50):
        anna.door.publish(PRESENCE_OF_ANNA, bytes([index]) * 20_000, retain=True)
    anna.door.close()
    assert len(aggregator.wait_for_payload(bytes([49]) * 20_000)) == 49


def test_after_close_nothing_is_taken(open_door: Any) -> None:
    anna = open_door("anna")
    anna.door.close()
    assert not anna.door.publish(OF_ANNA, b"x")


def test_a_killed_broker_is_found_again(open_door: Any, broker: RunningBroker) -> None:
    aggregator = open_door("aggregator", OF_ANNA)
    anna = open_door("anna")
    broker.kill()
    event = anna.wait_for(Disconnected)
    assert "closed the connection" in event.reason or "hung up" in event.reason
    assert not anna.door.publish(OF_ANNA, b"lost")
    broker.restart()
    anna.wait_for(Connected)
    aggregator.wait_for(Connected)
    anna.door.publish(OF_ANNA, b"found")
    assert aggregator.wait_for_payload(b"found") == []


def test_retained_messages_survive_a_killed_broker(open_door: Any, broker: RunningBroker) -> None:
    aggregator = open_door("aggregator", ROUND)
    aggregator.door.publish(ROUND, b"round 7", retain=True)
    aggregator.wait_for_payload(b"round 7")
    if broker.kind == "mosquitto":
        # It saves once a second; its owners publish again what a kill within that second takes.
        _wait_until_holds(broker.directory / "mosquitto.db", b"round 7")
    aggregator.door.close()
    broker.kill()
    broker.restart()
    assert open_door("anna", ROUND).wait_for(Received) == Received(ROUND, b"round 7")


def _wait_until_holds(path: Path, content: bytes) -> None:
    until_s = time.monotonic() + 15.0
    while not (path.exists() and content in path.read_bytes()):
        assert time.monotonic() < until_s, f"{path} does not hold {content!r}"
        time.sleep(0.02)


def test_a_broker_that_is_absent_at_first_is_waited_for(
    broker_kind: Any, tmp_path: Path, new_owner: Callable[..., Any]
) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    owner = new_owner(Address("127.0.0.1", port, "anna", "secret-of-anna"))
    owner.door.start()
    reason = owner.wait_for(Disconnected).reason
    assert reason == (
        f"no broker answers at 127.0.0.1:{port} (Connection refused): start it or correct the address"
    )
    directory = tmp_path / "late"
    write_accounts(directory, _accounts())
    with start_broker(directory, port, broker_kind):
        owner.wait_for(Connected)
        owner.door.close()
    assert [type(event) for event in owner.seen] == [Disconnected, Connected]


def test_a_wrong_password_is_refused_in_words_and_a_right_one_is_taken_later(
    broker: RunningBroker, new_owner: Callable[..., Any]
) -> None:
    owner = new_owner(broker.address("carl", "secret-of-carl"))
    owner.door.start()
    assert owner.wait_for(Refused).reason == (
        f"the broker at 127.0.0.1:{broker.port} answers, but it refuses user 'carl' or the password: "
        "correct them or join again"
    )
    write_accounts(broker.directory, _accounts())
    assert broker.reload_if_changed()
    assert not broker.reload_if_changed()
    owner.wait_for(Connected)


def test_a_frozen_broker_is_noticed_by_its_silence_and_found_when_it_thaws(
    open_door: Any, broker: RunningBroker
) -> None:
    anna = open_door("anna", keepalive_s=1)
    broker._process.send_signal(signal.SIGSTOP)  # type: ignore[union-attr]  # it runs
    assert anna.wait_for(Disconnected).reason == f"the broker at 127.0.0.1:{broker.port} fell silent"
    broker._process.send_signal(signal.SIGCONT)  # type: ignore[union-attr]  # likewise
    anna.wait_for(Connected)


def test_a_door_to_a_frozen_broker_closes_within_seconds(open_door: Any, broker: RunningBroker) -> None:
    anna = open_door("anna")
    broker._process.send_signal(signal.SIGSTOP)  # type: ignore[union-attr]  # it runs
    assert anna.door.publish(OF_ANNA, b"never acknowledged")
    closing = threading.Thread(target=anna.door.close)
    closing.start()
    closing.join(timeout=10)
    assert not closing.is_alive()
    broker._process.send_signal(signal.SIGCONT)  # type: ignore[union-attr]  # likewise


def test_a_peer_that_talks_nonsense_is_a_disconnection_and_no_crash(new_owner: Callable[..., Any]) -> None:
    rng = random.Random(5)
    with socket.create_server(("127.0.0.1", 0)) as server:
        owner = new_owner(Address("127.0.0.1", server.getsockname()[1]))
        owner.door.start()
        for _ in range(6):
            peer, _ = server.accept()
            with peer, contextlib.suppress(OSError):
                # First a CONNACK, so that what follows reaches every branch of the parser.
                peer.sendall(b"\x20\x02\x00\x00" + rng.randbytes(200))
                peer.shutdown(socket.SHUT_WR)
                while peer.recv(4096):
                    pass
        owner.wait_for(Disconnected)
        owner.door.close()


def test_a_door_is_started_once_and_its_keepalive_is_sensible() -> None:
    with pytest.raises(ValueError, match="1 to 65535 seconds, got 0"):
        PahoDoor(Address("127.0.0.1"), name="x", on_event=lambda _: None, keepalive_s=0)


def _accounts() -> list[Account]:
    return [Account(name, f"secret-of-{name}", "client", "home") for name in ("anna", "ben", "carl")]
