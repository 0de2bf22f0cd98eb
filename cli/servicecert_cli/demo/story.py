"""The story: four organisations apply, each in its own way; all get their certificates; one is revoked; OpenSSL judges; a fifth application lapses; the customer looks at the page."""

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
from servicecert_schemas.register import Organisation
from servicecert_schemas.revocation import CertificateRevoked, RevocationReason
from servicecert_schemas.values import CertificateType

from ..e_service.application import Application, example, read_csr
from ..e_service.cases import of_account
from ..e_service.customer import Customer
from ..e_service.page import Page
from ..e_service.publishing import publish
from ..faults import UserError, user_error
from ..operations.mail_preview import write_preview
from ..registers.reading import FICTITIOUS_REGISTERS, read_register
from ..stand.progress import Steps
from ..stand.system import System
from ..stand.witness import witnessing
from . import openssl
from .narrator import Narrator
from .souvenirs import keep_authority, keep_certificate, keep_events
from .stage import Stage

KEYS = {
    CertificateType.SERVER: openssl.RSA_3072,
    CertificateType.TEST_SERVER: openssl.EC_P384,
    CertificateType.SYSTEM_SIGNATURE: openssl.EC_P384,
    CertificateType.TEST_SYSTEM_SIGNATURE: openssl.RSA_2048,
}
TITLES = {
    CertificateType.SERVER: "A server certificate",
    CertificateType.TEST_SERVER: "A test server certificate, whose request comes later",
    CertificateType.SYSTEM_SIGNATURE: "A system signature certificate, whose attachment was forgotten",
    CertificateType.TEST_SYSTEM_SIGNATURE: "A test system signature certificate, at the second try",
}
MENDED = {
    CertificateType.SYSTEM_SIGNATURE: "The applicant, who is private as the code service has it, attaches the certificate.",
    CertificateType.TEST_SYSTEM_SIGNATURE: "The applicant mends both and sends the form anew.",
}
"""How those mend their application that sent a wrong one at first."""


@dataclass(frozen=True, slots=True)
class Granted:
    """A case with its certificate, and the name of the certificate's files."""

    case_id: UUID
    customer: Customer
    issued: CertificateIssued
    name: str


async def tell(folder: Path, teller: Narrator) -> None:
    """The whole demonstration, in an empty folder. Raises UserError with the step that failed; nothing is left running."""
    step = "preparing"
    try:
        async with AsyncExitStack() as stack:
            stage, csrs = await _set(folder, teller, stack)
            granted: list[Granted] = []
            for number, type in enumerate(CertificateType, 1):
                step = TITLES[type].lower()
                teller.chapter(number, TITLES[type])
                granted.append(await apply(stage, type, csrs[type]))
            step = "the revocation"
            teller.chapter(5, "A revocation")
            await revoke(stage, granted[0])
            step = "the judgement of OpenSSL"
            teller.chapter(6, "What OpenSSL says")
            for each in (*granted[1:], granted[0]):
                await rely(stage, each, whole=each is granted[1], by_ocsp=False)
            step = "the lapse"
            teller.chapter(7, "An application that lapses")
            await lapse(stage)
            step = "the customer's page"
            teller.chapter(8, "What the customer sees")
            await show_page(stage, granted[1].customer.account_id)
            step = "stopping"
            with teller.waiting("stopping everything"):
                await stage.system.stop_all()
                events = await keep_events(stage.witness, folder)
                await asyncio.to_thread(write_preview, folder / "preview")
                await stack.aclose()
    except Exception as error:
        fault = user_error(error)
        if fault is None:
            raise
        raise UserError(f"the demonstration failed at {step}: {fault}") from None
    teller.farewell(folder, events)


async def _set(folder: Path, teller: Narrator, stack: AsyncExitStack) -> tuple[Stage, dict[CertificateType, str]]:
    """Starts everything, while OpenSSL makes the customers' requests."""
    with Steps(teller.console) as steps, TemporaryDirectory() as customers:
        # Asked before anything is started, which would take a while to be of no use.
        version = await openssl.version()
        requests = asyncio.create_task(_requests(Path(customers), steps, version))
        try:
            system = await stack.enter_async_context(System(folder, report=steps))
            csrs = await requests
        finally:
            requests.cancel()
    keep_authority(system.ca_folder, folder)
    witness = await stack.enter_async_context(witnessing(system.cluster))
    return Stage(system, witness, teller), csrs


async def _requests(folder: Path, steps: Steps, version: str) -> dict[CertificateType, str]:
    steps.began("requests", "Certificate requests")
    # Nothing of a request's subject is copied, so the customers need not know what it must be.
    subject = "nothing of this is copied"
    made = await asyncio.gather(*(openssl.make_request(kind, subject, folder, type) for type, kind in KEYS.items()))
    steps.done("requests", f"{len(made)} made by {version}")
    return {type: read_csr(path) for type, path in zip(KEYS, made, strict=True)}


