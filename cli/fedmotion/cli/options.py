"""Options from configuration structs: every key of a program's TOML file is an option of the same name."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec

from fedmotion.protocol.configuration import Key, build, describe, parse_toml

_F = TypeVar("_F", bound=Callable[..., object])
_C = TypeVar("_C", bound=msgspec.Struct)


def configuration_options(
    struct: type[msgspec.Struct], leave_out: frozenset[str] = frozenset()
) -> Callable[[_F], _F]:
    """Return a decorator that adds an option for each key of `struct` but those left out.

    Options that are not given are None, so that the file's value or the default counts.
    """

    def decorate(function: _F) -> _F:
        for key in reversed(describe(struct)):
            if key.name not in leave_out:
                function = _option(key)(function)
        return function

    return decorate


def configure(struct: type[_C], path: Path | None, options: Mapping[str, Any], name: str) -> _C:
    """Return the configuration of the file at `path`, if there is one, with the options given over it.

    Raises
    ------
    ValueError
        If a key or value is wrong.
    """
    keys = {} if path is None else parse_toml(path.read_bytes(), str(path))
    given = {key: value for key, value in options.items() if value is not None}
    return build(struct, {**keys, **given}, name if path is None else f"{name} ({path})")


def _option(key: Key) -> Callable[[_F], _F]:
    flag = f"--{key.name.replace('_', '-')}"
    help_text = key.description
    if key.default is not msgspec.NODEFAULT and key.default not in {"", ()}:
        help_text += f"  [default: {str(key.default).lower() if key.type is bool else key.default}]"
    if key.type is bool:
        return click.option(f"{flag}/--no-{flag[2:]}", key.name, default=None, help=help_text)
    if key.type is tuple:
        return click.option(flag, key.name, type=CommaSeparated(), help=help_text)
    return click.option(
        flag, key.name, type=click.Choice(key.choices) if key.choices else key.type, help=help_text
    )


class CommaSeparated(click.ParamType[tuple[str, ...]]):
    """`a,b,c` as a tuple of strings."""

    name = "a,b,..."

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        """Return the parts without the spaces around them."""
        if isinstance(value, tuple):
            return value
        parts = tuple(part.strip() for part in str(value).split(","))
        if not all(parts):
            self.fail(f"expected a,b,... without empty parts, got {value!r}", param, ctx)
        return parts
