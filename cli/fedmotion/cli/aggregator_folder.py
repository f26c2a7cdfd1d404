"""The folder of one aggregator: its configuration, its store, and the files of its broker."""

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import msgspec

from fedmotion.aggregator.configuration import AggregatorConfiguration
from fedmotion.aggregator.federation_store import FederationStore
from fedmotion.aggregator.founding import open_federation
from fedmotion.broker.address import parse_address
from fedmotion.broker.private_file import write_private
from fedmotion.cli.options import configure

DEFAULT_FOLDER = "federation"
DATA_OPTION = click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    default=DEFAULT_FOLDER,
    show_default=True,
    help="The aggregator's folder: aggregator.toml, its store and its broker's files.",
)


@dataclass(frozen=True, slots=True)
class AggregatorFolder:
    """Where one aggregator keeps its files."""

    path: Path

    @property
    def configuration_path(self) -> Path:
        """The configuration, a TOML file of `AggregatorConfiguration`'s keys."""
        return self.path / "aggregator.toml"

    @property
    def broker(self) -> Path:
        """The folder of the broker that the aggregator starts."""
        return self.path / "broker"

    @property
    def mosquitto(self) -> Path:
        """The folder of the account files for a mosquitto of one's own."""
        return self.path / "mosquitto"

    def configure(self, options: Mapping[str, Any]) -> AggregatorConfiguration:
        """Return the file's configuration with `options` over it.

        The first time, when there is no file, the options given become it, so that `invite` and the
        next start know them.
        """
        path = self.configuration_path
        if not path.exists() and None in {options.get("federation"), options.get("activities")}:
            raise ValueError(self._not_founded())
        configuration = configure(
            AggregatorConfiguration,
            path if path.exists() else None,
            options,
            "the aggregator's configuration",
        ).check()
        if not path.exists():
            self.path.mkdir(parents=True, exist_ok=True)
            lines = [f"{key} = {_toml(value)}\n" for key, value in options.items() if value is not None]
            # It may hold the password of a broker.
            write_private(path, "".join(lines))
        return configuration

    def read_configuration(self) -> AggregatorConfiguration:
        """Return the configuration; raises ValueError where there is none yet."""
        if not self.configuration_path.exists():
            raise ValueError(self._not_founded())
        return self.configure({})

    def _not_founded(self) -> str:
        data = "" if self.path == Path(DEFAULT_FOLDER) else f" --data {self.path}"
        return (
            f"{self.path} holds no federation yet: found one with `fedmotion aggregator{data} "
            "--federation NAME --activities GESTURE,...,other`"
        )

    @contextmanager
    def open_store(self, configuration: AggregatorConfiguration) -> Iterator[FederationStore]:
        """Open the store, in which the federation is founded if it is new."""
        store = FederationStore(self.path / configuration.store)
        try:
            open_federation(
                store, configuration.federation, configuration.specification(), random.SystemRandom()
            )
            yield store
        finally:
            store.close()


def reachable(configuration: AggregatorConfiguration) -> dict[str, Any]:
    """Return what an invitation says of the broker: host, port and whether it speaks TLS."""
    if not configuration.broker:
        return {"host": configuration.host, "port": configuration.port}
    address = parse_address(configuration.broker)
    authority = Path(address.tls_ca).read_text("utf-8") if address.tls_ca else ""
    return {
        "host": address.host,
        "port": address.port,
        "is_tls": address.tls_ca is not None,
        "tls_ca": authority,
    }


def _toml(value: object) -> str:
    # JSON's strings, numbers, booleans and arrays are TOML's as well.
    return msgspec.json.encode(value).decode()
