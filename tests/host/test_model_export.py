"""Models for microcontrollers, with a person's own takes as calibration."""

import json
import re
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest

from fedmotion.cli.main import main
from fedmotion.host.arena import measured_arena
from fedmotion.host.model_export import export
from fedmotion.host.profile import Profile
from fedmotion.host.recording_store import Recording, RecordingStore
from fedmotion.host.trainer import Trainer
from fedmotion.models.model_file import StoredModel, encode_model_file
from fedmotion.models.parameters import initial_parameters
from fedmotion.models.specification import Parameters, Specification, cnn, pca_svm
from fedmotion.protocol.tensors import sha256_of

ACTIVITIES = ("swipe_left", "swipe_right", "other")


def fill(folder: Path, takes: list[Recording]) -> Profile:
    profile = Profile(folder)
    profile.create()
    with RecordingStore(profile.recordings, clock=lambda: 0.0) as store:
        for take in takes:
            assert store.add(take)
    return profile


def stored(specification: Specification, arrays: Parameters) -> StoredModel:
    return StoredModel(
        federation="home",
        federation_id=UUID(int=11),
        lineage_id=UUID(int=22),
        round_id=12,
        sha256=sha256_of(arrays),
        specification=specification,
        parameters=arrays,
        written_utc="2001-09-09T01:46:40Z",
        written_by="a test",
    )


def a_cnn(profile: Profile, activities: tuple[str, ...] = ACTIVITIES) -> StoredModel:
    """A network that is not trained, with the axes' mean and scale of the profile's takes."""
    specification = cnn(activities, seed=1)
    arrays = initial_parameters(specification)
    rng = np.random.default_rng(2)
    arrays["head_kernel"] = rng.normal(0, 0.3, arrays["head_kernel"].shape).astype(np.float32)
    with RecordingStore(profile.recordings, clock=lambda: 0.0) as store:
        windows = Trainer(store, "ada").local_windows(specification).windows.astype(np.float64)
    if len(windows):
        arrays |= {"mean": windows.mean(axis=(0, 1)), "scale": windows.std(axis=(0, 1))}
    return stored(specification, arrays)


def test_a_network_is_written_with_its_arena_and_how_alike_it_decides(
    tmp_path: Path, takes: list[Recording]
) -> None:
    profile = fill(tmp_path / "ada", takes)
    made = export(a_cnn(profile), profile, "home.h")
    assert (made.n_takes, made.tflite[4:8]) == (28, b"TFL3")
    assert made.n_alike >= 27
    assert 7000 < len(made.tflite) < 8000
    assert "+-8 g and +-1000 degrees/s" in made.header
    assert '#include "home.h"' in made.header
    assert "    0x" in made.header


def test_the_arena_is_measured_where_the_interpreter_is_installed(
    tmp_path: Path, takes: list[Recording]
) -> None:
    pytest.importorskip("tflite_micro")
    profile = fill(tmp_path / "ada", takes)
    made = export(a_cnn(profile), profile, "home.h")
    assert made.arena.is_measured
    assert 3000 < made.arena.n_bytes < 6000
    assert measured_arena(b"no model at all" * 10) is None


def test_without_the_interpreter_the_arena_is_estimated(
    tmp_path: Path, takes: list[Recording], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fedmotion.host.model_export.measured_arena", lambda _tflite: None)
    profile = fill(tmp_path / "ada", takes)
    made = export(a_cnn(profile), profile, "home.h")
    assert not made.arena.is_measured
    assert "The arena is estimated, not measured" in made.header


def test_no_take_is_in_what_is_written(tmp_path: Path, takes: list[Recording]) -> None:
    profile = fill(tmp_path / "ada", takes)
    model = a_cnn(profile)
    made = export(model, profile, "home.h")
    # Twelve bytes are one sample: none of the motion as counts.
    assert not any(row.tobytes() in made.tflite for take in takes for row in take.counts if row.all())


def test_a_pca_svm_is_not_exported_and_it_is_said_why(tmp_path: Path, takes: list[Recording]) -> None:
    profile = fill(tmp_path / "ada", takes)
    specification = pca_svm(ACTIVITIES)
    model = stored(specification, initial_parameters(specification))
    with pytest.raises(ValueError, match=r"a model of the family pca_svm is not exported: .*mlp and cnn are"):
        export(model, profile, "home.h")


def test_without_takes_too_few_or_none_of_an_activity_it_says_what_to_record(
    tmp_path: Path, takes: list[Recording]
) -> None:
    full = fill(tmp_path / "ada", takes)
    model = a_cnn(full)
    with pytest.raises(
        ValueError, match=r"taken from your own takes, and the profile .* has none: `fedmotion"
    ):
        export(model, Profile(tmp_path / "nobody"), "home.h")
    few = fill(tmp_path / "few", takes[:6])
    with pytest.raises(ValueError, match=r"at least 10 usable takes, .* has 6.*: `fedmotion record LABEL`"):
        export(model, few, "home.h")
    without = fill(tmp_path / "without", [take for take in takes if take.label != "other"])
    with pytest.raises(ValueError, match="has 20, none of other: `fedmotion record LABEL` makes more"):
        export(model, without, "home.h")


def test_weights_that_are_no_numbers_are_refused(tmp_path: Path, takes: list[Recording]) -> None:
    profile = fill(tmp_path / "ada", takes)
    model = a_cnn(profile)
    arrays = {**model.parameters, "conv1_bias": np.full(16, np.nan, np.float32)}
    with pytest.raises(ValueError, match="array 'conv1_bias' is finite, got NaN or infinity"):
        export(replace(model, parameters=arrays), profile, "home.h")


def test_without_the_extra_it_says_what_to_install(
    tmp_path: Path, takes: list[Recording], monkeypatch: pytest.MonkeyPatch
) -> None:
    profile = fill(tmp_path / "ada", takes)
    model = a_cnn(profile)
    monkeypatch.setitem(__import__("sys").modules, "fedmotion.models.tflite_file", None)
    with pytest.raises(ValueError, match=re.escape("an extra: pip install 'fedmotion[export]'")):
        export(model, profile, "home.h")


def test_the_command_writes_both_files_and_says_what_they_are(
    tmp_path: Path,
    takes: list[Recording],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    profile = fill(tmp_path / "ada", takes)
    monkeypatch.chdir(tmp_path)
    Path("home.safetensors").write_bytes(encode_model_file(a_cnn(profile)))
    words = "fedmotion models export home.safetensors home.tflite --header home.h --profile ./ada"
    monkeypatch.setattr("sys.argv", words.split())
    main()
    written, header, takes_said = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"home\.tflite: 7\d\d\d bytes, [4-6]\d\d\d bytes of arena \(.+\)", written)
    assert header == "home.h: the same as a C array, with what a board does around it"
    assert re.match(r"of 28 takes of \./ada, 8 bits decide 2[78] as the model does; ", takes_said)
    assert Path("home.tflite").read_bytes()[4:8] == b"TFL3"
    assert {Path(name).stat().st_mode & 0o777 for name in ("home.tflite", "home.h")} == {0o600}
    monkeypatch.setattr("sys.argv", [*words.split(), "--force", "--json"])
    main()
    told = json.loads(capsys.readouterr().out)
    assert (told["file"], told["header"], told["n_takes"]) == ("home.tflite", "home.h", 28)
    assert told["n_bytes"] == Path("home.tflite").stat().st_size
