import pytest

from fedmotion.host.configuration import AgentConfiguration
from fedmotion.protocol.configuration import build, describe, parse_toml


def read(text: str) -> AgentConfiguration:
    return build(AgentConfiguration, parse_toml(text.encode(), "agent.toml"), "the agent").check()


def test_a_file_is_read_and_what_it_leaves_out_has_its_default() -> None:
    configuration = read('port = "/dev/ttyUSB0"\nperson = "ada"\nhand = "left"\n')
    assert configuration == AgentConfiguration(port="/dev/ttyUSB0", person="ada", hand="left")
    assert configuration.baud == 500_000
    assert (configuration.placement.hand, configuration.placement.mounting) == ("left", "unset")
    assert configuration.logging_level == 20


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('prot = "/dev/ttyUSB0"', "prot"),
        ("baud = 1", "baud"),
        ('baud = "fast"', "baud"),
        ('hand = "third"', "third"),
        ('person = ""', "person is not empty"),
        ('port = "socket://nowhere"', "socket://HOST:PORT"),
        ("is_other_recorded = true", "needs marks"),
        ("resend_s = 0", "resend_s"),
        ('log_level = "loud"', "loud"),
        ("no toml", "agent.toml is not TOML"),
    ],
)
def test_a_wrong_key_or_value_is_told_in_words(text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        read(text)


def test_an_unknown_key_is_answered_with_those_that_there_are() -> None:
    with pytest.raises(
        ValueError, match=r"there is no key 'speed': the keys are profile, port, baud, person"
    ):
        read("speed = 3")


def test_every_key_has_a_description() -> None:
    described = describe(AgentConfiguration)
    assert [key.name for key in described] == list(AgentConfiguration.__struct_fields__)
    assert all(len(key.description) > 10 for key in described)
