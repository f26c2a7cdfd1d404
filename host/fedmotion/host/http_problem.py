"""What is said where HTTP is refused: problem details (RFC 9457), and why an address cannot be served at."""

import errno
from http import HTTPStatus

import msgspec

from fedmotion.host.plot.web_address import WebAddress


class ProblemError(Exception):
    """A request that is refused: the status, a sentence, and headers besides."""

    def __init__(self, status: HTTPStatus, detail: str, **headers: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


def problem_body(status: HTTPStatus, detail: str) -> bytes:
    """Return the body of a refusal."""
    return msgspec.json.encode(
        {"type": "about:blank", "title": status.phrase, "status": int(status), "detail": detail}
    )


def too_many(n_connections: int) -> bytes:
    """Return the whole answer to a connection that is one too many, which gets no thread to be read in."""
    status = HTTPStatus.SERVICE_UNAVAILABLE
    body = problem_body(status, f"{n_connections} connections are open already: ask again later")
    head = (
        f"HTTP/1.1 {int(status)} {status.phrase}\r\nContent-Type: application/problem+json\r\n"
        f"Content-Length: {len(body)}\r\nRetry-After: 1\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body


def why_not_served(address: WebAddress, error: OSError) -> str:
    """Return in words why `address` cannot be bound."""
    match error.errno:
        case errno.EADDRINUSE:
            return (
                f"port {address.port} of {address.host} is in use by another program: give --http another, "
                "or 0 for a free one"
            )
        case errno.EACCES | errno.EPERM:
            return f"port {address.port} is for the system's programs: give --http one of 1024 to 65535"
        case _:
            return f"{address.host} is no address of this machine that can be served at ({error})"
