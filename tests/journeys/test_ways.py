"""Applications through the whole system: from the e-service's event to the mail and to a published CRL, and traces."""

from __future__ import annotations

import asyncio
import json
import shutil
from base64 import b64decode
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from functools import partial
from itertools import pairwise
from pathlib import Path
from uuid import uuid4

import pytest
import pytest_asyncio
from asn1crypto.pem import unarmor
from chaos.observers import read_crl
from cryptography import x509
from cryptography.x509.ocsp import OCSPCertStatus
from journeys.certificate import EXPECTED, facts, verified
from journeys.client import PATIENCE_SECONDS, CustomerClient, Running, applicant
from journeys.ocsp import ocsp_status
from journeys.spans import APPLICATION, REVOCATION, STEPS, arrived, send, trace_of, until
from otlp_collector import Collector, collecting
from servicecert_cli.connections import kafka
from servicecert_cli.demo import openssl
from servicecert_cli.demo.applications import mistaken
from servicecert_cli.operations.applications import colleague, example, read_csr
from servicecert_cli.stand.system import OCSP
from servicecert_launcher import Parts
from servicecert_pki.authority import Authority
from servicecert_pki.partitions import FULL, crl_name
from servicecert_schemas.broker import Principal
from servicecert_schemas.case import CaseChanged, CaseState, EventRefused
from servicecert_schemas.certificate import ApplicationAccepted, CertificateIssued
from servicecert_schemas.customer import record_of
from servicecert_schemas.event import Assurance, Role
from servicecert_schemas.mail import MailHandedOver, MailKind
from servicecert_schemas.revocation import CertificateRevoked, CrlPublished, Notify, RevocationReason, RevocationRefused
from servicecert_schemas.topics import APPLICATIONS, SERVICES
from servicecert_schemas.values import CertificateType, Language

pytestmark = pytest.mark.asyncio(loop_scope="module")

SERVER, TEST_SERVER = CertificateType.SERVER, CertificateType.TEST_SERVER


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
    async with running(tmp_path_factory.mktemp("ways"), environment=environment) as client:
        yield client


async def test_A2_a_record_of_accounts_that_changes_nothing_is_answered_once(client: CustomerClient) -> None:
    """One of a stranger who invites himself, and one that is no event: its business id has a wrong check digit."""
    stranger = applicant(SERVER).model_copy(update={"user_id": "stranger"})
    valid = record_of(applicant(SERVER).opened("0204819-8", "Helsingin VI apteekki"))
    await client.send(stranger.invited("stranger"))
    cluster = client.system.cluster_of(Principal.E_SERVICE)
    async with kafka.producer(cluster) as producer:
        await kafka.send(producer, cluster, [replace(valid, value=valid.value.replace(b"0204819-8", b"0204819-7"))])
    async with asyncio.timeout(PATIENCE_SECONDS):
        await client.witness.until(EventRefused, lambda each: each.code == "not-a-member")
        answer = await client.witness.until(EventRefused, lambda each: each.code == "wrong-schema")
    assert (answer.event_id, answer.account_id) == (valid.id, applicant(SERVER).account_id)
    # Who starts anew reads the topic anew.
    await asyncio.to_thread(client.system.children["intake"].stop)
    client.system.start("intake")
    await client.system.ready("intake")
    await client.certificate(SERVER)
    await client.witness.caught_up()
    assert sorted(each.code for each in client.witness.events_of_kind(EventRefused)) == ["not-a-member", "wrong-schema"]


@pytest.mark.parametrize(("number", "family"), [(0, "ec"), (1, "rsa")])
@pytest.mark.parametrize("type", CertificateType)
async def test_A1_C1_I11_the_certificate_says_what_was_applied_for_and_is_mailed_as_der_and_pem(
    client: CustomerClient, type: CertificateType, number: int, family: str
) -> None:
    case_id = await client.apply(type, number=number)
    view = await client.view(case_id, CaseState.DELIVERED)
    issued = await client.latest(case_id, CertificateIssued)
    der = b64decode(issued.certificate)
    expected = EXPECTED[type]
    if family == "rsa" and type.is_server:
        expected = replace(expected, key_usage={"digital_signature", "key_encipherment"})
    assert facts(der) == expected
    environment = "test" if type.is_test else "production"
    assert issued.issuer == f"{environment}-{family}"
    await client.witness.until(CrlPublished, lambda it: (it.issuer, it.partition) == (issued.issuer, FULL))
    verified(der, client.system, issued, client.request(type, number))
    assert view.certificate is not None
    assert (view.certificate.serial, view.certificate.fingerprint) == (issued.serial, issued.fingerprint)
    mails = client.mails(case_id)
    addresses = {each.email for each in issued.recipients}
    assert {mail["To"].addresses[0].addr_spec for mail in mails} == addresses
    assert len(mails) == len(addresses)
    for mail in mails:
        files = {part.get_filename(): part.get_content() for part in mail.iter_attachments()}
        (name,) = (name for name in files if name.endswith(".der"))
        assert files[name] == der
        pem = files[f"{name.removesuffix('.der')}.pem"]
        assert unarmor(pem if isinstance(pem, bytes) else pem.encode())[2] == der


