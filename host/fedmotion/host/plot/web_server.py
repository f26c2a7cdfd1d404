"""The plot in a browser: one page, and a websocket that brings it the samples as they come.

The page is served as it lies in the package and loads nothing from elsewhere. A browser that is too slow
loses samples, which it is told, and holds up nobody. The only module that imports websockets.
"""

import asyncio
import contextlib
import errno
import json
import logging
import signal
import socket
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict
from http import HTTPStatus
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from fedmotion.host.plot.live_board import LiveBoard, OpenBoard
from fedmotion.host.plot.trace import Span
from fedmotion.host.plot.web_address import WebAddress, is_same_origin
from fedmotion.host.serial_port import SerialEvent
from fedmotion.protocol.serial_frames import N_AXES

MAX_VIEWERS = 16
MAX_WAITING = 64
"""Messages that may wait for one browser; at 100 Hz that is 0.6 s of the stream."""

STATUS_S = 0.25
_SEND_BUFFER_BYTES = 65_536
_FOLDER = Path(__file__).with_name("page")
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}
_SECURITY = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",
}


class Viewer:
    """What waits to be sent to one browser.

    Where more than MAX_WAITING messages with samples wait, all of them go: what the browser shows next is
    new, has a gap before it, and `n_skipped` says how many messages it never saw.
    """

    def __init__(self) -> None:
        self.n_skipped = 0
        self._samples: deque[bytes] = deque()
        self._texts: deque[str] = deque(maxlen=MAX_WAITING)
        self._is_cut = False
        self._has_something = asyncio.Event()

    def offer(self, rows: tuple[NDArray[np.float64], NDArray[np.float32]]) -> None:
        """Take new rows of the stream, (n,) and (n, 6)."""
        if len(self._samples) >= MAX_WAITING:
            self.n_skipped += len(self._samples)
            self._samples.clear()
            self._is_cut = True
        t_s, values = rows
        if self._is_cut:
            t_s = np.concatenate([t_s[:1], t_s])
            values = np.concatenate([np.full((1, N_AXES), np.nan, dtype=np.float32), values])
            self._is_cut = False
        self._samples.append(pack(t_s, values))
        self._has_something.set()

    def tell(self, told: dict[str, object]) -> None:
        """Take something that is said in words; of too many the oldest go."""
        self._texts.append(json.dumps(told))
        self._has_something.set()

    async def next(self) -> str | bytes:
        """Return what is to be sent next, words before samples."""
        while not self._texts and not self._samples:
            self._has_something.clear()
            await self._has_something.wait()
        return self._texts.popleft() if self._texts else self._samples.popleft()


class WebPlot:
    """One board for any number of browsers up to MAX_VIEWERS."""

    def __init__(self, address: WebAddress, board: LiveBoard, name: str, clock: Callable[[], float]) -> None:
        self._address = address
        self._board = board
        self._name = name
        self._clock = clock
        self._viewers: set[Viewer] = set()
        self._files = {
            f"/{path.relative_to(_FOLDER).as_posix()}": path
            for path in _FOLDER.rglob("*")
            if path.suffix in _TYPES
        }
        self._files["/"] = _FOLDER / "index.html"

    def on_event(self, event: SerialEvent) -> None:
        """Take one event of the board's line and pass on what it brings."""
        news = self._board.handle(event, self._clock())
        for viewer in self._viewers:
            for rows in news.rows:
                viewer.offer(rows)
            for span in news.spans:
                viewer.tell(_span(span))

    def tick(self) -> None:
        """Do what is due by the clock and tell the browsers how the stream fares."""
        self._board.tick(self._clock())
        if not self._viewers:
            return
        status: dict[str, object] = {
            "kind": "status",
            "title": f"{self._name}   {self._board.about}".strip(),
            "rate_hz": self._board.trace.view(self._clock()).rate_hz,
            "losses": self._board.losses,
            "trouble": self._board.trouble,
        }
        for viewer in self._viewers:
            viewer.tell({**status, "n_skipped": viewer.n_skipped})

    def on_request(self, connection: ServerConnection, request: Request) -> Response | None:
        """Answer a request with a file or a refusal; None goes on to the websocket."""
        host = request.headers.get("Host", "")
        if not self._address.is_ours(host):
            return connection.respond(
                HTTPStatus.MISDIRECTED_REQUEST,
                f"this plot is not called {host!r}: open it at the address that fedmotion printed\n",
            )
        path = request.path.partition("?")[0]
        if path == "/stream":
            if not is_same_origin(request.headers.get("Origin"), host):
                return connection.respond(HTTPStatus.FORBIDDEN, "the stream is for its own page only\n")
            if len(self._viewers) >= MAX_VIEWERS:
                return connection.respond(
                    HTTPStatus.SERVICE_UNAVAILABLE, f"{MAX_VIEWERS} browsers watch already: close one\n"
                )
            return None
        if path not in self._files:
            return connection.respond(HTTPStatus.NOT_FOUND, "there is nothing here\n")
        file = self._files[path]
        body = file.read_bytes()
        headers = Headers(
            {"Content-Type": _TYPES[file.suffix], "Content-Length": str(len(body)), "Connection": "close"}
        )
        headers.update(_SECURITY)
        return Response(HTTPStatus.OK, "OK", headers, body)

    async def on_viewer(self, connection: ServerConnection) -> None:
        """Send one browser what is there and then what comes, for as long as it watches."""
        peer = connection.transport.get_extra_info("socket")
        if peer is not None:
            # What waits in the kernel is out of our hands: little of it keeps a slow browser up to date.
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
        trace = self._board.trace
        view = trace.view(self._clock())
        viewer = Viewer()
        shown_in = {"accel": trace.units.accel, "gyro": trace.units.gyro}
        viewer.tell({"kind": "hello", "span_s": trace.span_s, **shown_in})
        for span in view.spans:
            viewer.tell(_span(span))
        if len(view.t_s):
            viewer.offer((view.t_s, view.values))
        self._viewers.add(viewer)
        sender = asyncio.create_task(_send(connection, viewer))
        try:
            # A browser has nothing to say; this ends when it goes.
            async for _ in connection:
                pass
        finally:
            self._viewers.discard(viewer)
            sender.cancel()


