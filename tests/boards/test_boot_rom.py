"""`fedmotion flash da14580` and a boot ROM that behaves and misbehaves, over a pty with its baud rates."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from fedmotion.boards.baud_check import BaudCheckedListener
from fedmotion.boards.boot_rom import BootRom, Misbehaviour
from fedmotion.boards.node_server import NodeServer
from fedmotion.boards.posix_terminal import PtyLine
from fedmotion.boards.simulated_board import make_script
from fedmotion.boards.simulated_node import SimulatedNode
from fedmotion.boards.virtual_mpu6050 import VirtualMpu6050
from fedmotion.cli.main import command as fedmotion
from fedmotion.host import ram_loader
from fedmotion.protocol.da14580_boot import PINS, Pins

PROGRAM = bytes.fromhex("0098002009000020") + bytes(k * 7 % 251 for k in range(1192))
IMAGES = Path(__file__).parents[2] / "firmware" / "fedmotion" / "boards" / "images"
DEADLINE_S = 30.0


def our_firmware(_: bytes) -> SimulatedNode:
    script = make_script(person=3, recordings=None, labels=(), counts={"swipe_left": 2}, seed=1)
    return SimulatedNode(VirtualMpu6050(script.motion, seed=1), board="da14580")


class Silent(SimulatedNode):
    """Another program, which says nothing."""

    def advance(self, until_us: int, backlog_bytes: int = 0) -> bytes:
        super().advance(until_us, backlog_bytes)
        return b""


@contextmanager
def served(
    rom: BootRom, *, speed: float = 1.0, after_bytes: int | None = None
) -> Iterator[tuple[str, NodeServer]]:
    """Serve `rom`; where `after_bytes` of a program have come, the cable is pulled."""
    pty = PtyLine()
    server = NodeServer(
        rom, BaudCheckedListener(pty, pty, lambda: rom.baud), speed=speed, starts_at_once=True
    )
    stop = threading.Event()
    thread = threading.Thread(target=server.serve, args=(stop,))
    thread.start()
    puller = threading.Thread(target=pull, args=(rom, server, after_bytes, stop))
    puller.start()
    try:
        yield server.address, server
    finally:
        stop.set()
        thread.join(DEADLINE_S)
        puller.join(DEADLINE_S)
        assert not thread.is_alive()


def pull(rom: BootRom, server: NodeServer, after_bytes: int | None, stop: threading.Event) -> None:
    while after_bytes is not None and not stop.is_set():
        if len(rom.code) >= after_bytes:
            server.post(server.pull_cable)
            return
        time.sleep(0.002)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ram_loader, "_N_TURNS", 2)
    monkeypatch.setattr(ram_loader, "_LISTEN_S", 0.3)
    monkeypatch.setattr(ram_loader, "_CHECKSUM_WAIT_S", 0.5)


@pytest.fixture
def image(tmp_path: Path) -> str:
    path = tmp_path / "firmware.bin"
    path.write_bytes(PROGRAM)
    return str(path)


def flash(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(fedmotion, ["flash", "da14580", *arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.output


@pytest.mark.parametrize("pins", PINS[1:], ids=lambda pins: pins.transmit)
def test_a_program_is_loaded_whichever_pins_are_wired(pins: Pins, image: str) -> None:
    rom = BootRom(our_firmware, pins=pins)
    with served(rom) as (port, _):
        status, said = flash("--port", port, "--image", image)
    assert status == 0, said
    assert rom.program == PROGRAM
    assert f"{port}: looking for the boot ROM: press the board's reset button" in said
    assert f"the boot ROM answers at {pins.baud} baud; loading {image}, 1200 bytes" in said
    assert "  1200/1200 bytes" in said
    assert f"{port}: the boot ROM's checksum is right, the program starts" in said
    assert f"{port}: the board runs fedmotion 0.1.0 for 'da14580', board id 0" in said
    assert "it runs from RAM until the board loses power or is reset" in said
    assert said.endswith(f"next: fedmotion record swipe_left --port {port}\n")


def test_the_shipped_program_is_taken_as_it_is() -> None:
    rom = BootRom(our_firmware)
    with served(rom) as (port, _):
        status, said = flash("--port", port)
    assert status == 0, said
    assert "loading the shipped da14580.bin, " in said
    assert rom.program == (IMAGES / "da14580.bin").read_bytes()


def test_scripts_are_told_that_it_is_not_kept(image: str) -> None:
    with served(BootRom(our_firmware)) as (port, _):
        status, said = flash("--port", port, "--image", image, "--json")
    assert status == 0, said
    report = json.loads(said.splitlines()[-1])
    assert (report["boot_loader"], report["boot_loader_baud"]) == ("DA14580 boot ROM", 57_600)
    assert report["program"]["n_bytes"] == 1200
    assert report["is_kept_without_power"] is False
    assert report["firmware_board"] == "da14580"


def test_a_refused_announcement_is_made_again_at_the_next_call(image: str) -> None:
    rom = BootRom(our_firmware, misbehaviour=Misbehaviour(n_refusals=3))
    with served(rom) as (port, _):
        status, said = flash("--port", port, "--image", image)
    assert status == 0, said
    assert rom.misbehaviour.n_refusals == 0
    assert rom.program == PROGRAM


def test_a_wrong_checksum_is_not_confirmed_and_it_begins_anew(image: str) -> None:
    rom = BootRom(our_firmware, misbehaviour=Misbehaviour(n_wrong_checksums=1))
    with served(rom) as (port, _):
        status, said = flash("--port", port, "--image", image)
    assert status == 0, said
    assert f"{port}: beginning anew, since bytes were lost or changed on the way: the checksum is " in said
    assert (rom.program, rom.n_started) == (PROGRAM, 1)


def test_a_checksum_that_stays_wrong_ends_it_and_nothing_is_started(image: str) -> None:
    rom = BootRom(our_firmware, misbehaviour=Misbehaviour(n_wrong_checksums=99))
    with served(rom) as (port, _):
        status, said = flash("--port", port, "--image", image)
    assert status == 1
    assert said.count("beginning anew") == 2
    assert "nothing is kept in the chip, so press its reset button, close other programs on this port" in said
    assert rom.n_started == 0


def test_one_that_never_calls_is_said_with_what_to_do(image: str) -> None:
    with served(BootRom(our_firmware, misbehaviour=Misbehaviour(is_mute=True))) as (port, _):
        status, said = flash("--port", port, "--image", image)
    assert status == 1
    assert (
        f"{port}: the DA14580's boot ROM does not answer at 57600, 115200 or 9600 baud, what came was not "
        "its call: a program that runs already does not listen, and a chip with a program in its OTP never "
        "calls; press the board's reset button while the command looks for it" in said
    )


def test_a_line_without_a_board_says_which_wire(image: str) -> None:
    pty = PtyLine()
    status, said = flash("--port", pty.address, "--image", image)
    pty.close()
    assert status == 1
    assert "not a byte came: see that the board's transmit pin is wired to the adapter's receive pin;" in said


def test_one_that_refuses_for_ever_is_said(image: str) -> None:
    with served(BootRom(our_firmware, misbehaviour=Misbehaviour(n_refusals=10**6))) as (port, _):
        status, said = flash("--port", port, "--image", image)
    assert status == 1
    assert "it refused what was sent" in said
    assert "times: use shorter wires; press the board's reset button" in said


def test_a_cable_pulled_half_way_is_said_and_running_it_again_works(image: str) -> None:
    rom = BootRom(our_firmware)
    with served(rom, after_bytes=300) as (port, server):
        status, said = flash("--port", port, "--image", image)
        assert status == 1
        assert f"{port}: the port went away after " in said
        assert "bytes were sent" in said
        assert "nothing is kept in the chip, plug the board in and run the command again" in said
        assert rom.n_started == 0
        is_plugged = threading.Event()
        server.post(server.plug_in)
        server.post(is_plugged.set)
        assert is_plugged.wait(DEADLINE_S)
        status, said = flash("--port", server.address, "--image", image)
        assert status == 0, said
    assert rom.program == PROGRAM


def test_a_board_that_falls_silent_half_way_wants_its_reset_button_and_then_works(image: str) -> None:
    rom = BootRom(our_firmware, misbehaviour=Misbehaviour(dies_at_byte=600))
    with served(rom) as (port, server):
        status, said = flash("--port", port, "--image", image)
        assert status == 1
        assert f"{port}: beginning anew, since the board fell silent after all 1200 bytes were sent" in said
        assert "press the board's reset button while the command looks for it" in said
        rom.misbehaviour.dies_at_byte = None
        server.post(server.restart_node)
        status, said = flash("--port", port, "--image", image)
        assert status == 0, said
    assert rom.program == PROGRAM


def test_a_program_of_others_is_started_and_said_to_be_silent(
    image: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fedmotion.host.first_hello._HELLO_WAIT_S", 1.0)
    node = our_firmware(b"")
    node.__class__ = Silent
    with served(BootRom(lambda _: node)) as (port, _):
        status, said = flash("--port", port, "--image", image)
    assert status == 1
    assert (
        "was loaded and started, but no fedmotion firmware speaks at 500000 baud: see that the firmware's "
        "UART is on the pins that the boot ROM answered on (P0_0 and P0_1 or P0_4 and P0_5)" in said
    )


def test_a_file_that_is_no_program_is_refused_before_a_port_is_opened(tmp_path: Path) -> None:
    other = tmp_path / "uno.bin"
    other.write_bytes(bytes.fromhex("0c945c000c946e00"))
    with pytest.raises(ValueError, match=r"uno\.bin is no program for the DA14580"):
        flash("--port", "/dev/none", "--image", str(other))


def test_what_comes_between_the_calls_is_not_heard() -> None:
    rom = BootRom(our_firmware)
    rom.receive(b"\x01\x10\x00")
    assert rom.advance(50_000) == b""
    assert rom.advance(60_000).endswith(b"\x02")
    rom.receive(b"\x02\x10\x00")
    assert rom.advance(80_000) == b"\x15"