async def test_A10_a_returned_case_is_supplemented_and_delivered(client: CustomerClient) -> None:
    type = CertificateType.TEST_SYSTEM_SIGNATURE
    case_id = await client.apply(type, application=mistaken(example(type)))
    returned = await client.view(case_id, CaseState.RETURNED, lambda view: len(view.deliveries) == 2)
    assert {(each.code, each.field) for each in returned.deficiencies} == {
        ("unit-not-found", "unit_long_name"),
        ("intermediary-mark-missing", "technical_contact.organisation"),
    }
    await client.send(applicant(type).supplemented(case_id, example(type), None))
    view = await client.view(case_id, CaseState.DELIVERED)
    assert [entry.state for entry in view.history] == ["submitted", "returned", "accepted", "issued", "delivered"]
    kinds = sorted(each.kind for each in client.witness.events_of_case(case_id, MailHandedOver))
    assert kinds == ["application-returned"] * 2 + ["certificate-issued"] * 2


async def test_A3_a_request_can_come_later_from_the_technical_contact(client: CustomerClient) -> None:
    case_id, customer = uuid4(), applicant(TEST_SERVER)
    await client.send(customer.submitted(case_id, example(TEST_SERVER), None))
    await client.view(case_id, CaseState.WAITING_FOR_CSR)
    contact = customer.model_copy(update={"user_id": "contact-1", "role": Role.TECHNICAL_CONTACT})
    await client.send(customer.invited("contact-1", Role.TECHNICAL_CONTACT, case_id))
    await client.send(contact.attached(case_id, client.request(TEST_SERVER)))
    view = await client.view(case_id, CaseState.DELIVERED)
    assert [entry.state for entry in view.history][:3] == ["submitted", "waiting-for-csr", "accepted"]


async def test_A2_who_was_not_strongly_authenticated_is_refused(client: CustomerClient) -> None:
    case_id, weak = uuid4(), applicant(SERVER).model_copy(update={"assurance": Assurance.LOW})
    await client.send(weak.submitted(case_id, example(SERVER), client.request(SERVER)))
    view = await client.view(case_id, CaseState.REFUSED)
    assert view.answer is not None
    assert view.answer.code == "not-strongly-authenticated"
    assert not client.witness.events_of_case(case_id, ApplicationAccepted)


async def with_own_key(client: CustomerClient, folder: Path) -> CertificateIssued:
    """Return a certificate whose key no other test has: an exposed key is blocked for ever (A4)."""
    request = await openssl.make_request(openssl.EC_P384, "kanta.example.fi", folder, "own")
    return await client.certificate(SERVER, request=read_csr(request))


async def test_I7_D1_D5_a_revoked_certificate_is_on_the_crl_before_anybody_is_told(
    client: CustomerClient, tmp_path: Path
) -> None:
    issued = await with_own_key(client, tmp_path)
    case_id = issued.case_id
    typed = bytes.fromhex(issued.serial).hex(":").upper()
    await client.send(applicant(SERVER).revocation(case_id, typed, RevocationReason.KEY_EXPOSED))
    revoked = await client.latest(case_id, CertificateRevoked)
    assert revoked.crl_url == f"{client.system.crl_url}/{crl_name(issued.issuer, issued.partition)}"
    for partition in (FULL, issued.partition):
        number, serials = read_crl((client.system.crl_folder / crl_name(issued.issuer, partition)).read_bytes())
        assert int(issued.serial, 16) in serials
        assert partition == FULL or number >= revoked.crl_number
    view = await client.view(case_id, CaseState.REVOKED, lambda view: len(view.deliveries) == 4)
    assert {each.kind for each in view.deliveries} == {MailKind.CERTIFICATE_ISSUED, MailKind.CERTIFICATE_REVOKED}
    assert [entry.state for entry in view.history][-2:] == ["revocation-requested", "revoked"]
    texts = [
        mail.get_body(("plain",)).get_content() for mail in client.mails(case_id) if not list(mail.iter_attachments())
    ]
    assert len(texts) == 2
    assert all(revoked.crl_url in text for text in texts)


