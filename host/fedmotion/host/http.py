"""The recogniser over HTTP: predictions, the model, the last gesture and those to come. The only HTTP server.

Every connection has a thread and one request, and bounds: how many at once, how long a request may be and
take. A stranger's page in a browser on this machine is refused, whatever name it has (`plot.web_address`).
"""

import contextlib
import hmac
import json
import logging
import socket
import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec

from fedmotion.host.gesture_events import GestureEvents
from fedmotion.host.http_problem import ProblemError, problem_body, too_many, why_not_served
from fedmotion.host.openapi import document
from fedmotion.host.plot.web_address import WebAddress, is_same_origin
from fedmotion.host.prediction import answer, parse_question
from fedmotion.host.released_model import LoadedModel
from fedmotion.models.mounting import Mounting

MAX_BODY_BYTES = 2**20
MAX_CONNECTIONS = 16
MAX_READERS = 8
"""Of gestures to come; the other connections are left for questions."""

REQUEST_S = 10.0
"""How long a request may take to arrive, and a reader to take what it is sent."""

_BEAT_S = 15.0
_HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}

_TOO_MANY = too_many(MAX_CONNECTIONS)

_log = logging.getLogger(__name__)


class RecogniserServer(ThreadingHTTPServer):
    """Serves until `close`.

    Parameters
    ----------
    address
        Where; one that others can reach needs a token.
    events
        What is shown.
    turn
        How the profile's board sits.
    token
        What every request but /healthz has to know, as `Authorization: Bearer TOKEN`; empty asks for none.

    Raises
    ------
    ValueError
        If it cannot be served there, says why.
    """

    daemon_threads = True
    # Threads that read a stalled connection must not hold up the end.
    block_on_close = False
    # One more than that is told so, where the kernel would let it wait.
    request_queue_size = 4 * MAX_CONNECTIONS

    def __init__(
        self,
        address: WebAddress,
        events: GestureEvents,
        turn: Mounting,
        *,
        token: str = "",
        version: str = "",
        request_s: float = REQUEST_S,
    ) -> None:
        if not address.is_loopback and not token:
            raise ValueError(
                f"others can reach {address.host}: serve there with --http-token-file, or on this machine "
                "alone with --http PORT"
            )
        self.events = events
        self.turn = turn
        self.token = token
        self.web_address = address
        self.request_s = request_s
        self.openapi = json.dumps(document(version), ensure_ascii=False).encode()
        self.n_readers = 0
        self.lock = threading.Lock()
        self._since_s: dict[socket.socket, float] = {}
        self.address_family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
        try:
            super().__init__((address.host, address.port), _Handler)
        except OSError as error:
            raise ValueError(why_not_served(address, error)) from None
        self._thread = threading.Thread(target=self.serve_forever, args=(0.1,), name="http", daemon=True)

    @property
    def url(self) -> str:
        """Where it is served."""
        return self.web_address.url(self.server_address[1])

    def server_bind(self) -> None:
        """Bind without asking DNS for our own name, which takes seconds where there is none."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def start(self) -> None:
        """Serve from now on, in threads."""
        self._thread.start()

    def close(self) -> None:
        """Stop; connections that are open break off."""
        self.shutdown()
        self.server_close()
        with self.lock:
            open_now = tuple(self._since_s)
        for connection in open_now:
            _break_off(connection)
        self._thread.join()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Give a connection its thread, or refuse one too many."""
        with self.lock:
            is_one_too_many = len(self._since_s) >= MAX_CONNECTIONS
            if not is_one_too_many:
                self._since_s[request] = time.monotonic()
        if is_one_too_many:
            with contextlib.suppress(OSError):
                request.settimeout(0.1)
                request.sendall(_TOO_MANY)
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Forget a connection."""
        with self.lock:
            self._since_s.pop(request, None)
        super().shutdown_request(request)

    def has_arrived(self, request: Any) -> None:
        """Know that a request is read: answering it is our time and not its sender's."""
        with self.lock:
            if request in self._since_s:
                self._since_s[request] = float("inf")

    def service_actions(self) -> None:
        """Break off connections whose request takes too long to arrive, a byte at a time or not at all."""
        late_s = time.monotonic() - self.request_s
        with self.lock:
            late = [each for each, since_s in self._since_s.items() if since_s < late_s]
        for connection in late:
            _break_off(connection)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - socketserver's signature
        """Keep a connection that broke off out of the terminal."""
        _log.debug("a connection broke off", exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "fedmotion"
    sys_version = ""
    server: RecogniserServer

    def setup(self) -> None:
        super().setup()
        self.connection.settimeout(self.server.request_s)

    def do_GET(self) -> None:
        self._answer()

    do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_GET  # noqa: N815 - as it calls them

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name in the standard library
        _log.debug("http %s", format % args)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer what the standard library refuses as everything else that is refused."""
        detail = explain or message or HTTPStatus(code).description or "this is no request"
        with contextlib.suppress(OSError):
            self._refuse(ProblemError(HTTPStatus(code), detail))

    def _answer(self) -> None:
        self.close_connection = True
        try:
            self._route()
        except ProblemError as problem:
            self._refuse(problem)
        except OSError:
            # The other side is gone or too slow: there is nobody to tell.
            _log.debug("http connection lost", exc_info=True)
        except Exception:  # noqa: BLE001 - see below
            # The outermost frame of a request: the server goes on.
            _log.exception("http %s %s cannot be answered", self.command, self.path)
            self._refuse(
                ProblemError(
                    HTTPStatus.INTERNAL_SERVER_ERROR, "this cannot be answered; the recogniser's log says why"
                )
            )

    def _route(self) -> None:
        host = self.headers.get("Host", "")
        if not self.server.web_address.is_ours(host):
            raise ProblemError(
                HTTPStatus.MISDIRECTED_REQUEST,
                f"this recogniser is not called {host!r}: use the address that fedmotion printed",
            )
        if not is_same_origin(self.headers.get("Origin"), host):
            raise ProblemError(HTTPStatus.FORBIDDEN, "pages of another origin are not answered")
        path = self.path.partition("?")[0]
        routes: dict[str, tuple[str, Callable[[], None]]] = {
            "/v1/predict": ("POST", self._predict),
            "/v1/model": ("GET", self._model),
            "/v1/last": ("GET", self._last),
            "/v1/events": ("GET", self._events),
            "/healthz": ("GET", self._health),
            "/openapi.json": ("GET", lambda: self._send(self.server.openapi)),
        }
        if path not in routes:
            raise ProblemError(HTTPStatus.NOT_FOUND, f"there is {', '.join(routes)}, and not {path[:100]!r}")
        method, respond = routes[path]
        if self.command != method and not (self.command == "HEAD" and method == "GET"):
            raise ProblemError(
                HTTPStatus.METHOD_NOT_ALLOWED, f"{path} takes {method}, got {self.command}", Allow=method
            )
        if path != "/healthz":
            self._check_token()
        if method == "GET":
            self.server.has_arrived(self.request)
        respond()

    def _check_token(self) -> None:
        if not self.server.token:
            return
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        is_right = hmac.compare_digest(token.strip().encode(), self.server.token.encode())
        if scheme.lower() != "bearer" or not is_right:
            raise ProblemError(
                HTTPStatus.UNAUTHORIZED,
                "this needs `Authorization: Bearer TOKEN` with the token of --http-token-file",
                WWW_Authenticate="Bearer",
            )

    def _predict(self) -> None:
        body = self._body()
        self.server.has_arrived(self.request)
        model = self._need_model()
        try:
            question = parse_question(body)
        except ValueError as error:
            raise ProblemError(HTTPStatus.BAD_REQUEST, str(error)) from None
        try:
            predictions = answer(question, model, self.server.turn)
        except ValueError as error:
            raise ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, str(error)) from None
        told = {"round_id": model.round_id, "sha256": model.sha256.hex(), "predictions": predictions}
        self._send(msgspec.json.encode(told))

    def _body(self) -> bytes:
        kind = self.headers.get_content_type()
        if "Content-Type" not in self.headers or kind != "application/json":
            raise ProblemError(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"the body is application/json, got {kind[:100]!r}"
            )
        length = self.headers.get("Content-Length", "")
        if "Transfer-Encoding" in self.headers or not (length.isascii() and length.isdigit()):
            raise ProblemError(HTTPStatus.LENGTH_REQUIRED, "the body's length is said in Content-Length")
        if len(length) > 12 or int(length) > MAX_BODY_BYTES:
            raise ProblemError(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                f"a body has at most {MAX_BODY_BYTES} bytes, got {length[:20]}",
            )
        body = self.rfile.read(int(length))
        if len(body) != int(length):
            raise ProblemError(HTTPStatus.BAD_REQUEST, f"the body ends after {len(body)} of {length} bytes")
        return body

    def _need_model(self) -> LoadedModel:
        model = self.server.events.model
        if model is None:
            raise ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, "there is no model yet", Retry_After="10")
        return model

    def _model(self) -> None:
        model = self._need_model()
        specification = model.specification
        self._send(
            msgspec.json.encode(
                {
                    "round_id": model.round_id,
                    "lineage_id": model.lineage_id,
                    "sha256": model.sha256.hex(),
                    "family": specification.family,
                    "activities": specification.activities,
                    "rate_hz": specification.rate_hz,
                    "window_length": specification.window_length,
                    "n_features": specification.n_features,
                    "min_probability": specification.min_probability,
                }
            )
        )

    def _last(self) -> None:
        self._send(msgspec.json.encode({"last": self.server.events.last}))

    def _health(self) -> None:
        events = self.server.events
        told = {
            "status": "ok",
            "has_model": events.model is not None,
            "is_board_there": events.is_board_there,
        }
        self._send(msgspec.json.encode(told))

    def _events(self) -> None:
        after = self.headers.get("Last-Event-ID", "")
        server = self.server
        with server.lock:
            if server.n_readers >= MAX_READERS:
                raise ProblemError(
                    HTTPStatus.SERVICE_UNAVAILABLE, f"{MAX_READERS} read gestures already: close one"
                )
            server.n_readers += 1
        is_number = after.isascii() and after.isdigit() and len(after) < 16
        reader = server.events.read(int(after) if is_number else None)
        try:
            self._head(HTTPStatus.OK, "text/event-stream", {})
            if self.command == "HEAD":
                return
            # What the HTML standard calls reconnection time, in ms.
            self._write(b"retry: 2000\n\n")
            with contextlib.suppress(EOFError):
                while True:
                    try:
                        gesture = reader.next(_BEAT_S)
                    except TimeoutError:
                        # A comment: who has gone is noticed, and nothing between us falls asleep.
                        self._write(b": still here\n\n")
                        continue
                    if gesture is not None:
                        data = msgspec.json.encode(gesture)
                        self._write(b"event: gesture\nid: %d\ndata: %s\n\n" % (gesture.number, data))
        finally:
            server.events.leave(reader)
            with server.lock:
                server.n_readers -= 1

    def _write(self, data: bytes) -> None:
        self.wfile.write(data)
        self.wfile.flush()

    def _send(
        self,
        body: bytes,
        status: HTTPStatus = HTTPStatus.OK,
        kind: str = "application/json",
        headers: dict[str, str] | None = None,
    ) -> None:
        self._head(status, kind, {"Content-Length": str(len(body)), **(headers or {})})
        if self.command != "HEAD":
            self._write(body)

    def _head(self, status: HTTPStatus, kind: str, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, **headers, **_HEADERS, "Connection": "close"}.items():
            self.send_header(name, value)
        self.end_headers()

    def _refuse(self, problem: ProblemError) -> None:
        self.close_connection = True
        with contextlib.suppress(OSError):
            body = problem_body(problem.status, problem.detail)
            self._send(body, problem.status, "application/problem+json", problem.headers)
            # A body that is left unread makes the kernel reset the connection, and the answer is lost.
            self.request.settimeout(0.2)
            for _ in range(16):
                if not self.rfile.read1(65_536):
                    break


def _break_off(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