async def apply(stage: Stage, type: CertificateType, csr: str) -> Granted:
    """One application, in the way of its type, until its certificate is delivered."""
    application, teller = example(type), stage.teller
    first = at_first(application)
    case_id, customer = uuid4(), Customer.of(application.applicant.business_id)
    name = registered_name(application.applicant.business_id)
    _introduce(teller, first, name)
    comes_later = type is CertificateType.TEST_SERVER
    opened = customer.opened(application.applicant.business_id, name)
    submitted = customer.submitted(case_id, first, None if comes_later else csr)
    await publish(stage.system.cluster, opened, submitted)
    if comes_later:
        await _attach(stage, customer, case_id, csr)
    if type in MENDED:
        returned = await stage.follow(case_id, CaseState.RETURNED, "intake")
        teller.deficiencies(returned.deficiencies)
        await stage.mails(returned, MailKind.APPLICATION_RETURNED)
        teller.say(MENDED[type])
        await publish(stage.system.cluster, customer.supplemented(case_id, application, csr))
    delivered = await stage.follow(case_id, CaseState.DELIVERED, "notifier")
    (issued,) = stage.witness.of_case(case_id, CertificateIssued)
    file = keep_certificate(issued, stage.system.folder)
    teller.blank()
    teller.certificate(issued, f"certificates/{file}.pem and .der")
    mails = await stage.mails(delivered, MailKind.CERTIFICATE_ISSUED)
    if type is CertificateType.TEST_SERVER:
        teller.say("This is what the technical contact reads:")
        teller.letter(mails[-1])
    return Granted(case_id, customer, issued, file)


async def _attach(stage: Stage, customer: Customer, case_id: UUID, csr: str) -> None:
    """The technical contact, whom the orderer invites to this one case, attaches the request."""
    waiting = await stage.follow(case_id, CaseState.WAITING_FOR_CSR, "intake")
    await stage.mails(waiting, MailKind.CSR_INVITED)
    stage.teller.say("The orderer invites the technical contact, who makes the key and attaches its request.")
    contact = replace(customer, user_id="contact-1", role=Role.TECHNICAL_CONTACT)
    invited = customer.invited(contact.user_id, contact.role, case_id)
    await publish(stage.system.cluster, invited, contact.attached(case_id, csr))


def _introduce(teller: Narrator, application: Application, name: str) -> None:
    """Who applies for what."""
    capacity = application.applying_as.replace("-", " ").replace("kanta", "Kanta")
    teller.fact("applicant", f"{name}, {capacity} ({application.applicant.business_id})")
    teller.fact("unit", application.unit_long_name)
    if application.names.dns:
        teller.fact("for", "\n".join(application.names.dns))
        teller.fact("used as", " and ".join(usage.removesuffix("-auth") for usage in application.usages))
    elif (system := application.information_system) is not None:
        teller.fact("for", f"{system.name} ({system.system_id})")
    for attachment in application.attachments:
        teller.fact("attached", f"conformity certificate {attachment.certificate_number}")
    teller.fact("key", f"{KEYS[application.type].name}, request made by `openssl req`")
    teller.blank()


async def revoke(stage: Stage, granted: Granted) -> None:
    """The customer fears that a key is exposed, and asks for the certificate's revocation; somebody relies on the certificate before and after."""
    teller = stage.teller
    teller.say("Somebody who relies on the server's certificate looks at its CRL, and asks by OCSP:")
    await rely(stage, granted, whole=True)
    typed = bytes.fromhex(granted.issued.serial).hex(":").upper()
    teller.say("The first customer fears that the server's key is exposed, and asks for its certificate's revocation.")
    teller.fact("serial", f"{typed}, as typed")
    teller.fact("reason", "the key may be exposed")
    teller.blank()
    request = granted.customer.revocation(granted.case_id, typed, RevocationReason.KEY_EXPOSED)
    await publish(stage.system.cluster, request)
    case = await stage.follow(granted.case_id, CaseState.REVOKED, "revoker")
    (revoked,) = stage.witness.of_case(granted.case_id, CertificateRevoked)
    teller.blank()
    _show_crl(teller, stage.system.crl_folder, revoked)
    await stage.mails(case, MailKind.CERTIFICATE_REVOKED)
    teller.say("Who relies on the certificate now, is told by both:")
    await rely(stage, granted, whole=False)


