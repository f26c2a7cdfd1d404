"""The plot's server, met by real clients."""

import asyncio
import hashlib
import json
import re
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus

from fedmotion.boards.kinematics import Motion
from fedmotion.boards.simulated_node import SimulatedNode
from fedmotion.boards.virtual_mpu6050 import VirtualMpu6050
from fedmotion.host.board_line import BoardLine
from fedmotion.host.plot import web_server
from fedmotion.host.plot.live_board import LiveBoard
from fedmotion.host.plot.trace import Trace
from fedmotion.host.plot.web_address import WebAddress
from fedmotion.host.plot.web_server import MAX_VIEWERS, MAX_WAITING, Viewer, pack, serve_until
from fedmotion.host.serial_port import Bytes, Opened, SerialEvent

PAGE = Path(web_server.__file__).with_name("page")
LOOPBACK = WebAddress("127.0.0.1", 0)
DEADLINE_S = 50
Rows = tuple[np.ndarray, np.ndarray]


class Plot:
    """A plot that is served, and its board's line."""

    def __init__(self) -> None:
        self.url = ""
        self.on_event: Callable[[SerialEvent], object] = lambda _: None
        self.board: LiveBoard | None = None

    def open_board(self, on_event: Callable[[SerialEvent], object]) -> LiveBoard:
        self.on_event = on_event
        line = BoardLine("fake", 500_000, on_event, open_port=lambda *_: self)
        self.board = LiveBoard(line, Trace(10.0))
        return self.board

    def start(self) -> None:
        self.on_event(Opened("fake"))

    def write(self, data: bytes) -> bool:
        return bool(data)

    def taken(self, n_bytes: int) -> None:
        assert n_bytes > 0

    def close(self) -> None:
        pass

    def watch(self, **options: Any) -> connect:
        return connect(self.url.replace("http", "ws") + "stream", max_size=None, **options)


@asynccontextmanager
async def served(address: WebAddress = LOOPBACK) -> AsyncIterator[Plot]:
    plot, stop, announced = Plot(), asyncio.Event(), asyncio.Event()

    def announce(url: str) -> None:
        plot.url = url
        announced.set()

    serving = asyncio.create_task(serve_until(stop, address, plot.open_board, "board", announce=announce))
    await asyncio.wait_for(announced.wait(), DEADLINE_S)
    try:
        yield plot
    finally:
        stop.set()
        await asyncio.wait_for(serving, DEADLINE_S)


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def with_deadline() -> None:
        await asyncio.wait_for(test(), DEADLINE_S)

    asyncio.run(with_deadline())


def at_rest(rate_hz: float = 100.0) -> SimulatedNode:
    sensor = VirtualMpu6050(Motion(np.array([0.0, 100.0]), np.full((2, 3), 5.0), np.zeros((2, 3))))
    node = SimulatedNode(sensor, period_us=round(1e6 / rate_hz))
    node.announce()
    return node


def rows_of(message: bytes) -> Rows:
    n = len(message) // 32
    return np.frombuffer(message, "<f8", n), np.frombuffer(message, "<f4", offset=8 * n).reshape(6, n).T


async def until_samples(connection: ClientConnection, n_wanted: int) -> tuple[Rows, list[dict[str, Any]]]:
    """Return the rows of the messages that come until there are so many, and what was said besides."""
    rows: list[Rows] = []
    said: list[dict[str, Any]] = []
    while sum(len(t_s) for t_s, _ in rows) < n_wanted:
        message = await connection.recv()
        if isinstance(message, bytes):
            rows.append(rows_of(message))
        else:
            said.append(json.loads(message))
    return (np.concatenate([t_s for t_s, _ in rows]), np.concatenate([values for _, values in rows])), said


