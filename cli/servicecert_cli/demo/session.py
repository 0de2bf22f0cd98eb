"""The running system of the demonstration: waits for what happens in it, never too long, and narrates it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import UUID

from servicecert_notifier.domain.planning import addressed
from servicecert_schemas.case import CaseChanged, CaseState
from servicecert_schemas.certificate import Recipients
from servicecert_schemas.event import EventData
from servicecert_schemas.mail import MailHandedOver, MailKind
from servicecert_schemas.principals import Principal
from servicecert_schemas.revocation import CrlPublished
from servicecert_worker.kafka.cluster import Cluster

from ..faults import UserError
from ..stand.system import System
from ..stand.topic_reader import TopicReader
from .elements import Mail, Progress
from .narrator import Narrator

PATIENCE_SECONDS = 30.0
POLL_SECONDS = 0.25


@dataclass(frozen=True)
class Session:
    """A running system, a witness of all its events, the narrator, and how many states of each case it has narrated."""

    system: System
    witness: TopicReader
    narrator: Narrator
    shown: dict[UUID, int] = field(default_factory=dict)

    @property
    def e_service(self) -> Cluster:
        """The cluster as the e-service reaches it."""
        return self.system.cluster_of(Principal.E_SERVICE)

    async def follow(self, case_id: UUID, end: CaseState, service: str) -> CaseChanged:
        """Narrate each state of a case up to `end`. Raises UserError where it ends otherwise, or nothing happens."""
        while True:
            shown = self.shown.get(case_id, 0)
            case = await self._next_state(case_id, shown, service)
            self.narrator.show(Progress(case, shown))
            self.shown[case_id] = len(case.history)
            if case.state is end:
                return case
            if case.state in (CaseState.REFUSED, CaseState.RETURNED):
                codes = ", ".join(each.code for each in case.deficiencies) or "no deficiency"
                raise UserError(f"the case is {case.state} ({codes}) and not {end}.")

    async def _next_state(self, case_id: UUID, shown: int, service: str) -> CaseChanged:
        """Return the case once it has more states than were shown."""

        def has_more(data: EventData) -> bool:
            return isinstance(data, CaseChanged) and data.case_id == case_id and len(data.history) > shown

        case = await self.until(has_more, service)
        assert isinstance(case, CaseChanged)
        return case

    async def answered(self, case_id: UUID) -> CaseChanged:
        """Return the case once it has an answer to an event that did not fit it."""

        def has_answer(data: EventData) -> bool:
            return isinstance(data, CaseChanged) and data.case_id == case_id and data.answer is not None

        case = await self.until(has_answer, "intake")
        assert isinstance(case, CaseChanged)
        return case

    async def mails(
        self, case: CaseChanged, kind: MailKind, *, to: Recipients | None = None, quoted: bool = False
    ) -> None:
        """Narrate the mail of one kind, once it is handed over to each recipient: those of the case, or `to`.

        Those in another language are narrated by themselves.
        """

        def handed_over() -> list[MailHandedOver]:
            return [each for each in self.witness.events_of_case(case.case_id, MailHandedOver) if each.kind is kind]

        recipients = [each for each, _ in addressed(case.recipients if to is None else to, kind)]
        await self.until(lambda _: len(handed_over()) >= len(recipients), "notifier")
        ids = {str(each.mail_id) for each in handed_over()}
        kept = [mail for mail in self.system.mails.mails if mail.path is not None]
        mails = [mail for mail in kept if any(id in str(mail.path) for id in ids)]
        languages = {each.email: each.language or case.language for each in recipients}
        for language in dict.fromkeys(languages.values()):
            of_language = [mail for mail in mails if languages[mail.recipients[0]] is language]
            self.narrator.show(Mail.of(of_language, language, quoted=quoted))

    async def crl_of(self, issuer: str, partition: int) -> None:
        """Wait for the first CRL of a CA's partition."""

        def is_first(data: EventData) -> bool:
            return isinstance(data, CrlPublished) and (data.issuer, data.partition) == (issuer, partition)

        await self.until(is_first, "revoker")

    async def until(self, is_wanted: Callable[[EventData], bool], service: str) -> EventData:
        """Return the first wanted event. Raises UserError with the service's last log lines where none comes."""
        waiting = asyncio.create_task(self.witness.until(is_wanted))
        status = self.narrator.waiting(f"waiting for the {service}")
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while not (await asyncio.wait([waiting], timeout=POLL_SECONDS))[0]:
                    self.system.require_alive()
                    status.start()
            return waiting.result()
        except TimeoutError:
            lines = self.system.children[service].tail(5)
            raise UserError(
                f"nothing happened for {PATIENCE_SECONDS:.0f} s. Last log lines of the {service}:\n{lines}"
            ) from None
        finally:
            status.stop()
            waiting.cancel()
