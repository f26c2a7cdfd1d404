"""`fedmotion models`, on a household of one aggregator, one profile and a folder with files."""

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import click
import numpy as np
import pytest
from safetensors.numpy import load_file

from fedmotion.aggregator.federation_store import FederationStore
from fedmotion.cli.aggregator_folder import AggregatorFolder
from fedmotion.cli.main import main
from fedmotion.cli.models import command as models
from fedmotion.host.profile import Profile
from fedmotion.host.recording_store import RecordingStore
from fedmotion.host.released_model import LoadedModel, ReleasedModelFile, read_model_file
from fedmotion.models.parameters import initial_parameters
from fedmotion.models.specification import Parameters, Specification, pca_svm
from fedmotion.protocol.tensors import encode_arrays, sha256_of

SPECIFICATION = pca_svm(("swipe", "other"), n_components=4)
CONFIGURATION = 'federation = "home"\nactivities = ["swipe", "other"]\nn_components = 4\n'


@dataclass(frozen=True)
class Done:
    status: int
    out: str
    err: str

    @property
    def lines(self) -> list[list[str]]:
        """What each line of the tables says, without their heads."""
        lines = [line.split() for line in self.out.splitlines() if "  " in line.strip()]
        return [line for line in lines if line[0] not in {"where", "array"}]


Run = Callable[..., Done]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run `fedmotion models` in the household's folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))

    def run_it(*arguments: str) -> Done:
        monkeypatch.setattr(sys, "argv", ["fedmotion", "models", *arguments])
        status: object = 0
        try:
            main()
        except SystemExit as end:
            status = end.code
        said = capsys.readouterr()
        return Done(int(str(status)), said.out, said.err)

    return run_it


def learned(round_id: int, specification: Specification = SPECIFICATION) -> Parameters:
    """What `round_id` rounds made of the initial model; the basis is that of round 1."""
    rng = np.random.default_rng(1)
    arrays = {
        name: rng.standard_normal(array.shape).astype(array.dtype)
        for name, array in initial_parameters(specification).items()
    }
    return {**arrays, "coef": arrays["coef"] * round_id}


@pytest.fixture
def federation(run: Run) -> Iterator[FederationStore]:
    """The store of an aggregator that runs: rounds 0 to 3, of which 2 is released."""
    folder = Path("federation")
    folder.mkdir()
    (folder / "aggregator.toml").write_text(CONFIGURATION)
    aggregator = AggregatorFolder(folder)
    with aggregator.open_store(aggregator.read_configuration()) as store:
        store.claim()
        for round_id in (1, 2, 3):
            with store.transaction():
                base = store.current_model()
                store.open_round(round_id, "train", ("anna",), base)
                model = store.add_model(base.lineage_id, round_id, encode_arrays(learned(round_id)), 100)
                store.finish_round(round_id, 20, model.sha256, {})
                if round_id == 2:
                    store.release(model)
        yield store


@pytest.fixture
def anna(run: Run, tmp_path: Path) -> Profile:
    """A profile that keeps a model of round 12 of another federation."""
    profile = Profile(tmp_path / "data" / "fedmotion" / "profiles" / "anna")
    profile.create()
    arrays = learned(12)
    ReleasedModelFile(profile.released_model).write(
        LoadedModel(UUID(int=22), 12, sha256_of(arrays), SPECIFICATION, arrays),
        federation="club",
        federation_id=UUID(int=11),
        written_unix_s=1_000_000_000.0,
    )
    return profile


@pytest.mark.usefixtures("federation", "anna")
def test_the_list_has_what_is_here_and_marks_what_is_released(run: Run) -> None:
    done = run("list")
    assert (done.status, done.err) == (0, "")
    assert [line[0] for line in done.lines] == [
        "federation@0",
        "federation@1",
        "federation@2",
        "federation@3",
        "anna",
    ]
    assert [line[1] == "*" for line in done.lines] == [False, False, True, False, True]
    *_, anna = done.lines
    assert anna[2] == "12"
    assert anna[4:] == [sha256_of(learned(12)).hex()[:8], "2001-09-09", "01:46"]
    assert "club, lineage 00000000, pca_svm: swipe, other\n" in done.out
    assert done.out.startswith("home, lineage ")


