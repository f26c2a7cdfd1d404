"""Where a broker is and who calls: one value, written as a URL in files and on the command line."""

from dataclasses import dataclass, field
from urllib.parse import parse_qs, quote, unquote, urlencode, urlsplit

DEFAULT_PORT = 1883
DEFAULT_TLS_PORT = 8883
_FORM = "mqtt[s]://[USER:PASSWORD@]HOST[:PORT]"


@dataclass(frozen=True, slots=True)
class Address:
    """A broker's address and the account to use there.

    `tls_ca` is None for a plain connection, "" for TLS that trusts the system's authorities, or the
    path of a PEM file with the only authority to trust.
    """

    host: str
    port: int = DEFAULT_PORT
    username: str = ""
    password: str = field(default="", repr=False)
    tls_ca: str | None = None

    def __post_init__(self) -> None:
        if not self.host:
            raise ValueError(f"a broker's address is {_FORM}, got one without a host")
        if not 1 <= self.port <= 65535:
            raise ValueError(f"a broker's port is 1 to 65535, got {self.port}")

    def __str__(self) -> str:
        """Return host and port, which may be logged: the password is left out."""
        return f"{_bracketed(self.host)}:{self.port}"

    def to_url(self) -> str:
        """Return the URL that `parse_address` reads; it holds the password."""
        account = ""
        if self.username:
            account = f"{quote(self.username, safe='')}:{quote(self.password, safe='')}@"
        scheme = "mqtt" if self.tls_ca is None else "mqtts"
        query = f"?{urlencode({'ca': self.tls_ca})}" if self.tls_ca else ""
        return f"{scheme}://{account}{_bracketed(self.host)}:{self.port}{query}"


def parse_address(text: str) -> Address:
    """Return the address that a URL such as ``mqtt://agent:secret@example.org:1883`` names.

    ``mqtts`` asks for TLS, with ``?ca=FILE`` for an authority of one's own.

    Raises
    ------
    ValueError
        If it is no such URL. The sentence does not repeat the password.
    """
    parts = urlsplit(text)
    try:
        port = parts.port
    except ValueError:
        raise ValueError(f"a broker's address is {_FORM} with a port of 1 to 65535") from None
    if parts.scheme not in {"mqtt", "mqtts"} or not parts.hostname or parts.path not in {"", "/"}:
        raise ValueError(
            f"a broker's address is {_FORM}, got scheme {parts.scheme!r} and host {parts.hostname!r}"
        )
    query = parse_qs(parts.query)
    if set(query) - {"ca"}:
        raise ValueError(f"a broker's address takes ?ca=FILE only, got {sorted(query)}")
    is_tls = parts.scheme == "mqtts"
    if query and not is_tls:
        raise ValueError("?ca=FILE belongs to an address that starts with mqtts://, got mqtt://")
    return Address(
        host=parts.hostname,
        port=port if port is not None else (DEFAULT_TLS_PORT if is_tls else DEFAULT_PORT),
        username=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        tls_ca=query.get("ca", [""])[0] if is_tls else None,
    )


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
