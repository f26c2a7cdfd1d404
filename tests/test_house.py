"""The house's rules that no other tool checks, and that the contracts of the one that does can fail."""

import ast
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[1]
ROOMS = {
    "protocol": ("protocol", "broker", "delivery"),
    "firmware": ("boards",),
    "models": ("models",),
    "host": ("host",),
    "aggregator": ("aggregator",),
    "simulation": ("simulation",),
    "cli": ("cli",),
}
PORTIONS = {portion: CHECKOUT / room / "fedmotion" / portion for room in ROOMS for portion in ROOMS[room]}
MODULES = {
    ".".join(("fedmotion", *path.relative_to(folder.parent).with_suffix("").parts)): path
    for folder in PORTIONS.values()
    for path in folder.rglob("*.py")
}
MAX_LINES = 400

DOORS = {
    "serial": {"fedmotion.host.serial_port"},
    "matplotlib": {
        "fedmotion.simulation.picture",
        "fedmotion.simulation.evaluation.pictures",
        "fedmotion.host.recording_picture",
        "fedmotion.host.benefit_picture",
        "fedmotion.host.why_picture",
        "fedmotion.host.plot.figure",
        "fedmotion.host.plot.window",
    },
    "websockets": {"fedmotion.host.plot.web_server"},
    "sklearn": {"fedmotion.models.pca_svm"},
    "ai_edge_litert": {"fedmotion.models.tflite_door"},
    "tflite_runtime": {"fedmotion.models.tflite_door"},
    "sqlite3": {"fedmotion.delivery.sqlite_store"},
    **{
        posix_only: {"fedmotion.boards.posix_terminal"}
        for posix_only in ("pty", "fcntl", "resource", "pwd", "grp")
    },
    **{each: {"fedmotion.boards.posix_terminal", "fedmotion.cli.keyboard"} for each in ("termios", "tty")},
}
AGGREGATOR_MAY_IMPORT = {
    "fedmotion.models.specification",
    "fedmotion.models.parameters",
    "fedmotion.models.statistics",
    "fedmotion.models.growth",
}

# A line that breaks a contract, the module that gets it, and what import-linter then says.
TRESPASSES = {
    "rooms are layered": (
        "fedmotion.delivery.outbox",
        "import fedmotion.host.marks",
        "fedmotion.delivery.outbox -> fedmotion.host.marks",
    ),
    "host and aggregator do not know each other": (
        "fedmotion.host.marks",
        "import fedmotion.aggregator.schedule",
        "fedmotion.host.marks -> fedmotion.aggregator.schedule",
    ),
    # Not directly: through a module that the aggregator may import.
    "motion stays home: the aggregator reaches nothing that reads motion": (
        "fedmotion.models.statistics",
        "import fedmotion.models.windows",
        "fedmotion.models.statistics -> fedmotion.models.windows",
    ),
    "paho is imported in broker alone": (
        "fedmotion.delivery.courier",
        "import paho.mqtt.client",
        "fedmotion.delivery.courier -> paho",
    ),
    "pyserial is imported in host.serial_port alone": (
        "fedmotion.host.agent",
        "from serial import Serial",
        "fedmotion.host.agent -> serial",
    ),
    "matplotlib is imported in plotting modules alone": (
        "fedmotion.simulation.scoring",
        "import matplotlib.figure",
        "fedmotion.simulation.scoring -> matplotlib",
    ),
    # Inside of a function it counts as well.
    "scikit-learn is imported in its model family alone": (
        "fedmotion.host.trainer",
        "def later() -> None:\n    import sklearn.svm",
        "fedmotion.host.trainer -> sklearn",
    ),
    "the TFLite runtime is imported in models.tflite_door alone": (
        "fedmotion.models.network_family",
        "def later() -> None:\n    import tflite_runtime.interpreter",
        "fedmotion.models.network_family -> tflite_runtime",
    ),
    "flatbuffers and tflite are imported in models.tflite_file alone": (
        "fedmotion.models.networks",
        "import flatbuffers",
        "fedmotion.models.networks -> flatbuffers",
    ),
    "SQLite is imported in delivery.sqlite_store alone": (
        "fedmotion.aggregator.intake",
        "import sqlite3",
        "fedmotion.aggregator.intake -> sqlite3",
    ),
    "what only POSIX has is imported in boards.posix_terminal and cli.keyboard alone": (
        "fedmotion.boards.tcp_line",
        "import fcntl",
        "fedmotion.boards.tcp_line -> fcntl",
    ),
    "protocol and models have no clock, no network and no other program": (
        "fedmotion.protocol.messages",
        "import time",
        "fedmotion.protocol.messages -> time",
    ),
    "no cycles": (
        "fedmotion.broker.address",
        "import fedmotion.broker.paho_door",
        ".address -> .paho_door",
    ),
}