def test_a_browser_gets_what_is_there_and_then_what_comes() -> None:
    async def test() -> None:
        async with served() as plot:
            node = at_rest()
            plot.on_event(Bytes(node.advance(1_000_000)))
            async with plot.watch() as first:
                (t_s, values), said = await until_samples(first, 100)
                assert said[0] == {"kind": "hello", "span_s": 10.0, "accel": "m/s²", "gyro": "rad/s"}
                np.testing.assert_allclose(np.diff(t_s), 0.01, atol=1e-4)
                np.testing.assert_allclose(values[:, :3], 5.0, atol=0.8)
                plot.on_event(Bytes(node.advance(2_000_000)))
                (later_s, _), _ = await until_samples(first, 100)
                assert later_s[0] - t_s[-1] == pytest.approx(0.01, abs=1e-4)
                # A second one sees it from its beginning as well.
                async with plot.watch() as second:
                    (both_s, _), _ = await until_samples(second, 200)
                    np.testing.assert_array_equal(both_s, np.concatenate([t_s, later_s]))
                while True:
                    message = await first.recv()
                    if isinstance(message, str) and (status := json.loads(message))["kind"] == "status":
                        break
                assert status["title"] == "board   simulated"
                assert status["losses"] == "lost 0   gaps 0   bad frames 0"
                assert (status["trouble"], status["n_skipped"]) == ("", 0)

    run(test)


def test_missing_samples_are_a_row_that_is_no_number() -> None:
    async def test() -> None:
        async with served() as plot, plot.watch() as connection:
            node = at_rest()
            plot.on_event(Bytes(node.advance(500_000)))
            node.advance(800_000)
            plot.on_event(Bytes(node.advance(1_000_000)))
            (t_s, values), _ = await until_samples(connection, 71)
            gap = int(np.flatnonzero(np.isnan(values).all(axis=1)).item())
            assert (len(t_s), gap) == (71, 50)
            assert t_s[49] < t_s[50] < t_s[51]

    run(test)


def get(url: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=5) as answer:
            return answer.status, dict(answer.headers), answer.read()
    except urllib.error.HTTPError as error:
        return error.code, dict(error.headers), error.read()


def test_the_page_and_all_that_it_names_come_from_here_and_nothing_from_elsewhere() -> None:
    async def test() -> None:
        async with served() as plot:
            status, headers, body = await asyncio.to_thread(get, plot.url)
            assert status == 200
            assert headers["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self';")
            assert headers["Content-Type"] == "text/html; charset=utf-8"
            named = re.findall(r'(?:src|href)="([^"]+)"', body.decode())
            assert len(named) == 6
            for name in named:
                status, headers, body = await asyncio.to_thread(get, plot.url + name)
                assert (status, body) == (200, (PAGE / name).read_bytes())
                assert headers["X-Content-Type-Options"] == "nosniff"
            for name in ("web_server.py", "uplot/LICENSE", "../web_server.py", "%2e%2e/figure.py"):
                assert (await asyncio.to_thread(get, plot.url + name))[0] == 404

    run(test)
    ours = [path.read_text("utf-8") for path in PAGE.glob("*.*")]
    assert len(ours) == 5
    outside = {found for text in ours for found in re.findall(r"(?:https?:)?//[\w.]+", text)}
    assert outside == {"http://www.w3.org"}  # the name of SVG's namespace, which nobody fetches


def test_strangers_are_refused() -> None:
    async def test() -> None:
        async with served() as plot:
            status, _, body = await asyncio.to_thread(get, plot.url, Host="evil.example")
            assert (status, body[:44]) == (421, b"this plot is not called 'evil.example': open")
            for headers in ({"Origin": "http://evil.example"}, {"Origin": "null"}):
                with pytest.raises(InvalidStatus) as refused:
                    await plot.watch(additional_headers=headers)
                assert refused.value.response.status_code == 403
            async with plot.watch(origin=plot.url.rstrip("/")) as connection:
                assert json.loads(await connection.recv())["kind"] == "hello"

    run(test)


def test_there_is_room_for_so_many_browsers() -> None:
    async def test() -> None:
        async with served() as plot:
            watching = [await plot.watch() for _ in range(MAX_VIEWERS)]
            for connection in watching:
                await connection.recv()
            with pytest.raises(InvalidStatus) as refused:
                await plot.watch()
            assert refused.value.response.status_code == 503
            for connection in watching:
                await connection.close()

    run(test)


