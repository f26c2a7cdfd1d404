"""TLS for the door: whom to trust."""

import ssl


class _ClosingSocket(ssl.SSLSocket):
    """Closes itself after a failed handshake, which paho does not."""

    def do_handshake(self, block: bool = False) -> None:
        try:
            super().do_handshake(block)
        except BaseException:
            self.close()
            raise


def tls_context(authority: str) -> ssl.SSLContext:
    """Return a context that trusts the authorities in the PEM file `authority`, or the system's for "".

    Raises
    ------
    ValueError
        If there is no such file or it holds no certificate.
    """
    try:
        context = ssl.create_default_context(cafile=authority or None)
    except OSError as error:
        reason = error.strerror or str(error)
        raise ValueError(
            f"an authority's file is a readable PEM file of certificates, {authority!r} is not: {reason}"
        ) from None
    context.sslsocket_class = _ClosingSocket
    return context
