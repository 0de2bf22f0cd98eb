"""The state of a case, and the functions that compute its view.

Intake's own decisions are kept in order, reports of issuer, notifier and revoker as facts. State and history are
computed from both, so topics may overtake one another.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
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
)
from servicecert_schemas.certificate import Recipient
from servicecert_schemas.codec import stored
from servicecert_schemas.deadline import DeadlineMark
from servicecert_schemas.mail import MailKind
from servicecert_worker.core.decider import Event

from .examine import ApplicationParts, application_parts
from .rules.application import Grant, JudgedCsr, JudgedKey
from .rules.renewal import Followed


@dataclass(frozen=True, slots=True)
class Waiting:
    """An event that waits since `since`: with the judged `csr`, without its text, which may hold a private key."""

    id: UUID
    type: str
    data: str
    time: datetime
    since: datetime
    csr: JudgedCsr | None = None

    @staticmethod
    def of(event: Event, now: datetime) -> "Waiting":
        """Return the event as it is stored."""
        data = event.data
        if not isinstance(data, ApplicationWithdrawn):
            data = data.model_copy(update={"csr": "" if isinstance(data, CsrAttached) else None})
        csr = event.facts.csr if isinstance(event.facts, ApplicationParts) else None
        return Waiting(event.id, data.TYPE, data.model_dump_json(), event.time, now, csr)

    def event(self) -> tuple[Event, ApplicationEvent]:
        """Return the received event without the request's text, and its data."""
        data = stored(self.type, self.data)
        assert isinstance(data, ApplicationEvent)
        return Event(self.id, data.key(), data, min(self.time, self.since), application_parts(data, self.csr)), data


@dataclass(frozen=True, slots=True)
class Forwarded:
    """What an accepted application has beside the case's other parts: the request's DER in base64, and the profile's
    version."""

    csr: str
    profile_version: int


@dataclass(frozen=True, slots=True)
class Case:
    """A case, stored as JSON. `filed` is the last state that intake decided, `entered` the times of each.

    `version` is that of the last `CaseChanged`. Times: `received_at` the newest form or request was sent,
    `form_sent_at` the form was sent (A8; None in records of earlier versions), `complete_at` the application was
    complete (A13), `certified_at` the certificate was issued, `unissued_at` issuing was refused.

    `answer` answers the last rejected event. `waiting` are undecided events in order. `judged_by` is the fingerprint of
    the registers that last judged a waiting case (A11), `told` the last mark of the clock warned of (E2), `withdrawal`
    the event that asks to withdraw an accepted application (A15), `followed` the looked-up certificate that the form
    names, `renewal` the comparison with it, `grant` what was granted for `key` (A14). `supplements` is how many
    supplements and requests were judged (F5). `forwarded` is kept until the issuer has answered: if Kafka loses the
    accepted application, it is made again (I1).
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
    form_sent_at: datetime | None = None
    supplements: int = 0
    forwarded: Forwarded | None = None

    @property
    def state(self) -> CaseState:
        """The state of the case (E1): the last of its history."""
        reported = _reported(self)
        return reported[-1][0] if reported else self.filed


def is_stopped(case: Case) -> bool:
    """Return whether the last answer says that issuing is stopped by a fault on the authority's side (B3)."""
    return case.answer is not None and case.answer.code == "stopped"


def is_shortened(case: Case) -> bool:
    """Return whether the certificate is valid for fewer days than accepted, as it was signed after it was due (B1)."""
    asked, certificate = case.form.validity_days, case.certificate
    if asked is None or certificate is None:
        return False
    return certificate.not_after - certificate.not_before < timedelta(days=asked) - timedelta(seconds=1)


def mails_ended(case: Case) -> bool:
    """Return whether the mail with the certificate was delivered or given up for every recipient (C3)."""
    ended = {mail.recipient for mail in case.deliveries if mail.kind is MailKind.CERTIFICATE_ISSUED}
    return bool(ended) and all(each.role in ended for each in case.recipients)


def is_missed(case: Case) -> bool:
    """Return whether the last mail to a current recipient of the case failed."""
    last = {mail.recipient: mail for mail in case.deliveries}
    return any(each.role in last and not last[each.role].delivered for each in case.recipients)


def delivered_at(case: Case) -> datetime | None:
    """Return when the certificate was delivered (C1): all its mails have ended, and at least one was handed over."""
    mails = [mail for mail in case.deliveries if mail.kind is MailKind.CERTIFICATE_ISSUED]
    if not any(mail.delivered for mail in mails) or not mails_ended(case):
        return None
    return max(mail.at for mail in mails)


def revocation_of(case: Case) -> CaseRevocation | None:
    """Return the revocation with each of its moments after the one before: CRLs round down to seconds."""
    if (revocation := case.revocation) is None:
        return None
    revoked = _after(revocation.revoked_at, revocation.requested_at)
    published = _after(revocation.published_at, revoked)
    return revocation.model_copy(update={"revoked_at": revoked, "published_at": published})


def _after(at: datetime | None, cause: datetime | None) -> datetime | None:
    """Return a moment, that of its cause if that is later: each service has a clock of its own."""
    return at if at is None or cause is None else max(at, cause)


def history(case: Case) -> tuple[HistoryEntry, ...]:
    """Return the states with their times: intake's own in order, then reported ones by time. The last is the case's."""
    return (*case.entered, *(HistoryEntry(state=state, at=at) for state, at in _reported(case)))


def _reported(case: Case) -> list[tuple[CaseState, datetime]]:
    """Return the reported states by time, each after its cause, without those that never were the case's.

    Each is stronger than the one before: a weaker one whose time is later, such as that of a mail that arrives after a
    revocation, is left out. A case is revoked from when on everybody can know it.
    """
    accepted = case.entered[-1].at
    issued = _after(case.certified_at, accepted)
    delivered = _after(delivered_at(case), issued)
    revocation = revocation_of(case)
    requested = None if revocation is None else _after(revocation.requested_at, issued or accepted)
    revoked = None if revocation is None else _after(revocation.published_at or revocation.revoked_at, requested)
    reported = (
        (CaseState.REFUSED, _after(case.unissued_at, accepted)),
        (CaseState.ISSUED, issued),
        (CaseState.DELIVERED, delivered if case.certificate is not None else None),
        (CaseState.REVOCATION_REQUESTED, requested),
        (CaseState.REVOKED, revoked),
    )
    kept: list[tuple[CaseState, datetime]] = []
    for state, at in reversed(reported):
        if at is not None and not (kept and kept[0][1] < at):
            kept.insert(0, (state, at))
    return kept
