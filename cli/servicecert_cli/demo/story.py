"""The story: four organisations apply, one of them twice; all get their certificates; one certificate is revoked; OpenSSL judges."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import UUID, uuid4

from cryptography import x509
from servicecert_intake.register_file import FICTITIOUS_REGISTERS, read_register
from servicecert_schemas.case import CaseChanged, CaseState
from servicecert_schemas.certificate import CertificateIssued
from servicecert_schemas.event import EventData
from servicecert_schemas.mail import MailHandedOver, MailKind
from servicecert_schemas.register import Organisation
from servicecert_schemas.revocation import CertificateRevoked, CrlPublished, RevocationReason
from servicecert_schemas.values import CertificateType

from servicecert_cli import openssl
from servicecert_cli.demo.souvenirs import keep_authority, keep_certificate, keep_events
from servicecert_cli.demo.telling import Steps, Teller
from servicecert_cli.e_service import Application, Customer, example, read_csr
from servicecert_cli.faults import Told
from servicecert_cli.publishing import publish
from servicecert_cli.system import System
from servicecert_cli.witness import Witness, witnessing

PATIENCE_SECONDS = 30.0
LOOK_SECONDS = 0.1

KEYS = {
    CertificateType.SERVER: openssl.RSA_3072,
    CertificateType.TEST_SERVER: openssl.EC_P384,
    CertificateType.SYSTEM_SIGNATURE: openssl.EC_P384,
    CertificateType.TEST_SYSTEM_SIGNATURE: openssl.RSA_2048,
}
TITLES = {
    CertificateType.SERVER: "A server certificate",
    CertificateType.TEST_SERVER: "A test server certificate",
    CertificateType.SYSTEM_SIGNATURE: "A system signature certificate",
    CertificateType.TEST_SYSTEM_SIGNATURE: "A test system signature certificate, at the second try",
}


@dataclass(frozen=True, slots=True)
class Granted:
    """A case with its certificate, and the name of the certificate's files."""

    case_id: UUID
    customer: Customer
    issued: CertificateIssued
    name: str


