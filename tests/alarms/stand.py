"""A whole system under a light load, watched by Prometheus."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
from chaos.observers import MailServer
from servicecert_cli.connections.kafka import publish
from servicecert_cli.demo import openssl
from servicecert_cli.operations.applications import customer_of, example, read_csr
from servicecert_cli.stand.system import System
from servicecert_revoker.serving import crl_server
from servicecert_schemas.broker import Principal
from servicecert_schemas.customer import Customer
from servicecert_schemas.revocation import RevocationReason
from servicecert_schemas.values import CertificateType
from servicecert_worker.core.faults import OperatorError

from alarms import rules
from alarms.prometheus import Prometheus

log = logging.getLogger(__name__)

HOST = "127.0.0.1"
SCRAPE_SECONDS = 5.0
LOAD_SECONDS = 3.0
"""Between two applications."""


class CrlAddress:
    """Where the revoker looks whether its CRLs have arrived: it can be closed and opened again at the same port."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = 0
        self._serving = crl_server.serve(folder, HOST, 0)
        self.url = ""

    async def open(self) -> None:
        self._serving = crl_server.serve(self._folder, HOST, self._port)
        self.url = await self._serving.__aenter__()
        self._port = int(self.url.rpartition(":")[2].partition("/")[0])

    async def close(self) -> None:
        await self._serving.__aexit__(None, None, None)


@dataclass(eq=False)
class Stand:
    """The system, who watches it, and its surroundings."""

    system: System
    prometheus: Prometheus
    mail: MailServer
    crl: CrlAddress
    customer: Customer
    csrs: list[str]
    cases: list[UUID] = field(default_factory=list)

    async def apply(self, count: int = 1) -> list[UUID]:
        """Submit applications for test certificates. Return their cases."""
        application = example(CertificateType.TEST_SERVER)
        fresh = [uuid4() for _ in range(count)]
        csrs = cycle(self.csrs)
        submitted = [self.customer.submitted(case, application, next(csrs)) for case in fresh]
        await publish(self.system.cluster_of(Principal.E_SERVICE), *submitted)
        self.cases += fresh
        return fresh

    async def revoke(self, count: int = 1) -> None:
        """Request the revocation of valid certificates."""
        rows = await self.ask(
            "select key, serial from revoker.statuses where standing = 'valid' order by key limit $1", count
        )
        requests = [
            self.customer.revocation(UUID(row["key"]), row["serial"], RevocationReason.NO_LONGER_NEEDED) for row in rows
        ]
        await publish(self.system.cluster_of(Principal.E_SERVICE), *requests)

    async def ask(self, statement: str, *arguments: object) -> list[asyncpg.Record]:
        """Return the rows of a statement, as the database's administrator."""
        connection = await asyncpg.connect(self.system.backends.admin_url)
        try:
            return await connection.fetch(statement, *arguments)
        finally:
            await connection.close()

    async def load(self) -> None:
        """Apply for a certificate now and then, and revoke one of each ten, for ever."""
        number = 0
        while True:
            await asyncio.sleep(LOAD_SECONDS)
            number += 1
            try:
                await self.apply()
                if number % 10 == 0:
                    await self.revoke()
            except (OperatorError, OSError, asyncpg.PostgresError, TimeoutError):
                log.debug("The load waits: something is away")

    async def firing(self) -> set[str]:
        """Return the names of the alerts that fire now."""
        return {each["alertname"] for each in await asyncio.to_thread(self.prometheus.firing)}

    async def is_over(self, alert: str) -> bool:
        """Return whether an alert neither fires nor is about to, for whichever series."""
        found = await asyncio.to_thread(self.prometheus.firing, "firing", "pending")
        return alert not in {each["alertname"] for each in found}

    async def is_quiet(self, announced: Collection[str] = ()) -> bool:
        """Return whether no alert but the announced fires, and all processes are scraped."""
        found = await asyncio.to_thread(self.prometheus.vector, "up")
        all_up = len(found) == len(self.system.processes) and all(each.value == 1 for each in found)
        return all_up and not (await self.firing()).difference(announced)


def watched_environment(folder: Path) -> dict[str, str]:
    """Return what lets no alert fire in a healthy system: a list of lost keys, and a canary that begins soon."""
    lists = folder / "key-lists"
    lists.mkdir(exist_ok=True)
    (lists / "lost.dat").write_bytes(bytes(16))
    return {"SERVICECERT_KEY_LISTS_DIR": str(lists), "SERVICECERT_CANARY_SECONDS": "60"}


@asynccontextmanager
async def open_stand(folder: Path, seconds: float = SCRAPE_SECONDS, **workers: int) -> AsyncIterator[Stand]:
    """Start the system with its keys in a token, Prometheus over it, and the load."""
    (folder / "crls").mkdir(parents=True, exist_ok=True)
    mail, crl = MailServer(), CrlAddress(folder / "crls")
    async with mail.serving() as mail_environment:
        await crl.open()
        environment = {
            **watched_environment(folder),
            **mail_environment,
            "SERVICECERT_CRL_INTERNAL_URL": crl.url,
            "SERVICECERT_MOST_EVENTS": "1000000000",
        }
        async with System(
            folder, workers={"issuer": 2, **workers}, token=True, secure=True, monitored=True, environment=environment
        ) as system:
            application = example(CertificateType.TEST_SERVER)
            customer = customer_of(application)
            e_service = system.cluster_of(Principal.E_SERVICE)
            await publish(e_service, customer.opened(application.applicant.business_id, application.unit_long_name))
            paths = [await openssl.make_request(openssl.EC_P384, "load.example", folder, f"load-{n}") for n in range(4)]
            with Prometheus(folder / "prometheus", rules.FILES, system.targets, seconds) as prometheus:
                stand = Stand(system, prometheus, mail, crl, customer, [read_csr(path) for path in paths])
                loading = asyncio.create_task(stand.load())
                try:
                    yield stand
                finally:
                    loading.cancel()
                    await asyncio.wait([loading])
        await crl.close()


async def until_quiet(stand: Stand, seconds: float = 600.0) -> None:
    """Start what has ended, as a supervisor does, until no alert fires and all is scraped. Raises TimeoutError."""

    async def quiet() -> bool:
        for name, child in tuple(stand.system.children.items()):
            if not child.alive:
                stand.system.start(name)
        return await stand.is_quiet()

    async with asyncio.timeout(seconds):
        await until(quiet, 1.0)


async def until(condition: Callable[[], Awaitable[object]], pause: float) -> None:
    """Ask again and again until the condition is true."""
    while True:
        if await condition():
            return
        await asyncio.sleep(pause)


def now() -> float:
    """Return seconds since 1970, as Prometheus counts."""
    return time.time()
