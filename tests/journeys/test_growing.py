"""I1, I2, I5, I8, E3: topics get more partitions in the midst of applications, by the commands of docs/scaling.md."""

from __future__ import annotations

import asyncio
import os
import shlex
from collections import defaultdict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from chaos.customers import Customers
from chaos.idle import IdleCheck
from chaos.plan import Case, Scenario, draw
from chaos.report import findings
from chaos.testbed import Testbed, open_testbed
from chaos.topics import Topics
from chaos.traffic import Traffic, traffic
from chaos.verdict import judge
from commandline import Ended, one_sentence, run_process
from cryptography.x509.ocsp import OCSPCertStatus
from docs.pages import CHECKOUT, blocks
from journeys import retention, stored_data
from journeys.client import PATIENCE_SECONDS
from journeys.ocsp import ocsp_status
from journeys.replay import start, stop, without_effect
from journeys.retention import let_pass
from servicecert_cli.connections import kafka
from servicecert_cli.operations import erasing
from servicecert_cli.operations.applications import example
from servicecert_cli.operations.operators import add_operator
from servicecert_cli.stand.identities import Identities
from servicecert_cli.stand.system import OCSP, System
from servicecert_launcher import Parts
from servicecert_pki.authority import Authority
from servicecert_pki.ocsp_client import OcspUnsound
from servicecert_schemas.broker import Principal
from servicecert_schemas.codec import Record
from servicecert_schemas.topics import APPLICATIONS, CATALOGUE
from servicecert_worker.kafka.cluster import Cluster
from servicecert_worker.kafka.partitioner import partition_for

WAIT, GROW, LOOK = (block.text.strip() for block in blocks(CHECKOUT / "docs" / "scaling.md") if "grow" in block.words)
BEFORE, AFTER = 12, 24
WORKERS = {"intake": 2, "issuer": 2}
APPLICATIONS_SENT, SEED, PER_SECOND = 90, 24, 10
SCENARIOS = (Scenario.STRAIGHT, Scenario.CSR_LATER, Scenario.CSR_LATER, Scenario.SUPPLEMENTED, Scenario.REVOKED)
LATER = 20
"""A case's second event comes when so many more cases have begun: many begin before the topics grow, and end after."""
PERSON = "Siiri Satuhahmo"


@dataclass
class Load:
    """The e-service sends the cases of a plan at a steady rate, but begins no more than `most`.

    `sender` is its present process. The case that is to be `erased` has an orderer of its own, and its second event is
    the last of all.
    """

    cases: deque[Case]
    erased: Case
    sender: Traffic
    most: int
    begun: int = 0
    _open: deque[list[Record]] = field(default_factory=deque)
    _last: deque[list[Record]] = field(default_factory=deque)
    _paused: bool = False

    @asynccontextmanager
    async def running(self) -> AsyncIterator[asyncio.Task[None]]:
        """Send until the context ends. What was sent is then acknowledged."""
        self._paused = False
        sending = asyncio.create_task(self._run())
        try:
            yield sending
        finally:
            self._paused = True
            await sending

    async def more(self, cases: int = 3) -> None:
        """Let more cases begin, and wait for them."""
        until = self.begun + cases
        self.most = max(self.most, until)
        async with asyncio.timeout(PATIENCE_SECONDS):
            while self.begun < until:  # noqa: ASYNC110  -- the rate is ours
                await asyncio.sleep(1 / PER_SECOND)

    async def _run(self) -> None:
        while (self.cases or self._open) and not self._paused:
            if self.cases and self.begun < self.most:
                case = self.cases.popleft()
                first, *others = self._records(case)
                await self.sender.send_one(first)
                (self._last if case is self.erased else self._open).append(others)
                self.begun += 1
            if len(self._open) > LATER or not self.cases:
                for record in self._open.popleft():
                    await self.sender.send_one(record)
            await asyncio.sleep(1 / PER_SECOND)
            if not (self.cases or self._open):
                self._open, self._last = self._last, self._open

    def _records(self, case: Case) -> list[Record]:
        records = self.sender.records(case)
        name = example(case.type).orderer.name.encode()
        if case is self.erased:
            return [replace(each, value=each.value.replace(name, PERSON.encode())) for each in records]
        return records


class Operator:
    """The broker's administrator, with an operator's login to the database, who types what the page says."""

    def __init__(self, system: System) -> None:
        url = add_operator(system.backends.admin_url, f"anna{uuid4().hex[:8]}")
        self._environment = {**system.cluster.environment, "DATABASE_URL": url}

    async def run(self, line: str) -> Ended:
        """Run a line of the page; again where a server on a busy machine did not answer in time."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                done = await asyncio.to_thread(run_process, *shlex.split(line)[1:], environment=self._environment)
                if done.code != os.EX_UNAVAILABLE:
                    return done

    async def wait(self, line: str) -> None:
        """Run it until it succeeds."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while (await self.run(line)).code:
                pass

    async def grow(self, system: System) -> None:
        """Take the steps of the page; again where workers left something when they stopped."""
        done = Ended(os.EX_TEMPFAIL, "", "")
        async with asyncio.timeout(2 * PATIENCE_SECONDS):
            while done.code == os.EX_TEMPFAIL:
                await start(system, [name for name in system.workers if not system.children[name].alive])
                await self.wait(WAIT)
                await stop(system, system.workers)
                done = await self.run(GROW)
        assert (done.code, done.err) == (0, "")


