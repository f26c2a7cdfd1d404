"""docs/doctor.md names every check, and its picture is small and fetches nothing."""

import ast
import html
import re
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
DOCUMENT = (CHECKOUT / "docs" / "doctor.md").read_text("utf-8")
NAMED = set(re.findall(r"`([^`]+)`", "".join(line for line in DOCUMENT.splitlines() if line.startswith("|"))))
OF_A_DEFECT_ALONE = {"stream", "measuring", "faults", "rest", "federation", "permissions", "sensor"}
"""Names of groups of checks, which are shown where a whole group breaks or has no board."""


def names_in_code() -> set[str]:
    """Return the second argument of each call that makes a check, where it stands there as a word."""
    found = set()
    for path in [*CHECKOUT.glob("host/fedmotion/host/doctor_*.py"), CHECKOUT / "cli/fedmotion/cli/doctor.py"]:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and len(node.args) > 1):
                continue
            if node.func.id in {"Check", "judged", "guarded"}:
                second = node.args[1]
                if isinstance(second, ast.Constant) and isinstance(second.value, str):
                    found.add(second.value)
    return found


def test_every_check_stands_in_the_document() -> None:
    names = names_in_code()
    assert len(names) > 25
    assert names - OF_A_DEFECT_ALONE - NAMED == set()


def test_the_picture_is_small_and_fetches_nothing() -> None:
    picture = (CHECKOUT / "docs" / "pictures" / "doctor.svg").read_text("utf-8")
    assert len(picture.encode()) < 60_000
    assert "url(http" not in picture
    assert "@font-face" not in picture


def test_the_picture_shows_each_check_of_the_sensor() -> None:
    picture = (CHECKOUT / "docs" / "pictures" / "doctor.svg").read_text("utf-8").replace("&#160;", " ")
    shown = html.unescape(re.sub(r"<[^>]*>", "\n", picture))
    of_sensor = DOCUMENT.partition("| sensor |")[2].partition("| federation |")[0]
    checks = [row.removeprefix("| |").partition(" | ")[0] for row in of_sensor.splitlines()]
    names = set(re.findall(r"`([^`]+)`", "".join(checks)))
    assert {"held still", "self-test"} <= names
    assert {name for name in names if name not in shown} == set()
