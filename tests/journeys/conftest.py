"""A testbed on which a plan was run without faults, by two workers of each service with different batch sizes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from chaos.customers import Customers
from chaos.idle import IdleCheck
from chaos.plan import Case, Plan, draw
from chaos.testbed import Testbed, open_testbed
from chaos.verdict import Verdict, judge
from databases import SETTINGS
from journeys.client import CustomerClient, Running, connected_client
from servicecert_cli.stand.identities import Identities
from servicecert_cli.stand.system import System
from servicecert_launcher import Parts, start_parts
from servicecert_schemas.topics import SERVICES

CASES, SEED = 60, 11


@dataclass(frozen=True)
class CompletedRun:
    """The plan, its testbed, and the verdict. `cases` includes those of later plans."""

    plan: Plan
    testbed: Testbed
    verdict: Verdict
    cases: list[Case]

    async def verdict_with(self, more: Plan) -> Verdict:
        """Wait until the cases of another plan, already sent, are done; return the verdict on all cases."""
        await IdleCheck(self.testbed.system, self.testbed.traffic).wait()
        self.cases.extend(more.cases)
        return judge(self.cases, await self.testbed.evidence())


@pytest.fixture(scope="session")
def identities(tmp_path_factory: pytest.TempPathFactory) -> Identities:
    """A user of the broker for each service, responder and command."""
    return Identities.make(tmp_path_factory.mktemp("identities") / "kafka")


@pytest.fixture(scope="module")
def parts(identities: Identities) -> Iterator[Parts]:
    """All journeys are made at a broker and a database with TLS, which tell their users apart and check rights (F4)."""
    with start_parts(settings=SETTINGS, secured=identities.broker, tls=identities.database, environment={}) as started:
        yield started


@pytest.fixture(scope="module")
def running(parts: Parts, identities: Identities, authority: Path, known_customers: Customers) -> Running:
    """Run a system in a folder: `async with running(folder) as client`, with more settings or other parts."""

    @asynccontextmanager
    async def running(folder: Path, **given: Any) -> AsyncIterator[CustomerClient]:
        usual = {"parts": parts, "authority": authority, "identities": identities}
        async with System(folder, **usual | given) as system, connected_client(system, known_customers) as client:
            yield client

    return running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def completed_run(
    parts: Parts,
    identities: Identities,
    authority: Path,
    known_customers: Customers,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[CompletedRun]:
    """Two workers of each service: one handles one record at a time, the other seven."""
    folder, plan = tmp_path_factory.mktemp("journeys"), draw(SEED, CASES, [], faults=0)
    environment = {"SERVICECERT_BATCH": "1"}
    async with open_testbed(
        folder, parts, authority=authority, customers=known_customers, environment=environment, identities=identities
    ) as testbed:
        others = [f"{service}-2" for service in SERVICES]
        await asyncio.gather(*(asyncio.to_thread(testbed.system.start, name, SERVICECERT_BATCH="7") for name in others))
        await testbed.system.ready(*others)
        yield CompletedRun(plan, testbed, await testbed.run_plan(plan), plan.cases)
