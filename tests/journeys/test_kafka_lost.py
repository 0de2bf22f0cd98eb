"""I1, I2: Kafka is lost with all topics, and the database kept: it fills the topics again, and what was in flight ends.

Twice, because no moment has everything in flight: first what intake and notifier had not read of issuer and revoker,
and what the e-service had sent; then what intake had not read of the notifier.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from shutil import copy2, copytree, rmtree
from subprocess import PIPE, STDOUT
from typing import TypeAlias
from uuid import UUID, uuid4

import aiohttp
import asyncpg
import pytest
from chaos.customers import Customers, account_openings
from chaos.idle import IdleCheck
from chaos.observers import SIGNATURE_HOOK
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.ocsp import OCSPCertStatus
from journeys.client import CustomerClient, applicant
from journeys.retention import own_broker
from servicecert_cli.admin.topics import create as create_topics
from servicecert_cli.connections import kafka
from servicecert_cli.connections.kafka import publish
from servicecert_cli.demo.applications import mistaken
from servicecert_cli.operations.applications import customer_of, example
from servicecert_cli.registers.loading import publish_entries
from servicecert_cli.registers.reading import FICTITIOUS_REGISTERS, read_register
from servicecert_cli.stand.identities import Identities
from servicecert_cli.stand.system import OCSP, System
from servicecert_cli.stand.topic_reader import TopicReader, reading_topics
from servicecert_launcher import Parts
from servicecert_pki.authority import Authority
from servicecert_pki.ocsp_client import OcspQuery, OcspUnsound
from servicecert_schemas.broker import Principal
from servicecert_schemas.case import CaseChanged, CaseState
from servicecert_schemas.certificate import CertificateIssued
from servicecert_schemas.codec import Record
from servicecert_schemas.customer import record_of
from servicecert_schemas.event import Assurance, EventData
from servicecert_schemas.mail import MailHandedOver
from servicecert_schemas.revocation import CertificateRevoked, RevocationReason
from servicecert_schemas.topics import CATALOGUE, SERVICES
from servicecert_schemas.values import CertificateType

SERVER, TEST_SERVER = CertificateType.SERVER, CertificateType.TEST_SERVER
PATIENCE_SECONDS = 90.0
Place: TypeAlias = tuple[str, str]
"""A certificate's CA and serial number."""


@dataclass(frozen=True)
class EService(CustomerClient):
    """A client that keeps what it has sent, as the e-service must."""

    sent: list[Record] = field(default_factory=list)

    async def send(self, *events: EventData) -> list[UUID]:
        records = [record_of(data) for data in events]
        self.sent.extend(records)
        await self._send(records)
        return []

    async def send_again(self) -> None:
        """Open the accounts, and send all that was ever sent, under the same ids."""
        await publish(self.system.cluster_of(Principal.E_SERVICE), *account_openings())
        await self._send(self.sent)

    async def _send(self, records: list[Record]) -> None:
        cluster = self.system.cluster_of(Principal.E_SERVICE)
        async with kafka.producer(cluster) as producer:
            await kafka.send(producer, cluster, records)

    async def delivered(self) -> CertificateIssued:
        case_id = await self.apply(TEST_SERVER)
        await self.view(case_id, CaseState.DELIVERED)
        return await self.latest(case_id, CertificateIssued)

    async def revoke(self, issued: CertificateIssued, reason: RevocationReason) -> None:
        await self.send(applicant(TEST_SERVER).revocation(issued.case_id, issued.serial, reason))


def _logged(signatures: Path) -> dict[str, str]:
    return {
        "SIGNATURE_LOG": str(signatures),
        "PYTHONPATH": os.pathsep.join([str(SIGNATURE_HOOK), os.environ.get("PYTHONPATH", "")]),
        "SERVICECERT_SESSION_SECONDS": "1",
    }


