"""Inviting a client: its id and a password of its own into the store, and the one file for its owner."""

from fedmotion.aggregator.federation_records import Client
from fedmotion.aggregator.federation_store import FederationStore
from fedmotion.broker.accounts import Account, new_password
from fedmotion.delivery.sqlite_store import StoreError
from fedmotion.protocol.identity import check_client_id
from fedmotion.protocol.invitation import Invitation, check_invitation

AGGREGATOR = "aggregator"
"""The aggregator's own user name at the broker; no client may have it."""


def invite(
    store: FederationStore, client_id: str, host: str, port: int, *, is_tls: bool = False, tls_ca: str = ""
) -> Invitation:
    """Return an invitation for `client_id`, whose account the broker must learn before it can be used.

    A client that was invited before gets another password, and its old invitation ends with the next
    writing of the broker's accounts.

    Raises
    ------
    ValueError
        If the id, the host or the port breaks a rule.
    StoreError
        If the store holds no federation.
    """
    if check_client_id(client_id) == AGGREGATOR:
        raise ValueError(f"a client is not called {AGGREGATOR!r}, which is the aggregator's own name")
    federation = store.federation()
    if federation is None:
        raise StoreError(f"{store.path} holds no federation yet: start the aggregator once")
    invitation = Invitation(
        federation=federation.name,
        federation_id=federation.federation_id,
        host=host,
        port=port,
        client_id=client_id,
        password=new_password(),
        is_tls=is_tls,
        tls_ca=tls_ca,
    )
    check_invitation(invitation)
    with store.transaction():
        store.put_client(Client(client_id, invitation.password))
    return invitation


def broker_accounts(store: FederationStore, aggregator_password: str) -> tuple[Account, ...]:
    """Return the accounts that a broker of our own needs: the aggregator's and those of all clients.

    Raises
    ------
    StoreError
        If the store holds no federation.
    """
    federation = store.federation()
    if federation is None:
        raise StoreError(f"{store.path} holds no federation yet: start the aggregator once")
    own = Account(AGGREGATOR, aggregator_password, "aggregator", federation.name)
    clients = (Account(each.client_id, each.password, "client", federation.name) for each in store.clients())
    return (own, *clients)
