"""`fedmotion invite`."""

from pathlib import Path

import click

from fedmotion.aggregator.invitations import invite
from fedmotion.broker.accounts import Account
from fedmotion.broker.address import parse_address
from fedmotion.broker.mosquitto_files import write_mosquitto_accounts
from fedmotion.broker.private_file import write_private
from fedmotion.cli.aggregator_folder import DATA_OPTION, AggregatorFolder, reachable
from fedmotion.protocol.identity import check_client_id
from fedmotion.protocol.invitation import encode_invitation


@click.command(
    "invite",
    epilog="""\b
Examples:
  fedmotion invite anna --data ./federation          writes anna.invitation
  fedmotion invite anna --data ./federation --output /media/usb/anna.invitation
Give the file to its client only: it holds a password. A second invitation ends the first.
""",
)
@click.argument("client_id")
@DATA_OPTION
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Where to write it.  [default: CLIENT_ID.invitation]",
)
def command(client_id: str, data: Path, output: Path | None) -> None:
    """Write the one file with which CLIENT_ID takes part (`fedmotion join FILE`)."""
    path = output or Path(f"{check_client_id(client_id)}.invitation")
    folder = AggregatorFolder(data)
    configuration = folder.read_configuration()
    if not path.parent.is_dir():
        # Before an earlier invitation ends for one that cannot be written.
        raise ValueError(f"{path} cannot be written: there is no folder {path.parent}")
    with folder.open_store(configuration) as store:
        is_again = client_id in {client.client_id for client in store.clients()}
        invitation = invite(store, client_id, **reachable(configuration))
    write_private(path, encode_invitation(invitation))
    click.echo(
        f"{path}: for {client_id} of {invitation.federation}, broker {invitation.host}:{invitation.port}"
    )
    if is_again:
        click.echo(f"{client_id} was invited before: that invitation ends now, this one must be joined")
    if configuration.broker:
        own = parse_address(configuration.broker)
        accounts = [Account(client_id, invitation.password, "client", invitation.federation)]
        if own.username:
            accounts.append(Account(own.username, own.password, "aggregator", invitation.federation))
        folder.mosquitto.mkdir(mode=0o700, exist_ok=True)
        write_mosquitto_accounts(folder.mosquitto, accounts)
        click.echo(
            f"the broker must learn the account: install both files of {folder.mosquitto} (docs/brokers.md)"
        )
