"""The door to a real broker over paho-mqtt, which `paho_trial` alone imports besides.

One thread a door. Every connection gets a paho client of its own: paho would otherwise send what was
under way on the old connection after what the owner publishes on the new one, and a stale retained
message would win.
"""

import contextlib
import logging
import random
import secrets
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from fedmotion.broker.address import Address
from fedmotion.broker.backoff import Backoff
from fedmotion.broker.door import (
    MAX_PAYLOAD_BYTES,
    Connected,
    Disconnected,
    Event,
    Received,
    Refused,
    Will,
    check_message,
)
from fedmotion.broker.reasons import why_no_connection, why_refused
from fedmotion.broker.tls import tls_context

logger = logging.getLogger(__name__)

MAX_QUEUED_MESSAGES = 1024
"""Messages without the broker's acknowledgement: 64 MiB in chunks of 256 KiB, four times over."""

_LOOP_S = 1.0
_GOODBYE_S = 2.0
_STEADY_S = 5.0


class PahoDoor:
    """A `Door` to the broker at `address`.

    Parameters
    ----------
    address
        The broker and the account.
    name
        What the broker's log shows. A random part is added, so that nobody who knows the name can push
        this connection out by taking its MQTT client id.
    on_event
        Called from the door's thread; a program passes ``queue.SimpleQueue().put``.
    will
        What the broker publishes when this door vanishes.
    keepalive_s
        A silent broker is noticed after about twice as long; the broker notices us after 1.5 times.
    backoff
        The waits between attempts; give a seeded one to tests.

    Raises
    ------
    ValueError
        If the keepalive, the will or the address's file of certificates cannot be used.
    """

    def __init__(
        self,
        address: Address,
        *,
        name: str,
        on_event: Callable[[Event], None],
        will: Will | None = None,
        keepalive_s: int = 10,
        backoff: Backoff | None = None,
    ) -> None:
        if not 1 <= keepalive_s <= 65535:
            raise ValueError(f"a keepalive is 1 to 65535 seconds, got {keepalive_s}")
        if will is not None:
            check_message(will.topic, will.payload)
        self._address = address
        self._tls = tls_context(address.tls_ca) if address.tls_ca is not None else None
        self._name = name
        # MQTT 3.1.1, section 3.1.3.1: every broker takes 23 characters.
        self._client_id = f"{name[:14]}-{secrets.token_hex(4)}"
        self._on_event = on_event
        self._will = will
        self._keepalive_s = keepalive_s
        self._backoff = backoff or Backoff(rng=random.Random(secrets.randbits(64)))
        self._topic_filters: dict[str, None] = {}
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        self._last_failure: Event | None = None
        # Of the present connection; the lock guards them.
        self._client: Client | None = None
        self._is_connected = False
        self._n_unacknowledged = 0
        # Of the present connection, and of the door's thread alone.
        self._awaited: dict[int, tuple[str, ...]] = {}
        self._refusal = ""
        self._is_silent = False

    def start(self) -> None:
        """Begin to connect in the background; a broker that is absent is waited for."""
        if self._thread is not None:
            raise ValueError(f"a door is started once, {self._name!r} was started already")
        self._thread = threading.Thread(target=self._run, name=f"door-{self._name}", daemon=True)
        self._thread.start()

    def subscribe(self, *topic_filters: str) -> None:
        """Subscribe at QoS 1, now and on every later connection."""
        with self._lock:
            new = [each for each in topic_filters if each not in self._topic_filters]
            self._topic_filters.update(dict.fromkeys(topic_filters))
            client = self._client if self._is_connected else None
        if new and client is not None:
            client.subscribe([(each, 1) for each in new])

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> bool:
        """Hand a message to the connection at QoS 1; False where there is none or its queue is full."""
        check_message(topic, payload)
        with self._lock:
            client = self._client
            if client is None or not self._is_connected or self._closing.is_set():
                return False
            self._n_unacknowledged += 1
        # Outside of the lock: paho holds its own while it calls `_acknowledged`.
        info = client.publish(topic, payload, qos=1, retain=retain)
        if info.rc == MQTTErrorCode.MQTT_ERR_SUCCESS:
            return True
        self._acknowledge(client)
        logger.warning("door=%s message on %s not sent: %s", self._name, topic, info.rc.name)
        return False

    def close(self) -> None:
        """Wait shortly for the broker to acknowledge what is under way, say goodbye and stop."""
        self._closing.set()
        with self._lock:
            client = self._client if self._n_unacknowledged == 0 else None
        if client is not None:
            client.disconnect()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def _run(self) -> None:
        while not self._closing.is_set():
            started_s = time.monotonic()
            failure = self._connect_and_stay()
            if self._closing.is_set():
                return
            # A broker that takes us and drops us at once is not called more and more often.
            if time.monotonic() - started_s > _STEADY_S:
                self._backoff.reset()
            if failure != self._last_failure:
                self._last_failure = failure
                self._tell(failure)
            wait_s = self._backoff.slow_s() if isinstance(failure, Refused) else self._backoff.next_s()
            logger.debug("door=%s tries again in %.2f s", self._name, wait_s)
            self._closing.wait(wait_s)

    def _connect_and_stay(self) -> Disconnected | Refused:
        """Connect once, serve the connection until it ends, and say why it ended."""
        client = self._new_client()
        try:
            client.connect(self._address.host, self._address.port, self._keepalive_s)
        except (OSError, ValueError) as error:
            return Disconnected(why_no_connection(self._address, error))
        with self._lock:
            self._client = client
            self._n_unacknowledged = 0
        self._awaited = {}
        self._refusal = ""
        self._is_silent = False
        try:
            self._serve(client)
        except Exception as error:
            # The bytes of a broker reach paho unchecked, and what it raises on nonsense is not documented.
            logger.exception("door=%s the connection broke", self._name)
            return Disconnected(f"the broker at {self._address} sent nonsense ({type(error).__name__})")
        finally:
            with self._lock:
                was_connected, self._is_connected = self._is_connected, False
                self._client = None
            _close_socket(client)
        if self._refusal:
            return Refused(self._refusal)
        if self._is_silent:
            return Disconnected(f"the broker at {self._address} fell silent")
        if was_connected:
            return Disconnected(f"the broker at {self._address} closed the connection")
        return Disconnected(f"the broker at {self._address} hung up at the first word: is the address right?")

    def _serve(self, client: Client) -> None:
        goodbye_s: float | None = None
        while True:
            if client.loop(_LOOP_S if goodbye_s is None else 0.05) != MQTTErrorCode.MQTT_ERR_SUCCESS:
                return
            if not self._closing.is_set():
                continue
            now_s = time.monotonic()
            if goodbye_s is None:
                goodbye_s = now_s + _GOODBYE_S
            with self._lock:
                is_done = self._n_unacknowledged == 0
            if is_done or now_s > goodbye_s:
                client.disconnect()
            if now_s > goodbye_s + _LOOP_S:
                return

    def _new_client(self) -> Client:
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=self._client_id,
            clean_session=True,
            protocol=MQTTv311,
            reconnect_on_failure=False,
        )
        if self._address.username:
            client.username_pw_set(self._address.username, self._address.password)
        if self._tls is not None:
            client.tls_set_context(self._tls)
        if self._will is not None:
            client.will_set(self._will.topic, self._will.payload, qos=1, retain=self._will.retain)
        # Without a bound in flight a long retained model needs one trip to the broker, not one per 20 chunks.
        client.max_inflight_messages_set(0)
        client.max_queued_messages_set(MAX_QUEUED_MESSAGES)
        client.on_socket_open = _send_at_once
        # Told that another loop writes, paho wakes our thread instead of writing from the caller's.
        client.on_socket_register_write = _leave_to_loop
        client.on_connect = self._greeted
        client.on_subscribe = self._subscribed
        client.on_publish = self._acknowledged
        client.on_message = self._received
        client.on_disconnect = self._ended
        return client

    def _greeted(
        self, client: Client, _data: Any, _flags: ConnectFlags, code: ReasonCode, _more: Properties | None
    ) -> None:
        if code.is_failure:
            self._refusal = why_refused(self._address, self._name, code.getName())
            return
        with self._lock:
            self._is_connected = True
            filters = tuple(self._topic_filters)
        if not filters:
            self._last_failure = None
            self._tell(Connected())
            return
        # The answer is handled by this very thread, so it cannot come before it is awaited.
        _, message_id = client.subscribe([(each, 1) for each in filters])
        if message_id is not None:
            self._awaited[message_id] = filters

    def _subscribed(
        self, _client: Client, _data: Any, message_id: int, codes: list[ReasonCode], _more: Properties | None
    ) -> None:
        filters = self._awaited.pop(message_id, ())
        refused = [each for each, code in zip(filters, codes, strict=False) if code.is_failure]
        if refused:
            self._tell(
                Refused(
                    f"the broker at {self._address} does not let user {self._address.username!r} read "
                    f"{', '.join(refused)}: correct its permissions"
                )
            )
        if filters:
            self._last_failure = None
            self._tell(Connected())

    def _acknowledged(
        self, client: Client, _data: Any, _message_id: int, _code: ReasonCode, _more: Properties
    ) -> None:
        self._acknowledge(client)

    def _acknowledge(self, client: Client) -> None:
        with self._lock:
            if client is self._client:
                self._n_unacknowledged -= 1

    def _received(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            logger.warning("door=%s a message's topic is not UTF-8: dropped", self._name)
            return
        if len(message.payload) > MAX_PAYLOAD_BYTES:
            logger.warning("door=%s %d bytes on %s: dropped", self._name, len(message.payload), topic)
            return
        self._tell(Received(topic, bytes(message.payload)))

    def _ended(
        self, _client: Client, _data: Any, _flags: DisconnectFlags, code: ReasonCode, _more: Properties | None
    ) -> None:
        self._is_silent = code.getName() == "Keep alive timeout"

    def _tell(self, event: Event) -> None:
        if not isinstance(event, Received):
            logger.info("door=%s %s", self._name, event)
        self._on_event(event)


def _send_at_once(_client: Client, _data: Any, sock: Any) -> None:
    # Nagle's algorithm and delayed acknowledgements hold small packets back by 40 ms, twice a round.
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _leave_to_loop(_client: Client, _data: Any, _sock: Any) -> None:
    """Accept that there is something to write; the door's thread writes it."""


def _close_socket(client: Client) -> None:
    # paho leaves it open where we stop before it noticed an end.
    sock = client.socket()
    if sock is not None:
        sock.close()