class Story:
    """Tells what happens in a running system, and makes it happen as the e-service."""

    def __init__(self, system: System, witness: Witness, teller: Teller) -> None:
        self.system = system
        self.witness = witness
        self.teller = teller
        self.step = "the beginning"
        self.names = _registered_names()

    async def apply(self, application: Application, csr: str, faulty: Application | None = None) -> Granted:
        """One application until its certificate is delivered. A faulty one that goes before it is returned."""
        case_id, customer = uuid4(), Customer.of(application.applicant.business_id)
        business_id = application.applicant.business_id
        name = self.names[business_id]
        first = faulty or application
        self.teller.fact("applicant", f"{name} ({business_id}), {application.applying_as.replace('-', ' ')}")
        self.teller.fact("unit", first.unit_long_name)
        if application.names.dns:
            self.teller.fact("for", ", ".join(application.names.dns))
            self.teller.fact("used as", " and ".join(usage.removesuffix("-auth") for usage in application.usages))
        elif application.information_system is not None:
            self.teller.fact(
                "for", f"{application.information_system.name} ({application.information_system.system_id})"
            )
        for attachment in application.attachments:
            self.teller.fact("attached", f"conformity certificate {attachment.certificate_number}")
        self.teller.fact("key", f"{KEYS[application.type].name}, request made by openssl req")
        self.teller.blank()
        await publish(self.system.cluster, customer.opened(business_id, name), customer.submitted(case_id, first, csr))
        if faulty is not None:
            returned = await self._follow(case_id, CaseState.RETURNED, "intake")
            self.teller.deficiencies(returned.deficiencies)
            self.teller.blank()
            self.teller.say("The applicant mends both and sends the form anew.")
            self.teller.blank()
            await publish(self.system.cluster, customer.supplemented(case_id, application, csr))
        await self._follow(case_id, CaseState.DELIVERED, "notifier")
        (issued,) = self.witness.of_case(case_id, CertificateIssued)
        file = keep_certificate(issued, self.system.folder)
        self.teller.blank()
        self.teller.certificate(issued, f"certificates/{file}.pem and .der")
        await self._mails(case_id, MailKind.CERTIFICATE_ISSUED)
        return Granted(case_id, customer, issued, file)

    async def revoke(self, granted: Granted) -> None:
        """The customer fears that a key is exposed, and asks for the certificate's revocation."""
        issued = granted.issued
        typed = bytes.fromhex(issued.serial).hex(":").upper()
        self.teller.say("The first customer fears that the server's key is exposed, and asks for the")
        self.teller.say(f"revocation of the certificate {typed[:23]}…")
        self.teller.blank()
        request = granted.customer.revocation(granted.case_id, typed, RevocationReason.KEY_EXPOSED)
        await publish(self.system.cluster, request)
        await self._follow(granted.case_id, CaseState.REVOKED, "revoker")
        (revoked,) = self.witness.of_case(granted.case_id, CertificateRevoked)
        self.teller.blank()
        self._crl(revoked)
        await self._mails(granted.case_id, MailKind.CERTIFICATE_REVOKED)

    def _crl(self, revoked: CertificateRevoked) -> None:
        crl = x509.load_der_x509_crl((self.system.crl_folder / f"{revoked.issuer}.crl").read_bytes())
        number = crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
        seconds = (revoked.published_at - revoked.requested_at).total_seconds()
        self.teller.fact("CRL", f"{revoked.issuer}, number {number}, published {seconds:.2f} s after the request")
        self.teller.fact("at", revoked.crl_url)
        self.teller.fact("next by", f"{crl.next_update_utc:%Y-%m-%d %H:%M:%S} UTC")
        for entry in crl:
            reason = entry.extensions.get_extension_for_class(x509.CRLReason).value.reason
            self.teller.fact(
                "entry",
                f"{entry.serial_number:040x}\n{entry.revocation_date_utc:%Y-%m-%d %H:%M:%S} UTC, {reason.value}",
            )

    async def judge(self, certificates: list[Granted]) -> None:
        """OpenSSL's command line, as a relying party would use it. Raises Told where it finds other than it should."""
        issuers = {granted.issued.issuer for granted in certificates}
        for issuer in issuers:
            await self._published(issuer)
        for number, granted in enumerate(certificates):
            issuer = granted.issued.issuer
            environment, family = issuer.split("-")
            answer = await openssl.verify(
                self.system.folder,
                f"certificates/{granted.name}.pem",
                root=f"ca/roots/{environment}-root-{family}.pem",
                issuing=f"ca/issuing/{issuer}.pem",
                crl=f"crls/{issuer}.crl",
            )
            revoked = bool(self.witness.of_case(granted.case_id, CertificateRevoked))
            self.teller.command(answer, whole=number == 0)
            if answer.content is revoked:
                raise Told(f"OpenSSL {'accepts a revoked' if revoked else 'refuses a good'} certificate: {answer.said}")

    async def _published(self, issuer: str) -> None:
        """Waits for the first CRL of a CA."""

        def is_first(data: EventData) -> bool:
            return isinstance(data, CrlPublished) and data.issuer == issuer

        await self._until(is_first, "revoker")

    async def _follow(self, case_id: UUID, end: CaseState, service: str) -> CaseChanged:
        """Tells each state of a case until it comes to `end`."""
        known = self.witness.of_case(case_id, CaseChanged)
        told = len(known[-1].history) if known else 0
        while True:
            case = await self._change(case_id, told, service)
            told = len(case.history)
            self.teller.state(case)
            if case.state is end:
                return case
            if case.state in (CaseState.REFUSED, CaseState.RETURNED):
                lacks = ", ".join(each.code for each in case.deficiencies) or "no deficiency"
                raise Told(f"the case is {case.state} ({lacks}) and not {end}")

    async def _change(self, case_id: UUID, told: int, service: str) -> CaseChanged:
        """The case once it has come to more states than were told."""

        def is_new(data: EventData) -> bool:
            return isinstance(data, CaseChanged) and data.case_id == case_id and len(data.history) > told

        case = await self._until(is_new, service)
        assert isinstance(case, CaseChanged)
        return case

    async def _mails(self, case_id: UUID, kind: MailKind) -> None:
        """Tells the mails of one kind that were handed over for a case, one for each recipient."""
        await self._until(
            lambda data: isinstance(data, MailHandedOver) and data.case_id == case_id and data.kind is kind, "notifier"
        )
        ids = {str(each.mail_id) for each in self.witness.of_case(case_id, MailHandedOver) if each.kind is kind}
        self.teller.mails(
            [mail for mail in self.system.mails.mails if any(id in mail.path.name for id in ids if mail.path)]
        )

    async def _until(self, wanted: Callable[[EventData], bool], service: str) -> EventData:
        """The first event that is wanted. Raises Told, with what the service said last, where it does not come."""
        waiting = asyncio.create_task(self.witness.until(wanted))
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while not (await asyncio.wait([waiting], timeout=LOOK_SECONDS))[0]:
                    self.system.require_alive()
            return waiting.result()
        except TimeoutError:
            said = self.system.children[service].said(5)
            raise Told(f"nothing came for {PATIENCE_SECONDS:.0f} s. The {service} said last:\n{said}") from None
        finally:
            waiting.cancel()


