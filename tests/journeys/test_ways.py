"""The ways of an application through the whole system: from the e-service's event to the mail, and to a published CRL."""

from __future__ import annotations

import asyncio
from base64 import b64decode
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from uuid import uuid4

import aiohttp
import pytest
import pytest_asyncio
from asn1crypto.pem import unarmor
from chaos.customers import Customers
from chaos.witnesses import read_crl
from cryptography.x509.ocsp import OCSPCertStatus, load_der_ocsp_response
from journeys import everything, retention
from journeys.certificate import Facts, facts, verified
from journeys.desk import PATIENCE_SECONDS, Desk, applicant, opened_desk
from servicecert_cli.demo import openssl
from servicecert_cli.demo.applications import mistaken
from servicecert_cli.e_service.application import example, read_csr
from servicecert_cli.e_service.customer import Customer
from servicecert_cli.operations import auditing, erasing
from servicecert_cli.stand.system import OCSP, System
from servicecert_deploy import Parts
from servicecert_pki.authority import Authority
from servicecert_pki.issuer import IssuerInfo
from servicecert_pki.ocsp_client import Question
from servicecert_pki.partitions import FULL, crl_name
from servicecert_schemas.application import Orderer
from servicecert_schemas.case import CaseState
from servicecert_schemas.certificate import ApplicationAccepted, CertificateIssued
from servicecert_schemas.event import Assurance, Role
from servicecert_schemas.mail import MailHandedOver, MailKind
from servicecert_schemas.revocation import CertificateRevoked, CrlPublished, RevocationReason, RevocationRefused
from servicecert_schemas.topics import CASES, SERVICES
from servicecert_schemas.values import CertificateType
from servicecert_worker.audit.checkpoints import read_public_keys

pytestmark = pytest.mark.asyncio(loop_scope="module")

SERVER, TEST_SERVER = CertificateType.SERVER, CertificateType.TEST_SERVER


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def desk(
    parts: Parts, authority: Path, known_customers: Customers, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Desk]:
    folder = tmp_path_factory.mktemp("ways")
    async with System(folder, parts=parts, authority=authority) as system, opened_desk(system, known_customers) as desk:
        yield desk


EXPECTED = {
    SERVER: Facts(
        subject={
            "country_name": "FI",
            "organization_name": "Kuvitelman hyvinvointialue",
            "organizational_unit_name": "Sagouddens hälsostation",
            "serial_number": "9900001-8",
            "common_name": "kanta.sagoudden.example",
        },
        dns=("kanta.sagoudden.example", "kanta-reserv.sagoudden.example"),
        usages={"server_auth"},
        key_usage={"digital_signature"},
        policy="1.3.6.1.4.1.32473.1.1",
    ),
    TEST_SERVER: Facts(
        subject={
            "country_name": "FI",
            "organization_name": "Apteekkari Urho Kuviteltu",
            "organizational_unit_name": "Onnelan VI apteekki",
            "serial_number": "9900058-7",
            "common_name": "testi.onnelan6.example",
        },
        dns=("testi.onnelan6.example",),
        usages={"server_auth", "client_auth"},
        key_usage={"digital_signature"},
        policy="1.3.6.1.4.1.32473.1.2",
    ),
    CertificateType.SYSTEM_SIGNATURE: Facts(
        subject={
            "country_name": "FI",
            "organization_name": "Lääkärikeskus Satulinna Oy",
            "organizational_unit_name": "Lääkärikeskus Satulinna, Onnelan toimipiste",
            "serial_number": "9900025-3",
            "common_name": "Mielikuva Potilastieto",
        },
        dns=(),
        usages=set(),
        key_usage={"digital_signature", "non_repudiation"},
        policy="1.3.6.1.4.1.32473.1.3",
    ),
    CertificateType.TEST_SYSTEM_SIGNATURE: Facts(
        subject={
            "country_name": "FI",
            "organization_name": "Unelmasilta Välityspalvelut Oy",
            "organizational_unit_name": "Unelmasilta Välityspalvelut Oy",
            "serial_number": "9900066-7",
            "common_name": "Taikasauva Apteekkijärjestelmä",
        },
        dns=(),
        usages=set(),
        key_usage={"digital_signature", "non_repudiation"},
        policy="1.3.6.1.4.1.32473.1.4",
    ),
}