@pytest.mark.long
async def test_I1_I2_I5_I8_E3_topics_grow_in_the_midst_of_applications_and_no_event_overtakes_another(
    parts: Parts, identities: Identities, authority: Path, known_customers: Customers, tmp_path: Path
) -> None:
    plan = draw(SEED, APPLICATIONS_SENT, [], faults=0, scenarios=SCENARIOS)
    erased = next(case for case in plan.cases if case.scenario is Scenario.CSR_LATER and is_moved(case))
    async with (
        retention.own_broker(parts, identities) as own,
        open_testbed(
            tmp_path, own, workers=WORKERS, authority=authority, customers=known_customers, identities=identities
        ) as testbed,
    ):
        system, operator = testbed.system, Operator(testbed.system)
        load = Load(deque(plan.cases), erased, testbed.traffic, most=len(plan.cases) * 2 // 3)

        # Under load it refuses, whether workers run or not.
        async with load.running():
            await testbed.traffic.until_issued(3)
            running = await operator.run(GROW)
            await stop(system, system.workers)
            await load.more()
        unhandled = await operator.run(GROW)
        assert (running.code, unhandled.code) == (os.EX_TEMPFAIL, os.EX_TEMPFAIL)
        assert "2 workers of intake run" in one_sentence(running.err)
        assert "intake has not handled" in one_sentence(unhandled.err)
        assert await sizes(system.cluster) == {topic.name: topic.partitions for topic in CATALOGUE}

        # The e-service is silent.
        await operator.grow(system)
        grown = {topic.name: AFTER if topic.can_grow else topic.partitions for topic in CATALOGUE}
        assert await sizes(system.cluster) == grown

        # The e-service begins before the workers: they read new partitions from their first records.
        async with traffic(system.cluster, known_customers) as sender:
            load.sender, load.most = sender, len(plan.cases)
            async with load.running() as sending:
                await load.more()
                await start(system, system.workers)
                await sending
            await IdleCheck(system, sender).wait()
            await operator.wait(LOOK)
            testbed = replace(testbed, traffic=sender)
            evidence = await testbed.evidence()
            assert not list(findings(judge(plan.cases, evidence)))
            assert not evidence.tables.parked
            assert await moved(system.cluster) > {erased.case_id}

            # Who begins at the first record comes to the same.
            known = await statuses(system, evidence.topics)
            assert set(known.values()) == {OCSPCertStatus.GOOD, OCSPCertStatus.REVOKED}
            followed = await system.metrics("intake")
            await without_effect(testbed)
            await stop(system, [OCSP])
            await start(system, [OCSP])
            assert await statuses(system, evidence.topics) == known
            assert (await system.metrics("intake"))["servicecert_followed_entries"] == (
                followed["servicecert_followed_entries"]
            )

            await erase(testbed, erased.case_id)


async def sizes(cluster: Cluster) -> dict[str, int]:
    """Return the number of partitions of each topic."""
    numbers = await kafka.partitions_of(cluster, [cluster.name(topic) for topic in CATALOGUE])
    return {topic.name: len(numbers[cluster.name(topic)]) for topic in CATALOGUE}


def is_moved(case: Case) -> bool:
    """Return whether the case gets another partition."""
    key = str(case.case_id).encode()
    return partition_for(key, range(BEFORE), ()) != partition_for(key, range(AFTER), ())


async def moved(cluster: Cluster) -> set[UUID]:
    """Return the cases of which the topic `applications` has events in two partitions."""
    found: dict[bytes, set[int]] = defaultdict(set)
    async for record in kafka.records(cluster, APPLICATIONS):
        found[record.key or b""].add(record.partition)
    return {UUID(key.decode()) for key, partitions in found.items() if len(partitions) > 1}


async def statuses(system: System, topics: Topics) -> dict[str, OCSPCertStatus]:
    """Return what the responder says of each certificate, by serial number."""
    issuers = Authority.load(system.ca_folder).issuers
    issued = [each for case in topics.cases.values() for each in case.issued.values()]

    async def ask() -> dict[str, OCSPCertStatus]:
        return {
            each.serial: await ocsp_status(system.ocsp_url, issuers[each.issuer], int(each.serial, 16), often=True)
            for each in issued
        }

    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            # One that has just started is certified for one CA after another.
            with suppress(OcspUnsound):
                return await ask()
            await asyncio.sleep(0.1)


async def erase(testbed: Testbed, case_id: UUID) -> None:
    """Erase a case that moved; assert that its person leaves every topic and table, once their retention has passed."""
    system = testbed.system

    async def places() -> set[str]:
        return stored_data.holding([PERSON.encode()], await stored_data.stores(system))

    assert await places() >= {"topic applications", "topic accepted-applications", "topic cases", "table intake.cases"}
    # When it ends is years ahead; the database decides by this whether five more have passed.
    await let_pass(system, datetime.max.replace(tzinfo=UTC, year=9000))
    eraser = system.cluster_of(Principal.ERASER)
    assert await erasing.erase(system.urls["eraser"], eraser, [str(case_id)]) == []
    await retention.pass_by(system.cluster, places)