@pytest.mark.long
async def test_I1_I2_topics_that_are_lost_are_filled_from_the_tables_and_what_was_in_flight_ends_once(
    parts: Parts, identities: Identities, authority: Path, known_customers: Customers, tmp_path: Path
) -> None:
    log = tmp_path / "signatures"
    async with System(
        tmp_path, parts=parts, authority=authority, environment=_logged(log), identities=identities
    ) as system:
        await publish(system.cluster_of(Principal.E_SERVICE), *account_openings())
        async with reading_topics(system.cluster) as witness:
            client = EService(system, witness, known_customers)
            settled = await _settled(client)
            expected, revoked = await _in_flight(client)
            before = _views(witness)
            serials = {(it.issuer, it.serial) for it in witness.events_of_kind(CertificateIssued)}
            answers = await _answers(system, serials)
            assert set(answers.values()) == {OCSPCertStatus.GOOD, OCSPCertStatus.REVOKED}
            await _stop(system, *SERVICES, OCSP)
        await _lose_kafka(system)
        await _recover(system, client)
        async with reading_topics(system.cluster) as witness:
            await witness.caught_up()
            after = _views(witness)
            assert {it: after[it] for it in settled} == {it: before[it] for it in settled}
            assert {it: after[it].state for it in expected} == expected
            assert await _answers(system, serials) == answers | dict.fromkeys(revoked, OCSPCertStatus.REVOKED)
            client = replace(client, witness=witness)
            late = await _mailed_while_intake_is_away(client)
            await _stop(system, *SERVICES, OCSP)
        await _lose_kafka(system)
        await _recover(system, client)
        async with reading_topics(system.cluster) as witness:
            await witness.caught_up()
            again = _views(witness)
            assert again[late].state is CaseState.DELIVERED
            assert {it: again[it] for it in after} == after
        await _nothing_was_done_twice(system, log)


@pytest.mark.long
async def test_F7_I1_I2_kafka_that_is_put_back_to_an_older_copy_of_itself_gets_what_was_published_since(
    parts: Parts, identities: Identities, authority: Path, known_customers: Customers, tmp_path: Path
) -> None:
    log = tmp_path / "signatures"
    async with (
        own_broker(parts, identities) as own,
        System(tmp_path, parts=own, authority=authority, environment=_logged(log), identities=identities) as system,
    ):
        await publish(system.cluster_of(Principal.E_SERVICE), *account_openings())
        older = Copy(system, tmp_path / "copy")
        async with reading_topics(system.cluster) as witness:
            client = EService(system, witness, known_customers)
            settled = await _settled(client)
            await older.take()
        for which in ("*", f"{system.cluster.prefix}c*-*[02468]"):
            async with reading_topics(system.cluster) as witness:
                client = replace(client, witness=witness)
                settled.add((await client.delivered()).case_id)
                expected, _ = await _in_flight(client)
                before = _views(witness)
            await older.put_back(which)
            for service in SERVICES if which == "*" else ():
                worker = system.start(service)
                assert await asyncio.to_thread(worker.wait, PATIENCE_SECONDS) == 65, worker.tail(5)
                assert f"servicecert republish {service}" in worker.tail(1)
            await client.send_again()
            await _republish(system)
            async with reading_topics(system.cluster) as witness:
                await witness.caught_up()
                after = _views(witness)
                assert {it: after[it] for it in settled} == {it: before[it] for it in settled}
                assert {it: after[it].state for it in expected} == expected
                settled |= set(expected)
        await _nothing_was_done_twice(system, log)


@dataclass(frozen=True)
class Copy:
    """A copy of what Kafka has on its disks, made while nobody writes."""

    system: System
    folder: Path

    async def take(self) -> None:
        await self._while_stopped(lambda logs: copytree(logs, self.folder))
        for name in (*SERVICES, OCSP):
            self.system.start(name)
        await self.system.ready(*SERVICES, OCSP)

    async def put_back(self, which: str) -> None:
        """Put back all partitions of the copy with such a name, and whatever else has one."""

        def put(logs: Path) -> None:
            for each in logs.glob(which):
                rmtree(each) if each.is_dir() else each.unlink()
            for each in self.folder.glob(which):
                copytree(each, logs / each.name) if each.is_dir() else copy2(each, logs)

        await self._while_stopped(put)

    async def _while_stopped(self, act: Callable[[Path], object]) -> None:
        """Stop all that runs, and act on the broker's folder."""
        broker = self.system.parts.kafka
        assert broker is not None
        await _stop(self.system, *(name for name in (*SERVICES, OCSP) if self.system.children[name].alive))
        broker.kill()
        await asyncio.to_thread(act, broker.log.parent / "logs")
        await asyncio.to_thread(broker.restart)


