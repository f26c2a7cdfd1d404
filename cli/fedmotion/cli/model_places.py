"""Where models are on this host: files, the profiles of agents, and the stores of aggregators."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import msgspec

from fedmotion.aggregator.federation_records import Federation, KeptModel
from fedmotion.aggregator.federation_store import FederationStore
from fedmotion.cli.aggregator_folder import AggregatorFolder
from fedmotion.host.personal_model import PersonalFiles, PersonalRecord
from fedmotion.host.profile import Profile, find_profile, profiles_directory
from fedmotion.host.released_model import read_model_file, this_program
from fedmotion.models.model_file import SUFFIX, StoredModel
from fedmotion.protocol.tensors import decode_own_arrays

_T = TypeVar("_T")
_AT_OWN = "@own"
_AT_PERSONAL = "@personal"
_DEMO_STORE = "federation.sqlite"

MODEL_SYNTAX = """\b
MODEL is one of
  swipes.safetensors    a model file
  anna                  the released model that the profile anna keeps, else its own
  anna@personal         what was made of the released model with its recordings
  anna@own              the model that `fedmotion train` made of its recordings
  federation            the released model of the aggregator's folder
  federation@12         its model of round 12, 0 being the initial one
A file or folder of that name comes before a profile.
"""


class ModelRow(msgspec.Struct, frozen=True, kw_only=True):
    """One line of `fedmotion models list`; `where` is how the other commands name the model."""

    where: str
    federation: str
    lineage_id: str
    round_id: int
    is_released: bool
    family: str
    activities: tuple[str, ...]
    n_bytes: int
    sha256: str
    date_utc: str


def find_model(text: str, round_id: int | None = None) -> StoredModel:
    """Return the model that `text` names, see MODEL_SYNTAX; of `round_id` where one is given.

    Raises
    ------
    ValueError, OSError
        If there is none, or it cannot be used.
    """
    model = _find(text, round_id)
    if round_id is not None and model.round_id != round_id:
        raise ValueError(f"{text} holds the model of round {model.round_id} only, got round {round_id}")
    return model


def personal_record(text: str) -> PersonalRecord | None:
    """Return how the personal model that `text` names was made; None of another or where it is not known."""
    if not text.endswith(_AT_PERSONAL) or Path(text).expanduser().is_file():
        return None
    return PersonalFiles(_profile(text.removesuffix(_AT_PERSONAL)).personal_model).read_record()


def rows_of_profile(name: str) -> list[ModelRow]:
    """Return the models that a profile keeps: the released one and its own, as far as there are any.

    Raises
    ------
    ValueError, OSError
        If there is no such profile, or its model cannot be used.
    """
    profile = find_profile(name)
    if not profile.directory.is_dir():
        raise ValueError(_no_such_model(name))
    paths = {
        name: profile.released_model,
        f"{name}{_AT_PERSONAL}": profile.personal_model,
        f"{name}{_AT_OWN}": profile.own_model,
    }
    return [_row_of_file(where, path) for where, path in paths.items() if path.exists()]


def rows_of_aggregator(folder: Path) -> list[ModelRow]:
    """Return the models that an aggregator's store keeps, also while the aggregator runs.

    Raises
    ------
    ValueError, OSError
        If the folder is no aggregator's, or its store cannot be read.
    """
    with _reading(folder) as (store, federation):
        released = store.released_model()
        return [
            ModelRow(
                where=f"{folder}@{kept.reference.round_id}",
                federation=federation.name,
                lineage_id=str(kept.reference.lineage_id),
                round_id=kept.reference.round_id,
                is_released=kept.reference == released,
                family=store.specification_of(kept.reference.lineage_id).family,
                activities=store.specification_of(kept.reference.lineage_id).activities,
                n_bytes=kept.n_bytes,
                sha256=kept.reference.sha256.hex(),
                date_utc=_iso(kept),
            )
            for kept in store.kept_models()
        ]


def rows_of_folder(folder: Path) -> Iterator[ModelRow | str]:
    """Yield the models of a folder: an aggregator's, a profile's or one with model files.

    What cannot be used is one sentence and keeps no other from being listed.
    """
    if is_aggregator(folder):
        yield from _or_sentence(rows_of_aggregator, folder)
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        yield from _or_sentence(_rows_of_file, path)


def rows_here(default_folder: Path) -> Iterator[ModelRow | str]:
    """Yield the models of all profiles and of the aggregator's folder of default name, if it is there."""
    if is_aggregator(default_folder):
        yield from _or_sentence(rows_of_aggregator, default_folder)
    root = profiles_directory()
    for path in sorted(root.iterdir()) if root.is_dir() else ():
        if path.is_dir():
            yield from _or_sentence(rows_of_profile, path.name)


def is_aggregator(folder: Path) -> bool:
    """Return whether `folder` is an aggregator's, or a demo's (`--keep`), which has no configuration."""
    return AggregatorFolder(folder).configuration_path.is_file() or (folder / _DEMO_STORE).is_file()