def is_mailed(reason: RevocationReason, mails: int) -> Callable[[CaseChanged], bool]:
    """Return whether a view has the reason and so many mails: which of them it gets first is not promised."""
    return lambda view: (
        view.revocation is not None and view.revocation.reason is reason and len(view.deliveries) == mails
    )


async def test_D3_D5_an_exposed_key_overrides_the_reason_for_everybody_and_is_mailed_again(
    client: CustomerClient, tmp_path: Path
) -> None:
    issued, orderer = await with_own_key(client, tmp_path), applicant(SERVER)
    case_id = issued.case_id
    for number, (reason, language) in enumerate(
        ((RevocationReason.NO_LONGER_NEEDED, Language.FINNISH), (RevocationReason.KEY_EXPOSED, Language.ENGLISH)), 1
    ):
        colleague = orderer.model_copy(update={"user_id": f"colleague-{number}"})
        notify = Notify(email=f"colleague-{number}@example.fi", language=language)
        asked = colleague.revocation(
            case_id, issued.serial, reason, exposed_since=issued.not_before - timedelta(days=1), notify=notify
        )
        await client.send(orderer.invited(colleague.user_id), asked)
        await client.view(case_id, CaseState.REVOKED, is_mailed(reason, 2 + 3 * number))
    first, second = client.witness.events_of_case(case_id, CertificateRevoked)
    assert (second.revoked_at, second.invalid_since) == (first.revoked_at, issued.not_before)
    crl = x509.load_der_x509_crl((client.system.crl_folder / crl_name(issued.issuer, issued.partition)).read_bytes())
    entry = crl.get_revoked_certificate_by_serial_number(int(issued.serial, 16))
    assert entry.extensions.get_extension_for_class(x509.CRLReason).value.reason is x509.ReasonFlags.key_compromise
    assert entry.extensions.get_extension_for_class(x509.InvalidityDate).value.invalidity_date_utc == issued.not_before
    mails = [mail for mail in client.mails(case_id) if not list(mail.iter_attachments())]
    own = {mail["To"]: mail["Subject"].partition(" ")[0] for mail in mails if "colleague" in mail["To"]}
    assert own == {"colleague-1@example.fi": "Varmenne", "colleague-2@example.fi": "The"}
    assert len(mails) == 6, "two recipients hear of both"


async def test_I7_D5_nobody_is_told_of_a_revocation_while_the_responder_is_away(client: CustomerClient) -> None:
    issued, system = await client.certificate(TEST_SERVER, number=1), client.system
    case_id = issued.case_id
    system.children[OCSP].kill()
    asked_before = system.log("revoker").read_text().count("No answer from OCSP")
    await client.send(applicant(TEST_SERVER).revocation(case_id, issued.serial, RevocationReason.NO_LONGER_NEEDED))
    async with asyncio.timeout(PATIENCE_SECONDS):
        while system.log("revoker").read_text().count("No answer from OCSP") == asked_before:  # noqa: ASYNC110  -- a file tells
            await asyncio.sleep(0.05)
    _, serials = read_crl((system.crl_folder / crl_name(issued.issuer, issued.partition)).read_bytes())
    assert int(issued.serial, 16) in serials
    await client.witness.caught_up()
    assert not client.witness.events_of_case(case_id, CertificateRevoked)
    assert {each.kind for each in client.witness.events_of_case(case_id, MailHandedOver)} == {
        MailKind.CERTIFICATE_ISSUED
    }
    system.start(OCSP)
    await system.ready(OCSP)
    view = await client.view(case_id, CaseState.REVOKED, lambda view: len(view.deliveries) == 4)
    assert MailKind.CERTIFICATE_REVOKED in {each.kind for each in view.deliveries}


