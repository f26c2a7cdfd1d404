"""`fedmotion evaluate` on real people: what its JSON holds, and that bad sources are refused in words."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from fedmotion.cli.evaluate import command


@pytest.mark.timeout(300)
def test_a_newcomer_is_recognised_by_what_four_people_taught(tmp_path: Path, data_folder: Path) -> None:
    source = str(data_folder / "utd_mhad_inertial.npz")
    labels = ("--labels", "swipe_left,swipe_right", "--other", "wave,clap,throw,jog")
    few = ("--newcomers", "5", "--seeds", "1", "--rounds", "4", "--components", "25")
    result = CliRunner().invoke(command, [source, *labels, *few, "--json", str(tmp_path / "figures.json")])
    assert result.exit_code == 0, result.output
    assert "| **federated** |" in result.output
    figures = json.loads((tmp_path / "figures.json").read_bytes())
    assert {"alone", "federated", "pooled"} <= set(figures["pca_svm"])


def test_a_source_that_is_not_there_is_named() -> None:
    with pytest.raises(ValueError, match=r"nothing\.npz is no profile with recordings"):
        CliRunner().invoke(command, ["nothing.npz"], catch_exceptions=False)


@pytest.mark.timeout(300)
def test_networks_are_reported_beside_the_linear_model(
    tmp_path: Path, data_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fedmotion.simulation.evaluation.tuning.GRID_ROUNDS", (2, 4))
    source = str(data_folder / "utd_mhad_inertial.npz")
    few = ("--labels", "swipe_left,swipe_right", "--newcomers", "5", "--seeds", "1", "--rounds", "8")
    outputs = ("--json", str(tmp_path / "figures.json"), "--markdown", str(tmp_path / "tables.md"))
    result = CliRunner().invoke(command, [source, *few, "--model", "pca_svm,cnn,mlp", *outputs])
    assert result.exit_code == 0, result.output
    figures = json.loads((tmp_path / "figures.json").read_bytes())
    for model in ("pca_svm", "cnn", "mlp"):
        assert figures[model]["federated"] >= 0.8
    assert figures["results"]["six"]["family"] == "pca_svm"
    assert {name: figures["others"][name]["six"]["family"] for name in figures["others"]} == {
        "cnn": "cnn",
        "mlp": "mlp",
    }
    tables = (tmp_path / "tables.md").read_text("utf-8")
    assert [line for line in tables.splitlines() if line.startswith("**")] == [
        "**pca_svm, six axes**",
        "**cnn, six axes**",
        "**mlp, six axes**",
    ]


def test_a_model_that_there_is_not_is_named_before_anything_is_trained(data_folder: Path) -> None:
    source = str(data_folder / "utd_mhad_inertial.npz")
    with pytest.raises(ValueError, match="model is one of pca_svm, mlp, cnn, got 'rnn'"):
        CliRunner().invoke(command, [source, "--model", "cnn,rnn"], catch_exceptions=False)
