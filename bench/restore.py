"""What it takes to bring empty tables forward: its speed beside that of the workers, and its memory."""

import asyncio
import sys
from asyncio.subprocess import PIPE, STDOUT
from contextlib import suppress
from time import perf_counter
from urllib.parse import urlsplit, urlunsplit

import psutil
import psycopg
from servicecert_cli.operations.migrating import migrate
from servicecert_cli.stand.system import System
from servicecert_schemas.topics import SERVICES
from servicecert_worker.storage import database, schema

from bench import load
from bench.results import keep
from bench.stand import measured_system, scaled
from bench.whole_way import backlog

CASES = 4_000
LOOK_SECONDS = 0.1
MB = 1e6


async def measure(share: float) -> None:
    """Let workers handle applications, and bring forward each service's tables in another database."""
    cases = scaled(CASES, share)
    async with measured_system() as system:
        rate, _ = await backlog(system, load.records(cases, load.requests("ec")))
        await system.stop_all()
        urls = await asyncio.to_thread(_second_database, system.backends.admin_url)
        for service in SERVICES:
            started = perf_counter()
            peak = await _restored(system, service, urls[database.MIGRATOR])
            keep(f"restore-{service}", cases / (perf_counter() - started), "per second", "all workers", rate)
            keep(f"restore-memory-{service}", peak / MB, "MB", "cases", cases)


def _second_database(url: str) -> dict[str, str]:
    """Make an empty database beside the first; return the services' URLs. It goes with its server."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("create database restored")
    second = urlunsplit(urlsplit(url)._replace(path="/restored"))
    urls = schema.prepare(second, {name: database.new_password() for name in (*SERVICES, *database.LOGINS)})
    migrate(urls[database.MIGRATOR], SERVICES)
    return urls


async def _restored(system: System, service: str, url: str) -> int:
    """Run the command; return the most resident memory that was seen, in bytes."""
    command = (sys.executable, "-m", "servicecert_cli", "restore", "apply", service)
    environment = {**system.environment(service), "DATABASE_URL": url}
    process = await asyncio.create_subprocess_exec(*command, env=environment, stdout=PIPE, stderr=STDOUT)
    output = asyncio.create_task(process.communicate())
    peak = 0
    while not output.done():
        with suppress(psutil.NoSuchProcess):
            peak = max(peak, psutil.Process(process.pid).memory_info().rss)
        await asyncio.wait([output], timeout=LOOK_SECONDS)
    assert process.returncode == 0, output.result()[0].decode()
    return peak