async def _settled(client: EService) -> set[UUID]:
    """Return cases of all kinds that are over, or that wait for their customer."""
    customer, form = applicant(SERVER), example(SERVER)
    returned, waiting, withdrawn, refused = (uuid4() for _ in range(4))
    await client.send(
        customer.submitted(returned, mistaken(form), client.request(SERVER)),
        customer.submitted(waiting, form, None),
        customer.submitted(withdrawn, form, None),
        customer.withdrawn(withdrawn),
        customer.model_copy(update={"assurance": Assurance.LOW}).submitted(refused, form, client.request(SERVER)),
    )
    await client.view(returned, CaseState.RETURNED)
    await client.view(waiting, CaseState.WAITING_FOR_CSR)
    await client.view(withdrawn, CaseState.WITHDRAWN)
    await client.view(refused, CaseState.REFUSED)
    delivered, revoked, exposed = [await client.delivered() for _ in range(3)]
    await client.revoke(revoked, RevocationReason.NO_LONGER_NEEDED)
    await client.view(revoked.case_id, CaseState.REVOKED)
    await client.send(customer_of(form).submitted(other := uuid4(), form, client.request(SERVER, 1)))
    issued = await client.latest(other, CertificateIssued)
    await client.send(
        customer_of(form).revocation(
            other, issued.serial, RevocationReason.KEY_EXPOSED, exposed_since=issued.not_before
        )
    )
    await client.view(other, CaseState.REVOKED)
    await IdleCheck(client.system).wait()
    return {returned, waiting, withdrawn, refused, delivered.case_id, revoked.case_id, exposed.case_id, other}


async def _in_flight(client: EService) -> tuple[dict[UUID, CaseState], list[Place]]:
    """Stop the services one by one, so that each leaves something unread.

    Return the cases with their later ends, and the certificates that are then revoked.
    """
    system = client.system
    to_revoke, to_ask = await client.delivered(), await client.delivered()
    await IdleCheck(system).wait()
    await _stop(system, "notifier")
    unmailed = await client.apply(TEST_SERVER)
    await client.view(unmailed, CaseState.ISSUED)
    await _stop(system, "issuer")
    accepted = await client.apply(TEST_SERVER)
    await client.view(accepted, CaseState.ACCEPTED)
    await _stop(system, "intake")
    await client.revoke(to_revoke, RevocationReason.PURPOSE_OR_DATA_CHANGED)
    await client.latest(to_revoke.case_id, CertificateRevoked)
    await _stop(system, "revoker")
    await client.revoke(to_ask, RevocationReason.NO_LONGER_NEEDED)
    unread = await client.apply(TEST_SERVER)
    await client.witness.caught_up()
    ends = {
        unmailed: CaseState.DELIVERED,
        accepted: CaseState.DELIVERED,
        to_revoke.case_id: CaseState.REVOKED,
        to_ask.case_id: CaseState.REVOKED,
        unread: CaseState.DELIVERED,
    }
    return ends, [(it.issuer, it.serial) for it in (to_revoke, to_ask)]


async def _mailed_while_intake_is_away(client: EService) -> UUID:
    """Return a case of which intake does not know that its certificate was mailed."""
    system = client.system
    await _stop(system, "notifier")
    case_id = await client.apply(TEST_SERVER)
    await client.view(case_id, CaseState.ISSUED)
    await _stop(system, "intake")
    system.start("notifier")
    await client.latest(case_id, MailHandedOver, count=2 + (example(TEST_SERVER).shared_mailbox is not None))
    return case_id


async def _stop(system: System, *names: str) -> None:
    await asyncio.gather(*(asyncio.to_thread(system.children[name].kill) for name in names))


async def _lose_kafka(system: System) -> None:
    """Delete all topics, with what the groups have committed, and create them again."""
    names = [system.cluster.name(topic) for topic in CATALOGUE]
    async with kafka.admin(system.cluster) as admin, asyncio.timeout(PATIENCE_SECONDS):
        await admin.delete_topics(names)
        while any(each["error_code"] == 0 for each in await admin.describe_topics(names)):  # noqa: ASYNC110  -- the broker's
            await asyncio.sleep(0.1)
    await create_topics(system.cluster, CATALOGUE)