@pytest.mark.usefixtures("federation", "anna")
def test_the_list_of_one_place_has_nothing_else(run: Run) -> None:
    assert run("save", "anna", "swipes.safetensors").status == 0
    for arguments, where in (
        (["--profile", "anna"], ["anna"]),
        (["--aggregator", "federation"], [f"federation@{n}" for n in range(4)]),
        (["federation"], [f"federation@{n}" for n in range(4)]),
        (["."], ["swipes.safetensors"]),
    ):
        done = run("list", *arguments, "--json")
        assert [row["where"] for row in json.loads(done.out)] == where
        # And each of these names is one that the other commands know.
        for name in where:
            assert run("show", name).status == 0


def test_what_cannot_be_listed_is_named_and_keeps_nothing_else_from_the_list(run: Run, anna: Profile) -> None:
    assert run("save", "anna", "good.safetensors").status == 0
    Path("bad.safetensors").write_bytes(Path("good.safetensors").read_bytes()[:-1])
    done = run("list", ".")
    assert done.status == 1
    assert [line[0] for line in done.lines] == ["good.safetensors"]
    assert done.err.startswith("not listed: bad.safetensors: the model file is damaged or was changed")
    assert len(done.err.splitlines()) == 1


def test_a_host_without_models_is_told_where_they_come_from(run: Run) -> None:
    done = run("list")
    assert (done.status, done.out) == (0, "")
    assert done.err == (
        "no models here yet: `fedmotion train` makes one of your recordings, and an agent keeps the first "
        "that its federation releases\n"
    )


def test_a_model_is_shown_in_words(run: Run, anna: Profile) -> None:
    done = run("show", "anna")
    assert done.status == 0
    for said in (
        "federation  club (00000000-0000-0000-0000-00000000000b)",
        f"sha256      {sha256_of(learned(12)).hex()}",
        "round       12\n",
        "recognises  swipe; all else is other",
        "96 samples at 50 Hz, 1.92 s",
        "written     2001-09-09T01:46:40Z by fedmotion ",
        "Piece 1 to 8 are 0.24 s each",
    ):
        assert said in done.out
    shown = json.loads(run("show", "anna", "--json").out)
    assert (shown["round_id"], shown["activities"]) == (12, ["swipe", "other"])
    assert {array["name"] for array in shown["arrays"]} == learned(12).keys()


@pytest.mark.usefixtures("federation")
def test_the_store_of_an_aggregator_is_read_while_it_runs_and_writes(
    run: Run, federation: FederationStore
) -> None:
    before = federation.path.read_bytes()
    with federation.transaction():
        federation.open_round(4, "train", ("anna",), federation.current_model())
        assert len(json.loads(run("list", "--json").out)) == 4
        assert "round       2\n" in run("show", "federation").out
        assert "round       3\n" in run("show", "federation@3").out
    assert federation.last_round_id() == 4
    assert federation.path.read_bytes() == before


@pytest.mark.usefixtures("federation")
def test_models_of_rounds_are_compared(run: Run) -> None:
    done = run("diff", "federation@1", "federation@3")
    assert done.status == 0
    assert done.out.startswith(
        "B is 2 rounds after A in the same lineage.\nThe specification is the same.\nThe basis is the same.\n"
    )
    changes = {line[0]: line[1:] for line in done.lines}
    assert changes["coef"][2:] == ["200.00%", "1.0000"]
    assert changes["mean"] == ["basis", "0", "0.00%", "1.0000"]
    assert "A has no basis yet" in run("diff", "federation@0", "federation@1").out


@pytest.mark.usefixtures("federation")
def test_a_comparison_tells_of_the_profiles_recordings(run: Run, anna: Profile) -> None:
    RecordingStore(anna.recordings, clock=lambda: 0.0).close()
    done = run("diff", "federation@1", "federation@3", "--profile", "anna")
    assert done.status == 0
    assert done.out.endswith(
        "Of 0 recordings of anna, A decides 0 as labelled and B 0; 0 are decided otherwise.\n"
    )
    shown = json.loads(run("diff", "federation@1", "federation@3", "--profile", "anna", "--json").out)
    assert shown["decisions"]["n_windows"] == 0
    assert shown["difference"]["kinship"] == "B is 2 rounds after A in the same lineage"