@pytest.mark.long
async def test_D8_ocsp_answers_while_the_broker_is_away_and_knows_of_a_revocation_after_it_is_back(
    client: CustomerClient, parts: Parts, authority: Path
) -> None:
    issued, system = await client.certificate(TEST_SERVER, number=1), client.system
    case_id = issued.case_id
    ask = partial(ocsp_status, system.ocsp_url, Authority.load(authority).issuer(issued.issuer), int(issued.serial, 16))

    def log_count(what: str) -> int:
        return system.log(OCSP).read_text().count(what)

    unavailable, back = log_count("Kafka is unavailable"), log_count("Kafka is back")
    async with asyncio.timeout(PATIENCE_SECONDS):
        while await ask() is not OCSPCertStatus.GOOD:  # noqa: ASYNC110  -- an answer tells
            await asyncio.sleep(0.05)
        assert parts.kafka is not None
        await asyncio.to_thread(parts.kafka.kill)
        try:
            while log_count("Kafka is unavailable") == unavailable:
                assert await ask(often=True) is OCSPCertStatus.GOOD
            assert await ask() is OCSPCertStatus.GOOD
        finally:
            await asyncio.to_thread(parts.kafka.restart)
        while log_count("Kafka is back") == back:
            assert await ask(often=True) is OCSPCertStatus.GOOD
    await client.send(applicant(TEST_SERVER).revocation(case_id, issued.serial, RevocationReason.NO_LONGER_NEEDED))
    await client.view(case_id, CaseState.REVOKED)
    assert await ask() is OCSPCertStatus.REVOKED
    system.require_alive()


async def test_D1_D3_another_account_learns_nothing_and_a_second_request_changes_nothing(
    client: CustomerClient,
) -> None:
    case_id = await client.apply(TEST_SERVER)
    issued = await client.latest(case_id, CertificateIssued)
    reason = RevocationReason.NO_LONGER_NEEDED
    others = colleague("account-of-others")
    await client.send(others.opened("9900001-8", "Toisten Oy"), others.revocation(case_id, issued.serial, reason))
    mistyped = applicant(TEST_SERVER).revocation(case_id, "00", reason)
    await client.send(mistyped)
    refused = await client.latest(case_id, RevocationRefused)
    assert (refused.request_id, refused.code) == (mistyped.request_id, "no-such-certificate"), (
        "the request of another account waits without an answer"
    )
    view = await client.view(case_id, CaseState.DELIVERED, lambda view: view.answer is not None)
    assert view.answer.event_id == mistyped.request_id
    assert not client.witness.events_of_case(case_id, CertificateRevoked)
    for _ in range(2):
        await client.send(applicant(TEST_SERVER).revocation(case_id, str(int(issued.serial, 16)), reason))
    await client.view(case_id, CaseState.REVOKED, lambda view: len(view.deliveries) == 4)
    assert len(client.witness.events_of_case(case_id, CertificateRevoked)) == 1


async def test_I2_I3_an_application_that_is_sent_again_is_answered_and_issued_once(client: CustomerClient) -> None:
    case_id = await client.apply(SERVER)
    await client.view(case_id, CaseState.DELIVERED)
    await client.send(applicant(SERVER).submitted(case_id, example(SERVER), client.request(SERVER, 2)))
    view = await client.view(case_id, CaseState.DELIVERED, lambda view: view.answer is not None)
    assert view.answer.code == "too-late-issued"
    assert len(client.witness.events_of_case(case_id, ApplicationAccepted)) == 1
    assert len(client.witness.events_of_case(case_id, CertificateIssued)) == 1


async def test_I13_F7_a_lost_folder_and_an_older_copy_of_it_take_no_revocation_back(
    client: CustomerClient, tmp_path: Path
) -> None:
    """Half of the files are lost, those of a backup replace the others; nobody asks the revoker for anything."""
    folder, issued = client.system.crl_folder, await with_own_key(client, tmp_path)
    case_id = issued.case_id
    shutil.copytree(folder, tmp_path / "backup")
    await client.send(applicant(SERVER).revocation(case_id, issued.serial, RevocationReason.KEY_EXPOSED))
    view = await client.view(case_id, CaseState.REVOKED)
    assert view.revocation is not None
    requested_at, published_at = view.revocation.requested_at, view.revocation.published_at
    assert published_at is not None
    assert timedelta(0) <= published_at - requested_at < timedelta(minutes=1)
    assert (view.history[-1].state, view.history[-1].at) == (CaseState.REVOKED, published_at)
    names = sorted(path.name for path in folder.iterdir())
    own = [crl_name(issued.issuer, partition) for partition in (FULL, issued.partition)]
    for place, name in enumerate(names):
        (folder / name).unlink()
        if name in own or place % 2:
            shutil.copy(tmp_path / "backup" / name, folder)
    assert not any(lists(folder / name, issued.serial) for name in own)
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            served = sorted(path.name for path in folder.iterdir() if not path.is_dir())
            if served == names and all(lists(folder / name, issued.serial) for name in own):
                break
            await asyncio.sleep(0.1)


