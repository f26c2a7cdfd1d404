"""What `fedmotion flash` says before it touches a board."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from fedmotion.boards.posix_terminal import PtyLine
from fedmotion.cli import flash
from fedmotion.cli.main import main
from fedmotion.host.programmer import OPTIBOOT, BootLoader, LostSyncError
from fedmotion.protocol.serial_frames import Hello

ACM, USB = {"/dev/ttyACM0": "Arduino Uno"}, {"/dev/ttyUSB0": "USB Serial"}


def said(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> tuple[int, str, str]:
    monkeypatch.setattr("sys.argv", ["fedmotion", "flash", *arguments])
    with pytest.raises(SystemExit) as end:
        main()
    captured = capsys.readouterr()
    assert isinstance(end.value.code, int)
    return end.value.code, captured.out, captured.err


@pytest.mark.parametrize(
    ("on_usb", "sentence"),
    [
        (
            {},
            "no serial port is on USB: plug the board .* give --port (ports on this machine: /dev/ttyS9)",
        ),
        (ACM | USB, "give --port with one of /dev/ttyACM0 (Arduino Uno), /dev/ttyUSB0 (USB Serial)"),
    ],
)
def test_without_a_port_it_is_found_or_the_choice_is_listed(
    on_usb: dict[str, str],
    sentence: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(flash, "usb_ports", lambda: on_usb)
    monkeypatch.setattr(flash, "available_ports", lambda: ["/dev/ttyS9"])
    status, _, error = said(["uno"], monkeypatch, capsys)
    assert status == 2
    for part in sentence.split(" .* "):
        assert part in error


def test_the_only_port_on_usb_is_used_and_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    port = str(tmp_path / "ttyACM0")
    monkeypatch.setattr(flash, "usb_ports", lambda: {port: "Arduino Uno"})
    status, out, error = said(["uno"], monkeypatch, capsys)
    assert status == 2  # it is not really there
    assert f"{port}: the only serial port on USB (Arduino Uno)" in out
    assert f"there is no port {port}: plug the board in" in error


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"\x7fELF", "is an ELF file, an Intel HEX file is wanted"),
        (b":0100000011EF\n", "the checksum should be EE, got EF"),
        (b":017E0000AAD7\n:00000001FF\n", "begins at 0x7e00, a program begins at 0"),
        (b":0100000011EE\n:017E000011706\n", "a record is ':' and pairs"),
        (b":0100000011EE\n:017E00001170\n:00000001FF\n", "ends at 0x7e01, a program ends before the boot"),
    ],
)
def test_a_file_that_is_no_program_is_refused_before_a_port_is_opened(
    content: bytes,
    sentence: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    own = tmp_path / "own.hex"
    own.write_bytes(content)
    status, _, error = said(["uno", "--port", "/dev/none", "--hex", str(own)], monkeypatch, capsys)
    assert status == 2
    assert sentence in error


class Silent:
    """A programmer whose board falls silent the first few times."""

    def __init__(self, n_times: int) -> None:
        self.n_times = n_times
        self.n_connected = 0

    def connect(self, *_: object) -> BootLoader:
        self.n_connected += 1
        return OPTIBOOT

    def write(self, *_: object) -> int:
        if self.n_connected <= self.n_times:
            raise LostSyncError("the board fell silent after 5 of 62 pages were written")
        return 62

    def start(self) -> None:
        """Do nothing."""

    def wait_for_hello(self) -> Hello:
        return Hello((0, 1, 0), "uno", 0, 0x68, 8, 1000, 10_000)


@pytest.mark.parametrize(("n_times", "status"), [(0, 0), (2, 0), (3, 1)])
def test_where_bytes_are_lost_it_begins_anew_twice(
    n_times: int, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    programmer = Silent(n_times)
    monkeypatch.setattr(flash, "Programmer", lambda *_, **__: programmer)
    pty = PtyLine()
    result = CliRunner().invoke(flash.command, ["uno", "--port", pty.address])
    pty.close()
    assert result.exit_code == status
    assert programmer.n_connected == min(n_times + 1, 3)
    again = f"{pty.address}: beginning anew, since the board fell silent after 5 of 62 pages were written\n"
    assert result.output.count(again) == min(n_times, 2)
    assert ("the boot loader is still there" in result.output) == (status == 1)


def test_another_board_is_refused_with_those_that_can_be_flashed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    status, _, error = said(["mega2560"], monkeypatch, capsys)
    assert status == 2
    assert "'mega2560' is not one of 'uno', 'nano', 'da14580'" in error


def test_without_a_shipped_program_one_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(flash, "files", lambda _: tmp_path)
    status, _, error = said(["da14580", "--port", "/dev/none"], monkeypatch, capsys)
    assert status == 2
    assert "there is no firmware for the da14580 in this package: name yours with --image" in error


@pytest.mark.parametrize(
    ("board", "loader", "sentence"),
    [
        ("uno", "_flash", "interrupted: the boot loader is still there, run the command again"),
        (
            "da14580",
            "load_and_start",
            "interrupted: nothing is kept in the chip, so press its reset button and run the command again",
        ),
    ],
)
def test_ctrl_c_says_how_to_go_on(
    board: str, loader: str, sentence: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(flash, loader, interrupted)
    image = tmp_path / "own.bin"
    image.write_bytes(bytes.fromhex("00980020 09000020 fee7"))
    pty = PtyLine()
    arguments = [board, "--port", pty.address] + (["--image", str(image)] if board == "da14580" else [])
    result = CliRunner().invoke(flash.command, arguments)
    pty.close()
    assert result.exit_code == 1
    assert sentence in result.output
