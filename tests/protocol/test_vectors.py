"""The golden vectors are what their generators write, and these share nothing with the codecs."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fedmotion.protocol.messages import PROPOSAL_REASONS, REFUSAL_REASONS
from fedmotion.protocol.serial_frames import Command, Fault, ResultCode

VECTORS = Path(__file__).parents[2] / "protocol" / "vectors"


@pytest.mark.parametrize("wire", ["serial", "mqtt", "specification"])
def test_the_committed_vectors_are_what_the_generator_writes(wire: str, tmp_path: Path) -> None:
    script = VECTORS / f"generate_{wire}.py"
    subprocess.run([sys.executable, "-I", str(script), str(tmp_path)], check=True, capture_output=True)
    assert (tmp_path / f"{wire}.json").read_bytes() == (VECTORS / f"{wire}.json").read_bytes()


@pytest.mark.parametrize("wire", ["serial", "mqtt", "specification"])
def test_a_generator_imports_nothing_of_the_codecs(wire: str) -> None:
    tree = ast.parse((VECTORS / f"generate_{wire}.py").read_text())
    imported = {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    imported |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert imported <= {"hashlib", "json", "math", "pathlib", "struct", "sys", "typing"}


@pytest.mark.parametrize("wire", ["serial", "mqtt"])
def test_the_hex_in_a_wires_document_is_in_its_vectors(wire: str) -> None:
    document = (VECTORS.parent / f"{wire}.md").read_text()
    vectors = (VECTORS / f"{wire}.json").read_text()
    examples = [block.split("```")[0] for block in document.split("```hex\n")[1:]]
    assert len(examples) >= 3
    for example in examples:
        assert "".join(example.split()) in vectors, f"{wire}.md shows bytes that no vector has: {example}"


def test_the_document_names_every_reason_for_a_refusal() -> None:
    document = (VECTORS.parent / "mqtt.md").read_text()
    assert [reason for reason in (*REFUSAL_REASONS, *PROPOSAL_REASONS) if f"`{reason}`" not in document] == []


def test_the_document_names_every_fault_result_and_command() -> None:
    document = (VECTORS.parent / "serial.md").read_text()
    commands = [name for name in vars(Command) if name.startswith(("GET_", "SET_"))]
    assert len(commands) == 8
    for fault in Fault:
        assert f"| {fault.bit_length() - 1} | {fault.name} |" in document
    for result in ResultCode:
        assert f"{result.value} {result.name}" in document
    for name in commands:
        assert f"| {getattr(Command, name):02x} | {name} |" in document


@pytest.mark.parametrize(("ci", "outcome"), [("", "1 skipped"), ("true", "1 error")])
def test_absent_recordings_are_skipped_in_plain_words_and_fail_in_ci(
    ci: str, outcome: str, tmp_path: Path
) -> None:
    test = Path(__file__).with_name("test_serial_line.py")
    run = subprocess.run(
        [
            sys.executable,
            *("-m", "pytest", "-q", "-p", "no:cacheprovider"),
            f"{test}::test_real_output_of_other_firmware_yields_no_frame",
        ],
        env=os.environ | {"CI": ci, "FEDMOTION_TEST_DATA": str(tmp_path / "absent")},
        cwd=VECTORS.parents[1],
        capture_output=True,
        text=True,
        check=False,
    )
    assert outcome in run.stdout
    assert "set FEDMOTION_TEST_DATA to their folder" in run.stdout
