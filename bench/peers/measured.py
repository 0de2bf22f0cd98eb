"""A peer's rate and cost: a program that issues by a library, or a server that gets requests over HTTP.

Each has an empty database, with the settings of the measured system's; both processes count. `make bench-peers`
installs the peers.
"""

import asyncio
import json
import socket
import ssl
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import aiohttp
from cryptography import x509
from servicecert_launcher import Child, free_port

from bench.stand import Measured, database_server, processor_seconds

PEERS = Path("var/peers").resolve()
_DJANGO_CA = Path(__file__).with_name("django_ca.py")
_CONNECTIONS = 16
_START_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Work:
    """So many certificates for these requests, by a CA in files."""

    csrs: Sequence[str]
    count: int
    ca_certificate: Path
    ca_key: Path

    def csr(self, number: int) -> str:
        return self.csrs[number % len(self.csrs)]

    def verify(self, pem: str) -> None:
        """Raise unless the CA signed this certificate for the last request's key."""
        certificate = x509.load_pem_x509_certificate(pem.encode())
        certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(self.ca_certificate.read_bytes()))
        assert certificate.public_key() == x509.load_pem_x509_csr(self.csr(self.count - 1).encode()).public_key()


@dataclass(frozen=True, slots=True)
class Server:
    """A command that serves `url` once it runs, the body of each request, and where a certificate is found."""

    command: Sequence[str | Path]
    url: str
    body: Callable[[int], bytes]
    certificate: Callable[[Any], str]
    tls: ssl.SSLContext | None = None


def host(number: int) -> str:
    return f"n{number}.bench.example"


def by_library(work: Work) -> Measured:
    """Run django-ca by its own Python: it writes `ready`, issues once it reads a line, and writes the last one."""
    with database_server() as database, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        task = {"csrs": work.csrs, "hosts": [host(number) for number in range(work.count)], "database": database.url}
        task |= {"certificate": str(work.ca_certificate), "key": str(work.ca_key), "folder": str(folder)}
        (folder / "task.json").write_text(json.dumps(task))
        # With -P the modules beside the script do not hide those of the same name.
        command = (PEERS / "django-ca" / "bin" / "python", "-P", _DJANGO_CA, folder / "task.json")
        pipe = subprocess.PIPE
        with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            with _measured(work.count, process.pid, database.pid) as found:
                print(file=process.stdin, flush=True)
                pem = json.loads(process.stdout.readline())
    work.verify(pem)
    return found[0]


def by_server(work: Work, prepare: Callable[[Work, Path, int, str], Server]) -> Measured:
    """Run the server that `prepare` makes of a folder, a port and a database's URL; clients share its cores."""
    with database_server() as database, tempfile.TemporaryDirectory() as name:
        folder, port = Path(name), free_port()
        server = prepare(work, folder, port, f"{database.url}?sslmode=disable")
        bodies = [server.body(number) for number in range(work.count)]
        warm_up = [server.body(number) for number in range(max(20, work.count // 10))]
        child = Child(server.command, log=folder / "server.log", folder=folder)
        try:
            child.await_ready(lambda: _accepts(port), _START_SECONDS)
            asyncio.run(_post(server, warm_up))
            with _measured(work.count, child.pid, database.pid) as found:
                answers = asyncio.run(_post(server, bodies))
        finally:
            child.kill()
    work.verify(server.certificate(json.loads(answers[-1])))
    return found[0]


@contextmanager
def _measured(count: int, *pids: int) -> Iterator[list[Measured]]:
    found: list[Measured] = []
    used, started = sum(map(processor_seconds, pids)), perf_counter()
    yield found
    seconds = perf_counter() - started
    found.append((count / seconds, {"all": (sum(map(processor_seconds, pids)) - used) / count * 1000}))


async def _post(server: Server, bodies: Sequence[bytes]) -> list[bytes]:
    """Return the answers. Raises RuntimeError for a refusal."""
    answers = [b""] * len(bodies)
    backlog = iter(enumerate(bodies))
    connector = aiohttp.TCPConnector(ssl=server.tls or True)
    async with aiohttp.ClientSession(connector=connector) as session, asyncio.TaskGroup() as group:

        async def client() -> None:
            for number, body in backlog:
                async with session.post(server.url, data=body) as response:
                    answers[number] = await response.read()
                    if not response.ok:
                        raise RuntimeError(f"{response.status}: {answers[number].decode()}")

        for _ in range(_CONNECTIONS):
            group.create_task(client())
    return answers


def _accepts(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
