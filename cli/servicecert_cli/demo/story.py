"""The story: five applications, four certificates, one revocation, one lapse, and what OpenSSL and the customer see."""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from uuid import UUID, uuid4

from cryptography import x509
from servicecert_pki.partitions import crl_name
from servicecert_pki.validity import HELSINKI
from servicecert_schemas.case import CaseState
from servicecert_schemas.certificate import CertificateIssued
from servicecert_schemas.event import Role
from servicecert_schemas.mail import MailKind
from servicecert_schemas.revocation import CertificateRevoked, Notify, RevocationReason
from servicecert_schemas.values import CertificateType, Language

from ..e_service.application import example, read_csr
from ..e_service.cases import of_account
from ..e_service.customer import Customer
from ..e_service.publishing import publish
from ..faults import UserError, user_error
from ..operations.mail_preview import write_preview
from ..stand.parts import given
from ..stand.progress import Steps
from ..stand.system import System
from ..stand.topic_reader import reading_topics
from . import openssl
from .applications import KEYS, at_first, introduction, registered_name
from .artifacts import keep_authority, keep_certificate, keep_events
from .elements import (
    CaseList,
    Chapter,
    Checked,
    Deficiencies,
    Ending,
    Fact,
    Facts,
    IssuedCertificate,
    Paragraph,
    Reply,
    Title,
)
from .narrator import Narrator
from .session import Session

TITLES = {
    CertificateType.SERVER: "A server certificate",
    CertificateType.TEST_SERVER: "A test server certificate, whose request comes later",
    CertificateType.SYSTEM_SIGNATURE: "A system signature certificate, whose attachment was forgotten",
    CertificateType.TEST_SYSTEM_SIGNATURE: "A test system signature certificate, at the second try",
}
MENDED = {
    CertificateType.SYSTEM_SIGNATURE: "The applicant attaches the certificate and sends the form again.",
    CertificateType.TEST_SYSTEM_SIGNATURE: "The applicant mends both and sends the form again.",
}
"""How those mend their application that sent an incomplete one first."""


COLLEAGUE = Notify(email="kaisa.kollega@onnela.example", language=Language.ENGLISH)
"""Where the colleague who asks for the revocation wants the mail about it."""


@dataclass(frozen=True, slots=True)
class Granted:
    """A case with its certificate, and the path of the certificate's files without their ending."""

    case_id: UUID
    customer: Customer
    issued: CertificateIssued
    path: str


async def run_story(folder: Path, narrator: Narrator) -> None:
    """Run the demonstration in an empty folder. Raises UserError with the step that failed; nothing keeps running."""
    narrator.show(
        Title(
            "Service certificates: four certificates, one revocation, one lapse",
            "The organisations are invented. Times of day are those of Helsinki.",
        )
    )
    step = "preparing"
    try:
        async with AsyncExitStack() as stack:
            session, csrs = await _start(folder, narrator, stack)
            granted: list[Granted] = []
            for number, type in enumerate(CertificateType, 1):
                step = TITLES[type].lower()
                narrator.show(Chapter(number, TITLES[type]))
                granted.append(await apply(session, type, csrs[type]))
            step = "the revocation"
            narrator.show(Chapter(5, "A revocation"))
            await revoke(session, granted[0])
            step = "the checks by OpenSSL"
            narrator.show(Chapter(6, "What OpenSSL says"))
            await check_all(session, granted)
            step = "the lapse"
            narrator.show(Chapter(7, "An application that lapses"))
            await lapse(session)
            step = "the customer's page"
            narrator.show(Chapter(8, "What the customer sees"))
            await show_page(session, granted[1].customer.account_id)
            step = "stopping"
            with narrator.waiting("stopping everything"):
                await session.system.stop_all()
                events = await keep_events(session.witness, folder)
                await asyncio.to_thread(write_preview, folder / "preview")
                await stack.aclose()
    except Exception as error:
        fault = user_error(error)
        if fault is None:
            raise
        raise UserError(f"the demonstration failed at {step}: {fault}") from None
    narrator.show(ending(folder, events))


async def _start(folder: Path, narrator: Narrator, stack: AsyncExitStack) -> tuple[Session, dict[CertificateType, str]]:
    """Start everything, while OpenSSL makes the customers' requests."""
    with Steps(narrator.console) as steps, TemporaryDirectory() as customers:
        # Before anything is started in vain.
        version = await openssl.version()
        requests = asyncio.create_task(_requests(Path(customers), steps, version))
        try:
            system = await stack.enter_async_context(System(folder, secure=not given(), report=steps))
            csrs = await requests
        finally:
            requests.cancel()
    keep_authority(system.ca_folder, folder)
    witness = await stack.enter_async_context(reading_topics(system.cluster))
    return Session(system, witness, narrator), csrs


