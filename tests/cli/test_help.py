"""Help: every command has it, its examples are commands that exist, and showing it is cheap."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest

from fedmotion.cli.main import command as fedmotion

COMMANDS = (
    "demo",
    "start",
    "agent",
    "aggregator",
    "invite",
    "join",
    "gestures",
    "plot",
    "record",
    "train",
    "benefit",
    "mount",
    "models",
    "recordings",
    "recognise",
    "ports",
    "doctor",
    "flash",
    "evaluate",
    "completion",
    "sim-board",
)
CONTEXT = click.Context(fedmotion)


def command(name: str) -> click.Command:
    found = fedmotion.get_command(CONTEXT, name)
    assert found is not None
    return found


def examples(text: str) -> list[list[str]]:
    """Return the words of each example behind `fedmotion`; a comment stands apart by three spaces."""
    lines = [re.split(r" {3,}", line.strip())[0] for line in text.splitlines()]
    return [shlex.split(line)[1:] for line in lines if line.startswith("fedmotion ")]


def test_the_group_lists_every_command() -> None:
    assert tuple(fedmotion.list_commands(CONTEXT)) == COMMANDS
    assert fedmotion.get_command(CONTEXT, "nonsense") is None


@pytest.mark.parametrize("name", COMMANDS)
def test_help_says_what_the_command_does_and_has_examples(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fedmotion.main(["--help"], standalone_mode=False)
    assert f"\n  {name} " in capsys.readouterr().out
    fedmotion.main([name, "--help"], standalone_mode=False)
    text = capsys.readouterr().out
    assert f" {name} [OPTIONS]" in text
    assert "Examples:" in text
    assert len(examples(text)) >= 2
    described = [line for line in text.splitlines() if line.strip().startswith("--")]
    options = [each for each in command(name).params if isinstance(each, click.Option)]
    assert described or not options or isinstance(command(name), click.Group)


@pytest.mark.parametrize("name", ["", *COMMANDS])
def test_every_example_is_a_command_line_that_is_understood(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # Files that examples name must be there.
    monkeypatch.chdir(tmp_path)
    for file in (
        "agent.toml",
        "anna.invitation",
        "utd.npz",
        "utd_mhad_inertial.npz",
        "firmware.hex",
        "firmware.bin",
    ):
        (tmp_path / file).touch()
    shown = fedmotion.epilog if not name else command(name).epilog
    assert shown is not None
    found = examples(shown)
    assert found
    for word, *arguments in found:
        if name:
            # Some epilogs go on with the command that comes next.
            next_commands = {("sim-board", "record"), ("flash", "record"), ("ports", "doctor")}
            assert word == name or (name, word) in next_commands
        command(word).make_context(word, list(arguments))


def test_the_version_is_that_of_the_package() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "fedmotion.cli", "--version"], capture_output=True, text=True, check=True
    )
    assert re.fullmatch(r".*version 0\.\d+\.\d+\n", done.stdout)


def test_help_imports_nothing_heavy() -> None:
    script = """
import json, sys
from fedmotion.cli.main import main
sys.argv = ["fedmotion", "--help"]
try:
    main()
finally:
    print(json.dumps(sorted({name.split(".")[0] for name in sys.modules})))
"""
    # Coverage imports every room in a process that it measures.
    environment = {key: value for key, value in os.environ.items() if not key.startswith("COVERAGE")}
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, env=environment
    )
    modules = set(json.loads(done.stdout.splitlines()[-1]))
    assert "click" in modules
    assert modules.isdisjoint({"numpy", "paho", "sklearn", "matplotlib", "rich", "msgspec", "sqlite3"})
