from typing import Annotated, Literal

import msgspec
import pytest

from fedmotion.protocol.configuration import build, describe, parse_toml


class Example(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: Annotated[str, msgspec.Meta(description="who")]
    labels: Annotated[tuple[str, ...], msgspec.Meta(description="what")] = ()
    rate_hz: Annotated[float, msgspec.Meta(description="how often", ge=1)] = 50.0
    hand: Annotated[Literal["left", "right"], msgspec.Meta(description="which")] = "left"


def test_keys_are_described_with_type_choices_and_default() -> None:
    name, labels, rate, hand = describe(Example)
    assert (name.type, name.default, name.description) == (str, msgspec.NODEFAULT, "who")
    assert (labels.type, labels.default) == (tuple, ())
    assert (rate.type, rate.default) == (float, 50.0)
    assert (hand.type, hand.choices) == (str, ("left", "right"))


def test_a_configuration_is_built_from_toml_with_options_over_it() -> None:
    keys = parse_toml(b'name = "ada"\nrate_hz = 20', "ada.toml")
    assert build(Example, {**keys, "rate_hz": 25.0}, "the example") == Example(name="ada", rate_hz=25.0)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('name = "a"\nlables = []', r"^the example: there is no key 'lables': did you mean 'labels'\?$"),
        ('name = "a"\nzzz = 1', "there is no key 'zzz': the keys are name, labels, rate_hz, hand"),
        ("", "the key 'name' must be given"),
        ('name = "a"\nrate_hz = 0', r"Expected `float` >= 1.0 - at `\$.rate_hz`"),
        ('name = "a"\nhand = "third"', "Invalid enum value 'third'"),
        ('name = "a"\nlabels = "x"', r"Expected `array`, got `str` - at `\$.labels`"),
    ],
)
def test_what_may_not_be_is_told_by_name(text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        build(Example, parse_toml(text.encode(), "a.toml"), "the example")


@pytest.mark.parametrize("data", [b"= 3", b"\xff\xfe", b"[" * 20_000])
def test_what_is_no_toml_is_told_with_the_files_name(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"^a\.toml is not TOML"):
        parse_toml(data, "a.toml")
