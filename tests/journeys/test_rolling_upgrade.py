"""I1, I2, I3 in an upgrade: workers of the last release and of this version share the work, forward and back."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Sequence
from pathlib import Path

import pytest
import released
from chaos.customers import Customers
from chaos.idle import IdleCheck
from chaos.load import constant_load
from chaos.observers import SIGNATURE_HOOK
from chaos.report import findings
from chaos.testbed import Testbed, open_testbed
from chaos.topics import Topics, read_topics
from chaos.verdict import judge
from docs.pages import CHECKOUT
from released import Code
from servicecert_cli.stand.identities import Identities
from servicecert_cli.stand.system import OCSP, System
from servicecert_launcher import Parts
from servicecert_schemas.topics import SERVICES
from servicecert_worker.storage import schema

SEED, AT_ONCE, PAUSE_SECONDS = 5, 2, 0.4
ISSUED = 6
"""How many certificates each mixture of versions issues, at least."""
PATIENCE_SECONDS = 60.0

EXPORTED = "schemas/servicecert_schemas/exported/json"

EXPANSION = """
create table newer (id int primary key);
alter table events add column newer text;
alter table intents add column newer int not null default 0;
"""
"""What a newer version's migration may do to tables that this one and the one before write."""


@pytest.mark.long
async def test_I1_I2_I3_workers_of_two_versions_work_side_by_side_forward_and_back(
    parts: Parts, identities: Identities, authority: Path, known_customers: Customers, tmp_path: Path
) -> None:
    old = Code.released(tmp_path / "released").path(SIGNATURE_HOOK)
    new = Code(CHECKOUT).path(SIGNATURE_HOOK)
    folder = tmp_path / "system"
    folder.mkdir()
    async with open_testbed(
        folder,
        parts,
        authority=authority,
        customers=known_customers,
        identities=identities,
        environment={"PYTHONPATH": old},
    ) as testbed:
        system = testbed.system
        first, second = list(SERVICES), [f"{service}-2" for service in SERVICES]
        await asyncio.to_thread(_expand, system, tmp_path / "newer" / "migrations")
        async with constant_load(testbed.traffic, SEED, AT_ONCE, PAUSE_SECONDS) as sent:
            await _take_over(testbed, first, second, new)
            _require_nothing_parked(await read_topics(system.cluster))
            await _take_over(testbed, second, first, old)
        await IdleCheck(system, testbed.traffic).wait()
        evidence = await testbed.evidence()
    _require_nothing_parked(evidence.topics)
    assert not list(findings(judge(sent, evidence)))
    unwritten = set(evidence.topics.types.values()) - set(evidence.topics.types)
    assert not unwritten, "no worker of this version has written them"


def _expand(system: System, folder: Path) -> None:
    """Migrate the schemas, at which workers work, to those of a version that is newer than all of them."""
    folder.mkdir(parents=True)
    (folder / "9999.newer.sql").write_text(EXPANSION)
    for service in SERVICES:
        own = importlib.import_module(f"servicecert_{service}.service").MIGRATIONS
        assert schema.migrate(system.backends.admin_url, service, [own, folder])


def _require_nothing_parked(topics: Topics) -> None:
    unknown = {each for each in topics.types if f"{EXPORTED}/{each}.json" not in released.files()}
    assert not topics.parked, f"types in the topics that the last release does not know: {unknown or 'none'}"


async def _take_over(testbed: Testbed, working: Sequence[str], others: Sequence[str], code: str) -> None:
    """Start workers of another version beside those that work, then stop these. All do some of the work."""
    system = testbed.system
    for name in others:
        system.start(name, PYTHONPATH=code)
        await system.ready(name)
    await _share(testbed, [*working, *others])
    for name in (OCSP, *working):
        assert await asyncio.to_thread(system.children[name].stop) == 0, system.children[name].tail(5)
    system.start(OCSP, PYTHONPATH=code)
    await system.ready(OCSP)
    await _share(testbed, others)


async def _share(testbed: Testbed, names: Sequence[str]) -> None:
    """Wait until some certificates are issued, and each of the workers has handled an event."""
    await testbed.traffic.until_issued(len(testbed.traffic.issued) + ISSUED)
    async with asyncio.timeout(PATIENCE_SECONDS):
        for name in names:
            while not (await testbed.system.metrics(name)).get("servicecert_events_total:handled"):
                testbed.system.require_alive(name)
                await asyncio.sleep(0.2)
