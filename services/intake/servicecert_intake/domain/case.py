"""The state of a case: what is known of it, from which its state and history follow.

What intake decides itself is kept as it was entered. What issuer, notifier and revoker say is kept as facts, and the facts' order does not matter:
state and history are computed from them, so that topics may overtake one another.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from servicecert_schemas.application import ApplicationEvent, ApplicationWithdrawn, Attachment, CsrAttached, Form
from servicecert_schemas.case import (
    Answer,
    CaseCertificate,
    CaseRevocation,
    CaseState,
    Deficiency,
    Delivery,
    GrantedDecision,
    HistoryEntry,
    Renewal,
    RevocationState,
)
from servicecert_schemas.certificate import Recipient
from servicecert_schemas.codec import EVENTS
from servicecert_schemas.deadline import DeadlineMark
from servicecert_schemas.mail import MailKind
from servicecert_worker.decider import Event

from .examine import Received, received
from .rules.application import Grant, JudgedCsr, JudgedKey
from .rules.renewal import Followed


@dataclass(frozen=True, slots=True)
class Waiting:
    """An event as it is kept while it waits `since` a moment.

    It is without its request's text, which may hold a private key (A4), and with what was found of that.
    """

    id: UUID
    type: str
    data: str
    time: datetime
    since: datetime
    csr: JudgedCsr | None = None

    @staticmethod
    def of(event: Event, now: datetime) -> "Waiting":
        """The event as it is kept."""
        data = event.data
        if not isinstance(data, ApplicationWithdrawn):
            data = data.model_copy(update={"csr": "" if isinstance(data, CsrAttached) else None})
        csr = event.facts.csr if isinstance(event.facts, Received) else None
        return Waiting(event.id, data.TYPE, data.model_dump_json(), event.time, now, csr)

    def event(self) -> tuple[Event, ApplicationEvent]:
        """The event as it came, but for the request's text, and its data."""
        data = EVENTS[self.type].model_validate_json(self.data)
        assert isinstance(data, ApplicationEvent)
        return Event(self.id, data.key(), data, min(self.time, self.since), received(data, self.csr)), data


@dataclass(frozen=True, slots=True)
class Case:
    """A case. `filed` is the state that intake itself brought it to, `entered` when it came to each such state.

    `received_at` is when the newest form or request was sent, `certified_at` when the certificate was issued, `unissued_at` when issuing was
    refused. `answer` is to the last event that did not fit, until intake decides on the case again. `version` is that of the last `CaseChanged`.
    `judged_by` is the fingerprint of the registers that a case which waits for them was judged by (A11).

    `waiting` are events that are not decided yet, in their order. `told` is the last mark of the running clock that was warned of (E2), `complete_at`
    when the application was complete (A13). `withdrawal` is the event that asks the issuer to let go of an accepted application (A15). `followed` is what
    was found of the certificate that the form names, `renewal` what it comes to, `grant` and `key` what was granted for which key (A14).
    """

    case_id: UUID
    account_id: str
    version: int
    filed: CaseState
    entered: tuple[HistoryEntry, ...]
    received_at: datetime
    form: Form
    recipients: tuple[Recipient, ...]
    attachments: tuple[Attachment, ...] = ()
    csr: JudgedCsr | None = None
    deficiencies: tuple[Deficiency, ...] = ()
    due: datetime | None = None
    decision: GrantedDecision | None = None
    certificate: CaseCertificate | None = None
    certified_at: datetime | None = None
    unissued_at: datetime | None = None
    revocation: CaseRevocation | None = None
    deliveries: tuple[Delivery, ...] = ()
    answer: Answer | None = None
    judged_by: str | None = None
    waiting: tuple[Waiting, ...] = ()
    told: DeadlineMark | None = None
    complete_at: datetime | None = None
    withdrawal: UUID | None = None
    followed: Followed | None = None
    renewal: Renewal | None = None
    grant: Grant | None = None
    key: JudgedKey | None = None

    @property
    def state(self) -> CaseState:
        """Where the case stands (E1): what happened to its certificate first, and else what intake decided."""
        if self.revocation is not None:
            revoked = self.revocation.state is RevocationState.REVOKED
            return CaseState.REVOKED if revoked else CaseState.REVOCATION_REQUESTED
        if self.certificate is not None:
            return CaseState.ISSUED if delivered_at(self) is None else CaseState.DELIVERED
        return self.filed if self.unissued_at is None else CaseState.REFUSED


def is_stopped(case: Case) -> bool:
    """Whether the last answer is that issuing is stopped, until the authority has found a fault of its own (B3)."""
    return case.answer is not None and case.answer.code == "stopped"


def mails_ended(case: Case) -> bool:
    """Whether the mail with the certificate has come to its end for every recipient, for better or worse (C3)."""
    ended = {mail.recipient for mail in case.deliveries if mail.kind is MailKind.CERTIFICATE_ISSUED}
    return bool(ended) and all(each.role in ended for each in case.recipients)


def is_missed(case: Case) -> bool:
    """Whether the last mail to somebody who still receives mails of the case did not come to them."""
    last = {mail.recipient: mail for mail in case.deliveries}
    return any(each.role in last and not last[each.role].delivered for each in case.recipients)


def delivered_at(case: Case) -> datetime | None:
    """When the certificate was delivered (C1): every recipient's mail has come to its end, and at least one was handed over."""
    mails = [mail for mail in case.deliveries if mail.kind is MailKind.CERTIFICATE_ISSUED]
    if not any(mail.delivered for mail in mails) or not mails_ended(case):
        return None
    return max(mail.at for mail in mails)


def revocation_times(case: Case) -> tuple[datetime | None, datetime | None]:
    """When revocation was requested, and when it came, which a CRL tells in whole seconds: so it can seem to lie before the request."""
    if case.revocation is None:
        return None, None
    requested, revoked = case.revocation.requested_at, case.revocation.revoked_at
    return requested, None if revoked is None else max(requested, revoked)


def history(case: Case) -> tuple[HistoryEntry, ...]:
    """The states that the case came to, and when: intake's own in their order, then what the other services reported, by time."""
    delivered = delivered_at(case)
    if delivered is not None and case.certified_at is not None:
        delivered = max(delivered, case.certified_at)
    requested, revoked = revocation_times(case)
    reported = (
        (CaseState.REFUSED, case.unissued_at),
        (CaseState.ISSUED, case.certified_at),
        (CaseState.DELIVERED, delivered if case.certificate is not None else None),
        (CaseState.REVOCATION_REQUESTED, requested),
        (CaseState.REVOKED, revoked),
    )
    entries = [HistoryEntry(state=state, at=at) for state, at in reported if at is not None]
    return (*case.entered, *sorted(entries, key=lambda entry: entry.at))
