"""Where a plot is served, and which requests come from somebody who was meant to see it.

A page of a stranger that is open in the same browser must not read the stream. It cannot give itself our
origin; and where its own name is made to lead here (DNS rebinding), the Host header still has that name.
"""

import ipaddress
import re
import socket
from dataclasses import dataclass

_LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class WebAddress:
    """A host, by name or number, and a TCP port; port 0 is a free one."""

    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        return _is_loopback(self.host)

    def url(self, port: int) -> str:
        """Return what to type into a browser, where `port` is the one that is served."""
        host = self.host
        if _is_any(host):
            host = _own_address()
        return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"

    def is_ours(self, host_header: str) -> bool:
        """Tell whether a request's Host header names us and not a stranger's name that leads here.

        Numbers are ours (rebinding needs a name), as are the name that was given to serve at, this machine's
        own name and localhost. At a loopback address only loopback's are.
        """
        name = _without_port(host_header).lower()
        if _is_number(name):
            return not self.is_loopback or _is_loopback(name)
        if name == "localhost":
            return True
        own = socket.gethostname().lower()
        return not self.is_loopback and name in {self.host.lower(), own, f"{own.partition('.')[0]}.local"}


def is_same_origin(origin: str | None, host_header: str) -> bool:
    """Tell whether a websocket was opened by our own page, or by a program that is no browser."""
    return origin is None or origin.lower() == f"http://{host_header.lower()}"


def parse_address(text: str, option: str = "--web") -> WebAddress:
    """Return the address of `[HOST:]PORT`, on loopback where there is no host; `option` is how it was given.

    Raises
    ------
    ValueError
        If it is something else.
    """
    match = re.fullmatch(r"(?:(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+):)?([0-9]{1,5})", text)
    if match is None or int(match[2]) > 65535:
        raise ValueError(
            f"{option} is PORT or HOST:PORT with a port of 0 to 65535, such as 8080 or 0.0.0.0:8080, "
            f"got {text!r}"
        )
    return WebAddress((match[1] or _LOOPBACK).strip("[]"), int(match[2]))


def _without_port(host_header: str) -> str:
    if host_header.startswith("["):
        return host_header[1:].partition("]")[0]
    return host_header.rpartition(":")[0] or host_header


def _is_number(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _is_loopback(host: str) -> bool:
    return host == "localhost" or (_is_number(host) and ipaddress.ip_address(host).is_loopback)


def _is_any(host: str) -> bool:
    return _is_number(host) and ipaddress.ip_address(host).is_unspecified


def _own_address() -> str:
    """Return the number under which a neighbour in the network reaches this machine."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # Sends nothing: it only asks which interface leads outside (192.0.2.0/24 is nobody's, RFC 5737).
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return socket.gethostname()
        return str(probe.getsockname()[0])