def _find(text: str, round_id: int | None) -> StoredModel:
    path = Path(text).expanduser()
    if path.is_file():
        return read_model_file(path)
    if text.endswith(_AT_PERSONAL):
        return _personal_model(text.removesuffix(_AT_PERSONAL))
    if text.endswith(_AT_OWN):
        return _own_model(text.removesuffix(_AT_OWN))
    folder, at, asked = text.rpartition("@")
    if at and is_aggregator(Path(folder).expanduser()):
        if not asked.isdecimal() or len(asked) > 15:
            raise ValueError(f"a model of an aggregator is FOLDER@ROUND with a round's number, got {text!r}")
        return _of_aggregator(Path(folder).expanduser(), int(asked))
    if path.is_dir() and is_aggregator(path):
        return _of_aggregator(path, round_id)
    profile = _profile(text)
    for kept in (profile.released_model, profile.own_model):
        if kept.exists():
            return read_model_file(kept)
    if profile.invitation.exists():
        raise ValueError(
            f"the profile {text} has met no released model yet: run `fedmotion agent` or `recognise` with it "
            "once its federation has released one"
        )
    raise ValueError(_no_such_model(text))


def _profile(text: str) -> Profile:
    path = Path(text).expanduser()
    if path.is_dir() or "/" in text:
        return Profile(path)
    try:
        return find_profile(text)
    except ValueError:
        raise ValueError(_no_such_model(text)) from None


def _own_model(text: str) -> StoredModel:
    profile = _profile(text)
    if not profile.own_model.exists():
        raise ValueError(
            f"the profile {text} has no model of its own: `fedmotion train --profile {text}` makes one"
        )
    return read_model_file(profile.own_model)


def _personal_model(text: str) -> StoredModel:
    profile = _profile(text)
    if not profile.personal_model.exists():
        raise ValueError(
            f"the profile {text} has no personal model: its agent makes one after a release, once there are "
            "takes of each activity to train on and to hold out (docs/personal.md)"
        )
    return read_model_file(profile.personal_model)


def _of_aggregator(folder: Path, round_id: int | None) -> StoredModel:
    with _reading(folder) as (store, federation):
        kept = store.kept_models()
        rounds = ", ".join(str(each.reference.round_id) for each in kept)
        if round_id is None:
            released = store.released_model()
            found = [each for each in kept if each.reference == released]
            if not found:
                raise ValueError(
                    f"{folder} has released no model yet: name one of its rounds', {folder}@N, N of {rounds}"
                )
        else:
            found = [each for each in kept if each.reference.round_id == round_id]
            if not found:
                raise ValueError(f"{folder} keeps the models of rounds {rounds}, got {round_id}")
        # An initial model has round 0 in each lineage: the newest one's comes last.
        model = found[-1]
        return StoredModel(
            federation=federation.name,
            federation_id=federation.federation_id,
            lineage_id=model.reference.lineage_id,
            round_id=model.reference.round_id,
            sha256=model.reference.sha256,
            specification=store.specification_of(model.reference.lineage_id),
            parameters=decode_own_arrays(store.arrays_of(model.reference)),
            written_utc=_iso(model),
            written_by=this_program(),
        )


@contextmanager
def _reading(folder: Path) -> Iterator[tuple[FederationStore, Federation]]:
    aggregator = AggregatorFolder(folder)
    is_demo = not aggregator.configuration_path.exists() and is_aggregator(folder)
    path = folder / (_DEMO_STORE if is_demo else aggregator.read_configuration().store)
    with FederationStore(path, read_only=True) as store:
        federation = store.federation()
        if federation is None:
            raise ValueError(f"{path} holds no federation yet: start `fedmotion aggregator --data {folder}`")
        yield store, federation


def _rows_of_file(path: Path) -> list[ModelRow]:
    return [_row_of_file(str(path), path)]


def _row_of_file(where: str, path: Path) -> ModelRow:
    model = read_model_file(path)
    return ModelRow(
        where=where,
        federation=model.federation,
        lineage_id=str(model.lineage_id),
        round_id=model.round_id,
        is_released=path.name == Profile(path.parent).released_model.name,
        family=model.specification.family,
        activities=model.specification.activities,
        n_bytes=path.stat().st_size,
        sha256=model.sha256.hex(),
        date_utc=model.written_utc,
    )


def _or_sentence(rows_of: Callable[[_T], list[ModelRow]], place: _T) -> Iterator[ModelRow | str]:
    try:
        yield from rows_of(place)
    except (OSError, ValueError) as error:
        yield str(error)


def _iso(model: KeptModel) -> str:
    return model.made_utc.replace(" ", "T") + "Z"


def _no_such_model(text: str) -> str:
    return (
        f"there is no model {text!r}: name a model file, a profile, or an aggregator's FOLDER or "
        "FOLDER@ROUND; `fedmotion models list` shows those here"
    )
