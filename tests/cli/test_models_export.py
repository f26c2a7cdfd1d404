"""`fedmotion models export`: what it refuses before and after it looks at the model."""

import sys
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest

from fedmotion.cli.main import main
from fedmotion.host.profile import find_profile
from fedmotion.host.released_model import LoadedModel, ReleasedModelFile
from fedmotion.models.parameters import initial_parameters
from fedmotion.models.specification import pca_svm
from fedmotion.protocol.tensors import sha256_of

Refused = Callable[..., str]


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Refused:
    """Run `fedmotion models export` where the profile anna has a model; return its one sentence."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    profile = find_profile("anna")
    profile.create()
    specification = pca_svm(("swipe", "other"), n_components=4)
    parameters = initial_parameters(specification)
    model = LoadedModel(UUID(int=2), 3, sha256_of(parameters), specification, parameters)
    ReleasedModelFile(profile.released_model).write(
        model, federation="home", federation_id=UUID(int=1), written_unix_s=0.0
    )

    def run(*arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", ["fedmotion", "models", "export", *arguments])
        with pytest.raises(SystemExit) as end:
            main()
        said = capsys.readouterr()
        assert (end.value.code, said.out) == (2, "")
        assert said.err.count("\n") == 1
        return said.err

    return run


def test_a_linear_model_of_features_is_refused_with_the_reason(refused: Refused) -> None:
    said = refused("anna", "anna.tflite", "--profile", "anna")
    assert "a model of the family pca_svm is not exported" in said
    assert "models of mlp and cnn are" in said
    assert not Path("anna.tflite").exists()


def test_a_place_that_is_taken_is_refused_unless_forced(refused: Refused) -> None:
    Path("anna.tflite").write_text("mine")
    assert "anna.tflite is there already: give another name, or --force" in refused("anna", "anna.tflite")
    Path("anna.h").write_text("mine")
    assert "anna.h is there already" in refused("anna", "new.tflite", "--header", "anna.h")
    assert "is not exported" in refused("anna", "anna.tflite", "--force", "--profile", "anna")
    assert Path("anna.tflite").read_text() == "mine"


def test_other_endings_and_folders_that_are_not_there_are_refused(refused: Refused) -> None:
    assert "such a file ends in .tflite, got anna.bin" in refused("anna", "anna.bin")
    assert "such a file ends in .h, got anna.c" in refused("anna", "a.tflite", "--header", "anna.c")
    assert "there is no folder nowhere" in refused("anna", "nowhere/anna.tflite")


def test_a_model_that_is_not_there_is_named(refused: Refused) -> None:
    assert "bert" in refused("bert", "bert.tflite")