def test_a_slow_browser_loses_samples_and_holds_up_nobody() -> None:
    data = at_rest(1000).advance(10_000_000)

    async def test() -> None:
        async with served() as plot:
            slow = await plot.watch()
            async with plot.watch() as quick:
                n_sent = 3 * MAX_WAITING
                for _ in range(n_sent):
                    # The same ten seconds again: a board that restarts. A third of a MB for each browser.
                    plot.on_event(Bytes(data))
                    (t_s, values), _ = await until_samples(quick, 9_900)
                    assert np.isnan(values).all(axis=1).sum() <= 1
                    assert (np.diff(t_s) > 0).all()
            n_got, n_skipped = 0, 0
            while not n_skipped:
                message = await slow.recv()
                if isinstance(message, bytes):
                    n_got += 1
                else:
                    n_skipped = json.loads(message).get("n_skipped", 0)
            assert n_skipped >= MAX_WAITING
            assert n_got < n_sent
            await slow.close()

    run(test)


def test_what_a_viewer_missed_is_a_gap() -> None:
    async def test() -> None:
        viewer = Viewer()
        for second in range(MAX_WAITING + 2):
            viewer.offer((np.array([float(second)]), np.zeros((1, 6), dtype=np.float32)))
        assert viewer.n_skipped == MAX_WAITING
        viewer.tell({"kind": "status"})
        assert await viewer.next() == '{"kind": "status"}'
        t_s, values = rows_of(bytes(await viewer.next()))  # type: ignore[arg-type]  # samples are bytes
        assert t_s.tolist() == [MAX_WAITING, MAX_WAITING]
        assert np.isnan(values).all(axis=1).tolist() == [True, False]
        t_s, values = rows_of(bytes(await viewer.next()))  # type: ignore[arg-type]  # likewise
        assert (t_s.tolist(), bool(np.isnan(values).any())) == ([MAX_WAITING + 1], False)

    run(test)


def test_a_message_is_times_and_then_axis_by_axis() -> None:
    values = np.arange(12, dtype=np.float32).reshape(2, 6)
    message = pack(np.array([1.5, 2.5]), values)
    assert message[:16].hex() == "000000000000f83f0000000000000440"
    assert message[16:32].hex() == "000000000000c0400000803f0000e040"
    assert len(message) == 64


def test_a_port_in_use_is_said() -> None:
    async def test() -> None:
        async with served() as plot:
            port = int(plot.url.rstrip("/").rpartition(":")[2])
            busy = serve_until(
                asyncio.Event(), WebAddress("127.0.0.1", port), plot.open_board, "", announce=pytest.fail
            )
            with pytest.raises(
                ValueError, match=rf"^port {port} of 127\.0\.0\.1 is in use by another program"
            ):
                await busy

    run(test)


def test_an_address_of_another_machine_is_said() -> None:
    async def test() -> None:
        # 192.0.2.0/24 is nobody's (RFC 5737).
        there = WebAddress("192.0.2.1", 0)
        with pytest.raises(ValueError, match=r"^192\.0\.2\.1 is no address of this machine that can be"):
            await serve_until(asyncio.Event(), there, Plot().open_board, "", announce=pytest.fail)

    run(test)


def test_uplot_is_what_its_readme_says() -> None:
    folder = PAGE / "uplot"
    rows = re.findall(
        r"^\| `([\w.]+)` \|.*\| `([0-9a-f]{64})` \|$", (folder / "README.md").read_text(), re.MULTILINE
    )
    assert {path.name for path in folder.iterdir()} == {"README.md", *(name for name, _ in rows)}
    assert len(rows) == 3
    for name, sha256 in rows:
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == sha256
    assert "(v1.6.32)" in (folder / "uPlot.iife.min.js").read_text("utf-8")[:80]
