"""Peers that serve HTTP and are Go modules: installed by `go install`, run with a database, handed a backlog.

Go verifies modules against its checksum database. Where that cannot be reached, set GONOSUMDB=* for the run.
"""

import asyncio
import json
import os
import shutil
import socket
import ssl
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from servicecert_deploy import Child, free_port

from bench.peers.work import Absent, Meter, Speed, Work, database, rows

_BIN = Path("var/peers/bin").resolve()
_CONNECTIONS = 16
_START_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Server:
    """A command that serves `url` once it runs, the body of each request, and where a certificate is found."""

    command: Sequence[str | Path]
    url: str
    body: Callable[[int], bytes]
    certificate: Callable[[Any], str]
    table: str
    tls: ssl.SSLContext | None = None


def measure(work: Work, prepare: Callable[[Path, int, str], Server]) -> Speed:
    """Run the server that `prepare` makes of a folder, a port and a database's URL; clients share its cores."""
    with tempfile.TemporaryDirectory() as name, database() as postgres:
        folder, port = Path(name), free_port()
        server = prepare(folder, port, f"{postgres.url}?sslmode=disable")
        child = Child(server.command, log=folder / "server.log", folder=folder)
        try:
            child.await_ready(lambda: _accepts(port), _START_SECONDS)
            asyncio.run(_post(server, [server.body(number) for number in range(work.warm_up)]))
            bodies = [server.body(number) for number in range(work.count)]
            meter = Meter(child.pid, postgres.pid)
            answers = asyncio.run(_post(server, bodies))
            speed = meter.speed(work.count)
        finally:
            child.kill()
        assert rows(postgres, server.table) >= work.warm_up + work.count
    work.verify(work.count - 1, server.certificate(json.loads(answers[-1])))
    return speed


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


def install(package: str, version: str) -> Path:
    """Return the program of a Go package, once it is built. Raises Absent."""
    folder = _BIN / version
    program = folder / package.rpartition("/")[2]
    if not program.exists():
        # Without C it needs no libraries of smart cards or SQLite.
        _go("install", f"{package}@{version}", GOBIN=str(folder), CGO_ENABLED="0")
    return program


def source(module: str, version: str) -> Path:
    """Return the folder of a Go module's source. Raises Absent."""
    return Path(json.loads(_go("mod", "download", "-json", f"{module}@{version}"))["Dir"])


def _go(*arguments: str, **environment: str) -> str:
    if shutil.which("go") is None:
        raise Absent("Go is not installed")
    command, variables = ["go", *arguments], os.environ | environment
    result = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    if result.returncode:
        raise Absent(f"`{' '.join(command)}` failed: {(result.stderr or result.stdout).strip().splitlines()[-1]}")
    return result.stdout
