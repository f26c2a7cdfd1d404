from collections import Counter
from pathlib import Path

import pytest

from fedmotion.host.held_out import Dealt, HeldOutTakes, deal
from fedmotion.host.recording_store import Recording, RecordingStore
from fedmotion.host.trainer import Trainer
from fedmotion.models.specification import Specification


def takes_of(**n_by_label: int) -> dict[str, str]:
    return {f"{label} {index}": label for label, n in n_by_label.items() for index in range(n)}


def held_by_label(dealt: Dealt, labels: dict[str, str]) -> Counter[str]:
    return Counter(labels[take] for take in dealt.held_out)


def test_a_fifth_of_each_label_is_held_out_where_twenty_stay_for_training() -> None:
    labels = takes_of(left=10, right=10, other=15)
    dealt = deal(labels, Dealt(), 0.2)
    assert held_by_label(dealt, labels) == {"left": 2, "right": 2, "other": 3}
    assert len(dealt.trained_on) == 28
    assert not set(dealt.trained_on) & set(dealt.held_out)


def test_the_first_twenty_takes_are_all_trained_on_and_labels_take_turns_beyond() -> None:
    assert deal(takes_of(left=10, right=10), Dealt(), 0.2).held_out == ()
    labels = takes_of(left=10, right=12)
    assert held_by_label(deal(labels, Dealt(), 0.2), labels) == {"left": 1, "right": 1}


def test_what_was_trained_on_is_never_held_out_and_what_was_held_out_never_trained_on() -> None:
    before = deal(takes_of(left=10, right=10), Dealt(), 0.2)
    labels = takes_of(left=40, right=40)
    after = deal(labels, before, 0.2)
    assert held_by_label(after, labels) == {"left": 8, "right": 8}
    assert not set(before.trained_on) & set(after.held_out)
    # Fewer there than before: nobody changes sides, and who comes back is where he was.
    fewer = deal(takes_of(left=12, right=12), after, 0.2)
    assert fewer == after


def test_who_wants_nothing_held_out_gives_all_of_it_to_training_for_good() -> None:
    labels = takes_of(left=20, right=20)
    dealt = deal(labels, deal(labels, Dealt(), 0.2), 0)
    assert (len(dealt.trained_on), dealt.held_out) == (40, ())
    assert deal(labels, dealt, 0.2).held_out == ()


def test_the_order_of_recording_does_not_choose() -> None:
    labels = takes_of(left=20, right=20)
    turned = dict(reversed(labels.items()))
    assert set(deal(labels, Dealt(), 0.2).held_out) == set(deal(turned, Dealt(), 0.2).held_out)


def test_no_answer_of_a_trainer_has_a_take_that_is_held_out(
    tmp_path: Path, takes: list[Recording], specification: Specification
) -> None:
    with RecordingStore(tmp_path / "r.sqlite", clock=lambda: 0.0) as store:
        for take in takes:
            store.add(take)
        path = tmp_path / "held_out.json"
        trainer = Trainer(store, "ada", held_out=HeldOutTakes(path, 0.2))
        trained = set(trainer.local_windows(specification).takes)
        held = set(trainer.held_out_windows(specification).takes)
        assert (len(trained), len(held)) == (23, 5)
        assert trained.isdisjoint(held)
        # A new take or a restart moves nobody.
        again = Trainer(store, "ada", held_out=HeldOutTakes(path, 0.5))
        assert trained <= set(again.local_windows(specification).takes)
        path.write_text("{")
        with pytest.raises(ValueError, match="delete it to deal all takes anew"):
            Trainer(store, "ada", held_out=HeldOutTakes(path, 0.2)).local_windows(specification)
