"""The state of a case: what is known of it, from which its state and history follow.

What intake decides itself is kept as it was entered. What issuer, notifier and revoker say is kept as facts, and the facts' order does not matter:
state and history are computed from them, so that topics may overtake one another.
"""

from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from uuid import UUID

from servicecert_schemas.application import Attachment, Form
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
from servicecert_schemas.deadline import DeadlineMark
from servicecert_schemas.mail import MailKind

from .rules.application import Grant, JudgedCsr, JudgedKey
from .rules.renewal import Followed
from .waiting import Waiting

_REPORTED = frozenset(
    {CaseState.ISSUED, CaseState.DELIVERED, CaseState.REVOCATION_REQUESTED, CaseState.REVOKED, CaseState.REFUSED}
)

STEPS = MappingProxyType(
    {
        CaseState.SUBMITTED: frozenset(CaseState) - {CaseState.SUBMITTED},
        CaseState.WAITING_FOR_CSR: frozenset(CaseState) - {CaseState.SUBMITTED, CaseState.WAITING_FOR_CSR},
        CaseState.RETURNED: frozenset(CaseState) - {CaseState.SUBMITTED, CaseState.RETURNED},
        CaseState.ACCEPTED: _REPORTED | {CaseState.WITHDRAWN},
        CaseState.LAPSED: _REPORTED,
        CaseState.WITHDRAWN: _REPORTED,
        CaseState.REFUSED: _REPORTED - {CaseState.REFUSED},
        CaseState.ISSUED: frozenset({CaseState.DELIVERED, CaseState.REVOCATION_REQUESTED, CaseState.REVOKED}),
        CaseState.DELIVERED: frozenset({CaseState.REVOCATION_REQUESTED, CaseState.REVOKED}),
        CaseState.REVOCATION_REQUESTED: frozenset({CaseState.REVOKED}),
        CaseState.REVOKED: frozenset[CaseState](),
    }
)
"""The states that may follow each, over any number of changes that are stored at once. The database holds them too.

A closed case is never open again, and what the authority has done is never taken back. A certificate or a revocation that the other services report
is shown whatever intake had decided: the customer must see what exists.
"""

WAYS = MappingProxyType(
    {
        (CaseState.SUBMITTED, CaseState.WAITING_FOR_CSR): ("application.submitted",),
        (CaseState.SUBMITTED, CaseState.RETURNED): ("application.submitted",),
        (CaseState.SUBMITTED, CaseState.REFUSED): ("application.submitted",),
        (CaseState.SUBMITTED, CaseState.ACCEPTED): ("application.submitted",),
        (CaseState.WAITING_FOR_CSR, CaseState.ACCEPTED): ("application.csr-attached", "application.supplemented"),
        (CaseState.WAITING_FOR_CSR, CaseState.RETURNED): ("application.csr-attached", "application.supplemented"),
        (CaseState.WAITING_FOR_CSR, CaseState.REFUSED): ("application.csr-attached", "application.supplemented"),
        (CaseState.WAITING_FOR_CSR, CaseState.WITHDRAWN): ("application.withdrawn",),
        (CaseState.WAITING_FOR_CSR, CaseState.LAPSED): ("6 months",),
        (CaseState.RETURNED, CaseState.ACCEPTED): ("application.supplemented", "application.csr-attached", "recheck"),
        (CaseState.RETURNED, CaseState.WAITING_FOR_CSR): ("application.supplemented", "recheck"),
        (CaseState.RETURNED, CaseState.REFUSED): ("application.supplemented", "application.csr-attached", "recheck"),
        (CaseState.RETURNED, CaseState.WITHDRAWN): ("application.withdrawn",),
        (CaseState.RETURNED, CaseState.LAPSED): ("6 months",),
        (CaseState.ACCEPTED, CaseState.ISSUED): ("certificate.issued",),
        (CaseState.ACCEPTED, CaseState.REFUSED): ("certificate.refused",),
        (CaseState.ACCEPTED, CaseState.WITHDRAWN): ("application.withdrawn, certificate.refused (withdrawn)",),
        (CaseState.ISSUED, CaseState.DELIVERED): ("mail.handed-over",),
        (CaseState.ISSUED, CaseState.REVOCATION_REQUESTED): ("revocation.registered",),
        (CaseState.DELIVERED, CaseState.REVOCATION_REQUESTED): ("revocation.registered",),
        (CaseState.REVOCATION_REQUESTED, CaseState.REVOKED): ("certificate.revoked",),
    }
)
"""The single steps of an orderly case, and the events that lead there. What other services report may come earlier than told, and skips steps."""


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
