import pytest

from fedmotion.host.plot.web_address import WebAddress, is_same_origin, parse_address


@pytest.mark.parametrize(
    ("text", "host", "port", "is_loopback"),
    [
        ("8080", "127.0.0.1", 8080, True),
        ("0", "127.0.0.1", 0, True),
        ("localhost:8080", "localhost", 8080, True),
        ("[::1]:8080", "::1", 8080, True),
        ("0.0.0.0:8080", "0.0.0.0", 8080, False),
        ("raspberrypi:80", "raspberrypi", 80, False),
        ("[::]:8080", "::", 8080, False),
    ],
)
def test_an_address_is_a_port_with_or_without_a_host(
    text: str, host: str, port: int, is_loopback: bool
) -> None:
    address = parse_address(text)
    assert (address.host, address.port, address.is_loopback) == (host, port, is_loopback)


@pytest.mark.parametrize(
    "text", ["", "http", "65536", "host:", ":80", "http://x:80", "::1:80", "a b:80", "-1"]
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^--web is PORT or HOST:PORT with a port of 0 to 65535, such as"):
        parse_address(text)


@pytest.mark.parametrize(
    ("served", "named", "is_ours"),
    [
        ("127.0.0.1", "127.0.0.1:8080", True),
        ("127.0.0.1", "localhost:8080", True),
        ("127.0.0.1", "[::1]:8080", True),
        ("127.0.0.1", "evil.example:8080", False),
        ("127.0.0.1", "192.168.1.7:8080", False),
        ("127.0.0.1", "raspberrypi.local:8080", False),
        ("127.0.0.1", "127.0.0.1.evil.example", False),
        ("127.0.0.1", "localhost.evil.example:8080", False),
        ("127.0.0.1", "", False),
        ("0.0.0.0", "192.168.1.7:8080", True),
        ("0.0.0.0", "raspberrypi.local:8080", True),
        ("0.0.0.0", "raspberrypi", True),
        ("0.0.0.0", "evil.example:8080", False),
        ("pi.lan", "pi.lan:8080", True),
        ("pi.lan", "PI.lan:8080", True),
        ("pi.lan", "evil.example", False),
    ],
)
def test_a_strangers_name_that_leads_here_is_not_ours(
    served: str, named: str, is_ours: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "raspberrypi")
    assert WebAddress(served, 8080).is_ours(named) is is_ours


@pytest.mark.parametrize(
    ("origin", "is_same"),
    [
        (None, True),
        ("http://127.0.0.1:8080", True),
        ("http://127.0.0.1:9090", False),
        ("http://evil.example", False),
        ("null", False),
        ("https://127.0.0.1:8080", False),
    ],
)
def test_the_stream_is_for_its_own_page(origin: str | None, is_same: bool) -> None:
    assert is_same_origin(origin, "127.0.0.1:8080") is is_same


def test_the_url_is_what_a_browser_wants() -> None:
    assert WebAddress("127.0.0.1", 0).url(8080) == "http://127.0.0.1:8080/"
    assert WebAddress("::1", 0).url(8080) == "http://[::1]:8080/"
    # Where every address is served, one is named under which a neighbour finds it.
    assert "0.0.0.0" not in WebAddress("0.0.0.0", 0).url(8080)
