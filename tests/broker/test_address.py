import pytest

from fedmotion.broker.address import Address, parse_address


def test_a_whole_url_is_read() -> None:
    assert parse_address("mqtt://anna:secret@example.org:1884") == Address(
        "example.org", 1884, "anna", "secret", None
    )


def test_the_port_follows_from_the_scheme() -> None:
    assert parse_address("mqtt://example.org").port == 1883
    assert parse_address("mqtts://example.org").port == 8883


def test_tls_trusts_the_system_or_one_file() -> None:
    assert parse_address("mqtts://example.org").tls_ca == ""
    assert parse_address("mqtts://example.org?ca=/etc/ca.pem").tls_ca == "/etc/ca.pem"


@pytest.mark.parametrize(
    "address",
    [
        Address("example.org"),
        Address("::1", 1884),
        Address("example.org", 8883, "anna", "p@ss:w/o#rd?", ""),
        Address("example.org", 1, "anna", "x", "/a folder/ca.pem"),
    ],
)
def test_a_url_brings_its_address_back(address: Address) -> None:
    assert parse_address(address.to_url()) == address


@pytest.mark.parametrize(
    "text",
    [
        "",
        "example.org",
        "http://example.org",
        "mqtt://",
        "mqtt://h:0",
        "mqtt://h:70000",
        "mqtt://h:x",
        "mqtt://h/topic",
        "mqtt://h?ca=f",
        "mqtts://h?cert=f",
    ],
)
def test_what_is_no_address_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(ValueError, match=r"broker|mqtts"):
        parse_address(text)


def test_the_password_is_in_no_repr_and_no_log() -> None:
    address = Address("example.org", 1883, "anna", "secret")
    assert "secret" not in repr(address)
    assert str(address) == "example.org:1883"
