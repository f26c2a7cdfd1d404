import dataclasses
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID

import msgspec
import numpy as np
import pytest

from fedmotion.host.recording_store import Recording, RecordingStore
from fedmotion.host.released_model import LoadedModel, load_model
from fedmotion.host.trainer import Trainer
from fedmotion.models.family import family
from fedmotion.models.growth import grown, with_activities
from fedmotion.models.one_place import training_seed
from fedmotion.models.parameters import initial_parameters
from fedmotion.models.specification import Parameters, cnn, pca_svm
from fedmotion.models.statistics import basis
from fedmotion.models.windows import window_at
from fedmotion.protocol.messages import Announcement, RoundKind, TrainSettings
from fedmotion.protocol.tensors import sha256_of


@pytest.fixture
def store(tmp_path: Path) -> Iterator[RecordingStore]:
    with RecordingStore(tmp_path / "r.sqlite", clock=lambda: 0.0) as opened:
        yield opened


@pytest.fixture
def model(model_message: Callable[..., bytes], basis_parameters: Parameters) -> LoadedModel:
    return load_model(model_message(basis_parameters, "round"), federation_id=UUID(int=11), purpose="round")


def announcement(kind: RoundKind, model: LoadedModel, round_id: int = 1) -> Announcement:
    return Announcement(
        federation_id=UUID(int=11),
        lineage_id=model.lineage_id,
        round_id=round_id,
        round_kind=kind,
        cohort=("ada",),
        deadline_s=60,
        model_sha256=model.sha256,
        settings=TrainSettings(n_epochs=3, seed=4),
    )


def fill(store: RecordingStore, takes: list[Recording]) -> None:
    for take in takes:
        assert store.add(take)


def test_training_gives_the_trained_arrays_and_the_same_bits_again(
    store: RecordingStore, takes: list[Recording], model: LoadedModel
) -> None:
    fill(store, takes)
    answer = Trainer(store, "ada").answer(announcement("train", model), model)
    assert (answer.n_windows, answer.n_steps, answer.declined) == (28, 84, "")
    assert {name: array.shape for name, array in answer.arrays.items()} == {
        "coef": (3, 8),
        "intercept": (3,),
    }
    again = Trainer(store, "ada").answer(announcement("train", model), model)
    another = Trainer(store, "bob").answer(announcement("train", model), model)
    for name, array in answer.arrays.items():
        np.testing.assert_array_equal(again.arrays[name], array)
        assert not np.array_equal(another.arrays[name], array)


def of_a_network(model: LoadedModel, takes: list[Recording]) -> LoadedModel:
    specification = cnn(model.specification.activities)
    windows = np.stack(
        [window_at(specification, take.t_us, take.samples(), take.centre_us) for take in takes]
    )
    moments = family("cnn").moments(specification, windows)
    parameters = {**initial_parameters(specification), **basis(specification, moments)}
    return dataclasses.replace(
        model, specification=specification, parameters=parameters, sha256=sha256_of(parameters)
    )


def test_a_network_is_trained_to_the_same_bits_again(
    store: RecordingStore, takes: list[Recording], model: LoadedModel
) -> None:
    fill(store, takes)
    network = of_a_network(model, takes)
    answer = Trainer(store, "ada").answer(announcement("train", network), network)
    assert (answer.n_windows, answer.n_steps, answer.declined) == (28, 6, "")
    again = Trainer(store, "ada").answer(announcement("train", network), network)
    assert {name: array.tobytes() for name, array in answer.arrays.items()} == {
        name: array.tobytes() for name, array in again.arrays.items()
    }