async def _recover(system: System, client: EService) -> None:
    """Follow docs/tasks/recreated-topics.md: registers, accounts, accept, republish, services, responders."""
    loader = system.cluster_of(Principal.REGISTERS_LOADER)
    await publish_entries(loader, await asyncio.to_thread(list, read_register(FICTITIOUS_REGISTERS)))
    await client.send_again()
    for service in SERVICES:
        # An operator does it, with the service's login to Kafka.
        await _command(system, service, "topics", "accept", service, "--yes", url=system.backends.admin_url)
    await _republish(system)


async def _republish(system: System) -> None:
    """Fill the topics of all services, and then start them."""
    for service in SERVICES:
        said = await _command(system, service, "republish", service, "--yes")
        assert "are in the outbox now" in said
        assert "are missing" not in await _command(system, service, "republish", service)
    for service in SERVICES:
        system.start(service)
    await system.ready(*SERVICES)
    await _until_published(system)
    system.start(OCSP)
    await system.ready(OCSP)
    await IdleCheck(system).wait()
    for service in SERVICES:
        assert "are missing" not in await _command(system, service, "republish", service)


async def _until_published(system: System) -> None:
    """Wait until no standing is in the outbox any more."""
    connection = await asyncpg.connect(system.backends.admin_url)
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            left = "select count(*) from revoker.outbox where topic = 'certificate-standings'"
            while await connection.fetchval(left):  # noqa: ASYNC110  -- rows have no event
                await asyncio.sleep(0.1)
    finally:
        await connection.close()


async def _command(system: System, service: str, *arguments: str, url: str | None = None) -> str:
    """Run a command in the environment of a service. Return what it said."""
    environment = {} if url is None else {"DATABASE_URL": url}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "servicecert_cli", *arguments),
        env={**system.environment(service), **environment},
        stdout=PIPE,
        stderr=STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    return output.decode()


def _views(witness: TopicReader) -> dict[UUID, CaseChanged]:
    """Return what the e-service shows of each case."""
    views: dict[UUID, CaseChanged] = {}
    for view in witness.events_of_kind(CaseChanged):
        if view.case_id not in views or view.version > views[view.case_id].version:
            views[view.case_id] = view
    return views


async def _answers(system: System, serials: set[Place]) -> dict[Place, OCSPCertStatus]:
    """Return what the OCSP responder says of certificates, once it answers and knows them."""
    authority = Authority.load(system.ca_folder)
    headers = {"Content-Type": "application/ocsp-request"}
    answers: dict[Place, OCSPCertStatus] = {}
    async with aiohttp.ClientSession(headers=headers) as session, asyncio.timeout(PATIENCE_SECONDS):
        for issuer, serial in serials:
            question = OcspQuery(authority.issuer(issuer), int(serial, 16), bytes(32))
            while answers.get((issuer, serial), OCSPCertStatus.UNKNOWN) is OCSPCertStatus.UNKNOWN:
                await asyncio.sleep(0.05)
                with suppress(OcspUnsound, aiohttp.ClientError):
                    async with session.post(system.ocsp_url, data=question.request()) as response:
                        answers[issuer, serial] = question.status(await response.read(), datetime.now(UTC))
    return answers


def _signed(system: System, log: Path) -> Counter[str]:
    """Return how often the CAs' keys signed bytes, by their SHA-256. The linter's throw-away keys sign them too."""
    issuers = Authority.load(system.ca_folder).issuers.values()
    keys = {it.public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) for it in issuers}
    digests = {sha256(key).hexdigest() for key in keys}
    lines = (line.split() for line in log.read_text().splitlines())
    return Counter(signed for key, signed, _ in lines if key in digests)


async def _nothing_was_done_twice(system: System, log: Path) -> None:
    """I2, I3, I6, I9: each certificate was signed once, each mail received once, and nothing is parked."""
    connection = await asyncpg.connect(system.backends.admin_url)
    try:
        intended = await connection.fetch(
            "select encode(sha256(tbs), 'hex') from issuer.certificates where tbs is not null"
        )
        parked = [await connection.fetchval(f"select count(*) from {service}.parked") for service in SERVICES]
        mails = await connection.fetch("select mail_id, state from notifier.mails")
    finally:
        await connection.close()
    signed = _signed(system, log)
    assert {signed[row[0]] for row in intended} == {1}
    received = Counter(mail.path.stem.partition("-")[2] for mail in system.mails.mails if mail.path is not None)
    assert {row["state"] for row in mails} == {"handed-over"}
    assert len(received) == len(mails)
    assert set(received.values()) == {1}
    assert parked == [0] * len(SERVICES)
