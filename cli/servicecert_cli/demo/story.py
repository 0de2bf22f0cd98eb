"""The story: five applications, four certificates, one revocation, one lapse, and what OpenSSL and the customer see."""

import asyncio
import shutil
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from uuid import uuid4

from cryptography import x509
from servicecert_pki.partitions import crl_name
from servicecert_pki.validity import HELSINKI
from servicecert_schemas.broker import Principal
from servicecert_schemas.case import CaseChanged, CaseState
from servicecert_schemas.certificate import CertificateIssued
from servicecert_schemas.customer import Customer
from servicecert_schemas.event import Role
from servicecert_schemas.mail import MailKind
from servicecert_schemas.revocation import CertificateRevoked, CrlPublished, Notify, RevocationReason
from servicecert_schemas.values import CertificateType, Language
from servicecert_worker.core.faults import operator_message

from ..faults import UserError
from ..operations.applications import customer_of, example, read_csr
from ..operations.cases import of_account
from ..operations.mail_preview import write_preview
from ..stand.parts import given
from ..stand.progress import Steps
from ..stand.system import System
from ..stand.topic_reader import reading_topics
from . import openssl
from .applications import KEYS, MISTAKES, introduction, registered_name
from .elements import Card, Chapter, Fact, Title, check, facts, listed, message
from .narrator import Narrator
from .session import Session

COLLEAGUE = Notify(email="kaisa.kollega@onnela.example", language=Language.ENGLISH)
"""Where the colleague who asks for the revocation wants the mail about it."""


async def run_story(folder: Path, narrator: Narrator) -> None:
    """Run the demonstration in an empty folder. Raises UserError with the step that failed; nothing keeps running."""
    title = "Service certificates: four certificates, one revocation, one lapse"
    narrator.show(Title(title, "The organisations are invented. Times of day are those of Helsinki."))
    step = "preparing"
    try:
        async with AsyncExitStack() as stack:
            session = await _start(folder, narrator, stack)
            for number, (title, narrate) in enumerate(CHAPTERS.items(), 1):
                step = f"{title[0].lower()}{title[1:]}"
                narrator.show(Chapter(title, number))
                await narrate(session)
            step = "stopping"
            with narrator.waiting("Stopping everything"):
                await session.system.stop_all()
                await session.witness.caught_up()
                events = [f"{seen.line()}\n" for seen in session.witness.in_order()]
                (folder / "events.jsonl").write_text("".join(events), "utf-8")
                await asyncio.to_thread(write_preview, folder / "preview")
                await stack.aclose()
    except Exception as error:
        if (fault := operator_message(error)) is None:
            raise
        raise UserError(f"the demonstration failed at {step}: {fault[0]}") from None
    _end(folder, narrator, len(events))


async def _start(folder: Path, narrator: Narrator, stack: AsyncExitStack) -> Session:
    """Make the customers' requests with OpenSSL, and start everything."""
    with Steps(narrator.console) as steps, TemporaryDirectory() as customers:
        steps.began("requests", "Certificate requests")
        # Nothing of a request's subject is copied, so the customers need not know what it must be.
        made = (openssl.make_request(kind, "not copied", Path(customers), type) for type, kind in KEYS.items())
        csrs = dict(zip(KEYS, map(read_csr, await asyncio.gather(*made)), strict=True))
        steps.done("requests", f"{len(csrs)} made by {await openssl.version()}")
        system = await stack.enter_async_context(System(folder, secure=not given(), report=steps))
    for kind in ("roots", "issuing"):
        shutil.copytree(system.ca_folder / kind, folder / "ca" / kind)
    witness = await stack.enter_async_context(reading_topics(system.cluster))
    return Session(system, witness, narrator, csrs)


