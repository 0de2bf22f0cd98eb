"""The state of a case, with what follows from it: state, history and clock.

Intake's own decisions are kept in order, reports of issuer, notifier and revoker as facts. State and history are
computed from both, so topics may overtake one another.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
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
from servicecert_schemas.deadline import DeadlineKind, DeadlineMark
from servicecert_schemas.mail import MailKind
from servicecert_schemas.values import Texts
from servicecert_worker.core.decider import Deadline, Event
from servicecert_worker.core.time_limits import Clock, marks_after

from .deadlines import lapse_time
from .examine import csr_of
from .rules.application import Followed, Grant, JudgedCsr, JudgedKey

LAST_SECOND = timedelta(seconds=1)
"""The ends of both clocks are the last second of a day, and all of that second counts (A12, A13)."""

GRACE = timedelta(hours=1)
"""How long after its last day an application lapses, so that a supplement sent in time still counts."""

REASSESS = "recheck"
"""The kind of the deadline at which a case that waits for the registers is judged again: each night (A11)."""

WAITS_FOR_TOPICS = MappingProxyType(
    {
        **{f"{DeadlineKind.COMPLETION}/{mark}": GRACE for mark in DeadlineMark},
        REASSESS: timedelta(minutes=1),
    }
)
"""An application lapses, or is judged again, only after all that was sent before was read, also after an outage.

Any mark may be last.
"""

PENDING = frozenset({CaseState.SUBMITTED, CaseState.WAITING_FOR_CSR, CaseState.RETURNED})
"""The states of an application that waits for its customer, for up to six months (A12)."""

_UNDELIVERED = frozenset({CaseState.ACCEPTED, CaseState.ISSUED})


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
        return Waiting(event.id, data.TYPE, data.model_dump_json(), event.time, now, csr_of(event))

    def event(self) -> tuple[Event, ApplicationEvent]:
        """Return the received event without the request's text, and its data."""
        data = stored(self.type, self.data)
        assert isinstance(data, ApplicationEvent)
        return Event(self.id, data.key(), data, min(self.time, self.since), self.csr), data


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
    accepted application, it is made again (I1). `stopped`: a fault on the authority's side stops the issuing (B3).
    `readdressed` are roles whose address was corrected, and when, `refusal` why the issuer refused. `returned_again` is
    how often a supplement was returned.
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
    stopped: bool = False
    readdressed: tuple[tuple[str, datetime], ...] = ()
    refusal: Texts | None = None
    returned_again: int = 0

    @property
    def state(self) -> CaseState:
        """The state of the case (E1): the last of its history."""
        reported = _reported(self)
        return reported[-1][0] if reported else self.filed

    @property
    def clock(self) -> Clock | None:
        """The running clock: when an application has to be complete (A12), or a certificate delivered (A13).

        A supplement does not restart that of an incomplete application.
        """
        if self.state in PENDING:
            submitted = self.entered[0].at
            return Clock(DeadlineKind.COMPLETION, submitted, lapse_time(submitted), LAST_SECOND + GRACE)
        if self.state in _UNDELIVERED and self.due is not None and self.complete_at is not None:
            return Clock(DeadlineKind.DELIVERY, self.complete_at, self.due, LAST_SECOND)
        return None

    @property
    def clock_deadline(self) -> Deadline | None:
        """The next deadline of the clock. Its kind is `<clock>/<mark>`."""
        clock, marks = self.clock, marks_after(self.told)
        if clock is None or not marks:
            return None
        return Deadline(f"{clock.kind}/{marks[0]}", clock.wakes(marks[0]))

    @property
    def lapses(self) -> datetime | None:
        """The last second in which a pending application can be completed (A12)."""
        clock = self.clock
        return clock.until if clock is not None and clock.kind is DeadlineKind.COMPLETION else None


def mails_ended(case: Case) -> bool:
    """Return whether the mail with the certificate was delivered or given up for every recipient (C3)."""
    ended = {mail.recipient for mail in case.deliveries if mail.kind is MailKind.CERTIFICATE_ISSUED}
    return bool(ended) and all(each.role in ended for each in case.recipients)


def delivered_at(case: Case) -> datetime | None:
    """Return when the certificate was delivered (C1): all its mails have ended, and at least one was handed over."""
    mails = [mail for mail in case.deliveries if mail.kind is MailKind.CERTIFICATE_ISSUED]
    handed_over = [mail.at for mail in mails if mail.delivered]
    if not handed_over or not mails_ended(case):
        return None
    # A bounce, or a mail that is sent again, comes later and changes nothing.
    first_ends = {mail.recipient: mail.at for mail in reversed(mails)}
    return max(handed_over[0], *first_ends.values())


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
