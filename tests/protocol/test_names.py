"""Names of clients and labels, and the topics made of them."""

import pytest

from fedmotion.protocol.identity import check_client_id, check_federation, check_label
from fedmotion.protocol.topics import Topics

TOPICS = Topics("home")


@pytest.mark.parametrize("name", ["a", "anna", "ben-2", "0", "-", "a" * 32])
def test_a_name_is_of_small_letters_digits_and_hyphens(name: str) -> None:
    assert check_client_id(name) == name
    assert check_federation(name) == name


@pytest.mark.parametrize("name", ["", "a" * 33, "Anna", "a b", "a\n", "a/b", "+", "#", "ä", "²", "..", "a\0"])
def test_anything_else_is_no_name(name: str) -> None:
    with pytest.raises(ValueError, match="a client id is 1 to 32 of a-z, 0-9 and hyphen"):
        check_client_id(name)
    with pytest.raises(ValueError, match="a federation's name is 1 to 32"):
        check_federation(name)
    with pytest.raises(ValueError, match="a federation's name is 1 to 32"):
        Topics(name)


@pytest.mark.parametrize("label", ["swipe left", "größe", "左から右", "👋", "a" * 64, "left wrist"])
def test_a_label_is_what_people_write(label: str) -> None:
    assert check_label(label) == label


@pytest.mark.parametrize(
    ("label", "reason"),
    [
        ("", "not empty"),
        (" a", "no spaces around"),
        ("a\n", "no spaces around"),
        ("a\nb", "no control characters"),
        ("a\x1b[2Jb", "no control characters"),
        ("a\u2028b", "no control characters"),
        ("a\ud800", "no control characters"),
        ("a" * 65, "at most 64 bytes"),
        ("ö" * 33, "at most 64 bytes"),
        ("o\u0308", "form NFC"),
    ],
)
def test_a_label_that_could_confuse_is_refused(label: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        check_label(label)


def test_the_topics_are_those_of_the_document() -> None:
    assert TOPICS.announcement == "fedmotion/v1/home/round"
    assert TOPICS.aggregator == "fedmotion/v1/home/aggregator"
    assert TOPICS.model("round", 3) == "fedmotion/v1/home/model/round/3"
    assert TOPICS.model("released") == "fedmotion/v1/home/model/released/+"
    assert TOPICS.presence("anna") == "fedmotion/v1/home/client/anna/presence"
    assert TOPICS.presence() == "fedmotion/v1/home/client/+/presence"
    assert TOPICS.contribution("anna") == "fedmotion/v1/home/client/anna/contribution"
    assert TOPICS.receipt("anna") == "fedmotion/v1/home/receipt/anna"


def test_a_clients_topic_tells_the_client() -> None:
    assert TOPICS.client_of("fedmotion/v1/home/client/anna/contribution") == "anna"
    assert TOPICS.client_of(TOPICS.presence("ben-2")) == "ben-2"


@pytest.mark.parametrize(
    "topic",
    [
        "",
        "fedmotion/v1/home/round",
        "fedmotion/v1/home/client/",
        "fedmotion/v1/home/client/anna",
        "fedmotion/v1/home/client/anna/a/b",
        "fedmotion/v1/home/client/+/presence",
        "fedmotion/v1/home/client//presence",
        "fedmotion/v1/other/client/anna/presence",
        "fedmotion/v2/home/client/anna/presence",
        "x/fedmotion/v1/home/client/anna/presence",
        "fedmotion/v1/home/client/fedmotion/v1/home/client/anna/presence",
    ],
)
def test_a_topic_of_no_client_is_refused(topic: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        TOPICS.client_of(topic)


@pytest.mark.parametrize("name", ["#", "a/b", "+/x"])
def test_a_topic_is_not_made_of_what_is_no_name(name: str) -> None:
    for topic_of in (TOPICS.presence, TOPICS.contribution, TOPICS.receipt):
        with pytest.raises(ValueError, match="a client id is"):
            topic_of(name)