async def apply(type: CertificateType, session: Session) -> None:
    """Narrate one application, in the way of its type, until its certificate is delivered."""
    application, narrator, case_id = example(type), session.narrator, uuid4()
    mistake, mended = MISTAKES.get(type, (None, ""))
    first = mistake(application) if mistake else application
    customer, csr, name = _customer(type), session.requests[type], registered_name(application.applicant.business_id)
    narrator.show(introduction(first, name))
    comes_later = type is CertificateType.TEST_SERVER
    opened = customer.opened(application.applicant.business_id, name)
    await session.publish(opened, customer.submitted(case_id, first, None if comes_later else csr))
    if comes_later:
        waiting = await session.follow(case_id, CaseState.WAITING_FOR_CSR, "intake")
        await session.mails(waiting, MailKind.CSR_INVITED)
        narrator.show("The technical contact, whom the orderer invites, attaches the key's request.")
        contact = customer.model_copy(update={"user_id": "contact-1", "role": Role.TECHNICAL_CONTACT})
        invited = customer.invited(contact.user_id, Role.TECHNICAL_CONTACT, case_id)
        await session.publish(invited, contact.attached(case_id, csr))
    if mended:
        returned = await session.follow(case_id, CaseState.RETURNED, "intake")
        for each in returned.deficiencies:
            narrator.show(message("to mend", f"{each.field}: {each.code}", each.texts, "yellow"))
        await session.mails(returned, MailKind.APPLICATION_RETURNED)
        narrator.show(mended)
        await session.publish(customer.supplemented(case_id, application, csr))
    delivered = await session.follow(case_id, CaseState.DELIVERED, "notifier")
    session.keep_certificate(case_id)
    await session.mails(delivered, MailKind.CERTIFICATE_ISSUED, quoted=comes_later)


def _customer(type: CertificateType) -> Customer:
    return customer_of(example(type))


async def revoke(session: Session) -> None:
    """A colleague fears that a key is exposed, asks for the certificate's revocation, and gets the mail, too (D5)."""
    narrator, issued = session.narrator, session.witness.events_of_kind(CertificateIssued)[0]
    narrator.show("A relying party checks the first certificate with OpenSSL: CRL, then OCSP:")
    await _check(session, issued)
    typed = bytes.fromhex(issued.serial).hex(":").upper()
    narrator.show(
        "A colleague fears that the key is exposed, and asks for revocation:",
        facts(
            Fact("serial", f"{typed}, as typed"),
            Fact("mail to", f"{COLLEAGUE.email}, in English", detail=True),
            Fact("reason", "the key may be exposed", detail=True),
        ),
    )
    customer = _customer(issued.type)
    colleague = customer.model_copy(update={"user_id": "colleague-1"})
    request = colleague.revocation(issued.case_id, typed, RevocationReason.KEY_EXPOSED, notify=COLLEAGUE)
    await session.publish(customer.invited(colleague.user_id), request)
    case = await session.follow(issued.case_id, CaseState.REVOKED, "revoker")
    (revoked,) = session.witness.events_of_kind(CertificateRevoked)
    narrator.show(_published_crl(session.system.crl_folder, revoked))
    await session.mails(case, MailKind.CERTIFICATE_REVOKED, to=revoked.recipients)


async def check_all(session: Session) -> None:
    """A relying party checks every certificate, the revoked one last, and that one by OCSP as well."""
    session.narrator.show("A relying party checks all four; the revoked one is refused by both ways:")
    revoked, *good = session.witness.events_of_kind(CertificateIssued)
    for each in good:
        await _check(session, each, by_ocsp=False)
    await _check(session, revoked)


async def _check(session: Session, issued: CertificateIssued, *, by_ocsp: bool = True) -> None:
    """Check a certificate with OpenSSL: its CRL, and OCSP. Raises UserError where OpenSSL contradicts the topics."""
    folder, place = session.system.folder, (issued.issuer, issued.partition)
    environment, family = issued.issuer.split("-")
    chain = {"root": f"ca/roots/{environment}-root-{family}.pem", "issuing": f"ca/issuing/{issued.issuer}.pem"}
    certificate, crl = f"certificates/{issued.type}.pem", f"crls/{crl_name(*place)}"
    await session.until(CrlPublished, lambda it: (it.issuer, it.partition) == place, "revoker")
    answers = [await openssl.verify(folder, certificate, **chain, crl=crl)]
    if by_ocsp:
        answers.append(await openssl.ask_ocsp(folder, certificate, **chain, url=session.system.ocsp_url))
    revoked = bool(session.witness.events_of_case(issued.case_id, CertificateRevoked))
    for answer in answers:
        session.narrator.show(check(answer))
        if answer.content is revoked:
            wrong = "accepts a revoked" if revoked else "refuses a good"
            raise UserError(f"OpenSSL {wrong} certificate: {answer.output}")