def lists(crl: Path, serial: str) -> bool:
    return int(serial, 16) in read_crl(crl.read_bytes())[1]


# Traces


async def test_an_application_is_one_trace_through_all_services(client: CustomerClient, collector: Collector) -> None:
    certificate = await client.certificate(SERVER)
    trace = trace_of(str(certificate.case_id))
    spans = await arrived(client, collector, trace, APPLICATION)
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
    certificate = await client.certificate(SERVER)
    case_id = certificate.case_id
    request = applicant(SERVER).revocation(case_id, certificate.serial, RevocationReason.NO_LONGER_NEEDED)
    await client.send(request)
    await client.latest(case_id, CertificateRevoked)
    trace = trace_of(f"revocation/{request.request_id}")
    spans = await arrived(client, collector, trace, REVOCATION)
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
    case_id, customer, form = uuid4(), applicant(SERVER), example(SERVER)
    first, second = uuid4().hex, uuid4().hex
    await send(client, customer.submitted(case_id, form, None), f"00-{first}-00f067aa0ba902b7-01")
    await client.view(case_id, CaseState.WAITING_FOR_CSR)
    await send(client, customer.attached(case_id, client.request(SERVER)), f"00-{second}-00f067aa0ba902b7-00")
    await client.view(case_id, CaseState.DELIVERED)
    sampled = await client.certificate(SERVER)
    await until(lambda: bool(collector.trace(trace_of(str(sampled.case_id)))))
    await until(lambda: any(span.name.endswith("applications") for span in collector.trace(first)))
    of_case = [
        span for span in list(collector.spans.values()) if span.attributes.get("servicecert.case") == str(case_id)
    ]
    assert {span.trace for span in of_case} == {first}, "the request came in a trace that nobody records"
    (root,) = (span for span in of_case if span.name.endswith("applications"))
    assert root.parent == "00f067aa0ba902b7"


async def test_what_comes_later_without_a_trace_is_in_the_cases_own(
    client: CustomerClient, collector: Collector
) -> None:
    case_id, customer, form = uuid4(), applicant(SERVER), example(SERVER)
    await send(client, customer.submitted(case_id, form, None))
    await client.view(case_id, CaseState.WAITING_FOR_CSR)
    await send(client, customer.attached(case_id, client.request(SERVER)))
    await client.view(case_id, CaseState.DELIVERED)
    trace = trace_of(str(case_id))
    spans = await arrived(client, collector, trace, APPLICATION[1:])
    begun = [span.attributes["servicecert.event.type"] for span in spans if not span.parent]
    assert begun == ["servicecert.application.submitted.v1", "servicecert.application.csr-attached.v1"]


async def test_E3_lines_have_trace_and_case_and_no_span_has_personal_data(
    client: CustomerClient, collector: Collector
) -> None:
    certificate = await client.certificate(SERVER)
    case_id, trace = str(certificate.case_id), trace_of(str(certificate.case_id))
    await arrived(client, collector, trace, APPLICATION)
    mails = {str(mail.mail_id) for mail in client.witness.events_of_case(certificate.case_id, MailHandedOver)}
    lines = [json.loads(line) for line in client.system.log("notifier").read_text().splitlines() if line[0] == "{"]
    about = [line for line in lines if line.get("mail") in mails]
    assert len(about) == len(mails)
    assert {(line["trace"], line["case"]) for line in about} == {(trace, case_id)}
    form = example(SERVER)
    for text in (form.orderer.email, form.technical_contact.email, form.orderer.name, form.applicant.business_id):
        assert not any(text.encode() in body for body in collector.bodies)


async def test_a_parked_record_is_a_failed_span_and_a_line_of_its_case(
    client: CustomerClient, collector: Collector
) -> None:
    case_id = uuid4()
    await send(client, applicant(SERVER).withdrawn(case_id), value=b"{}")
    trace = trace_of(str(case_id))
    await until(lambda: bool(collector.trace(trace)))
    (span,) = collector.trace(trace)
    assert span.failed
    assert span.attributes["servicecert.outcome"] == "parked"
    lines = [json.loads(line) for line in client.system.log("intake").read_text().splitlines() if line[0] == "{"]
    (line,) = (line for line in lines if line["event"].startswith("A record is parked") and line["key"] == str(case_id))
    assert (line["trace"], line["case"]) == (trace, str(case_id))
    assert span.attributes["error.type"] == line["reason"]