def test_a_round_of_a_network_is_declined_with_what_to_install_where_there_is_no_runtime(
    store: RecordingStore, takes: list[Recording], model: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(store, takes)
    network = of_a_network(model, takes)
    monkeypatch.setattr("fedmotion.models.tflite_door._of_thread", threading.local())
    for module in ("ai_edge_litert", "ai_edge_litert.interpreter", "tflite_runtime"):
        monkeypatch.setitem(sys.modules, module, None)
    answer = Trainer(store, "ada").answer(announcement("train", network), network)
    assert (answer.arrays, answer.n_windows) == ({}, 0)
    assert answer.declined.startswith(
        "a network is trained by the TFLite runtime, which is not installed: pip install 'fedmotion[tflite]'"
    )
    # Nor does a damaged graph end the work: the owner and the federation read what to do, and no path.
    monkeypatch.setattr("fedmotion.models.tflite_door.resources.files", lambda _: Path("/nowhere"))
    answer = Trainer(store, "ada").answer(announcement("train", network), network)
    assert answer.declined == (
        "the graph cnn.tflite cannot be read (No such file or directory): install fedmotion again"
    )
    # Whoever only evaluates or recognises needs none.
    assert Trainer(store, "ada").answer(announcement("evaluate", network), network).declined == ""


def test_the_seed_follows_from_settings_round_and_client() -> None:
    seeds = {training_seed(*key) for key in ((0, 1, "ada"), (1, 1, "ada"), (0, 2, "ada"), (0, 1, "bob"))}
    assert len(seeds) == 4
    assert all(0 <= seed < 2**32 for seed in seeds)
    assert training_seed(0, 1, "ada") == 0x3F30BA64


def test_statistics_are_the_windows_moments_and_fewer_than_twenty_are_declined(
    store: RecordingStore, takes: list[Recording], model: LoadedModel
) -> None:
    fill(store, takes[:19])
    trainer = Trainer(store, "ada")
    declined = trainer.answer(announcement("statistics", model), model)
    assert "at least 20 windows" in declined.declined
    assert "here are 19" in declined.declined
    assert declined.arrays == {}
    fill(store, takes[19:20])
    answer = trainer.answer(announcement("statistics", model), model)
    assert answer.n_windows == 20
    n_features = model.specification.n_features
    assert answer.arrays["mean"].shape == (n_features,)
    assert answer.arrays["scatter"].shape == (n_features, n_features)


def test_evaluation_counts_true_against_decided(
    store: RecordingStore,
    takes: list[Recording],
    model: LoadedModel,
    trained_parameters: Parameters,
) -> None:
    fill(store, takes)
    trained = dataclasses.replace(model, parameters=trained_parameters)
    answer = Trainer(store, "ada").answer(announcement("evaluate", trained), trained)
    assert answer.arrays["confusion"].tolist() == [[10, 0, 0], [0, 10, 0], [0, 0, 8]]
    assert answer.arrays["confusion"].dtype == np.int64
    assert answer.n_windows == 28
    assert answer.metrics == {"accuracy": 1.0}


def test_an_evaluation_of_fewer_than_twenty_windows_is_declined(
    store: RecordingStore, takes: list[Recording], model: LoadedModel
) -> None:
    fill(store, takes[:19])
    trainer = Trainer(store, "ada")
    declined = trainer.answer(announcement("evaluate", model), model)
    assert declined.declined.startswith("an evaluation needs at least 20 windows")
    assert (declined.arrays, declined.metrics) == ({}, {})
    fill(store, takes[19:20])
    assert trainer.answer(announcement("evaluate", model), model).n_windows == 20


@pytest.mark.parametrize("kind", ["statistics", "train", "evaluate"])
def test_the_first_answer_pins_lineage_and_specification_for_every_kind_of_round_and_each_restart(
    store: RecordingStore, takes: list[Recording], model: LoadedModel, kind: RoundKind, tmp_path: Path
) -> None:
    fill(store, takes)
    assert Trainer(store, "ada").answer(announcement(kind, model), model).declined == ""
    assert (tmp_path / "disclosed.json").exists()
    other_lineage = dataclasses.replace(model, lineage_id=UUID(int=23))
    shorter = msgspec.structs.replace(model.specification, window_length=16)
    other_specification = dataclasses.replace(model, specification=shorter)
    asked: tuple[RoundKind, ...] = ("statistics", "train", "evaluate")
    for round_id, again in enumerate(asked, start=2):
        trainer = Trainer(store, "ada")
        declined = trainer.answer(announcement(again, other_lineage, round_id), other_lineage)
        assert declined.declined.startswith(
            "this client takes part in another lineage; its owner must join again"
        )
        declined = trainer.answer(announcement(again, other_specification, round_id), other_specification)
        assert "another specification" in declined.declined
        assert declined.arrays == {}
        assert trainer._cuts == {}
        assert trainer.answer(announcement(again, model, round_id), model).declined == ""


def test_what_is_declined_pins_nothing(
    store: RecordingStore, takes: list[Recording], model: LoadedModel, tmp_path: Path
) -> None:
    fill(store, takes[:5])
    assert Trainer(store, "ada").answer(announcement("statistics", model), model).declined
    assert Trainer(store, "ada").answer(announcement("evaluate", model), model).declined
    assert not (tmp_path / "disclosed.json").exists()


def test_what_was_disclosed_and_cannot_be_read_lets_nothing_out(
    store: RecordingStore, takes: list[Recording], model: LoadedModel, tmp_path: Path
) -> None:
    fill(store, takes)
    (tmp_path / "disclosed.json").write_bytes(b"{")
    with pytest.raises(ValueError, match=r"disclosed.json is damaged .* join again"):
        Trainer(store, "ada").answer(announcement("train", model), model)


def test_statistics_asked_again_are_of_the_same_windows_until_twenty_more_have_come(
    store: RecordingStore, takes: list[Recording], model: LoadedModel
) -> None:
    fill(store, takes[:20])
    first = Trainer(store, "ada").answer(announcement("statistics", model), model)
    fill(store, takes[20:])
    more = [dataclasses.replace(take, board_id=take.board_id + 1) for take in takes]
    fill(store, more[:11])
    again = Trainer(store, "ada").answer(announcement("statistics", model, 2), model)
    assert again.n_windows == 20
    for name, array in first.arrays.items():
        np.testing.assert_array_equal(again.arrays[name], array)
    fill(store, more[11:12])
    larger = Trainer(store, "ada").answer(announcement("statistics", model, 3), model)
    assert larger.n_windows == 40


def test_no_statistics_after_a_deletion_even_where_another_recording_has_the_deleted_ones_id(
    store: RecordingStore, takes: list[Recording], model: LoadedModel
) -> None:
    fill(store, takes[:20])
    assert Trainer(store, "ada").answer(announcement("statistics", model), model).n_windows == 20
    last = store.recording_ids()[-1]
    store.remove(last)
    fill(store, takes[20:21])
    assert store.recording_ids()[-1] == last
    declined = Trainer(store, "ada").answer(announcement("statistics", model, 2), model)
    assert declined.declined.startswith(
        "recordings were deleted here, or relabelled, since the last statistics"
    )


def test_a_deletion_declines_statistics_and_its_undo_gives_the_same_again(
    store: RecordingStore, takes: list[Recording], model: LoadedModel
) -> None:
    fill(store, takes[:22])
    trainer = Trainer(store, "ada")
    first = trainer.answer(announcement("statistics", model), model)
    store.delete([22])
    declined = trainer.answer(announcement("statistics", model, 2), model)
    assert declined.declined.startswith("recordings were deleted here")
    store.restore([22])
    again = trainer.answer(announcement("statistics", model, 3), model)
    assert again.n_windows == 22
    for name, array in first.arrays.items():
        np.testing.assert_array_equal(again.arrays[name], array)


def test_a_trainer_at_work_sees_what_another_program_relabelled(
    store: RecordingStore, takes: list[Recording], model: LoadedModel
) -> None:
    fill(store, takes)
    trainer = Trainer(store, "ada")
    before = trainer.local_windows(model.specification)
    other = model.specification.activities.index("other")
    assert np.count_nonzero(before.labels == other) == 8
    with RecordingStore(store.path, clock=lambda: 0.0) as another:
        assert another.relabel([1, 2], "other") == sum(take.label != "other" for take in takes[:2])
        after = trainer.local_windows(model.specification)
        of_take = dict(zip(after.takes, after.labels.tolist(), strict=True))
        assert [of_take[take.take_sha256().hex()] for take in takes[:2]] == [other, other]
        assert sorted(after.takes) == sorted(before.takes)
        another.relabel([1, 2], "wave")
    after = trainer.local_windows(model.specification)
    assert (len(after.labels), after.n_unknown["wave"]) == (len(takes) - 2, 2)


def test_imported_samples_give_the_windows_that_the_boards_own_counts_give(
    store: RecordingStore, takes: list[Recording], model: LoadedModel, tmp_path: Path
) -> None:
    fill(store, takes)
    with RecordingStore(tmp_path / "imported.sqlite", clock=lambda: 0.0) as imported:
        for take in takes:
            imported.add(
                dataclasses.replace(
                    take,
                    counts=np.empty((0, 6), np.int16),
                    accel_scale_mps2=0.0,
                    gyro_scale_radps=0.0,
                    si=take.samples(),
                )
            )
        windows = Trainer(imported, "ada").local_windows(model.specification)
    own = Trainer(store, "ada").local_windows(model.specification)
    np.testing.assert_array_equal(windows.windows, own.windows)
    np.testing.assert_array_equal(windows.labels, own.labels)


def test_what_is_beyond_the_budget_is_declined_before_a_window_is_cut(
    store: RecordingStore, takes: list[Recording], model: LoadedModel
) -> None:
    fill(store, takes)
    trainer = Trainer(store, "ada")
    for settings, reason in (
        (TrainSettings(n_epochs=10_000), "at most 1000 epochs a round, got 10000"),
        (TrainSettings(n_epochs=1_000, batch_size=1), "these settings ask for 84000"),
    ):
        round_ = msgspec.structs.replace(announcement("train", model), settings=settings)
        assert reason in trainer.answer(round_, model).declined
    assert trainer._cuts == {}


def test_without_recordings_it_declines(store: RecordingStore, model: LoadedModel) -> None:
    answer = Trainer(store, "ada").answer(announcement("train", model), model)
    assert answer.declined == "there are no recordings here yet"


def test_labels_that_the_federation_does_not_have_stand_for_nothing(
    store: RecordingStore, takes: list[Recording], model: LoadedModel, caplog: pytest.LogCaptureFixture
) -> None:
    fill(store, [dataclasses.replace(take, label="wave") for take in takes[:5]])
    trainer = Trainer(store, "ada")
    declined = trainer.answer(announcement("train", model), model)
    assert declined.declined == "no recording here is of an activity of this federation"
    fill(store, takes[5:])
    answer = trainer.answer(announcement("train", model, 2), model)
    assert answer.n_windows == 23
    assert "n_unused" not in answer.metrics
    assert "client=ada round=2 recordings without a place in this federation: wave (5)" in caplog.text
    local = trainer.local_windows(model.specification)
    assert local.n_unknown == {"wave": 5}
    assert len(local.labels) == 23


def test_windows_are_cut_once_and_follow_the_store_and_the_specification(
    store: RecordingStore, takes: list[Recording], model: LoadedModel
) -> None:
    fill(store, takes[:3])
    trainer = Trainer(store, "ada")
    first = trainer.local_windows(model.specification)
    kept = [cut.window for cut in trainer._cuts.values()]
    fill(store, takes[3:5])
    store.remove(store.recording_ids()[0])
    second = trainer.local_windows(model.specification)
    assert len(first.windows) == 3
    assert len(second.windows) == 4
    np.testing.assert_array_equal(second.windows[:2], first.windows[1:])
    assert next(cut.window for cut in trainer._cuts.values()) is kept[1]
    # Other labels need no new windows; another length does.
    renamed = msgspec.structs.replace(model.specification, activities=("left", "swipe_right", "other"))
    trainer.local_windows(renamed)
    assert next(cut.window for cut in trainer._cuts.values()) is kept[1]
    longer = pca_svm(("swipe_left", "swipe_right", "other"), n_components=8, window_length=128)
    assert trainer.local_windows(longer).windows.shape == (4, 128, 6)


def test_a_damaged_recording_is_left_out_and_the_others_are_trained_on(
    store: RecordingStore,
    takes: list[Recording],
    model: LoadedModel,
    caplog: pytest.LogCaptureFixture,
) -> None:
    fill(store, takes[:5])
    damaged = store.recording_ids()[2]
    store._execute("UPDATE recordings SET counts = zeroblob(7) WHERE recording_id = ?", (damaged,))
    answer = Trainer(store, "ada").answer(announcement("train", model), model)
    assert answer.n_windows == 4
    assert f"client=ada trains without one: recording {damaged} of " in caplog.text


def larger_model(model: LoadedModel, *added: str) -> LoadedModel:
    """Return the model of the lineage that begins where `added` are accepted."""
    larger = with_activities(model.specification, (*model.specification.activities, *added))
    parameters = grown(model.specification, model.parameters, larger)
    return LoadedModel(UUID(int=99), 0, sha256_of(parameters), larger, parameters)


def test_a_client_follows_its_federations_growth_without_joining_again(
    store: RecordingStore, takes: list[Recording], model: LoadedModel
) -> None:
    fill(store, takes)
    trainer = Trainer(store, "ada")
    assert trainer.answer(announcement("train", model), model).declined == ""
    larger = larger_model(model, "circle")
    answer = trainer.answer(announcement("train", larger, 2), larger)
    assert (answer.declined, answer.n_windows, answer.arrays["coef"].shape) == ("", 28, (4, 8))
    again = larger_model(larger_model(model, "circle"), "square")
    again = dataclasses.replace(again, lineage_id=UUID(int=100))
    assert trainer.answer(announcement("evaluate", again, 3), again).arrays["confusion"].shape == (5, 5)
    # Not back, and not to another set of the same names.
    assert "another lineage" in trainer.answer(announcement("train", larger, 4), larger).declined


def test_takes_of_a_gesture_that_came_later_teach_only_where_their_owner_agreed(
    store: RecordingStore, takes: list[Recording], model: LoadedModel, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    fill(
        store,
        [dataclasses.replace(take, label="circle") if take.label == "swipe_left" else take for take in takes],
    )
    taught: set[str] = set()
    trainer = Trainer(store, "ada", taught=lambda: taught)
    assert trainer.answer(announcement("train", model), model).n_windows == 18
    larger = larger_model(model, "circle")
    assert trainer.answer(announcement("train", larger, 2), larger).n_windows == 18
    assert "client=ada stays out of what it does not teach: circle (10)" in caplog.text
    # Not even how many there are is told.
    assert "18" in trainer.answer(announcement("evaluate", larger, 3), larger).declined
    taught.add("circle")
    assert trainer.answer(announcement("train", larger, 4), larger).n_windows == 28
    assert trainer.answer(announcement("evaluate", larger, 5), larger).arrays["confusion"][3].sum() == 10


@pytest.mark.parametrize("change", ["basis", "order", "components", "rate"])
def test_what_is_more_than_growth_asks_the_owner_to_join_again(
    store: RecordingStore, takes: list[Recording], model: LoadedModel, change: str
) -> None:
    fill(store, takes)
    trainer = Trainer(store, "ada")
    assert trainer.answer(announcement("train", model), model).declined == ""
    activities = (*model.specification.activities, "circle")
    larger = larger_model(model, "circle")
    if change == "basis":
        parameters = {**larger.parameters, "mean": larger.parameters["mean"] + 1e-9}
        larger = dataclasses.replace(larger, parameters=parameters)
    if change == "order":
        larger = dataclasses.replace(
            larger, specification=with_activities(model.specification, tuple(reversed(activities)))
        )
    if change == "components":
        larger = dataclasses.replace(larger, specification=pca_svm(activities, n_components=8, seed=1))
    if change == "rate":
        larger = dataclasses.replace(larger, specification=pca_svm(activities, n_components=8, rate_hz=60))
    assert "join again" in trainer.answer(announcement("train", larger, 2), larger).declined


def test_who_joins_again_agrees_to_all_that_the_federation_has_then(
    store: RecordingStore, takes: list[Recording], model: LoadedModel
) -> None:
    fill(
        store,
        [dataclasses.replace(take, label="circle") if take.label == "swipe_left" else take for take in takes],
    )
    larger = larger_model(model, "circle")
    assert Trainer(store, "ada").answer(announcement("train", larger), larger).n_windows == 28
