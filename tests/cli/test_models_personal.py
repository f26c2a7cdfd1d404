"""`fedmotion models` and the personal model of a profile."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest

from fedmotion.cli.main import main
from fedmotion.host.held_out_score import HeldOutScore
from fedmotion.host.personal_model import Personal, PersonalFiles, PersonalRecord
from fedmotion.host.profile import Profile, find_profile
from fedmotion.host.released_model import LoadedModel, ReleasedModelFile
from fedmotion.models.parameters import initial_parameters
from fedmotion.models.specification import pca_svm
from fedmotion.protocol.tensors import sha256_of

SPECIFICATION = pca_svm(("swipe", "other"), n_components=4)
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("COLUMNS", "200")

    def run_it(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["fedmotion", "models", *arguments])
        status: object = 0
        try:
            main()
        except SystemExit as end:
            status = end.code
        said = capsys.readouterr()
        return int(str(status)), said.out, said.err

    return run_it


@pytest.fixture
def anna(run: Run) -> Profile:
    """The profile anna with a released model of round 7, and none made of it."""
    profile = find_profile("anna")
    profile.create()
    model = learned(0.25)
    ReleasedModelFile(profile.released_model).write(
        model, federation="home", federation_id=UUID(int=1), written_unix_s=0.0
    )
    return profile


def learned(intercept: float, *, is_personal: bool = False) -> LoadedModel:
    parameters = initial_parameters(SPECIFICATION)
    parameters["intercept"] += intercept
    sha256 = sha256_of(parameters)
    return LoadedModel(UUID(int=2), 7, sha256, SPECIFICATION, parameters, is_personal=is_personal)


def make_personal(profile: Profile, n_right: int) -> None:
    released, model = learned(0.25), learned(0.5, is_personal=True)
    record = PersonalRecord(
        federation_id=UUID(int=1),
        lineage_id=UUID(int=2),
        round_id=7,
        base_sha256=released.sha256.hex(),
        sha256=model.sha256.hex(),
        made_utc="1970-01-01T00:00:00Z",
        fine_tune="head",
        normalise=True,
        n_trained=24,
        released=HeldOutScore(8, 5, 0),
        personal=HeldOutScore(8, n_right, 0),
    )
    PersonalFiles(profile.personal_model).write(Personal(model, record), "home", 0.0)


def test_it_is_shown_with_how_it_was_made_and_whether_it_is_used(run: Run, anna: Profile) -> None:
    make_personal(anna, n_right=7)
    status, out, _ = run("show", "anna@personal")
    assert status == 0
    assert out.startswith(
        "Personal: mean and scale and last layer trained by 24 own takes, from the released"
    )
    assert "of 8 held-out takes that decides 5 rightly, this one 7 (it is recognised by)." in out
    make_personal(anna, n_right=5)
    assert "this one 5 (so it is not recognised by)." in run("show", "anna@personal")[1]


def test_scripts_get_the_record_too(run: Run, anna: Profile) -> None:
    make_personal(anna, n_right=7)
    told = json.loads(run("show", "anna@personal", "--json")[1])
    assert told["sha256"] == learned(0.5).sha256.hex() == told["personal"]["sha256"]
    assert told["personal"]["personal"] == {"n_takes": 8, "n_right": 7, "n_false_alarms": 0}
    assert "personal" not in json.loads(run("show", "anna", "--json")[1])


def test_it_is_listed_beside_the_released_one_and_compared_with_it(run: Run, anna: Profile) -> None:
    make_personal(anna, n_right=7)
    rows = json.loads(run("list", "--profile", "anna", "--json")[1])
    assert [(row["where"], row["is_released"]) for row in rows] == [("anna", True), ("anna@personal", False)]
    status, out, _ = run("diff", "anna", "anna@personal")
    assert status == 0
    assert "The specification is the same." in out


def test_where_there_is_none_it_says_how_one_is_made(run: Run, anna: Profile) -> None:
    status, out, said = run("show", "anna@personal")
    assert (status, out) == (2, "")
    assert "the profile anna has no personal model: its agent makes one after a release" in said
