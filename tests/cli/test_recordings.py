"""`fedmotion recordings`: what each command says of a real store, and what it leaves in it."""

import json
import re
import shlex
from pathlib import Path
from uuid import UUID

import click
import pytest
from click.testing import CliRunner, Result
from import_files import HEAD, lines, motion, write, write_npz

from fedmotion.cli.main import command
from fedmotion.cli.recording_choice import ranges
from fedmotion.cli.recordings import command as group
from fedmotion.host.disclosure import Disclosed, DisclosureFile
from fedmotion.host.recording_store import RecordingStore

COMMANDS = ("list", "show", "plot", "check", "relabel", "delete", "restore", "export", "import")


def run(*arguments: object, stdin: str = "") -> Result:
    words = ["recordings", *map(str, arguments)]
    return CliRunner().invoke(command, words, input=stdin, env={"COLUMNS": "200"})


def said(*arguments: object, stdin: str = "") -> str:
    done = run(*arguments, stdin=stdin)
    assert done.exit_code == 0, (done.output, done.exception)
    return " ".join(done.output.split())


@pytest.fixture
def anna(tmp_path: Path) -> Path:
    """A profile's folder with three swipes and two waves, the last one of bert."""
    folder = tmp_path / "anna"
    path = write_npz(
        tmp_path / "takes.npz",
        [motion(seed) for seed in range(5)],
        label=["swipe"] * 3 + ["wave"] * 2,
        subject=["anna"] * 4 + ["bert"],
    )
    said("import", path, "--profile", folder)
    return folder


def labels(folder: Path) -> list[str]:
    with RecordingStore(folder / "recordings.sqlite", clock=lambda: 0.0) as store:
        return [label for label, _ in store.takes().values()]


def test_list_says_what_there_is_and_how_much_of_each_label_and_person(anna: Path) -> None:
    text = said("list", "--profile", anna)
    assert "5 wave bert - - " in text
    assert "2.0 100 takes.npz#4 good" in text
    assert "label anna bert takes seconds" in text
    assert "swipe 3 - 3 6 wave 1 1 2 4" in text
    text = said("list", "--profile", anna, "--label", "wave", "--person", "anna", "--no-check")
    assert "4 wave anna" in text
    assert "swipe" not in text


def test_list_as_json_has_everything(anna: Path) -> None:
    rows = json.loads(run("list", "--profile", anna, "--json").stdout)
    assert [row["label"] for row in rows] == ["swipe"] * 3 + ["wave"] * 2
    last = rows[-1]
    assert (last["recording_id"], last["person"], last["rate_hz"], last["n_samples"]) == (
        5,
        "bert",
        100.0,
        200,
    )
    assert (last["source"], last["check"], last["deleted_utc"]) == ("takes.npz#4", "good", None)
    assert len(last["take_sha256"]) == 64


def test_show_says_all_of_one_recording(anna: Path) -> None:
    text = said("show", "4", "--profile", anna)
    assert "label wave person anna" in text
    assert "samples 200 in 1.99 s, 100.0 Hz, kept as m/s² and rad/s, float32" in text
    assert "steps 10.00 to 10.00 ms; no gap" in text
    assert re.search(r"az m/s² \S+ 9\.\d+ ", text)
    assert "the check finds nothing wrong with it" in text
    shown = json.loads(run("show", "4", "--profile", anna, "--json").stdout)
    assert [axis["axis"] for axis in shown["axes"]] == ["ax", "ay", "az", "gx", "gy", "gz"]
    assert shown["gaps_us"] == []