@pytest.mark.parametrize(("number", "family"), [(0, "ec"), (1, "rsa")])
@pytest.mark.parametrize("type", CertificateType)
async def test_A1_C1_I11_the_certificate_says_what_was_applied_for_and_is_mailed_as_der_and_pem(
    desk: Desk, type: CertificateType, number: int, family: str
) -> None:
    case_id = await desk.apply(type, number=number)
    view = await desk.view(case_id, CaseState.DELIVERED)
    issued = await desk.said(case_id, CertificateIssued)
    der = b64decode(issued.certificate)
    expected = EXPECTED[type]
    if family == "rsa" and type.is_server:
        expected = replace(expected, key_usage={"digital_signature", "key_encipherment"})
    assert facts(der) == expected
    environment = "test" if type.is_test else "production"
    assert issued.issuer == f"{environment}-{family}"
    await desk.witness.until(lambda e: isinstance(e, CrlPublished) and (e.issuer, e.partition) == (issued.issuer, FULL))
    verified(der, desk.system, issued, desk.request(type, number))
    assert view.certificate is not None
    assert (view.certificate.serial, view.certificate.fingerprint) == (issued.serial, issued.fingerprint)
    mails = desk.mails(case_id)
    addresses = {each.email for each in issued.recipients}
    assert {mail["To"].addresses[0].addr_spec for mail in mails} == addresses
    assert len(mails) == len(addresses)
    for mail in mails:
        files = {part.get_filename(): part.get_content() for part in mail.iter_attachments()}
        (name,) = (name for name in files if name.endswith(".der"))
        assert files[name] == der
        pem = files[f"{name.removesuffix('.der')}.pem"]
        assert unarmor(pem if isinstance(pem, bytes) else pem.encode())[2] == der


async def test_A10_a_returned_case_is_supplemented_and_delivered(desk: Desk) -> None:
    type = CertificateType.TEST_SYSTEM_SIGNATURE
    case_id = await desk.apply(type, application=mistaken(example(type)))
    returned = await desk.view(case_id, CaseState.RETURNED, lambda view: len(view.deliveries) == 2)
    assert {(each.code, each.field) for each in returned.deficiencies} == {
        ("unit-not-found", "unit_long_name"),
        ("intermediary-mark-missing", "technical_contact.organisation"),
    }
    await desk.send(applicant(type).supplemented(case_id, example(type), None))
    view = await desk.view(case_id, CaseState.DELIVERED)
    assert [entry.state for entry in view.history] == ["submitted", "returned", "accepted", "issued", "delivered"]
    kinds = sorted(each.kind for each in desk.witness.of_case(case_id, MailHandedOver))
    assert kinds == ["application-returned"] * 2 + ["certificate-issued"] * 2


async def test_A3_a_request_can_come_later_from_the_technical_contact(desk: Desk) -> None:
    case_id, customer = uuid4(), applicant(TEST_SERVER)
    await desk.send(customer.submitted(case_id, example(TEST_SERVER), None))
    await desk.view(case_id, CaseState.WAITING_FOR_CSR)
    contact = replace(customer, user_id="contact-1", role=Role.TECHNICAL_CONTACT)
    await desk.send(customer.invited("contact-1", Role.TECHNICAL_CONTACT, case_id))
    await desk.send(contact.attached(case_id, desk.request(TEST_SERVER)))
    view = await desk.view(case_id, CaseState.DELIVERED)
    assert [entry.state for entry in view.history][:3] == ["submitted", "waiting-for-csr", "accepted"]


async def test_A2_who_was_not_strongly_authenticated_is_refused(desk: Desk) -> None:
    case_id, weak = uuid4(), replace(applicant(SERVER), assurance=Assurance.LOW)
    await desk.send(weak.submitted(case_id, example(SERVER), desk.request(SERVER)))
    view = await desk.view(case_id, CaseState.REFUSED)
    assert view.answer is not None
    assert view.answer.code == "not-strongly-authenticated"
    assert not desk.witness.of_case(case_id, ApplicationAccepted)


async def test_I7_D1_D5_a_revoked_certificate_is_on_the_crl_before_anybody_is_told(desk: Desk, tmp_path: Path) -> None:
    # A key of its own: one that was exposed is blocked for ever (A4), and the other tests have theirs in common.
    request = await openssl.make_request(openssl.EC_P384, "kanta.example", tmp_path, "exposed")
    case_id = uuid4()
    await desk.send(applicant(SERVER).submitted(case_id, example(SERVER), read_csr(request)))
    await desk.view(case_id, CaseState.DELIVERED)
    issued = await desk.said(case_id, CertificateIssued)
    typed = bytes.fromhex(issued.serial).hex(":").upper()
    await desk.send(applicant(SERVER).revocation(case_id, typed, RevocationReason.KEY_EXPOSED))
    revoked = await desk.said(case_id, CertificateRevoked)
    assert revoked.crl_url == f"{desk.system.crl_url}/{crl_name(issued.issuer, issued.partition)}"
    for partition in (FULL, issued.partition):
        number, serials = read_crl((desk.system.crl_folder / crl_name(issued.issuer, partition)).read_bytes())
        assert int(issued.serial, 16) in serials
        assert partition == FULL or number >= revoked.crl_number
    view = await desk.view(case_id, CaseState.REVOKED, lambda view: len(view.deliveries) == 4)
    assert {each.kind for each in view.deliveries} == {MailKind.CERTIFICATE_ISSUED, MailKind.CERTIFICATE_REVOKED}
    assert [entry.state for entry in view.history][-2:] == ["revocation-requested", "revoked"]
    told = [
        mail.get_body(("plain",)).get_content() for mail in desk.mails(case_id) if not list(mail.iter_attachments())
    ]
    assert len(told) == 2
    assert all(revoked.crl_url in text for text in told)


