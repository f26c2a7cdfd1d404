"""The wheel, installed outside of the checkout: whole, self-contained, and able to run the demo."""

import json
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest
from marked_process import MarkedProcess

pytestmark = pytest.mark.timeout(200)

CHECKOUT = Path(__file__).parents[2]
PORTIONS = ("aggregator", "boards", "broker", "cli", "delivery", "host", "models", "protocol", "simulation")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    # Isolation would fetch hatchling from the network.
    build = ("-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(CHECKOUT))
    subprocess.run([sys.executable, *build], check=True, capture_output=True)
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with the wheel, which sees the third-party packages of this one."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    pip = (sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check")
    subprocess.run(
        [*pip, "install", "--quiet", "--no-deps", "--no-index", str(wheel)], check=True, capture_output=True
    )
    said = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        check=True,
        capture_output=True,
        text=True,
    )
    # A line of a .pth file names a folder whose own .pth files are not read: not those of the checkout.
    (Path(said.stdout.strip()) / "third_party.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder


def run(environment: Path, folder: Path, *arguments: str) -> str:
    return subprocess.run(
        [environment / "bin" / "python", *arguments],
        check=True,
        capture_output=True,
        text=True,
        cwd=folder,
        env={key: value for key, value in os.environ.items() if key != "PYTHONPATH"},
    ).stdout


def test_the_wheel_holds_every_file_of_every_portion(wheel: Path) -> None:
    in_checkout = {
        path.relative_to(room).as_posix()
        for room in CHECKOUT.glob("*")
        for path in (room / "fedmotion").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    with zipfile.ZipFile(wheel) as opened:
        in_wheel = {name for name in opened.namelist() if ".dist-info/" not in name}
        licences = [name for name in opened.namelist() if name.endswith("dist-info/licenses/LICENSE")]
    assert in_wheel == in_checkout
    assert {f"fedmotion/{portion}/py.typed" for portion in PORTIONS} <= in_wheel
    assert "fedmotion/broker/production_mosquitto.conf" in in_wheel
    assert len(licences) == 1


def test_modules_come_from_the_wheel_and_not_from_the_checkout(environment: Path, tmp_path: Path) -> None:
    script = """
import importlib, json, pkgutil, sys
import fedmotion
found = {}
for portion in sys.argv[1:]:
    package = importlib.import_module(f"fedmotion.{portion}")
    for each in pkgutil.iter_modules(package.__path__):
        if each.name != "__main__":
            module = importlib.import_module(f"fedmotion.{portion}.{each.name}")
            found[module.__name__] = module.__file__
from fedmotion.broker.mosquitto_files import production_configuration
assert "listener" in production_configuration()
print(json.dumps([list(fedmotion.__path__), found]))
"""
    path, found = json.loads(run(environment, tmp_path, "-c", script, *PORTIONS))
    assert len(path) == 1
    assert len(found) > 70
    assert {name.split(".")[1] for name in found} == set(PORTIONS)
    outside = {
        name: file for name, file in found.items() if not Path(file).is_relative_to(environment.resolve())
    }
    assert outside == {}


def test_the_demo_runs_from_the_wheel_in_an_empty_folder(environment: Path, tmp_path: Path) -> None:
    command = (str(environment / "bin" / "fedmotion"), "demo", "--rounds", "3", "--speed", "0")
    with MarkedProcess((*command, "--json", "figures.json"), tmp_path) as process:
        assert process.wait() == 0, process.report()
        process.assert_nobody_is_left()
    figures = json.loads((tmp_path / "figures.json").read_bytes())
    assert figures["n_rounds"] == 3
    assert figures["recognised"]["n_performed"] >= 20
    assert figures["recognised"]["n_correct"] >= 20
    assert (figures["board"]["n_bad"], figures["board"]["n_dropped"]) == (0, 0)
    assert (tmp_path / "fedmotion-demo.png").stat().st_size > 10_000
