"""One try of a broker, step by step: its name, its port, TLS, the account, and what that may read and write.

It speaks MQTT 5 where the broker does, which says of each message whether it was allowed; MQTT 3.1.1
acknowledges also what it drops. A door (`paho_door`) keeps a connection; this one asks and goes.
"""

import contextlib
import secrets
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from paho.mqtt.client import Client, MQTTMessage, topic_matches_sub
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.reasoncodes import ReasonCode

from fedmotion.broker.address import Address
from fedmotion.broker.reasons import why_no_connection, why_refused
from fedmotion.broker.tls import tls_context

TIMEOUT_S = 5.0
_ECHO_S = 2.0
_LOOP_S = 0.05
_UNSUPPORTED = "Unsupported protocol version"
_PROTOCOLS = {MQTTProtocolVersion.MQTTv5: "MQTT 5", MQTTProtocolVersion.MQTTv311: "MQTT 3.1.1"}

Reached = Literal["nothing", "name", "port", "tls", "account"]


@dataclass(frozen=True, slots=True)
class Write:
    """What became of one message; `is_allowed` None where the broker does not say so.

    `came_back` tells whether it was received again, None where nothing that was subscribed covers it.
    """

    topic: str
    is_allowed: bool | None
    reason: str
    came_back: bool | None


@dataclass(frozen=True, slots=True)
class Trial:
    """How far it went and what was seen on the way.

    Attributes
    ----------
    reached : the last step that was all right
    trouble : why it went no further, with what to do; "" where it was all right to the end
    hosts : the numeric addresses of the broker's name
    tls : the version of TLS; certificate_unix_s : until when the certificate is good, None where unknown
    protocol : the version of MQTT
    refused : filters that may not be read
    received : topic and payload of what came, in order
    """

    reached: Reached = "nothing"
    trouble: str = ""
    hosts: tuple[str, ...] = ()
    tls: str = ""
    certificate_unix_s: float | None = None
    protocol: str = ""
    refused: tuple[str, ...] = ()
    writes: tuple[Write, ...] = ()
    received: tuple[tuple[str, bytes], ...] = ()


def try_broker(
    address: Address,
    *,
    name: str,
    filters: Sequence[str],
    messages: Sequence[tuple[str, bytes]],
    timeout_s: float = TIMEOUT_S,
) -> Trial:
    """Return how far the account of `address` gets: subscribe to `filters`, then publish `messages`.

    `messages` are published at QoS 1 and not retained, each before the next.
    """
    trial = Trial()
    try:
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        cause = getattr(error, "strerror", None) or error
        trouble = (
            f"no machine is called {address.host} ({cause}): write the name as it was given, or its number "
            "(192.168....), and see that this machine has network"
        )
        return replace(trial, trouble=trouble)
    trial = replace(trial, reached="name", hosts=tuple(dict.fromkeys(str(each[4][0]) for each in found)))
    context = None
    try:
        socket.create_connection((address.host, address.port), timeout_s).close()
        trial = replace(trial, reached="port")
        if address.tls_ca is not None:
            context = tls_context(address.tls_ca)
            trial = _shake_hands(trial, address, context, timeout_s)
        return _converse(trial, address, name, context, filters, messages, timeout_s)
    except (OSError, ValueError) as error:
        trouble = why_no_connection(address, error)
        if (
            context is not None
            and trial.reached == "port"
            and isinstance(error, ConnectionError | TimeoutError)
        ):
            trouble = (
                f"what listens at {address} does not answer to TLS ({error.strerror or error}): is it "
                "another port, often 8883, or an invitation without TLS?"
            )
        return replace(trial, trouble=trouble)


def _shake_hands(trial: Trial, address: Address, context: ssl.SSLContext, timeout_s: float) -> Trial:
    with (
        socket.create_connection((address.host, address.port), timeout_s) as plain,
        context.wrap_socket(plain, server_hostname=address.host) as secure,
    ):
        end = str((secure.getpeercert() or {}).get("notAfter", ""))
        return replace(
            trial,
            reached="tls",
            tls=secure.version() or "",
            certificate_unix_s=ssl.cert_time_to_seconds(end) if end else None,
        )