async def _send(connection: ServerConnection, viewer: Viewer) -> None:
    with contextlib.suppress(ConnectionClosed):
        while True:
            await connection.send(await viewer.next())


def pack(t_s: NDArray[np.float64], values: NDArray[np.float32]) -> bytes:
    """Return rows (n,) and (n, 6) as a message: n times as float64, then each axis as n float32.

    All of it is little endian, as every browser's machine is.
    """
    return np.asarray(t_s, "<f8").tobytes() + np.ascontiguousarray(values.T, "<f4").tobytes()


def run(address: WebAddress, open_board: OpenBoard, name: str, *, announce: Callable[[str], object]) -> None:
    """Serve the plot until SIGINT or SIGTERM; `announce` is told its URL once it can be opened.

    Raises
    ------
    ValueError
        If it cannot be served at `address`, says why.
    """

    async def until_signal() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        await serve_until(stop, address, open_board, name, announce=announce)

    asyncio.run(until_signal())


async def serve_until(
    stop: asyncio.Event,
    address: WebAddress,
    open_board: OpenBoard,
    name: str,
    *,
    announce: Callable[[str], object],
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Serve the plot until `stop` is set; see `run`."""
    # A browser that goes away within a handshake is no error of ours.
    logging.getLogger("websockets").setLevel(logging.CRITICAL)
    loop = asyncio.get_running_loop()
    # The port's thread may still report while the loop ends: it must not meet a closed one.
    board = open_board(
        lambda event: None if stop.is_set() else loop.call_soon_threadsafe(plot.on_event, event)
    )
    plot = WebPlot(address, board, name, clock)
    try:
        server = await serve(
            plot.on_viewer,
            address.host,
            address.port,
            process_request=plot.on_request,
            compression=None,
            max_size=1024,
        )
    except OSError as error:
        raise ValueError(_why_not_served(address, error)) from None
    async with server:
        announce(address.url(server.sockets[0].getsockname()[1]))
        board.start()
        try:
            while not stop.is_set():
                plot.tick()
                try:
                    await asyncio.wait_for(stop.wait(), STATUS_S)
                except TimeoutError:
                    continue
        finally:
            stop.set()
            await asyncio.to_thread(board.close)


def _why_not_served(address: WebAddress, error: OSError) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return (
                f"port {address.port} of {address.host} is in use by another program: "
                "give --web another, or 0 for a free one"
            )
        case errno.EACCES | errno.EPERM:
            return f"port {address.port} is for the system's programs: give --web one of 1024 to 65535"
        case _:
            return f"{address.host} is no address of this machine that can be served at ({error})"


def _span(span: Span) -> dict[str, object]:
    return {"kind": "span", "caption": span.caption, **asdict(span)}
