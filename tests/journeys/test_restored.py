"""A database that is restored to an earlier moment: no service works on it before it is what it was, and nothing is
signed or mailed again."""

from __future__ import annotations

import asyncio
from pathlib import Path

import psycopg
import pytest
from chaos.restores import apply, journaled
from databases import Backup
from journeys.client import PATIENCE_SECONDS, Running
from servicecert_cli.stand.system import System
from servicecert_launcher import Parts
from servicecert_schemas.case import CaseState
from servicecert_schemas.topics import SERVICES
from servicecert_schemas.values import CertificateType

DECIDED = " union all ".join(f"select count(*) from {service}.audit" for service in SERVICES)


@pytest.mark.long
async def test_I1_I2_I3_F7_no_service_starts_on_a_database_that_forgot_a_case_before_it_is_brought_forward(
    running: Running, parts: Parts, tmp_path: Path
) -> None:
    async with running(tmp_path) as client:
        system = client.system
        await client.view(await client.apply(CertificateType.TEST_SERVER), CaseState.DELIVERED)
        await stopped(system)
        backup = Backup(parts.database_url, psycopg.conninfo.conninfo_to_dict(system.backends.admin_url)["dbname"])
        await asyncio.to_thread(backup.take)
        for service in SERVICES:
            system.start(service)
        await client.view(await client.apply(CertificateType.TEST_SERVER, number=1), CaseState.DELIVERED)
        await stopped(system)
        lost = await journaled(system)
        await asyncio.to_thread(backup.restore)
        before, records = decided(system), len(client.witness.seen)
        for service in SERVICES:
            sentence = await refused(system, service)
            assert f"The database of {service} does not know what its journal has since " in sentence
        assert decided(system) == before
        await client.witness.caught_up()
        assert len(client.witness.seen) == records
        await apply(system)
        for service, found in (await journaled(system)).items():
            assert not lost[service].differences(found)
        for service in SERVICES:
            system.start(service)
        await system.ready(*SERVICES)
        await client.view(await client.apply(CertificateType.TEST_SERVER, number=2), CaseState.DELIVERED)


async def stopped(system: System) -> None:
    """Stop all services' workers."""
    for service in SERVICES:
        assert await asyncio.to_thread(system.children[service].stop, 60) == 0


async def refused(system: System, service: str) -> str:
    """Start a worker, wait until it has stopped because of the fence, and return its sentence."""
    worker = system.start(service)
    async with asyncio.timeout(PATIENCE_SECONDS):
        while worker.alive:  # noqa: ASYNC110  -- a process ends
            await asyncio.sleep(0.05)
    assert worker.returncode == 65, worker.tail(5)
    return worker.tail(1)


def decided(system: System) -> list[int]:
    """Return how many rows each service's audit has."""
    with psycopg.connect(system.backends.admin_url) as connection:
        return [count for (count,) in connection.execute(DECIDED)]
