"""Compiles the Uno emulator from the C beside this module, once for each source and compiler.

The program is linked with libsimavr, which is GPL: it is a process of its own, never a part of this one.
"""

import hashlib
import os
import shutil
import subprocess
import tempfile
from importlib.resources import files
from pathlib import Path

PROGRAM = "uno_emulator"
_FLAGS = ("-std=gnu99", "-O2", "-Wall", "-Wextra")
_LIBRARIES = ("simavr", "libelf")
_PACKAGES = "gcc pkg-config libsimavr-dev libelf-dev"


class EmulatorError(Exception):
    """There is no emulator, or it has ended; the text says what to do."""


def emulator_path() -> Path:
    """Return the emulator's program, compiled now if it is not there yet.

    Raises
    ------
    EmulatorError
        If a compiler or a library is missing, or compiling fails.
    """
    compiler = shutil.which("cc")
    if compiler is None or shutil.which("pkg-config") is None:
        missing = "a C compiler" if compiler is None else "pkg-config"
        raise EmulatorError(_advice(missing))
    found = _run(["pkg-config", "--cflags", "--libs", *_LIBRARIES])
    if found.returncode != 0:
        raise EmulatorError(_advice(" or ".join(_LIBRARIES)))
    libraries = found.stdout.split()
    source = {
        entry.name: entry.read_bytes()
        for entry in files("fedmotion.boards").joinpath("emulator").iterdir()
        if entry.name.endswith((".c", ".h"))
    }
    digest = hashlib.sha256()
    for name in sorted(source):
        digest.update(name.encode() + b"\0" + source[name] + b"\0")
    version = _run([compiler, "--version"]).stdout
    modversion = _run(["pkg-config", "--modversion", *_LIBRARIES]).stdout
    digest.update("\0".join([version, modversion, *_FLAGS, *libraries]).encode())
    folder = _cache_folder() / f"emulator-{digest.hexdigest()[:16]}"
    program = folder / PROGRAM
    if not program.is_file():
        _compile(compiler, source, libraries, program)
    return program


def _compile(compiler: str, source: dict[str, bytes], libraries: list[str], program: Path) -> None:
    program.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=program.parent) as scratch:
        for name, content in source.items():
            Path(scratch, name).write_bytes(content)
        units = [str(Path(scratch, name)) for name in sorted(source) if name.endswith(".c")]
        built = Path(scratch, PROGRAM)
        result = _run([compiler, *_FLAGS, "-o", str(built), *units, *libraries])
        if result.returncode != 0:
            raise EmulatorError(f"the Uno emulator does not compile: {result.stderr.strip()}")
        # In one step, since another program may be doing the same.
        built.replace(program)


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - no shell, and programs that PATH names


def _advice(missing: str) -> str:
    return f"the Uno emulator needs {missing}: apt-get install {_PACKAGES}"


def _cache_folder() -> Path:
    given = os.environ.get("XDG_CACHE_HOME")
    return (Path(given) if given else Path.home() / ".cache") / "fedmotion"