async def tell(folder: Path, teller: Teller) -> None:
    """The whole demonstration, in an empty folder. Raises Told with the step that failed; nothing is left running."""
    step = "starting"
    try:
        async with AsyncExitStack() as stack:
            with Steps(teller.console) as steps, TemporaryDirectory() as customers:
                requests = asyncio.create_task(_requests(Path(customers), steps))
                try:
                    system = await stack.enter_async_context(System(folder, report=steps))
                    csrs = await requests
                finally:
                    requests.cancel()
            keep_authority(system.ca_folder, folder)
            witness = await stack.enter_async_context(witnessing(system.cluster))
            story = Story(system, witness, teller)
            granted: list[Granted] = []
            for number, type in enumerate(CertificateType, 1):
                step = f"chapter {number}, {TITLES[type].lower()}"
                teller.chapter(number, TITLES[type])
                faulty = mistaken(example(type)) if type is CertificateType.TEST_SYSTEM_SIGNATURE else None
                granted.append(await story.apply(example(type), csrs[type], faulty))
            step = "chapter 5, a revocation"
            teller.chapter(5, "A revocation")
            await story.revoke(granted[0])
            step = "chapter 6, the judgement of OpenSSL"
            teller.chapter(6, "What OpenSSL says")
            await story.judge(granted)
            step = "keeping the events"
            events = keep_events(witness, folder)
            step = "stopping"
    except Exception as error:
        from servicecert_cli.faults import told

        fault = told(error)
        if fault is None:
            raise
        raise Told(f"the demonstration failed at {step}: {fault}") from None
    teller.farewell(folder, events)


def mistaken(application: Application) -> Application:
    """The application with two mistakes: a name that is not the register's, and no mark of the Kanta intermediary."""
    contact = application.technical_contact.model_copy(update={"organisation": "Unelmasilta"})
    return application.model_copy(update={"unit_long_name": "Unelmasilta Välityspalvelu", "technical_contact": contact})


async def _requests(folder: Path, steps: Steps) -> dict[CertificateType, str]:
    """The customers' requests, each made by OpenSSL's command line."""
    steps.began("requests", "Certificate requests")
    version = await openssl.version()
    made = await asyncio.gather(
        *(openssl.make_request(kind, "to be ignored", folder, type) for type, kind in KEYS.items())
    )
    steps.done("requests", f"{len(made)} by {version}: {', '.join(dict.fromkeys(kind.name for kind in KEYS.values()))}")
    return {type: read_csr(path) for type, path in zip(KEYS, made, strict=True)}


def _registered_names() -> dict[str, str]:
    entries = (each.entry for each in read_register(FICTITIOUS_REGISTERS))
    return {entry.business_id: entry.registered_name for entry in entries if isinstance(entry, Organisation)}
