"""The rules of the C: who includes whom, no heap, no float, and what both languages must agree on."""

import re
from pathlib import Path

from fedmotion.protocol.self_test_frame import SelfTest
from fedmotion.protocol.serial_frames import Command, Fault, Hello, Result, ResultCode, Samples, Status

FIRMWARE = Path(__file__).parents[2] / "firmware"
LIBRARY = sorted(FIRMWARE.glob("lib/*/*.[ch]"))
PORTS = sorted(FIRMWARE.glob("ports/**/*.[ch]*"))
FREESTANDING = {"stdbool.h", "stddef.h", "stdint.h", "limits.h"}


def includes(path: Path) -> set[str]:
    return set(re.findall(r'^#include [<"]([^>"]+)[>"]', path.read_text(), re.MULTILINE))


def code(path: Path) -> str:
    """The file without its comments and strings."""
    return re.sub(r'/\*.*?\*/|//[^\n]*|"[^"\n]*"', " ", path.read_text(), flags=re.DOTALL)


def test_the_library_includes_freestanding_headers_and_its_own() -> None:
    own = {path.name for path in LIBRARY if path.suffix == ".h"}
    assert len(LIBRARY) >= 14
    assert {name for path in LIBRARY for name in includes(path)} <= FREESTANDING | own


def test_ports_include_the_library_s_seams_only() -> None:
    ours = {name for path in PORTS for name in includes(path) if name.startswith("fm_")}
    ports_own = {path.name for path in PORTS}
    assert ours - ports_own == {"fm_bus.h", "fm_port.h"}


def test_the_library_has_no_heap_and_no_float() -> None:
    for path in LIBRARY:
        assert not re.search(r"\b(malloc|calloc|realloc|free|float|double|new)\b", code(path)), path


def test_no_file_outgrows_its_reader() -> None:
    assert {path.name for path in (*LIBRARY, *PORTS) if len(path.read_text().splitlines()) > 400} == set()


def constants(folder: str, prefix: str) -> dict[str, int]:
    """The enumerators with this prefix in a library folder."""
    text = "\n".join(code(path) for path in LIBRARY if path.parent.name == folder and path.suffix == ".h")
    found = re.findall(rf"\b{prefix}(\w+) = (0x[0-9A-F]+|\d+(?: << \d+)?)", text)
    assert found
    split = {name: (*value.split(" << "), "0")[:2] for name, value in found}
    return {name: int(number, 0) << int(shift) for name, (number, shift) in split.items()}


def test_both_languages_have_the_same_numbers() -> None:
    assert constants("fm_fault", "FM_FAULT_") == {fault.name: fault.value for fault in Fault}
    bodies = (Hello, Samples, Status, Result, SelfTest)
    names = {re.sub(r"(?<=[a-z])(?=[A-Z])", "_", body.__name__).upper(): body.TYPE for body in bodies}
    assert constants("fm_frame", "FM_FRAME_") == names
    codes = constants("fm_command", "FM_RESULT_")
    assert codes.pop("NO_COMMAND") == 255  # never on the line
    assert codes == {code.name: code.value for code in ResultCode}
    commands = constants("fm_command", "FM_COMMAND_")
    assert set(commands.values()) == set(Command.ARGUMENTS)
    assert all(getattr(Command, name) == value for name, value in commands.items())