async def _requests(folder: Path, steps: Steps, version: str) -> dict[CertificateType, str]:
    steps.began("requests", "Certificate requests")
    # Nothing of a request's subject is copied, so the customers need not know what it must be.
    subject = "nothing of this is copied"
    made = await asyncio.gather(*(openssl.make_request(kind, subject, folder, type) for type, kind in KEYS.items()))
    steps.done("requests", f"{len(made)} made by {version}")
    return {type: read_csr(path) for type, path in zip(KEYS, made, strict=True)}


async def apply(session: Session, type: CertificateType, csr: str) -> Granted:
    """Narrate one application, in the way of its type, until its certificate is delivered."""
    application, narrator = example(type), session.narrator
    first = at_first(application)
    case_id, customer = uuid4(), Customer.of(application.applicant.business_id)
    name = registered_name(application.applicant.business_id)
    narrator.show(introduction(first, name))
    comes_later = type is CertificateType.TEST_SERVER
    opened = customer.opened(application.applicant.business_id, name)
    submitted = customer.submitted(case_id, first, None if comes_later else csr)
    await publish(session.e_service, opened, submitted)
    if comes_later:
        await _attach(session, customer, case_id, csr)
    if type in MENDED:
        returned = await session.follow(case_id, CaseState.RETURNED, "intake")
        narrator.show(Deficiencies(returned.deficiencies))
        await session.mails(returned, MailKind.APPLICATION_RETURNED)
        narrator.show(Paragraph(MENDED[type]))
        await publish(session.e_service, customer.supplemented(case_id, application, csr))
    delivered = await session.follow(case_id, CaseState.DELIVERED, "notifier")
    (issued,) = session.witness.events_of_case(case_id, CertificateIssued)
    path = keep_certificate(issued, session.system.folder)
    narrator.show(IssuedCertificate(issued, path))
    await session.mails(delivered, MailKind.CERTIFICATE_ISSUED, quoted=comes_later)
    return Granted(case_id, customer, issued, path)


async def _attach(session: Session, customer: Customer, case_id: UUID, csr: str) -> None:
    """The technical contact, whom the orderer invites to this one case, attaches the request."""
    waiting = await session.follow(case_id, CaseState.WAITING_FOR_CSR, "intake")
    await session.mails(waiting, MailKind.CSR_INVITED)
    session.narrator.show(Paragraph("The technical contact, whom the orderer invites, attaches the key's request."))
    contact = replace(customer, user_id="contact-1", role=Role.TECHNICAL_CONTACT)
    invited = customer.invited(contact.user_id, contact.role, case_id)
    await publish(session.e_service, invited, contact.attached(case_id, csr))


async def revoke(session: Session, granted: Granted) -> None:
    """A colleague fears that a key is exposed, asks for the certificate's revocation, and gets the mail, too (D5)."""
    narrator = session.narrator
    narrator.show(Paragraph("A relying party checks the first certificate with OpenSSL: CRL, then OCSP:"))
    await check(session, granted, whole=True)
    typed = bytes.fromhex(granted.issued.serial).hex(":").upper()
    narrator.show(
        Paragraph("A colleague fears that the key is exposed, and asks for revocation:"),
        Facts(
            (
                Fact("serial", f"{typed}, as typed"),
                Fact("mail to", f"{COLLEAGUE.email}, in English", detail=True),
                Fact("reason", "the key may be exposed", detail=True),
            )
        ),
    )
    colleague = replace(granted.customer, user_id="colleague-1")
    request = colleague.revocation(granted.case_id, typed, RevocationReason.KEY_EXPOSED, notify=COLLEAGUE)
    await publish(session.e_service, granted.customer.invited(colleague.user_id), request)
    case = await session.follow(granted.case_id, CaseState.REVOKED, "revoker")
    (revoked,) = session.witness.events_of_case(granted.case_id, CertificateRevoked)
    narrator.show(published_crl(session.system.crl_folder, revoked))
    await session.mails(case, MailKind.CERTIFICATE_REVOKED, to=revoked.recipients)


async def check_all(session: Session, granted: list[Granted]) -> None:
    """A relying party checks every certificate, the revoked one last, and that one by OCSP as well."""
    session.narrator.show(Paragraph("A relying party checks all four; the revoked one is refused by both ways:"))
    for each in granted[1:]:
        await check(session, each, whole=each is granted[1], by_ocsp=False)
    await check(session, granted[0], whole=False)


