"""docs/troubleshooting.md quotes what the programs print, and leaves out no fault that a board can report."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from fedmotion.protocol.serial_frames import Fault

CHECKOUT = Path(__file__).parents[2]
DOCUMENT = CHECKOUT / "docs" / "troubleshooting.md"
ANYTHING = "…"
_PLACEHOLDER = re.compile(r"%[-+ #0]*[\d.]*[a-z]")


def templates(source: str) -> Iterator[str]:
    """Yield each string of a module as it is printed, with ANYTHING where a value goes; no docstrings."""
    tree = ast.parse(source)
    inner = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    inner |= {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(
                part.value if isinstance(part, ast.Constant) and isinstance(part.value, str) else ANYTHING
                for part in node.values
            )
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inner:
            yield _PLACEHOLDER.sub(ANYTHING, node.value)


def is_printed(sentence: str, printed: list[str]) -> bool:
    """Whether `sentence` is one of `printed`, whole or from some word of it to another."""
    pattern = re.compile(
        r"(?<!\w)" + ".+".join(re.escape(part) for part in sentence.split(ANYTHING)) + r"(?!\w)", re.DOTALL
    )
    return any(pattern.search(template) for template in printed)


@pytest.fixture(scope="module")
def printed() -> list[str]:
    return [
        template
        for path in sorted(CHECKOUT.glob("*/fedmotion/**/*.py"))
        for template in templates(path.read_text("utf-8"))
    ]


def first_columns() -> list[str]:
    rows = re.findall(r"^\| (.+?) \| .+ \| .+ \|$", DOCUMENT.read_text("utf-8"), re.MULTILINE)
    return [row for row in rows if row not in {"you see", "the board reports"}]


SENTENCES = [quoted for row in first_columns() for quoted in re.findall(r"`([^`]{12,})`", row)]


def test_the_document_is_about_what_programs_print() -> None:
    assert len(SENTENCES) > 20


@pytest.mark.parametrize("sentence", SENTENCES)
def test_each_sentence_in_a_first_column_is_printed_by_some_program(
    printed: list[str], sentence: str
) -> None:
    assert is_printed(sentence, printed)


@pytest.mark.parametrize(
    "sentence",
    [
        "there is no port …: plug the board out (ports on this machine: …)",
        "there is no port …: plug the board in (ports on this machine: …) twice",
        "port=… the board reports: … and …",
        "sample from the board in … s: … more",
    ],
)
def test_a_sentence_that_is_not_printed_is_found(printed: list[str], sentence: str) -> None:
    assert not is_printed(sentence, printed)


def test_a_docstring_is_no_printed_sentence() -> None:
    source = '"""Never printed."""\nlog.warning("port=%s is %d baud", a, b)\nx = f"no {y} here: " "go on"\n'
    assert sorted(templates(source)) == ["no … here: go on", "port=… is … baud"]


@pytest.mark.parametrize("fault", list(Fault), ids=lambda fault: fault.name)
def test_each_fault_of_status_has_a_row_by_the_words_that_an_agent_prints(fault: Fault) -> None:
    assert f"{fault.name.lower().replace('_', ' ')} ({fault.name})" in first_columns()


def test_the_identities_that_the_firmware_reads_stand_in_the_document() -> None:
    source = (CHECKOUT / "firmware/lib/fm_mpu6050/fm_mpu6050.c").read_text("utf-8")
    accepted = re.search(r"return (who_am_i == .+);", source)
    assert accepted is not None
    named = re.findall(r"0x([0-9A-Fa-f]{2})", accepted[1])
    assert f"not {named[0]}, {named[1]} to {named[2]} or {named[3]} (hexadecimal)" in DOCUMENT.read_text(
        "utf-8"
    )
