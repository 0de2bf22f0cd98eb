"""Waiting for what happens in a running system, and telling it: by its events, and never for longer than is sensible."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import UUID

from servicecert_deploy.mail_catcher import CaughtMail
from servicecert_notifier.domain.planning import addressed
from servicecert_schemas.case import CaseChanged, CaseState
from servicecert_schemas.event import EventData
from servicecert_schemas.mail import MailHandedOver, MailKind
from servicecert_schemas.revocation import CrlPublished

from ..faults import UserError
from ..stand.system import System
from ..stand.witness import Witness
from .narrator import Narrator

PATIENCE_SECONDS = 30.0
LOOK_SECONDS = 0.25


@dataclass(frozen=True)
class Stage:
    """A running system, a witness of all its events, and the teller of the story. `told` says how many states of each case were told."""

    system: System
    witness: Witness
    teller: Narrator
    told: dict[UUID, int] = field(default_factory=dict)

    async def follow(self, case_id: UUID, end: CaseState, service: str) -> CaseChanged:
        """Tells each state of a case until it comes to `end`. Raises UserError where it comes to an end that is none, or nothing comes."""
        told = self.told.get(case_id, 0)
        while True:
            case = await self._further(case_id, told, service)
            self.teller.states(case, told)
            told = self.told[case_id] = len(case.history)
            if case.state is end:
                return case
            if case.state in (CaseState.REFUSED, CaseState.RETURNED):
                lacks = ", ".join(each.code for each in case.deficiencies) or "no deficiency"
                raise UserError(f"the case is {case.state} ({lacks}) and not {end}.")

    async def _further(self, case_id: UUID, told: int, service: str) -> CaseChanged:
        """The case once it has come to more states than were told."""

        def is_further(data: EventData) -> bool:
            return isinstance(data, CaseChanged) and data.case_id == case_id and len(data.history) > told

        case = await self.until(is_further, service)
        assert isinstance(case, CaseChanged)
        return case

    async def answered(self, case_id: UUID) -> CaseChanged:
        """The case once something was answered to what did not fit it."""

        def has_answer(data: EventData) -> bool:
            return isinstance(data, CaseChanged) and data.case_id == case_id and data.answer is not None

        case = await self.until(has_answer, "intake")
        assert isinstance(case, CaseChanged)
        return case

    async def mails(self, case: CaseChanged, kind: MailKind) -> list[CaughtMail]:
        """Tells the mails of one kind that are handed over for a case, one to each recipient, and answers them."""

        def handed_over() -> list[MailHandedOver]:
            return [each for each in self.witness.of_case(case.case_id, MailHandedOver) if each.kind is kind]

        await self.until(lambda _: len(handed_over()) >= len(addressed(case.recipients, kind)), "notifier")
        ids = {str(each.mail_id) for each in handed_over()}
        kept = [mail for mail in self.system.mails.mails if mail.path is not None]
        mails = [mail for mail in kept if any(id in str(mail.path) for id in ids)]
        self.teller.blank()
        self.teller.mails(mails)
        return mails

    async def crl_of(self, issuer: str, partition: int) -> None:
        """Waits for the first CRL of a CA's partition."""

        def is_first(data: EventData) -> bool:
            return isinstance(data, CrlPublished) and (data.issuer, data.partition) == (issuer, partition)

        await self.until(is_first, "revoker")

    async def until(self, wanted: Callable[[EventData], bool], service: str) -> EventData:
        """The first event that is wanted. Raises UserError, with what the service said last, where it does not come."""
        waiting = asyncio.create_task(self.witness.until(wanted))
        status = self.teller.waiting(f"waiting for the {service}")
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while not (await asyncio.wait([waiting], timeout=LOOK_SECONDS))[0]:
                    self.system.require_alive()
                    status.start()
            return waiting.result()
        except TimeoutError:
            said = self.system.children[service].said(5)
            raise UserError(f"nothing came for {PATIENCE_SECONDS:.0f} s. The {service} said last:\n{said}") from None
        finally:
            status.stop()
            waiting.cancel()