@pytest.mark.usefixtures("federation")
def test_a_model_is_saved_for_everybody(run: Run) -> None:
    done = run("save", "federation", "old.safetensors", "--round", "1")
    assert (done.status, done.err) == (0, "")
    assert done.out.startswith("old.safetensors: round 1 of home, ")
    for name, array in load_file("old.safetensors").items():
        np.testing.assert_array_equal(array, learned(1)[name])
    assert read_model_file(Path("old.safetensors")).round_id == 1
    assert Path("old.safetensors").stat().st_mode & 0o777 == 0o600
    assert run("diff", "old.safetensors", "federation@1").out.startswith("A and B are the same model.")


def test_a_folder_that_a_demo_kept_is_one_of_an_aggregator(run: Run, federation: FederationStore) -> None:
    Path("federation/aggregator.toml").unlink()
    assert len(json.loads(run("list", "federation", "--json").out)) == 4


@pytest.mark.usefixtures("federation", "anna")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["show", "nobody"], "there is no model 'nobody': name a model file, a profile, or"),
        (["show", "No Body"], "there is no model 'No Body'"),
        (["show", "absent/x.safetensors"], "there is no model 'absent/x.safetensors'"),
        (["show", "federation@7"], "federation keeps the models of rounds 0, 1, 2, 3, got 7"),
        (["show", "federation@last"], "FOLDER@ROUND with a round's number, got 'federation@last'"),
        (["show", "federation/aggregator.toml"], "federation/aggregator.toml: this is no model file"),
        (["show", "federation/federation.sqlite"], "this is an SQLite store; a model is a safetensors file"),
        (["save", "anna", "x.safetensors", "--round", "3"], "holds the model of round 12 only, got round 3"),
        (["save", "anna", "x.bin"], "a model file ends in .safetensors, got x.bin"),
        (["save", "anna", "absent/x.safetensors"], "there is no folder absent"),
        (["save", "anna", "federation/there.safetensors"], "is there already: give another name"),
        (["list", "federation", "--profile", "anna"], "one place at a time"),
        (["list", "--profile", "nobody"], "there is no model 'nobody'"),
        (["list", "--aggregator", "absent"], "absent holds no federation yet"),
        (["list", "absent"], "Directory 'absent' does not exist"),
        (["diff", "anna"], "Missing argument 'B'"),
        (["diff", "anna", "federation", "--profile", "anna"], "the store of recordings"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_is_wrong_is_one_sentence(run: Run, arguments: list[str], said: str) -> None:
    Path("federation/there.safetensors").touch()
    done = run(*arguments)
    assert done.status == 2
    assert said in done.err
    *usage, sentence = done.err.rstrip("\n").splitlines()
    assert sentence.startswith(("fedmotion: ", "Error: "))
    assert not usage or usage[0].startswith("Usage: fedmotion")
    assert not Path("x.safetensors").exists()


def test_a_profile_and_an_aggregator_without_released_models_say_what_to_do(
    run: Run, federation: FederationStore, anna: Profile
) -> None:
    with federation.transaction():
        federation._execute("UPDATE federation SET released_lineage_id = NULL")
    assert (
        "has released no model yet: name one of its rounds', federation@N, N of 0, 1, 2, 3"
        in run("show", "federation").err
    )
    anna.released_model.unlink()
    anna.invitation.touch()
    assert "the profile anna has met no released model yet: run `fedmotion agent`" in run("show", "anna").err


@pytest.mark.parametrize("name", ["list", "show", "diff", "save", "export"])
def test_every_subcommand_has_help_with_examples(run: Run, name: str) -> None:
    text = run(name, "--help").out
    assert f"fedmotion models {name} " in text.split("Examples:")[1]
    assert isinstance(models.commands[name], click.Command)
    if name != "list":
        assert "federation@12" in text.split("Examples:")[0]