def test_takes_are_drawn_over_each_other(anna: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    text = said("plot", "1-3", "5", "--profile", anna, "--save", tmp_path / "over.png", "--degrees")
    assert text == f"picture: {tmp_path / 'over.png'}"
    assert (tmp_path / "over.png").read_bytes().startswith(b"\x89PNG")


def test_relabelling_says_how_it_is_undone_and_the_undo_does(anna: Path) -> None:
    text = said("relabel", "2-3", "5", "wink left", "--profile", anna)
    assert "2 swipe, 1 wave: wink left now" in text
    assert "no recording had the label wink left before" in text
    assert labels(anna) == ["swipe", "wink left", "wink left", "wave", "wink left"]
    for line in re.findall(r"undo: fedmotion recordings (.*?)(?= undo|$)", text):
        said(*shlex.split(line))
    assert labels(anna) == ["swipe"] * 3 + ["wave"] * 2
    assert "1 wave: swipe now" in said(
        "relabel", "--from", "wave", "--to", "swipe", "--person", "bert", "--profile", anna
    )
    assert "nothing to do: 4 swipe already" in said("relabel", "1-3", "5", "swipe", "--profile", anna)


def test_deleting_asks_says_what_and_is_undone(anna: Path) -> None:
    done = run("delete", "1", "4-5", "--profile", anna, stdin="n\n")
    assert isinstance(done.exception, SystemExit)
    assert "delete 1 swipe, 2 wave of" in done.output
    done = run("delete", "1", "--profile", anna)
    assert "nothing was deleted: where nobody can answer, say --yes" in str(done.exception) + done.output
    assert len(labels(anna)) == 5
    text = said("delete", "1", "4-5", "--profile", anna, stdin="y\n")
    assert f"undo: fedmotion recordings restore 1 4-5 --profile {anna}" in text
    assert labels(anna) == ["swipe", "swipe"]
    assert "4 wave anna" in said("list", "--deleted", "--profile", anna)
    assert "restored 2: 2 wave" in said("restore", "4-5", "--profile", anna)
    assert "restored 1: 1 swipe" in said("restore", "--all", "--profile", anna)
    assert labels(anna) == ["swipe"] * 3 + ["wave"] * 2
    said("delete", "2", "--yes", "--profile", anna)
    refused = run("delete", "2", "--yes", "--profile", anna).exception
    assert "there is no recording 2 here: their ids are 1 to 5 (`fedmotion recordings list --deleted`" in str(
        refused
    )
    said("restore", "2", "--profile", anna)
    said("delete", "--label", "wave", "--for-good", "--yes", "--profile", anna)
    assert isinstance(run("restore", "--all", "--profile", anna).exception, ValueError)


def test_what_the_federation_has_sums_of_is_said_before_it_goes(anna: Path) -> None:
    with RecordingStore(anna / "recordings.sqlite", clock=lambda: 0.0) as store:
        takes = tuple(take for _, take in store.takes().values())
    DisclosureFile(anna / "disclosed.json").write(Disclosed(UUID(int=1), "0" * 64, takes[:2]))
    text = said("delete", "1-3", "--yes", "--profile", anna)
    assert "2 of them are in the sums that this profile gave its federation: without them no more" in text
    said("restore", "--all", "--profile", anna)
    assert "2 of them are in the sums" in said("relabel", "1-2", "wink", "--profile", anna)


@pytest.mark.parametrize("place", ["out.npz", "out.csv", "out"])
def test_what_is_exported_is_imported_as_the_same(anna: Path, tmp_path: Path, place: str) -> None:
    assert "3 swipe, 2 wave" in said("export", tmp_path / place, "--profile", anna)
    text = said("import", tmp_path / place, "--profile", anna)
    assert "became 0 new recordings there already" in text
    said("import", tmp_path / place, "--profile", tmp_path / "bert")
    assert labels(tmp_path / "bert") == labels(anna)


def test_import_says_what_became_of_each_file_and_goes_on_after_a_bad_one(tmp_path: Path) -> None:
    good = write(tmp_path / "good.csv", *lines(motion()))
    bad = write(tmp_path / "bad.csv", *lines(motion(1)), "1,2")
    done = run("import", bad, good, "--label", "swipe", "--profile", tmp_path / "anna")
    assert done.exit_code == 2
    assert "not imported: bad.csv, line 202: 7 fields as in the head, got 2" in done.output
    assert "good.csv: 1 take became 1 new recording\n" in done.output
    assert labels(tmp_path / "anna") == ["swipe"]
    done = run("import", bad, good, "--label", "swipe", "--profile", tmp_path / "anna", "--json")
    report = json.loads(done.stdout)
    assert report["files"][0]["duplicates"] == ["good.csv#0 is recording 1"]
    assert len(report["refused"]) == 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("show", "9"), "there is no recording 9 here: their ids are 1 to 5"),
        (("show", "x"), "a recording is named by its id, such as 12, or a range, 12-31; got 'x'"),
        (("show", "1-2"), "`show` says all of one recording, got 2: `list` shows several"),
        (("import", "."), "the folder . has no file that ends in .npz or .csv"),
        (("list", "--label", "swpie"), "no recording here has label 'swpie'; there are 3 swipe, 2 wave"),
        (("relabel", "1", ""), "a label is not empty"),
        (("restore", "--all"), "is deleted"),
        (("export", "takes.xls"), "a file ends in .npz or .csv, and a folder has no ending; got takes.xls"),
        (("plot", "1", "--save", "takes.docx"), "a picture's ending is one of"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(
    anna: Path, arguments: tuple[str, ...], sentence: str
) -> None:
    done = run(*arguments, "--profile", anna)
    assert isinstance(done.exception, ValueError)
    assert sentence in str(done.exception)


def test_a_profile_without_recordings_says_how_to_get_some(tmp_path: Path) -> None:
    done = run("list", "--profile", tmp_path / "nobody")
    assert "has no recordings yet: `fedmotion record LABEL` makes some, and" in str(done.exception)


@pytest.mark.parametrize("arguments", [("relabel",), ("relabel", "3"), ("delete",), ("restore",), ("plot",)])
def test_a_command_without_a_choice_asks_for_one(arguments: tuple[str, ...]) -> None:
    assert run(*arguments).exit_code == 2


def test_ids_are_written_as_ranges() -> None:
    assert ranges([12, 3, 4, 5, 9, 10, 1]) == "1 3-5 9-10 12"


def test_the_group_lists_its_commands_with_examples_that_are_understood(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for file in ("utd.npz", "punch.csv", "walk.csv", "monitor.log"):
        (tmp_path / file).touch()
    (tmp_path / "takes").mkdir()
    context = click.Context(group)
    assert tuple(group.list_commands(context)) == COMMANDS
    help_text = CliRunner().invoke(command, ["recordings", "--help"]).output
    for name in COMMANDS:
        assert f"\n  {name} " in help_text
        found = group.get_command(context, name)
        assert found is not None
        examples = [line.strip() for line in (found.epilog or "").splitlines() if "fedmotion " in line]
        assert len(examples) >= 2
        for example in examples:
            _, _, word, *words = shlex.split(re.split(r" {3,}", example)[0])
            found_for = group.get_command(context, word)
            assert found_for is not None
            found_for.make_context(word, words)


def test_the_header_of_a_table_is_in_the_document() -> None:
    document = (Path(__file__).parents[2] / "docs" / "recording-files.md").read_text("utf-8")
    assert HEAD.replace("t_us,", "") in document
