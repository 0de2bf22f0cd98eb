"""I2, I12: batch size and repeated events have no effect; I5: nor has the topics' order; B6: the audit is complete."""

from __future__ import annotations

import json
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest
from chaos.customers import Customers
from chaos.plan import Scenario, draw
from chaos.report import findings
from chaos.testbed import open_testbed
from chaos.topics import Topics, read_topics
from journeys.conftest import CompletedRun
from journeys.replay import start, stop, without_effect
from servicecert_cli.operations import auditing
from servicecert_cli.stand.identities import Identities
from servicecert_launcher import Parts
from servicecert_schemas.topics import SERVICES
from servicecert_worker.core.service_keys import read_public_keys

pytestmark = [pytest.mark.long, pytest.mark.asyncio(loop_scope="module")]


def essence(topics: Topics) -> dict[UUID, tuple[object, ...]]:
    """Return the outcome of each case without random values and times."""
    return {
        case_id: (each.state, max(each.versions), each.deliveries, len(each.issued), len(each.revoked))
        for case_id, each in topics.cases.items()
    }


async def test_I3_I6_I7_I8_I9_I11_I12_two_workers_that_cut_differently_make_what_was_planned(
    completed_run: CompletedRun,
) -> None:
    assert not list(findings(completed_run.verdict))


async def test_I12_one_worker_that_takes_large_turns_makes_the_same(
    completed_run: CompletedRun,
    parts: Parts,
    identities: Identities,
    authority: Path,
    known_customers: Customers,
    tmp_path: Path,
) -> None:
    async with open_testbed(
        tmp_path,
        parts,
        authority=authority,
        customers=known_customers,
        environment={"SERVICECERT_BATCH": "500"},
        identities=identities,
    ) as testbed:
        assert not list(findings(await testbed.run_plan(completed_run.plan)))
        whole = essence(await read_topics(testbed.system.cluster))
    first = essence(await read_topics(completed_run.testbed.system.cluster))
    assert whole == {case_id: first[case_id] for case_id in whole}
    assert set(whole) == {case.case_id for case in completed_run.plan.cases}


async def test_I2_a_replay_of_everything_from_the_first_record_has_no_effect(completed_run: CompletedRun) -> None:
    await without_effect(completed_run.testbed)


@pytest.mark.parametrize("away", ["intake", "revoker", "notifier"])
async def test_I5_a_service_that_was_away_hears_all_topics_at_once_and_comes_to_the_same(
    completed_run: CompletedRun, away: str
) -> None:
    """Intake stops after the first certificate, so mails and revocations go on without it; others stop before."""
    testbed, workers = completed_run.testbed, [away, f"{away}-2"]
    plan = draw(
        sum(map(ord, away)), 12, [], faults=0, scenarios=(Scenario.STRAIGHT, Scenario.REVOKED, Scenario.SUPPLEMENTED)
    )
    certified = len(testbed.traffic.issued)
    if away != "intake":
        await stop(testbed.system, workers)
    await testbed.traffic.send(plan.bursts[0])
    await testbed.traffic.until_issued(certified + (1 if away == "intake" else 12))
    await stop(testbed.system, workers)
    await start(testbed.system, workers)
    assert not list(findings(await completed_run.verdict_with(plan)))


async def test_B6_the_chains_of_all_services_verify_and_tell_each_certificate_s_life(
    completed_run: CompletedRun,
) -> None:
    system = completed_run.testbed.system
    keys = read_public_keys(system.keys_folder)
    exported = await auditing.exported(system.cluster, keys)
    assert not exported.ignored
    verified = await auditing.verified(
        system.backends.admin_url,
        SERVICES,
        keys,
        exported,
        lambda *_: None,
        system.cluster,
    )
    assert {service: it.findings for service, it in verified.items()} == {service: [] for service in SERVICES}
    assert all(it.chains >= 2 and it.rows > it.chains for it in verified.values())
    evidence = (await completed_run.testbed.evidence()).topics
    case, case_events = next((case, each) for case, each in evidence.cases.items() if each.issued)
    (certificate,) = case_events.issued.values()
    rows = await auditing.history(system.backends.admin_url, certificate.serial)
    assert rows == await auditing.history(system.backends.admin_url, str(case))
    lines = [f"{row.service} {text}" for row in rows for text, _ in auditing.described(row)]
    expected = ["intake publishes application.accepted", "issuer intends sign", "issuer result of sign"]
    expected += ["issuer publishes certificate.issued", "notifier intends mail", "notifier publishes mail.handed-over"]
    position = 0
    for line in expected:
        assert line in lines[position:]
        position = lines.index(line, position) + 1
    assert certificate.serial in json.dumps([row.entry for row in rows])


async def test_B6_every_issued_certificate_has_a_row_and_every_row_a_certificate(completed_run: CompletedRun) -> None:
    connection = await asyncpg.connect(completed_run.testbed.system.backends.admin_url)
    try:
        rows = await connection.fetch("select entry from issuer.audit where key <> ''")
        issued = await connection.fetch("select issuer, serial from issuer.certificates where certificate is not null")
    finally:
        connection.terminate()
    events = [event for row in rows for event in json.loads(row["entry"]).get("events", ())]
    published = [(e["facts"]["issuer"], e["facts"]["serial"]) for e in events if "certificate.issued" in e["type"]]
    assert sorted(published) == sorted((row["issuer"], row["serial"]) for row in issued)
