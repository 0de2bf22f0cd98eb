"""E3: of erased cases nobody is named anywhere: in no table, topic, file, log or metric."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import pytest
import pytest_asyncio
from aiokafka.errors import InvalidTimestampError
from journeys import people, retention, stored_data
from journeys.client import PATIENCE_SECONDS, CustomerClient, Running, applicant
from journeys.people import application, mistaken, person, revocation, truncated
from servicecert_cli.connections import kafka
from servicecert_cli.operations import auditing, erasing
from servicecert_cli.operations.applications import colleague
from servicecert_cli.operations.operators import add_reader
from servicecert_cli.stand.identities import Identities
from servicecert_cli.stand.system import LAG, System
from servicecert_launcher import Parts
from servicecert_notifier.operator.mails import request
from servicecert_schemas.broker import Principal
from servicecert_schemas.case import CaseState
from servicecert_schemas.certificate import CertificateIssued
from servicecert_schemas.customer import record_of
from servicecert_schemas.event import Assurance
from servicecert_schemas.mail import MailBounced, MailHandedOver, MailKind, MailRefused
from servicecert_schemas.topics import SERVICES, journal_topic, parked_topic
from servicecert_schemas.values import CertificateType
from servicecert_worker.core.service_keys import read_public_keys

pytestmark = pytest.mark.asyncio(loop_scope="module")

WORDS = stored_data.written(people.WHO)
CUSTOMER = applicant(CertificateType.SERVER)
TOPICS = {
    f"topic {name}"
    for name in (
        "applications",
        "accepted-applications",
        "cases",
        "certificates",
        "certificate-status",
        "revocations",
        *(journal_topic(service).name for service in SERVICES),
    )
}
TABLES = {
    f"table {name}"
    for name in (
        "intake.cases",
        "intake.events",
        "intake.parked",
        "issuer.certificates",
        "issuer.events",
        "notifier.ledgers",
        "notifier.mails",
        "notifier.notices",
        "notifier.orders",
        "notifier.parked",
        "revoker.events",
        "revoker.parked",
        "revoker.statuses",
    )
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(
    running: Running, parts: Parts, identities: Identities, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[CustomerClient]:
    """A system with a broker of its own, which soon deletes what it may, and a mail server that makes trouble."""
    folder = tmp_path_factory.mktemp("erasing")
    (folder / "bounces" / "new").mkdir(parents=True)
    async with (
        retention.own_broker(parts, identities) as own,
        people.mail_server() as mail,
        running(
            folder, parts=own, environment={**mail, "SERVICECERT_BOUNCE_MAILDIR": str(folder / "bounces")}
        ) as client,
    ):
        client.system.start(LAG)
        await client.system.ready(LAG)
        yield client


async def test_E3_nobody_is_named_anywhere_once_all_cases_are_erased(client: CustomerClient, tmp_path: Path) -> None:
    system = client.system
    issued = await live(client, tmp_path)
    await ask(system, "analyze")
    assert stored_data.holding(WORDS, await stored_data.stores(system)) == TOPICS | TABLES

    url, eraser = system.urls["eraser"], system.cluster_of(Principal.ERASER)
    await retention.let_pass(system, issued.not_after - timedelta(days=1))
    assert str(issued.case_id) not in await erasing.due(url)
    assert await erasing.erase(url, eraser, [str(issued.case_id)]) == [str(issued.case_id)]
    await retention.let_pass(system, issued.not_after + timedelta(days=1))
    left = await erasing.due(url)
    async with asyncio.timeout(PATIENCE_SECONDS):
        while left := await erasing.erase(url, eraser, left):  # noqa: ASYNC110  -- the workers' acts end
            await asyncio.sleep(0.2)
    assert stored_data.holding(WORDS, await stored_data.stores(system)) == TOPICS, "the tables at once"
    (report,) = (system.folder / "bounces" / "cur").iterdir()
    os.utime(report, (time.time() - 91 * 86_400,) * 2)

    async def kept() -> set[str]:
        return stored_data.holding(WORDS, {**await stored_data.stores(system), **files(system)})

    await retention.pass_by(system.cluster, kept)
    logs = await stored_data.logs(system)
    assert b"servicecert_mails_deferred" in logs[f"metrics of {LAG}"]
    assert not stored_data.holding(WORDS, logs)
    await require_audit(system, str(issued.case_id))
    assert str(issued.case_id) in await erasing.erased(url)


async def test_E3_no_record_keeps_a_topic_s_records_by_a_time_in_the_future(client: CustomerClient) -> None:
    topic = client.system.cluster.name(parked_topic("intake"))  # No service reads it.
    async with kafka.producer(client.system.cluster) as producer:
        in_time, late = (int((time.time() + hours * 3_600) * 1_000) for hours in (0.5, 2))
        await producer.send_and_wait(topic, b"no event", timestamp_ms=in_time)
        with pytest.raises(InvalidTimestampError):
            await producer.send_and_wait(topic, b"no event", timestamp_ms=late)


def files(system: System) -> Mapping[str, bytes]:
    """Return the broker's files and log, the database's log, the CRLs and the reports of bounces."""
    broker, database = system.parts.kafka, system.parts.postgres
    assert broker is not None
    assert database is not None
    return {
        **stored_data.files(broker.log.parent),
        "log of PostgreSQL": database.log.read_bytes(),
        **stored_data.files(system.crl_folder),
        **stored_data.files(system.folder / "bounces"),
    }


async def require_audit(system: System, case: str) -> None:
    """Require that the audit verifies, and knows of the erasure."""
    keys, reader = read_public_keys(system.keys_folder), add_reader(system.backends.admin_url, "auditor")
    exported = await auditing.exported(system.cluster_of(Principal.AUDITOR), keys)
    audited = await auditing.verified(reader, SERVICES, keys, exported, lambda *_: None, system.cluster)
    assert {name: each.findings for name, each in audited.items()} == {name: [] for name in SERVICES}
    commands = [(row.service, row.entry["happened"].get("command")) for row in await auditing.history(reader, case)]
    assert {(service, "erase") for service in SERVICES} <= set(commands)


async def live(client: CustomerClient, folder: Path) -> CertificateIssued:
    """Let cases live and end in every way; return the certificate of the one without trouble."""
    plain, troubled, withdrawn, refused, lapsed = (uuid4() for _ in range(5))
    requests = [await people.request(folder, name) for name in ("plain", "troubled")]
    await client.send(
        CUSTOMER.submitted(plain, application("plain"), requests[0]),
        CUSTOMER.submitted(troubled, application("troubled"), requests[1]),
        CUSTOMER.submitted(withdrawn, mistaken("withdrawn"), person("no request")),
        CUSTOMER.model_copy(update={"assurance": Assurance.LOW}).submitted(refused, application("refused"), None),
        CUSTOMER.submitted(lapsed, mistaken("lapsed"), None),
    )
    await fail_mails(client, troubled)
    for case_id in (withdrawn, lapsed):
        await client.view(case_id, CaseState.RETURNED, lambda view: len(view.deliveries) == 2)
    await client.send(CUSTOMER.withdrawn(withdrawn).model_copy(update={"reason": person("withdraws")}))
    await client.view(refused, CaseState.REFUSED)
    # It waits for a certificate that is never issued.
    await client.send(revocation(CUSTOMER, refused, person("serial"), "too-early"))
    await client.view(plain, CaseState.DELIVERED)
    issued = await client.latest(plain, CertificateIssued)
    await client.send(revocation(CUSTOMER, plain, issued.serial, "revokes"))
    await client.view(plain, CaseState.REVOKED, lambda view: len(view.deliveries) == 7)
    await client.view(withdrawn, CaseState.WITHDRAWN)
    await until(client.system, "select standing = 'awaited' from revoker.statuses where asked is not null")
    await park(client, refused, issued)
    await lapse(client, lapsed)
    return issued


async def fail_mails(client: CustomerClient, case_id: UUID) -> None:
    """One mail is refused, and sent again to another address; one bounces; some are deferred, for days."""
    refused = await client.latest(case_id, MailRefused)
    handed_over = await client.witness.until(
        MailHandedOver, lambda event: event.case_id == case_id and event.kind is MailKind.CERTIFICATE_ISSUED
    )
    report = client.system.folder / "bounces" / "new" / "1.report"
    report.write_bytes(people.bounce(handed_over.mail_id))
    connection = await asyncpg.connect(client.system.backends.admin_url, server_settings={"search_path": "notifier"})
    try:
        again = [(uuid4(), case_id, refused.mail_id)]
        assert await request(connection, again, person("reason"), people.address("resent"))
    finally:
        connection.terminate()
    await client.latest(case_id, MailBounced)
    mails = "from notifier.mails where state"
    await until(client.system, f"select count(*) = 1 {mails} = 'handed-over' and resends is not null")
    await until(client.system, f"select count(*) > 0 {mails} = 'deferred'")


async def park(client: CustomerClient, case_id: UUID, issued: CertificateIssued) -> None:
    """Park records that name people: of a case, with one behind; of no case; of nobody who may write to the topic.

    Another account's event is refused.
    """
    system, others = client.system, colleague("account-of-others")
    poison = truncated(record_of(CUSTOMER.attached(case_id, person("request"))))
    behind = record_of(CUSTOMER.supplemented(case_id, application("behind"), None))
    of_no_case = truncated(record_of(CUSTOMER.submitted(uuid4(), application("lost"), None)))
    strange = truncated(record_of(CUSTOMER.attached(uuid4(), person("request"))), key=people.address("key"))
    to_revoker = truncated(record_of(revocation(CUSTOMER, case_id, issued.serial, "cut")))
    async with kafka.producer(system.cluster_of(Principal.E_SERVICE)) as producer:
        await kafka.send(producer, system.cluster, [poison, behind, of_no_case, strange, to_revoker])
    async with kafka.producer(system.cluster) as producer:
        await kafka.send(producer, system.cluster, [record_of(issued)])
    await client.send(
        others.opened("9900001-8", "Toisten Oy"), others.supplemented(issued.case_id, application("others"), None)
    )
    for service, count in (("intake", 5), ("revoker", 2), ("notifier", 1)):
        await until(system, f"select count(*) = {count} from {service}.parked")


async def lapse(client: CustomerClient, case_id: UUID) -> None:
    """Let half a year pass for intake."""
    system = client.system
    await asyncio.to_thread(system.children["intake"].stop)
    system.start("intake", SERVICECERT_CLOCK_AHEAD="P190D")
    await system.ready("intake")
    await client.view(case_id, CaseState.LAPSED, lambda view: len(view.deliveries) == 4)


async def ask(system: System, query: str) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(system.backends.admin_url)
    try:
        return list(await connection.fetch(query))
    finally:
        connection.terminate()


async def until(system: System, query: str) -> None:
    """Wait until the first row that a query returns is true."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not any(row[0] for row in (await ask(system, query))[:1]):  # noqa: ASYNC110  -- the tables tell
            await asyncio.sleep(0.1)