def imports(path: Path) -> Iterator[str]:
    """Yield the full names of all modules that a file imports, at its top and inside of functions."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.module is not None, f"{path} has a relative import"
            yield node.module


def test_the_namespace_has_no_init_that_would_hide_the_other_rooms() -> None:
    assert list(CHECKOUT.glob("*/fedmotion/__init__.py")) == []
    assert not (CHECKOUT / "fedmotion").exists()


def test_every_portion_is_a_typed_package_of_a_known_room() -> None:
    folders = {
        path
        for path in CHECKOUT.glob("*/fedmotion/*")
        if path.is_dir() and path.name != "__pycache__" and any(path.glob("*.py"))
    }
    assert folders == set(PORTIONS.values())
    for folder in folders:
        assert (folder / "py.typed").is_file()
        assert (folder / "__init__.py").is_file()


def test_no_module_outgrows_its_reader() -> None:
    n_lines = {name: len(path.read_text("utf-8").splitlines()) for name, path in MODULES.items()}
    assert len(n_lines) > 80
    assert {name: n for name, n in n_lines.items() if n > MAX_LINES} == {}


@pytest.mark.parametrize("external", sorted(DOORS))
def test_each_device_and_library_has_one_door(external: str) -> None:
    importers = {
        name
        for name, path in MODULES.items()
        if any(imported.split(".")[0] == external for imported in imports(path))
    }
    assert importers <= DOORS[external]


def test_paho_is_imported_in_broker_alone() -> None:
    importers = {
        name.split(".")[1]
        for name, path in MODULES.items()
        if any(imported.split(".")[0] == "paho" for imported in imports(path))
    }
    assert importers == {"broker"}


def test_http_is_served_by_one_module() -> None:
    servers = {name for name, path in MODULES.items() if "http.server" in set(imports(path))}
    assert servers == {"fedmotion.host.http"}


def test_the_aggregator_imports_what_cannot_read_motion() -> None:
    imported = {
        each
        for name, path in MODULES.items()
        if name.startswith("fedmotion.aggregator.")
        for each in imports(path)
        if each.startswith("fedmotion.models")
    }
    assert imported <= AGGREGATOR_MAY_IMPORT
    assert "fedmotion.models.specification" in imported


def test_files_that_are_read_at_run_time_lie_inside_a_portion() -> None:
    """Whoever opens a file beside its module must find it in the wheel, which holds portions only."""
    upwards = re.compile(r"__file__\)?\.(parents|parent\.parent)")
    offenders = [name for name, path in MODULES.items() if upwards.search(path.read_text("utf-8"))]
    assert offenders == []
    packaged = re.compile(r'resources\.files\("fedmotion\.([\w.]+)"\) / "([^"]+)"')
    named = [found for path in MODULES.values() for found in packaged.findall(path.read_text("utf-8"))]
    assert ("broker", "production_mosquitto.conf") in named
    for portion, file in named:
        assert (PORTIONS[portion.split(".")[0]].joinpath(*portion.split(".")[1:]) / file).exists()


def test_the_commands_of_the_readme_are_targets_of_the_makefile() -> None:
    readme = (CHECKOUT / "README.md").read_text("utf-8")
    commands = {match[1] for match in re.finditer(r"(?:^ {4}|`)make ([a-z]+)", readme, re.MULTILINE)}
    assert {"demo", "test"} <= commands
    makefile = (CHECKOUT / "Makefile").read_text("utf-8")
    assert commands <= set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))


def test_links_between_the_documents_lead_somewhere() -> None:
    documents = [*CHECKOUT.glob("*.md"), *CHECKOUT.glob("docs/**/*.md"), *CHECKOUT.glob("protocol/*.md")]
    assert len(documents) > 8
    lost = [
        (document.name, target)
        for document in documents
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", document.read_text("utf-8"))
        if "://" not in target and not (document.parent / target).exists()
    ]
    assert lost == []


def test_each_contract_of_import_linter_can_fail(tmp_path: Path) -> None:
    """In a copy of the rooms where each contract is broken by one line, import-linter names every line."""
    for room in ROOMS:
        ignored = shutil.ignore_patterns("__pycache__", "*.md", "vectors")
        shutil.copytree(CHECKOUT / room, tmp_path / room, ignore=ignored)
    shutil.copy(CHECKOUT / "pyproject.toml", tmp_path)
    for module, line, _ in TRESPASSES.values():
        path = tmp_path / MODULES[module].relative_to(CHECKOUT)
        path.write_text(f"{path.read_text('utf-8')}\n\n{line}\n", "utf-8")
    script = "import sys; from importlinter.cli import lint_imports_command; lint_imports_command()"
    done = subprocess.run(
        [sys.executable, "-c", script, "--no-cache"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(str(tmp_path / room) for room in ROOMS)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    verdicts = dict(re.findall(r"^(.+?) (KEPT|BROKEN)", done.stdout, re.MULTILINE))
    assert verdicts == dict.fromkeys(TRESPASSES, "BROKEN")
    for _, _, said in TRESPASSES.values():
        assert said in done.stdout
