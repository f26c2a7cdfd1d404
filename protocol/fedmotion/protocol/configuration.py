"""Configuration of a program: keys from one TOML file and from options, checked once against one struct.

A configuration is a msgspec struct whose fields carry a description and a range (`msgspec.Meta`), so that
help pages, checks and documentation all come from the same line.
"""

import difflib
import re
import types
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import msgspec

_C = TypeVar("_C", bound=msgspec.Struct)


@dataclass(frozen=True, slots=True)
class Key:
    """One key: its default (`msgspec.NODEFAULT` where it must be given) and what it means."""

    name: str
    type: type
    choices: tuple[str, ...]
    default: object
    description: str


def describe(struct: type[msgspec.Struct]) -> tuple[Key, ...]:
    """Return the keys of `struct` in order; choices are those of a Literal, else empty."""
    hints = get_type_hints(struct, include_extras=True)
    return tuple(_key(field, hints[field.name]) for field in msgspec.structs.fields(struct))


def parse_toml(data: bytes, name: str) -> dict[str, Any]:
    """Return the keys in a TOML file's bytes; raises ValueError where `name` is no TOML."""
    try:
        keys: dict[str, Any] = msgspec.toml.decode(data)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise ValueError(f"{name} is not TOML: {error}") from None
    return keys


def build(struct: type[_C], keys: Mapping[str, Any], name: str) -> _C:
    """Return the configuration that `keys` give.

    Raises
    ------
    ValueError
        If a key does not exist (with the nearest one that does), is missing, or has a value that may not
        be. `name` says whose configuration it is.
    """
    try:
        return msgspec.convert(dict(keys), struct)
    except msgspec.ValidationError as error:
        raise ValueError(f"{name}: {_explain(str(error), struct)}") from None


def _key(field: msgspec.structs.FieldInfo, hint: object) -> Key:
    description = ""
    if get_origin(hint) is Annotated:
        hint, *metas = get_args(hint)
        description = next(
            (meta.description for meta in metas if isinstance(meta, msgspec.Meta) and meta.description), ""
        )
    choices: tuple[str, ...] = ()
    if get_origin(hint) is Literal:
        choices, hint = get_args(hint), str
    elif isinstance(hint, types.GenericAlias):
        hint = get_origin(hint)
    if not isinstance(hint, type):
        raise TypeError(f"a key is a string, number, boolean or list, {field.name} is {hint}")
    return Key(field.name, hint, choices, field.default, description)


def _explain(text: str, struct: type[msgspec.Struct]) -> str:
    if unknown := re.search(r"unknown field `(.*)`", text):
        keys = struct.__struct_fields__
        near = difflib.get_close_matches(unknown[1], keys, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"the keys are {', '.join(keys)}"
        return f"there is no key {unknown[1]!r}: {hint}"
    if missing := re.search(r"missing required field `(.*)`", text):
        return f"the key {missing[1]!r} must be given"
    return text
