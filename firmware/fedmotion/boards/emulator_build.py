"""Compiles the emulators from the C beside this module, once for each source, compiler and library.

They are linked with libsimavr and libunicorn, which are GPL: each is a process of its own, never a part of
this one.
"""

import hashlib
import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

_FLAGS = ("-std=gnu99", "-O2", "-Wall", "-Wextra")
_LIBRARIES = ("simavr", "libelf")
_SHARED_UNITS = ("byte_buffer", "messages", "mpu6050")


class EmulatorError(Exception):
    """There is no emulator, or it has ended; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Emulator:
    """What one emulator is made of.

    Attributes
    ----------
    board : what people call it
    program : the file's name
    units : its own .c files, without their endings
    packages : what to install where the compiler is missing
    library : returns the compiler's arguments for its library, and what tells the library's version
    """

    board: str
    program: str
    units: tuple[str, ...]
    packages: str
    library: Callable[[], tuple[list[str], str]]


def emulator_path(emulator: Emulator | None = None) -> Path:
    """Return the emulator's program (if not given, the Uno's), compiled now if it is not there yet.

    Raises
    ------
    EmulatorError
        If a compiler or a library is missing, or compiling fails.
    """
    emulator = emulator or UNO
    compiler = shutil.which("cc")
    if compiler is None:
        raise EmulatorError(_advice(emulator, "a C compiler"))
    arguments, library_version = emulator.library()
    units = {f"{unit}.c" for unit in (*_SHARED_UNITS, *emulator.units)}
    source = {
        entry.name: entry.read_bytes()
        for entry in files("fedmotion.boards").joinpath("emulator").iterdir()
        if entry.name in units or entry.name.endswith(".h")
    }
    digest = hashlib.sha256()
    for name in sorted(source):
        digest.update(name.encode() + b"\0" + source[name] + b"\0")
    version = _run([compiler, "--version"]).stdout
    digest.update("\0".join([version, library_version, *_FLAGS, *arguments]).encode())
    folder = _cache_folder() / f"emulator-{digest.hexdigest()[:16]}"
    program = folder / emulator.program
    if not program.is_file():
        _compile(emulator, compiler, source, arguments, program)
    return program


def _compile(
    emulator: Emulator, compiler: str, source: dict[str, bytes], arguments: list[str], program: Path
) -> None:
    program.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=program.parent) as scratch:
        for name, content in source.items():
            Path(scratch, name).write_bytes(content)
        units = [str(Path(scratch, name)) for name in sorted(source) if name.endswith(".c")]
        built = Path(scratch, emulator.program)
        result = _run([compiler, *_FLAGS, "-o", str(built), *units, *arguments])
        if result.returncode != 0:
            raise EmulatorError(f"the {emulator.board} emulator does not compile: {result.stderr.strip()}")
        # In one step, since another program may be doing the same.
        built.replace(program)


def _simavr() -> tuple[list[str], str]:
    """Debian's packages say where they are."""
    if shutil.which("pkg-config") is None:
        raise EmulatorError(_advice(UNO, "pkg-config"))
    found = _run(["pkg-config", "--cflags", "--libs", *_LIBRARIES])
    if found.returncode != 0:
        raise EmulatorError(_advice(UNO, " or ".join(_LIBRARIES)))
    return found.stdout.split(), _run(["pkg-config", "--modversion", *_LIBRARIES]).stdout


def _unicorn() -> tuple[list[str], str]:
    """The Python package has the library and its headers in it, and is not imported for them."""
    found = importlib.util.find_spec("unicorn")
    for place in (found.submodule_search_locations or ()) if found is not None else ():
        folder = Path(place)
        libraries = [*folder.glob("lib/libunicorn.so.*"), *folder.glob("lib/libunicorn.*.dylib")]
        if libraries and (folder / "include" / "unicorn" / "unicorn.h").is_file():
            return [
                f"-I{folder / 'include'}",
                str(libraries[0]),
                f"-Wl,-rpath,{folder / 'lib'}",
            ], importlib.metadata.version("unicorn")
    raise EmulatorError("the DA14580 emulator needs unicorn: pip install 'fedmotion[emulator]'")


UNO = Emulator(
    "Uno",
    "uno_emulator",
    ("eeprom_file", "twi_bus", "uart_line", "uno_emulator"),
    "gcc pkg-config libsimavr-dev libelf-dev",
    _simavr,
)
DA14580 = Emulator(
    "DA14580",
    "da14580_emulator",
    ("da14580_emulator", "da_i2c", "da_system", "da_uart", "m0_core", "m0_cycles"),
    "gcc libc6-dev",
    _unicorn,
)


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - no shell, and programs that PATH names


def _advice(emulator: Emulator, missing: str) -> str:
    return f"the {emulator.board} emulator needs {missing}: apt-get install {emulator.packages}"


def _cache_folder() -> Path:
    given = os.environ.get("XDG_CACHE_HOME")
    return (Path(given) if given else Path.home() / ".cache") / "fedmotion"