def _published_crl(folder: Path, revoked: CertificateRevoked) -> Card:
    """Return what the CRL says that has the revocation."""
    crl = x509.load_der_x509_crl((folder / PurePosixPath(revoked.crl_url).name).read_bytes())
    number = crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
    seconds = (revoked.published_at - revoked.requested_at).total_seconds()
    entries = (
        f"{entry.serial_number:0{len(revoked.serial)}x}\nsince {entry.revocation_date_utc:%Y-%m-%d %H:%M:%S} UTC, "
        f"{entry.extensions.get_extension_for_class(x509.CRLReason).value.reason.value}"
        for entry in crl
    )
    return facts(
        Fact("CRL", f"number {number} of {revoked.issuer}, published {seconds:.2f} s after the request"),
        Fact("at", revoked.crl_url, detail=True),
        Fact("good until", f"{crl.next_update_utc:%Y-%m-%d %H:%M:%S} UTC", detail=True),
        *(Fact("entry", entry, detail=True, style="red") for entry in entries),
    )


async def lapse(session: Session) -> None:
    """Nobody ever attaches the request. Six months pass by intake's clock alone, and what comes then is too late."""
    type, narrator, case_id = CertificateType.TEST_SERVER, session.narrator, uuid4()
    customer = _customer(type)
    narrator.show("The pharmacy applies for another certificate, and forgets it.")
    await session.publish(customer.submitted(case_id, example(type), None))
    waiting = await session.follow(case_id, CaseState.WAITING_FOR_CSR, "intake")
    assert waiting.lapses is not None
    ahead = waiting.lapses - datetime.now(UTC) + timedelta(hours=2)
    narrator.show(
        facts(Fact("lapses after", f"{waiting.lapses.astimezone(HELSINKI):%-d %B %Y}", detail=True)),
        f"Intake is started again, with its clock {ahead.days} days ahead.",
    )
    with narrator.waiting("Waiting for the intake of another day"):
        await asyncio.to_thread(session.system.children["intake"].stop)
        session.system.start("intake", SERVICECERT_CLOCK_AHEAD=f"{ahead.total_seconds():.0f}")
        await session.system.ready("intake")
    lapsed = await session.follow(case_id, CaseState.LAPSED, "intake")
    await session.mails(lapsed, MailKind.APPLICATION_LAPSED)
    await session.publish(customer.withdrawn(case_id))
    case = await session.until(CaseChanged, lambda it: it.case_id == case_id and it.answer is not None, "intake")
    assert case.answer is not None
    narrator.show(
        "The applicant withdraws it, too late, and gets an answer:",
        message("answer", case.answer.code, case.answer.texts),
    )


async def show_cases(session: Session) -> None:
    """Narrate the cases of the customer who applied twice, from `cases` alone (E4)."""
    account = _customer(CertificateType.TEST_SERVER).account_id
    cases = await of_account(session.system.cluster_of(Principal.E_SERVICE), account)
    session.narrator.show("The pharmacy's cases, as its e-service reads them from the topic `cases`:", listed(cases))


CHAPTERS: Mapping[str, Callable[[Session], Awaitable[None]]] = {
    "A server certificate": partial(apply, CertificateType.SERVER),
    "A test server certificate, whose request comes later": partial(apply, CertificateType.TEST_SERVER),
    "A system signature certificate, whose attachment was forgotten": partial(apply, CertificateType.SYSTEM_SIGNATURE),
    "A test system signature certificate, at the second try": partial(apply, CertificateType.TEST_SYSTEM_SIGNATURE),
    "A revocation": revoke,
    "What OpenSSL says": check_all,
    "An application that lapses": lapse,
    "What the customer sees": show_cases,
}


def _end(folder: Path, narrator: Narrator, events: int) -> None:
    """Narrate what was written, and what to try next: elsewhere than in the checkout there is neither make nor docs."""
    is_checkout = (page := Path("docs/development.md")).exists()
    narrator.show(
        Chapter("Everything is stopped"),
        f"To look at, in {folder}:",
        facts(
            Fact("story.html", "this story to look at: mails and certificates opened"),
            Fact("story.txt", "this story in full, as `servicecert demo --full` prints it"),
            Fact("certificates/", "each certificate as .pem and .der, beside ca/ and crls/"),
            Fact(
                "mail/", f"{len([*folder.glob('mail/*.eml')])} mails as sent; preview/index.html has every kind of mail"
            ),
            Fact("events.jsonl", f"all {events} events of all topics, in order of time"),
            Fact("logs/", "the logs of the services"),
        ),
        "Next:",
        facts(
            Fact("make portal", "everything running, and the customer's pages in a browser" if is_checkout else ""),
            Fact("servicecert up", "" if is_checkout else "everything running, for a certificate of your own"),
            Fact("your first hour", str(page) if is_checkout else ""),
        ),
    )
