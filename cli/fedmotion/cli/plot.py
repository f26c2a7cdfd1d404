"""`fedmotion plot`."""

import importlib.util
import logging
import queue
import signal
import time
from collections.abc import Callable
from pathlib import Path

import click

from fedmotion.host.board_line import BoardLine
from fedmotion.host.mounting_file import mounting_of
from fedmotion.host.own_model import model_in_use
from fedmotion.host.plot.live_board import LiveBoard, OpenBoard
from fedmotion.host.plot.scene import LiveSource, Source, TakeSource
from fedmotion.host.plot.take_file import open_takes
from fedmotion.host.plot.trace import Trace, units
from fedmotion.host.plot.web_address import WebAddress, parse_address
from fedmotion.host.profile import find_profile
from fedmotion.host.serial_port import SerialEvent, check_port
from fedmotion.protocol.serial_frames import DEFAULT_BAUD

_FRAME_S = 0.02


@click.command(
    "plot",
    epilog="""\b
Examples:
  fedmotion plot --port /dev/ttyACM0                      a window; with a profile's model it names gestures
  fedmotion plot --port /dev/ttyACM0 --web 8080           in a browser, at http://127.0.0.1:8080
  fedmotion plot --port /dev/ttyACM0 --web 0.0.0.0:8080   for a phone beside it: all of the network can look
  fedmotion plot --port /dev/ttyACM0 --save now.png       a picture of the next 10 s, without a screen
  fedmotion plot --file utd.npz --take 3                  a recording; the arrow keys turn the pages
Keys in the window: space pauses, the wheel zooms in time (with Ctrl in value), h shows all again,
s saves a picture, q quits.
""",
)
@click.option("--port", default="", help="The board: /dev/ttyUSB0, a pty, or socket://HOST:PORT.")
@click.option(
    "--baud",
    default=DEFAULT_BAUD,
    show_default=True,
    type=click.IntRange(300, 4_000_000),
    help="Bits a second on the serial line.",
)
@click.option(
    "--file",
    "file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A recording instead of a board: npz or csv.",
)
@click.option("--take", default=0, show_default=True, help="Which take of the file, from 0 on.")
@click.option(
    "--seconds",
    default=10.0,
    show_default=True,
    type=click.FloatRange(1, 600),
    help="How much of the stream is shown.",
)
@click.option("--degrees", "is_degrees", is_flag=True, help="Angular rate in deg/s; else in rad/s.")
@click.option("--profile", default="default", show_default=True, help="Whose model names the gestures.")
@click.option(
    "--save",
    "saved",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write a picture (png, svg, pdf) and end; no screen is needed.",
)
@click.option("--web", metavar="[HOST:]PORT", help="Show it in a browser. On this machine only without HOST.")
def command(
    port: str,
    baud: int,
    file: Path | None,
    take: int,
    seconds: float,
    is_degrees: bool,
    profile: str,
    saved: Path | None,
    web: str | None,
) -> None:
    """Show the six axes of a board live, or of a recording, with the gestures that a model recognises.

    Where samples are missing the lines have a gap with a grey band behind it. The corner says how many
    samples a second come and what was lost.
    """
    if bool(port) == bool(file):
        raise click.UsageError("a plot is of a board (--port) or of a recording (--file): give one of them")
    if saved is not None and web is not None:
        raise click.UsageError("--save writes one picture and --web shows it live: give one of them")
    if file is not None and web is not None:
        raise click.UsageError("--web shows a board: for a recording leave it out, or --save a picture")
    logging.basicConfig(level=logging.ERROR, format="%(levelname)s %(message)s")
    shown_in = units(is_degrees=is_degrees)
    own = find_profile(profile)
    model = model_in_use(own)
    if web is None:
        _need_matplotlib()
    if saved is not None:
        _check_place(saved)
    if file is not None:
        take_at, n_takes = open_takes(file)
        _show(TakeSource(take_at, n_takes, take, shown_in, model), saved)
        return
    check_port(port)
    turn = mounting_of(own.turn)

    def open_board(on_event: Callable[[SerialEvent], object]) -> LiveBoard:
        line = BoardLine(port, baud, on_event)
        return LiveBoard(
            line, Trace(seconds, shown_in), model, turn, on_doubt=lambda doubt: click.echo(doubt, err=True)
        )

    if web is not None:
        _serve(parse_address(web), open_board, port)
        return
    events: queue.SimpleQueue[SerialEvent] = queue.SimpleQueue()
    board = open_board(events.put)
    board.start()
    try:
        source = LiveSource(board, events, port, clock=time.monotonic)
        if saved is not None:
            _fill(source, board, seconds)
        _show(source, saved)
    finally:
        board.close()


def _serve(address: WebAddress, open_board: OpenBoard, port: str) -> None:
    if importlib.util.find_spec("websockets") is None:
        raise ValueError("--web needs websockets: pip install 'fedmotion[web]'")
    # asyncio and websockets: a window does without them.
    from fedmotion.host.plot.web_server import run  # noqa: PLC0415 - see above

    def announce(url: str) -> None:
        click.echo(url)
        if not address.is_loopback:
            click.echo(
                "everybody in this network can watch the motion there: without HOST only this machine can",
                err=True,
            )

    run(address, open_board, port, announce=announce)


def _show(source: Source, saved: Path | None) -> None:
    # Imports matplotlib, which takes longer than all the rest.
    from fedmotion.host.plot.window import PlotWindow, save  # noqa: PLC0415 - see above

    if saved is not None:
        save(source, saved)
        click.echo(f"picture: {saved}")
        return
    PlotWindow(source, on_saved=lambda path: click.echo(f"picture: {path}")).run()


def _fill(source: LiveSource, board: LiveBoard, seconds: float) -> None:
    """Wait until `seconds` of the stream are there, or have gone by, since the board first spoke."""
    click.echo(f"watching for {seconds:g} s (Ctrl-C ends)", err=True)
    is_interrupted = False

    def interrupt(*_: object) -> None:
        nonlocal is_interrupted
        is_interrupted = True

    signal.signal(signal.SIGINT, interrupt)
    told = board.trouble
    end_s: float | None = None
    while not is_interrupted and (end_s is None or time.monotonic() < end_s):
        scene = source.scene()
        if end_s is None and board.counters.n_samples:
            end_s = time.monotonic() + seconds
        if scene.trouble and scene.trouble != told:
            told = scene.trouble
            click.echo(f"  {told}", err=True)
        time.sleep(_FRAME_S)
    if not board.counters.n_samples:
        raise click.Abort


def _check_place(path: Path) -> None:
    """Raise ValueError before anything is watched where no picture can be written."""
    # Imports matplotlib, likewise.
    from fedmotion.host.recording_picture import check_ending  # noqa: PLC0415 - see above

    check_ending(path)
    if not path.absolute().parent.is_dir():
        raise ValueError(f"a picture goes into a folder that exists, got {str(path)!r}")


def _need_matplotlib() -> None:
    if importlib.util.find_spec("matplotlib") is None:
        raise ValueError("plots and pictures need matplotlib: pip install 'fedmotion[demo]'")
