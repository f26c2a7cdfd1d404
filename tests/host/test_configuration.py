from pathlib import Path

import pytest

from fedmotion.host.configuration import AgentConfiguration, describe_keys, read_configuration


def test_a_file_is_read_and_what_it_leaves_out_has_its_default(tmp_path: Path) -> None:
    path = tmp_path / "agent.toml"
    path.write_text('port = "/dev/ttyUSB0"\nperson = "ada"\nhand = "left"\n')
    configuration = read_configuration(path)
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
        ("no toml", "is wrong"),
    ],
)
def test_a_wrong_key_or_value_is_told_in_words(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "agent.toml"
    path.write_text(text)
    with pytest.raises(ValueError, match=sentence):
        read_configuration(path)


def test_an_unknown_key_is_answered_with_those_that_there_are(tmp_path: Path) -> None:
    path = tmp_path / "agent.toml"
    path.write_text("speed = 3")
    with pytest.raises(ValueError, match=r"its keys are profile, port, baud, person, hand"):
        read_configuration(path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cannot be read"):
        read_configuration(tmp_path / "absent.toml")


def test_every_key_has_a_description() -> None:
    described = describe_keys()
    assert [name for name, _, _ in described] == list(AgentConfiguration.__struct_fields__)
    assert all(len(sentence) > 10 for _, _, sentence in described)