async def check(session: Session, granted: Granted, *, whole: bool, by_ocsp: bool = True) -> None:
    """Check a certificate with OpenSSL: its CRL, and OCSP. Raises UserError where OpenSSL contradicts the topics."""
    issued, folder = granted.issued, session.system.folder
    environment, family = issued.issuer.split("-")
    chain = {"root": f"ca/roots/{environment}-root-{family}.pem", "issuing": f"ca/issuing/{issued.issuer}.pem"}
    certificate, crl = f"{granted.path}.pem", f"crls/{crl_name(issued.issuer, issued.partition)}"
    await session.crl_of(issued.issuer, issued.partition)
    answers = [await openssl.verify(folder, certificate, **chain, crl=crl)]
    if by_ocsp:
        answers.append(await openssl.ask_ocsp(folder, certificate, **chain, url=session.system.ocsp_url))
    revoked = bool(session.witness.events_of_case(granted.case_id, CertificateRevoked))
    for answer in answers:
        session.narrator.show(Checked(answer, whole))
        if answer.content is revoked:
            raise UserError(
                f"OpenSSL {'accepts a revoked' if revoked else 'refuses a good'} certificate: {answer.output}"
            )


def published_crl(folder: Path, revoked: CertificateRevoked) -> Facts:
    """Return what the CRL says that has the revocation."""
    crl = x509.load_der_x509_crl((folder / PurePosixPath(revoked.crl_url).name).read_bytes())
    number = crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
    seconds = (revoked.published_at - revoked.requested_at).total_seconds()
    entries = [
        Fact(
            "entry",
            f"{entry.serial_number:0{len(revoked.serial)}x}\nsince {entry.revocation_date_utc:%Y-%m-%d %H:%M:%S} UTC, "
            f"{entry.extensions.get_extension_for_class(x509.CRLReason).value.reason.value}",
            detail=True,
            bad=True,
        )
        for entry in crl
    ]
    return Facts(
        (
            Fact("CRL", f"number {number} of {revoked.issuer}, published {seconds:.2f} s after the request"),
            Fact("at", revoked.crl_url, detail=True),
            Fact("good until", f"{crl.next_update_utc:%Y-%m-%d %H:%M:%S} UTC", detail=True),
            *entries,
        )
    )


async def lapse(session: Session) -> None:
    """Nobody ever attaches the request. Six months pass by intake's clock alone, and what comes then is too late."""
    application, narrator, case_id = example(CertificateType.TEST_SERVER), session.narrator, uuid4()
    customer = Customer.of(application.applicant.business_id)
    narrator.show(Paragraph("The pharmacy applies for another certificate, and forgets it."))
    await publish(session.e_service, customer.submitted(case_id, application, None))
    waiting = await session.follow(case_id, CaseState.WAITING_FOR_CSR, "intake")
    assert waiting.lapses is not None
    ahead = waiting.lapses - datetime.now(UTC) + timedelta(hours=2)
    narrator.show(
        Facts((Fact("lapses after", f"{waiting.lapses.astimezone(HELSINKI):%-d %B %Y}", detail=True),)),
        Paragraph(f"Intake is started again, with its clock {ahead.days} days ahead."),
    )
    with narrator.waiting("waiting for the intake of another day"):
        await asyncio.to_thread(session.system.children["intake"].stop)
        session.system.start("intake", SERVICECERT_CLOCK_AHEAD=f"{ahead.total_seconds():.0f}")
        await session.system.ready("intake")
    lapsed = await session.follow(case_id, CaseState.LAPSED, "intake")
    await session.mails(lapsed, MailKind.APPLICATION_LAPSED)
    await publish(session.e_service, customer.withdrawn(case_id))
    answered = await session.answered(case_id)
    assert answered.answer is not None
    narrator.show(Paragraph("The applicant withdraws it, too late, and gets an answer:"), Reply(answered.answer.texts))


async def show_page(session: Session, account_id: str) -> None:
    """Narrate the page of the customer who applied twice, as it is drawn from `cases` alone (E4)."""
    session.narrator.show(Paragraph(f"From the topic `cases`: servicecert cases --account {account_id}"))
    cases = await of_account(session.e_service, account_id)
    session.narrator.show(CaseList(account_id, tuple(cases)))


def ending(folder: Path, events: int) -> Ending:
    """Return what was written, and what to try next."""
    mails = sum(1 for _ in (folder / "mail").glob("*.eml"))
    return Ending(
        str(folder),
        (
            Fact("story.html", "this story to look at: mails and certificates opened"),
            Fact("story.txt", "this story in full, as `servicecert demo --full` prints it"),
            Fact("certificates/", "each certificate as .pem and .der, beside ca/ and crls/"),
            Fact("mail/", f"{mails} mails as sent; preview/index.html has every kind of mail"),
            Fact("events.jsonl", f"all {events} events of all topics, in order of time"),
            Fact("logs/", "the logs of the services"),
        ),
        (
            Fact("make up", "everything running; one command then gets you a certificate"),
            Fact("your first hour", "docs/development.md"),
        ),
    )