async def test_I7_D5_nobody_is_told_of_a_revocation_while_the_responder_is_away(desk: Desk) -> None:
    case_id, system = await desk.apply(TEST_SERVER, number=1), desk.system
    await desk.view(case_id, CaseState.DELIVERED)
    issued = await desk.said(case_id, CertificateIssued)
    system.children[OCSP].kill()
    asked_before = system.log("revoker").read_text().count("does not answer")
    await desk.send(applicant(TEST_SERVER).revocation(case_id, issued.serial, RevocationReason.NO_LONGER_NEEDED))
    async with asyncio.timeout(PATIENCE_SECONDS):
        while system.log("revoker").read_text().count("does not answer") == asked_before:  # noqa: ASYNC110  -- a file tells
            await asyncio.sleep(0.05)
    _, serials = read_crl((system.crl_folder / crl_name(issued.issuer, issued.partition)).read_bytes())
    assert int(issued.serial, 16) in serials
    await desk.witness.caught_up()
    assert not desk.witness.of_case(case_id, CertificateRevoked)
    assert {each.kind for each in desk.witness.of_case(case_id, MailHandedOver)} == {MailKind.CERTIFICATE_ISSUED}
    system.start(OCSP)
    await system.ready(OCSP)
    view = await desk.view(case_id, CaseState.REVOKED, lambda view: len(view.deliveries) == 4)
    assert MailKind.CERTIFICATE_REVOKED in {each.kind for each in view.deliveries}


async def standing(ocsp_url: str, issuer: IssuerInfo, serial: int) -> OCSPCertStatus:
    """What the responder says of a serial number in a sound answer that was made for this question. Raises OcspUnsound."""
    question = Question(issuer, serial, uuid4().bytes * 2)
    async with (
        aiohttp.ClientSession(headers={"Content-Type": "application/ocsp-request"}) as session,
        session.post(ocsp_url, data=question.request()) as response,
    ):
        answer = await response.read()
    question.is_revoked(answer, datetime.now(UTC))
    return load_der_ocsp_response(answer).certificate_status


async def test_D8_ocsp_answers_while_the_broker_is_away_and_knows_of_a_revocation_after_it_is_back(
    desk: Desk, parts: Parts, authority: Path
) -> None:
    case_id, system = await desk.apply(TEST_SERVER, number=1), desk.system
    await desk.view(case_id, CaseState.DELIVERED)
    issued = await desk.said(case_id, CertificateIssued)
    ask = partial(standing, system.ocsp_url, Authority.load(authority).issuer(issued.issuer), int(issued.serial, 16))

    def told(what: str) -> int:
        return system.log(OCSP).read_text().count(what)

    unavailable, back = told("Kafka is unavailable"), told("Kafka is back")
    async with asyncio.timeout(PATIENCE_SECONDS):
        while await ask() is not OCSPCertStatus.GOOD:  # noqa: ASYNC110  -- an answer tells
            await asyncio.sleep(0.05)
        assert parts.kafka is not None
        await asyncio.to_thread(parts.kafka.kill)
        try:
            while told("Kafka is unavailable") == unavailable:
                assert await ask() is OCSPCertStatus.GOOD
            assert await ask() is OCSPCertStatus.GOOD
        finally:
            await asyncio.to_thread(parts.kafka.restart)
        while told("Kafka is back") == back:
            assert await ask() is OCSPCertStatus.GOOD
    await desk.send(applicant(TEST_SERVER).revocation(case_id, issued.serial, RevocationReason.NO_LONGER_NEEDED))
    await desk.view(case_id, CaseState.REVOKED)
    assert await ask() is OCSPCertStatus.REVOKED
    system.require_alive()