def _converse(
    trial: Trial,
    address: Address,
    name: str,
    context: ssl.SSLContext | None,
    filters: Sequence[str],
    messages: Sequence[tuple[str, bytes]],
    timeout_s: float,
) -> Trial:
    for protocol in (MQTTProtocolVersion.MQTTv5, MQTTProtocolVersion.MQTTv311):
        with contextlib.closing(_Conversation(address, name, protocol, context, timeout_s)) as talk:
            code = talk.connect()
            if protocol == MQTTProtocolVersion.MQTTv5 and (code is None or code.getName() == _UNSUPPORTED):
                continue  # an older broker may also hang up without a word
            if code is None:
                trouble = (
                    f"what listens at {address} does not answer as an MQTT broker does: is the port right, "
                    "and is TLS wanted there (mqtts)?"
                )
                return replace(trial, trouble=trouble)
            if code.is_failure:
                return replace(trial, trouble=_why_refused(address, name, code))
            trial = replace(trial, reached="account", protocol=_PROTOCOLS[protocol])
            refused = talk.subscribe(filters)
            granted = [each for each in filters if each not in refused]
            writes = tuple(talk.publish(*message, granted) for message in messages)
            return replace(trial, refused=refused, writes=writes, received=tuple(talk.received))
    raise AssertionError("unreachable")


def _why_refused(address: Address, name: str, code: ReasonCode) -> str:
    return why_refused(address, name, code.getName()) or (
        f"the broker at {address} answers, but takes nobody in now ({code.getName()}): see its log, and try "
        "again later"
    )


class _Conversation:
    """One connection, in the caller's thread."""

    def __init__(
        self,
        address: Address,
        name: str,
        protocol: MQTTProtocolVersion,
        context: ssl.SSLContext | None,
        timeout_s: float,
    ) -> None:
        self.received: list[tuple[str, bytes]] = []
        self._address = address
        self._timeout_s = timeout_s
        self._is_mqtt5 = protocol == MQTTProtocolVersion.MQTTv5
        self._greeting: ReasonCode | None = None
        self._granted: list[ReasonCode] | None = None
        self._acknowledged: dict[int, ReasonCode] = {}
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=f"{name[:10]}-try-{secrets.token_hex(4)}",
            protocol=protocol,
            reconnect_on_failure=False,
        )
        client.connect_timeout = timeout_s
        if address.username:
            client.username_pw_set(address.username, address.password)
        if context is not None:
            client.tls_set_context(context)
        client.on_connect = lambda _c, _d, _flags, code, _p: setattr(self, "_greeting", code)
        client.on_subscribe = lambda _c, _d, _id, codes, _p: setattr(self, "_granted", codes)
        client.on_publish = lambda _c, _d, number, code, _p: self._acknowledged.update({number: code})
        client.on_message = self._receive
        self._client = client

    def connect(self) -> ReasonCode | None:
        """Return the broker's answer, None where it gives none."""
        self._client.connect(self._address.host, self._address.port, keepalive=30)
        self._wait(lambda: self._greeting is not None, self._timeout_s)
        return self._greeting

    def subscribe(self, filters: Sequence[str]) -> tuple[str, ...]:
        """Return the filters that are refused: all where the broker does not answer."""
        if not filters:
            return ()
        self._client.subscribe([(each, 1) for each in filters])
        self._wait(lambda: self._granted is not None, self._timeout_s)
        if self._granted is None:
            return tuple(filters)
        return tuple(each for each, code in zip(filters, self._granted, strict=False) if code.is_failure)

    def publish(self, topic: str, payload: bytes, filters: Sequence[str]) -> Write:
        """Publish and wait for the acknowledgement, and for the message itself where it is to come back."""
        n_before = len(self.received)
        number = self._client.publish(topic, payload, qos=1).mid
        self._wait(lambda: number in self._acknowledged, self._timeout_s)
        code = self._acknowledged.get(number)
        if code is None:
            return Write(topic, False, "it was not acknowledged", None)
        if code.is_failure:
            return Write(topic, False, code.getName(), None)
        came_back = None
        if any(topic_matches_sub(each, topic) for each in filters):
            self._wait(lambda: (topic, payload) in self.received[n_before:], _ECHO_S)
            came_back = (topic, payload) in self.received[n_before:]
        is_allowed = True if self._is_mqtt5 or came_back else None
        return Write(topic, is_allowed, code.getName() if self._is_mqtt5 else "", came_back)

    def close(self) -> None:
        """Say goodbye."""
        self._client.disconnect()
        with contextlib.suppress(OSError, ValueError):
            self._client.loop(_LOOP_S)
        sock = self._client.socket()
        if sock is not None:
            sock.close()

    def _receive(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        with contextlib.suppress(UnicodeDecodeError):
            self.received.append((message.topic, bytes(message.payload)))

    def _wait(self, is_done: Callable[[], bool], timeout_s: float) -> None:
        until_s = time.monotonic() + timeout_s
        while not is_done() and time.monotonic() < until_s:
            if self._client.loop(_LOOP_S) != MQTTErrorCode.MQTT_ERR_SUCCESS:
                return
