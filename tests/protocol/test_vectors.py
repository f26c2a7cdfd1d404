"""The golden vectors are what their generators write, and these share nothing with the codecs."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

VECTORS = Path(__file__).parents[2] / "protocol" / "vectors"


@pytest.mark.parametrize("wire", ["serial", "mqtt"])
def test_the_committed_vectors_are_what_the_generator_writes(wire: str, tmp_path: Path) -> None:
    script = VECTORS / f"generate_{wire}.py"
    subprocess.run([sys.executable, "-I", str(script), str(tmp_path)], check=True, capture_output=True)
    assert (tmp_path / f"{wire}.json").read_bytes() == (VECTORS / f"{wire}.json").read_bytes()


@pytest.mark.parametrize("wire", ["serial", "mqtt"])
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
