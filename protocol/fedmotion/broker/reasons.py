"""Why there is no connection, in sentences that say what to do."""

import ssl

from fedmotion.broker.address import Address

_REFUSALS = {
    "Unsupported protocol version": "it does not speak MQTT 3.1.1: use another one or correct the address",
    "Client identifier not valid": "it does not accept the name {name!r}: use another",
    "Bad user name or password": "it refuses user {user!r} or the password: correct them or join again",
    "Not authorized": "it refuses user {user!r} or the password: correct them or join again",
}


def why_no_connection(address: Address, error: OSError | ValueError) -> str:
    """Return the sentence for an attempt to connect that raised `error`."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            f"the certificate of the broker at {address} is not to be trusted ({error.verify_message}): "
            "name its authority's file with ?ca=FILE"
        )
    if isinstance(error, ssl.SSLError):
        return f"no TLS with the broker at {address} ({error.reason}): is it an mqtts address?"
    cause = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return f"no broker answers at {address} ({cause}): start it or correct the address"


def why_refused(address: Address, name: str, code_name: str) -> str:
    """Return the sentence for a refusal, by paho's name of its code; "" where it may pass by itself."""
    sentence = _REFUSALS.get(code_name)
    if sentence is None:
        return ""
    return f"the broker at {address} answers, but {sentence.format(user=address.username, name=name)}"
