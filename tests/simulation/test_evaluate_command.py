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
