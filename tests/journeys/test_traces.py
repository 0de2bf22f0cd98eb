"""One trace for each application, from its submission to the mail, and one for each revocation, to the fetched CRL."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from uuid import uuid4

import pytest
import pytest_asyncio
from journeys.client import PATIENCE_SECONDS, CustomerClient, Running, applicant
from otlp_collector import Collector, Received, collecting
from servicecert_cli.connections import kafka
from servicecert_cli.e_service.application import example
from servicecert_cli.stand.identities import Identities
from servicecert_cli.stand.system import System
from servicecert_launcher import Parts
from servicecert_schemas.broker import Principal
from servicecert_schemas.case import CaseState
from servicecert_schemas.certificate import CertificateIssued
from servicecert_schemas.codec import to_record
from servicecert_schemas.event import EventData
from servicecert_schemas.mail import MailHandedOver
from servicecert_schemas.revocation import CertificateRevoked, RevocationReason
from servicecert_schemas.topics import APPLICATIONS, SERVICES
from servicecert_schemas.values import CertificateType
from servicecert_worker.core import traces

pytestmark = pytest.mark.asyncio(loop_scope="module")

TYPE = CertificateType.SERVER
MAILED = ["notifier: mail", "notifier: mail result", "notifier: send notifications"]
SIGNED = [
    "intake: process applications",
    "issuer: process accepted-applications",
    "issuer: sign",
    "issuer: sign result",
]
APPLICATION = [
    ["intake: process applications", "intake: send accepted-applications"],
    [*SIGNED, "issuer: send certificates"],
    [*SIGNED, "notifier: process certificates", *MAILED],
    [
        *SIGNED,
        "notifier: process certificates",
        "notifier: mail",
        "notifier: mail result",
        "intake: process notifications",
    ],
    [*SIGNED, "revoker: process certificates", "revoker: send certificate-standings"],
    [*SIGNED, "intake: process certificates"],
]
PUBLISHED = ["revoker: process revocations", "revoker: publish"]
CONFIRMED = [*PUBLISHED, "revoker: publish result", "revoker: confirm", "revoker: confirm result"]
STEPS = ["wait for the CA's pass", "build", "write", "fetch back"]
REVOCATION = [
    *([*PUBLISHED, f"revoker: {step}"] for step in STEPS),
    [*CONFIRMED, "revoker: send certificate-status"],
    [*CONFIRMED, "notifier: process certificate-status", *MAILED],
    [*CONFIRMED, "intake: process certificate-status"],
]


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with collecting() as collector:
        yield collector


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(
    running: Running, collector: Collector, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[CustomerClient]:
    environment = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
        "OTEL_BSP_SCHEDULE_DELAY": "100",
        "SERVICECERT_LOG_LEVEL": "debug",
        "SERVICECERT_LOG_FORMAT": "json",
    }
    async with running(tmp_path_factory.mktemp("traces"), environment=environment) as client:
        yield client


async def send(
    client: CustomerClient, data: EventData, traceparent: str | None = None, value: bytes | None = None
) -> None:
    """Publish an event as an e-service does that gives it a trace; with a `value`, one that is not as it must be."""
    record = to_record(data, source="/e-service", id=uuid4(), time=datetime.now(UTC), traceparent=traceparent)
    async with kafka.producer(cluster := client.system.cluster_of(Principal.E_SERVICE)) as producer:
        await kafka.send(producer, cluster, [record if value is None else replace(record, value=value)])


async def until(arrived: Callable[[], bool]) -> None:
    """Wait until what is exported has arrived."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not arrived():  # noqa: ASYNC110  -- the collector is a thread
            await asyncio.sleep(0.05)


def paths(client: CustomerClient, spans: Sequence[Received]) -> list[list[str]]:
    """Return for each span the names from the root down to it, unless one of those has not arrived yet."""
    by_id = {span.id: span for span in spans}

    def path(span: Received) -> list[str] | None:
        name = f"{span.service}: {span.name.replace(client.system.cluster.prefix, '')}"
        if not span.parent:
            return [name]
        above = path(by_id[span.parent]) if span.parent in by_id else None
        return None if above is None else [*above, name]

    return [found for span in spans if (found := path(span)) is not None]


def trace_of(name: str) -> str:
    return traces.trace_of(traces.root(name, sampled=True))


async def issued(client: CustomerClient) -> CertificateIssued:
    """Apply for a certificate; return it once all mails are handed over."""
    case_id = await client.apply(TYPE)
    await client.view(case_id, CaseState.DELIVERED)
    return await client.latest(case_id, CertificateIssued)


async def test_an_application_is_one_trace_through_all_services(client: CustomerClient, collector: Collector) -> None:
    certificate = await issued(client)
    trace = trace_of(str(certificate.case_id))
    await until(lambda: all(path in paths(client, collector.trace(trace)) for path in APPLICATION))
    spans = collector.trace(trace)
    by_id = {span.id: span for span in spans}
    assert {span.service for span in spans} == set(SERVICES)
    for span in spans:
        assert span.attributes.get("servicecert.case") == str(certificate.case_id) or span.name.endswith("standings")
        assert not span.failed
        assert span.began <= span.ended
        assert not span.parent or by_id[span.parent].began <= span.began
    (root,) = (span for span in spans if not span.parent)
    assert root.name == f"process {client.system.cluster.name(APPLICATIONS)}"
    assert root.kind == "consumer"
    assert root.attributes["messaging.system"] == "kafka"
    assert root.attributes["messaging.destination.name"] == client.system.cluster.name(APPLICATIONS)
    assert root.attributes["servicecert.event.type"] == "servicecert.application.submitted.v1"
    assert root.attributes["servicecert.outcome"] == "handled"
    (sign,) = (span for span in spans if span.name == "sign result")
    (sent,) = (span for span in spans if span.parent == sign.id and span.kind == "producer")
    assert 0 < float(sent.attributes["servicecert.outbox_seconds"]) <= (sent.ended - sent.began) / 1e9
    assert {span.attributes["messaging.message.id"] for span in spans if span.name.endswith(".certificates")} == {
        sent.attributes["messaging.message.id"]
    }