async def rely(stage: Stage, granted: Granted, *, whole: bool, by_ocsp: bool = True) -> None:
    """The CRL, and OCSP, as a relying party sees them with OpenSSL's command line. Raises UserError where they say other than the topics do."""
    issued, folder = granted.issued, stage.system.folder
    environment, family = issued.issuer.split("-")
    chain = {"root": f"ca/roots/{environment}-root-{family}.pem", "issuing": f"ca/issuing/{issued.issuer}.pem"}
    certificate, crl = f"certificates/{granted.name}.pem", f"crls/{crl_name(issued.issuer, issued.partition)}"
    await stage.crl_of(issued.issuer, issued.partition)
    answers = [await openssl.verify(folder, certificate, **chain, crl=crl)]
    if by_ocsp:
        answers.append(await openssl.ask_ocsp(folder, certificate, **chain, url=stage.system.ocsp_url))
    revoked = bool(stage.witness.of_case(granted.case_id, CertificateRevoked))
    for answer in answers:
        stage.teller.command(answer, whole=whole)
        if answer.content is revoked:
            raise UserError(
                f"OpenSSL {'accepts a revoked' if revoked else 'refuses a good'} certificate: {answer.said}"
            )


def _show_crl(teller: Narrator, folder: Path, revoked: CertificateRevoked) -> None:
    crl = x509.load_der_x509_crl((folder / PurePosixPath(revoked.crl_url).name).read_bytes())
    number = crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
    seconds = (revoked.published_at - revoked.requested_at).total_seconds()
    teller.fact("CRL", f"number {number} of {revoked.issuer}, published {seconds:.2f} s after the request")
    teller.fact("at", revoked.crl_url)
    teller.fact("good until", f"{crl.next_update_utc:%Y-%m-%d %H:%M:%S} UTC")
    for entry in crl:
        reason = entry.extensions.get_extension_for_class(x509.CRLReason).value.reason
        serial = f"{entry.serial_number:0{len(revoked.serial)}x}"
        teller.fact(
            "entry", f"{serial}\nsince {entry.revocation_date_utc:%Y-%m-%d %H:%M:%S} UTC, {reason.value}", "red"
        )


async def lapse(stage: Stage) -> None:
    """Nobody ever attaches the request. Six months pass by intake's clock alone, and what comes then is too late."""
    application, teller, case_id = example(CertificateType.TEST_SERVER), stage.teller, uuid4()
    customer = Customer.of(application.applicant.business_id)
    teller.say("The pharmacy applies for another certificate, and forgets it.")
    await publish(stage.system.cluster, customer.submitted(case_id, application, None))
    waiting = await stage.follow(case_id, CaseState.WAITING_FOR_CSR, "intake")
    assert waiting.lapses is not None
    ahead = waiting.lapses - datetime.now(UTC) + timedelta(hours=2)
    teller.fact("lapses on", f"{waiting.lapses.astimezone(HELSINKI):%-d %B %Y}")
    teller.say(f"Intake is started again, with its clock {ahead.days} days ahead.")
    with teller.waiting("waiting for the intake of another day"):
        await asyncio.to_thread(stage.system.children["intake"].stop)
        stage.system.start("intake", SERVICECERT_CLOCK_AHEAD=f"{ahead.total_seconds():.0f}")
        await stage.system.ready("intake")
    lapsed = await stage.follow(case_id, CaseState.LAPSED, "intake")
    await stage.mails(lapsed, MailKind.APPLICATION_LAPSED)
    await publish(stage.system.cluster, customer.withdrawn(case_id))
    answered = await stage.answered(case_id)
    teller.say("Who comes now, is told so:")
    teller.answer(answered)


async def show_page(stage: Stage, account_id: str) -> None:
    """The page of the customer who applied twice, as it is drawn from `cases` alone (E4)."""
    stage.teller.say(f"`servicecert cases --account {account_id}` draws it, from the topic `cases` alone:")
    found = await of_account(stage.system.cluster, account_id)
    Page(stage.teller.console, found[0].language).listed(account_id, found)


def at_first(application: Application) -> Application:
    """The application as it is sent at first: two of the four forget or mistake something."""
    if application.type is CertificateType.SYSTEM_SIGNATURE:
        return application.model_copy(update={"attachments": ()})
    return mistaken(application) if application.type is CertificateType.TEST_SYSTEM_SIGNATURE else application


def mistaken(application: Application) -> Application:
    """The application with two mistakes: a name that is not the register's, and no mark of the Kanta intermediary."""
    contact = application.technical_contact.model_copy(update={"organisation": "Unelmasilta"})
    return application.model_copy(update={"unit_long_name": "Unelmasilta Välityspalvelu", "technical_contact": contact})


def registered_name(business_id: str) -> str:
    """The name of an organisation of the fictitious registers."""
    entries = (each.entry for each in read_register(FICTITIOUS_REGISTERS))
    return next(
        entry.registered_name
        for entry in entries
        if isinstance(entry, Organisation) and entry.business_id == business_id
    )
