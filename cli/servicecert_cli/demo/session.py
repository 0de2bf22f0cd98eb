"""The running system of the demonstration: waits for what happens in it, never too long, and narrates it."""

import asyncio
import ssl
from base64 import b64decode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar
from uuid import UUID

from servicecert_notifier.domain.ledger import addressed
from servicecert_schemas.broker import Principal
from servicecert_schemas.case import CaseChanged, CaseState
from servicecert_schemas.certificate import CertificateIssued, Recipients
from servicecert_schemas.event import EventData
from servicecert_schemas.mail import MailHandedOver, MailKind
from servicecert_schemas.values import CertificateType

from ..connections import kafka
from ..faults import UserError
from ..stand.system import System
from ..stand.topic_reader import TopicReader
from .elements import Progress, certificate, mail
from .narrator import Narrator

PATIENCE_SECONDS = 30.0
POLL_SECONDS = 0.25

D = TypeVar("D", bound=EventData)


@dataclass(frozen=True)
class Session:
    """A running system, its witness, the narrator, the customers' requests, and how many states of a case are shown."""

    system: System
    witness: TopicReader
    narrator: Narrator
    requests: Mapping[CertificateType, str]
    shown: dict[UUID, int] = field(default_factory=dict)

    async def publish(self, *events: EventData) -> None:
        await kafka.publish(self.system.cluster_of(Principal.E_SERVICE), *events)

    async def follow(self, case_id: UUID, end: CaseState, service: str) -> CaseChanged:
        """Narrate each state of a case up to `end`. Raises UserError where it ends otherwise, or nothing happens."""
        while True:
            case = await self.until(
                CaseChanged, lambda it: it.case_id == case_id and len(it.history) > self.shown.get(case_id, 0), service
            )
            self.narrator.show(Progress(case, self.shown.get(case_id, 0)))
            self.shown[case_id] = len(case.history)
            if case.state is end:
                return case
            if case.state in (CaseState.REFUSED, CaseState.RETURNED):
                codes = ", ".join(each.code for each in case.deficiencies) or "no deficiency"
                raise UserError(f"the case is {case.state} ({codes}) and not {end}.")

    async def mails(self, case: CaseChanged, kind: MailKind, *, to: Recipients = (), quoted: bool = False) -> None:
        """Narrate the mail of one kind, once it is handed over to each recipient: those of the case, or `to`.

        Those in another language are narrated by themselves.
        """

        def handed_over() -> list[MailHandedOver]:
            return [each for each in self.witness.events_of_case(case.case_id, MailHandedOver) if each.kind is kind]

        recipients = [each for each, _ in addressed(to or case.recipients, kind)]
        await self.until(MailHandedOver, lambda _: len(handed_over()) >= len(recipients), "notifier")
        ids = [str(each.mail_id) for each in handed_over()]
        mails = [each for each in self.system.mails.mails if any(id in str(each.path) for id in ids)]
        languages = {each.email: each.language or case.language for each in recipients}
        for language in dict.fromkeys(languages.values()):
            of_language = [each for each in mails if languages[each.recipients[0]] is language]
            self.narrator.show(mail(of_language, language, quoted=quoted))

    def keep_certificate(self, case_id: UUID) -> None:
        """Narrate the certificate of a case, and write it as .pem and .der."""
        (issued,) = self.witness.events_of_case(case_id, CertificateIssued)
        card, content = certificate(issued), b64decode(issued.certificate)
        pem, der = (self.system.folder / each for each in card.files)
        pem.parent.mkdir(exist_ok=True)
        pem.write_text(ssl.DER_cert_to_PEM_cert(content))
        der.write_bytes(content)
        self.narrator.show(card)

    async def until(self, kind: type[D], is_wanted: Callable[[D], bool], service: str) -> D:
        """Return the first wanted event. Raises UserError with the service's last log lines where none comes."""
        waiting = asyncio.create_task(self.witness.until(kind, is_wanted))
        status = self.narrator.waiting(f"Waiting for the {service}")
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while not (await asyncio.wait([waiting], timeout=POLL_SECONDS))[0]:
                    self.system.require_alive()
                    status.start()
            return waiting.result()
        except TimeoutError:
            fault = f"nothing happened for {PATIENCE_SECONDS:.0f} s. Last log lines of the {service}:"
            raise UserError(f"{fault}\n{self.system.children[service].tail(5)}") from None
        finally:
            status.stop()
            waiting.cancel()