async def test_a_revocation_is_one_trace_from_the_request_to_the_fetched_crl_and_the_mail(
    client: CustomerClient, collector: Collector
) -> None:
    certificate = await issued(client)
    case_id = certificate.case_id
    request = applicant(TYPE).revocation(case_id, certificate.serial, RevocationReason.NO_LONGER_NEEDED)
    await client.send(request)
    await client.latest(case_id, CertificateRevoked)
    trace = trace_of(f"revocation/{request.request_id}")
    await until(lambda: all(path in paths(client, collector.trace(trace)) for path in REVOCATION))
    spans = collector.trace(trace)
    assert len([span for span in spans if not span.parent]) == 1
    assert {span.service for span in spans} == {"revoker", "notifier", "intake"}
    steps = [next(span for span in spans if span.name == step) for step in STEPS]
    publish = next(span for span in spans if span.name == "publish")
    mail = next(span for span in spans if span.name == "mail")
    assert publish.began == steps[0].began
    assert all(earlier.ended == later.began for earlier, later in pairwise(steps))
    assert steps[-1].ended <= publish.ended <= mail.began, "nobody is told before the CRL was fetched (I7)"
    assert not [span for span in collector.trace(trace_of(str(case_id))) if "revocations" in span.name]


async def test_each_trace_that_the_e_service_gives_is_continued_and_its_flag_honoured(
    client: CustomerClient, collector: Collector
) -> None:
    case_id, customer, form = uuid4(), applicant(TYPE), example(TYPE)
    first, second = uuid4().hex, uuid4().hex
    await send(client, customer.submitted(case_id, form, None), f"00-{first}-00f067aa0ba902b7-01")
    await client.view(case_id, CaseState.WAITING_FOR_CSR)
    await send(client, customer.attached(case_id, client.request(TYPE)), f"00-{second}-00f067aa0ba902b7-00")
    await client.view(case_id, CaseState.DELIVERED)
    sampled = await issued(client)
    await until(lambda: bool(collector.trace(trace_of(str(sampled.case_id)))))
    await until(lambda: any(span.name.startswith("process") for span in collector.trace(first)))
    of_case = [span for span in collector.spans.values() if span.attributes.get("servicecert.case") == str(case_id)]
    assert {span.trace for span in of_case} == {first}, "the request came in a trace that nobody records"
    (root,) = (span for span in of_case if span.name.endswith("applications"))
    assert root.parent == "00f067aa0ba902b7"


async def test_what_comes_later_without_a_trace_is_in_the_cases_own(
    client: CustomerClient, collector: Collector
) -> None:
    case_id, customer, form = uuid4(), applicant(TYPE), example(TYPE)
    await send(client, customer.submitted(case_id, form, None))
    await client.view(case_id, CaseState.WAITING_FOR_CSR)
    await send(client, customer.attached(case_id, client.request(TYPE)))
    await client.view(case_id, CaseState.DELIVERED)
    trace = trace_of(str(case_id))
    await until(lambda: all(path in paths(client, collector.trace(trace)) for path in APPLICATION[1:]))
    begun = [span.attributes["servicecert.event.type"] for span in collector.trace(trace) if not span.parent]
    assert begun == ["servicecert.application.submitted.v1", "servicecert.application.csr-attached.v1"]


async def test_E3_lines_have_trace_and_case_and_no_span_has_personal_data(
    client: CustomerClient, collector: Collector
) -> None:
    certificate = await issued(client)
    case_id, trace = str(certificate.case_id), trace_of(str(certificate.case_id))
    await until(lambda: all(path in paths(client, collector.trace(trace)) for path in APPLICATION))
    mails = {str(mail.mail_id) for mail in client.witness.events_of_case(certificate.case_id, MailHandedOver)}
    lines = [json.loads(line) for line in client.system.log("notifier").read_text().splitlines() if line[0] == "{"]
    about = [line for line in lines if line.get("mail") in mails]
    assert len(about) == len(mails)
    assert {(line["trace"], line["case"]) for line in about} == {(trace, case_id)}
    form = example(TYPE)
    for text in (form.orderer.email, form.technical_contact.email, form.orderer.name, form.applicant.business_id):
        assert not any(text.encode() in body for body in collector.bodies)


async def test_a_parked_record_is_a_failed_span_and_a_line_of_its_case(
    client: CustomerClient, collector: Collector
) -> None:
    case_id = uuid4()
    await send(client, applicant(TYPE).withdrawn(case_id), value=b"{}")
    trace = trace_of(str(case_id))
    await until(lambda: bool(collector.trace(trace)))
    (span,) = collector.trace(trace)
    assert span.failed
    assert span.attributes["servicecert.outcome"] == "parked"
    lines = [json.loads(line) for line in client.system.log("intake").read_text().splitlines() if line[0] == "{"]
    (line,) = (line for line in lines if line["event"].startswith("A record is parked") and line["key"] == str(case_id))
    assert (line["trace"], line["case"]) == (trace, str(case_id))
    assert span.attributes["error.type"] == line["reason"]