async def test_D1_D3_another_account_learns_nothing_and_a_second_request_changes_nothing(desk: Desk) -> None:
    case_id = await desk.apply(TEST_SERVER)
    issued = await desk.said(case_id, CertificateIssued)
    reason = RevocationReason.NO_LONGER_NEEDED
    others = Customer("account-of-others")
    await desk.send(others.opened("9900001-8", "Toisten Oy"), others.revocation(case_id, issued.serial, reason))
    mistyped = applicant(TEST_SERVER).revocation(case_id, "00", reason)
    await desk.send(mistyped)
    refused = await desk.said(case_id, RevocationRefused)
    assert (refused.request_id, refused.code) == (mistyped.request_id, "no-such-certificate"), (
        "others wait, and are told nothing"
    )
    view = await desk.view(case_id, CaseState.DELIVERED, lambda view: view.answer is not None)
    assert view.answer.event_id == mistyped.request_id
    assert not desk.witness.of_case(case_id, CertificateRevoked)
    for _ in range(2):
        await desk.send(applicant(TEST_SERVER).revocation(case_id, str(int(issued.serial, 16)), reason))
    await desk.view(case_id, CaseState.REVOKED, lambda view: len(view.deliveries) == 4)
    assert len(desk.witness.of_case(case_id, CertificateRevoked)) == 1


async def test_I2_I3_an_application_that_is_sent_again_is_answered_and_issued_once(desk: Desk) -> None:
    case_id = await desk.apply(SERVER)
    await desk.view(case_id, CaseState.DELIVERED)
    await desk.send(applicant(SERVER).submitted(case_id, example(SERVER), desk.request(SERVER, 2)))
    view = await desk.view(case_id, CaseState.DELIVERED, lambda view: view.answer is not None)
    assert view.answer.code == "already-submitted"
    assert len(desk.witness.of_case(case_id, ApplicationAccepted)) == 1
    assert len(desk.witness.of_case(case_id, CertificateIssued)) == 1


async def test_E3_once_a_case_is_erased_nobody_is_found_in_any_table_topic_or_log(desk: Desk, tmp_path: Path) -> None:
    system, application = desk.system, example(SERVER)
    orderer = Orderer(name="Siiri Satuhahmo", email="siiri.satuhahmo@hahmot.example")
    people = (b"Siiri Satuhahmo", b"siiri.satuhahmo")
    request = await openssl.make_request(openssl.EC_P384, "kanta.example", tmp_path, "erased")
    case_id, application = uuid4(), application.model_copy(update={"orderer": orderer})
    await desk.send(applicant(SERVER).submitted(case_id, application, read_csr(request)))
    await desk.view(case_id, CaseState.DELIVERED)
    issued = await desk.said(case_id, CertificateIssued)
    reason = RevocationReason.NO_LONGER_NEEDED
    await desk.send(applicant(SERVER).revocation(case_id, issued.serial, reason, "Siiri Satuhahmo needs it no more."))
    await desk.view(case_id, CaseState.REVOKED, lambda view: len(view.deliveries) == 4)
    assert found(people, await everything.stores(system)) >= {
        *(f"topic {name}" for name in ("applications", "cases", "certificates", "certificate-status", "revocations")),
        *(f"table {name}" for name in ("intake.cases", "issuer.certificates", "revoker.statuses")),
    }

    later, url = issued.not_after.replace(year=issued.not_after.year + 5) + timedelta(days=1), system.place.admin_url
    assert str(case_id) not in await erasing.due(url, later - timedelta(days=2))
    assert str(case_id) in await erasing.due(url, later)
    async with asyncio.timeout(PATIENCE_SECONDS):
        while await erasing.erase(url, system.cluster, [str(case_id)], later):  # noqa: ASYNC110  -- the workers' acts end
            await asyncio.sleep(0.2)
    await desk.witness.caught_up()
    await retention.expire(system.cluster)
    await retention.compact(system.cluster, CASES, str(case_id).encode())

    said = {**await everything.logs(system), **await everything.stores(system)}
    assert found(people, said) == set()
    assert f"account-{application.applicant.business_id}".encode() in said["topic accounts"]
    audited = await auditing.verified(
        url,
        SERVICES,
        read_public_keys(system.audit_folder),
        await auditing.exported(system.cluster),
        lambda *_: None,
        system.cluster,
    )
    assert {name: each.findings for name, each in audited.items()} == {name: [] for name in SERVICES}
    assert ("intake", "erase") in [
        (row.service, row.entry["happened"].get("command")) for row in await auditing.life(url, str(case_id))
    ]


def found(people: tuple[bytes, ...], places: Mapping[str, bytes]) -> set[str]:
    """Where somebody is named."""
    return {place for place, content in places.items() if any(person in content for person in people)}
