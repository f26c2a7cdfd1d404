"""`fedmotion aggregator`."""

import logging
import queue
import signal
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from uuid import uuid4

import click
from click.core import ParameterSource

from fedmotion.aggregator.configuration import AggregatorConfiguration
from fedmotion.aggregator.federation_store import FederationStore
from fedmotion.aggregator.invitations import AGGREGATOR, broker_accounts
from fedmotion.aggregator.publisher import aggregator_will
from fedmotion.aggregator.service import Service
from fedmotion.broker.accounts import new_password, write_accounts
from fedmotion.broker.address import Address, parse_address
from fedmotion.broker.door import Event
from fedmotion.broker.embedded import BrokerError, RunningBroker, start_broker
from fedmotion.broker.paho_door import PahoDoor
from fedmotion.cli.aggregator_folder import DATA_OPTION, AggregatorFolder
from fedmotion.cli.aggregator_gestures import command as gestures
from fedmotion.cli.options import configuration_options

logger = logging.getLogger(__name__)


@click.group(
    "aggregator",
    invoke_without_command=True,
    epilog="""\b
Examples:
  fedmotion aggregator --federation home --activities swipe_left,swipe_right,other
                                  the first start writes federation/aggregator.toml
  fedmotion aggregator            every later one; SIGTERM or Ctrl-C ends it, kill -9 harms nothing
  fedmotion aggregator --host raspi.local             reachable for agents on other hosts
  fedmotion aggregator --broker mqtts://aggregator:PASSWORD@example.org:8883
  fedmotion aggregator gestures proposals             what clients would like to add
""",
)
@click.pass_context
@DATA_OPTION
@click.option("--until-done", is_flag=True, help="End after the last of --n-rounds.")
@configuration_options(AggregatorConfiguration)
def command(ctx: click.Context, /, data: Path, until_done: bool, **options: Any) -> None:
    """Lead a federation: run its rounds, store its models and publish them.

    Starts a broker of its own (mosquitto, else nats-server) unless --broker names one that runs. `gestures`
    keeps the list of what is learned, in the same folder.
    """
    if ctx.invoked_subcommand is not None:
        if any(ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE for name in ctx.params):
            raise click.UsageError(
                f"options go behind the command: `fedmotion aggregator {ctx.invoked_subcommand} ... --data F`"
            )
        return
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    folder = AggregatorFolder(data)
    configuration = folder.configure(options)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    try:
        with folder.open_store(configuration) as store, ExitStack() as stack:
            _serve(folder, configuration, store, stop, stack, until_done=until_done)
    except BrokerError as error:
        raise click.ClickException(str(error)) from None


def _serve(
    folder: AggregatorFolder,
    configuration: AggregatorConfiguration,
    store: FederationStore,
    stop: threading.Event,
    stack: ExitStack,
    *,
    until_done: bool,
) -> None:
    broker = None if configuration.broker else _OwnBroker(folder, configuration, store, stack)
    address = parse_address(configuration.broker) if broker is None else broker.address
    events: queue.SimpleQueue[Event] = queue.SimpleQueue()
    session = uuid4()
    door = PahoDoor(
        address,
        name=AGGREGATOR,
        on_event=events.put,
        will=aggregator_will(configuration.federation, session),
    )
    service = Service(
        store,
        door,
        configuration,
        time.monotonic,
        session,
        on_clients=(lambda: None) if broker is None else broker.admit_clients,
    )
    click.echo(f"federation {configuration.federation}, broker {address}")
    service.run(events, stop, until_done=until_done)


command.add_command(gestures)


class _OwnBroker:
    """The broker that this aggregator starts, keeps alive, and tells who may come."""

    def __init__(
        self,
        folder: AggregatorFolder,
        configuration: AggregatorConfiguration,
        store: FederationStore,
        stack: ExitStack,
    ) -> None:
        self._folder = folder
        self._store = store
        self._password = new_password()
        folder.broker.mkdir(exist_ok=True)
        write_accounts(folder.broker, broker_accounts(store, self._password))
        host = configuration.host if _is_loopback(configuration.host) else "0.0.0.0"  # noqa: S104 - asked for by host
        self._broker: RunningBroker = stack.enter_context(
            start_broker(folder.broker, configuration.port, host=host)
        )
        self._is_over = threading.Event()
        watcher = threading.Thread(target=self._keep_alive, name="broker-watch", daemon=True)
        watcher.start()
        stack.callback(watcher.join)
        stack.callback(self._is_over.set)

    @property
    def address(self) -> Address:
        """Where the aggregator meets it."""
        return self._broker.address(AGGREGATOR, self._password)

    def admit_clients(self) -> None:
        """Let in whom the store now knows."""
        try:
            write_accounts(self._folder.broker, broker_accounts(self._store, self._password))
            self._broker.reload()
        except (OSError, BrokerError) as error:
            logger.error("the broker does not know its new clients: %s", error)  # noqa: TRY400 - says all

    def _keep_alive(self) -> None:
        while not self._is_over.wait(0.5):
            if self._broker.is_running:
                continue
            logger.warning("the broker is gone, starting it again")
            try:
                self._broker.restart()
            except BrokerError as error:
                logger.error("%s", error)  # noqa: TRY400 - says all


def _is_loopback(host: str) -> bool:
    return host in {"localhost", "::1"} or host.startswith("127.")
