"""What the notifier decides: which mails are owed, and that each is sent once (C1, C3, C4, D5). Pure."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha256
from types import MappingProxyType

from servicecert_schemas.case import CaseChanged, CaseState
from servicecert_schemas.certificate import CertificateIssued, Recipient, RecipientRole, Recipients
from servicecert_schemas.event import EventData
from servicecert_schemas.mail import MailEvent, MailGivenUp, MailHandedOver, MailRefused
from servicecert_schemas.revocation import CertificateRevoked
from servicecert_worker.decider import Decision, Event, Happened, Intent, Result

from .ledger import Ledger, Row, mail_id
from .task import Content, IssuedContent, MailOutcome, MailState, MailTask, ReturnedContent, RevokedContent, sentences

INTENT = "mail"

PATIENCE = timedelta(days=5)
"""How long a mail without a due time is tried (RFC 5321 section 4.5.4.1 asks for 4 to 5 days)."""

LATE_PATIENCE = timedelta(days=1)
"""How long a certificate is tried at least, also where its delivery is due sooner or overdue."""

_EVENT_OF: MappingProxyType[MailState, type[MailEvent]] = MappingProxyType(
    {
        MailState.HANDED_OVER: MailHandedOver,
        MailState.REFUSED: MailRefused,
        MailState.GIVEN_UP: MailGivenUp,
    }
)


def decide(state: Ledger | None, happened: Happened, _known: object, now: datetime) -> Decision[Ledger]:
    """Plans the mails that an event makes owed, and records what became of one. All else changes nothing."""
    if isinstance(happened, Result):
        return _settle(state, happened)
    if isinstance(happened, Event):
        return _hear(state, happened, now)
    return Decision(state)


def heeds(data: EventData) -> bool:
    """Whether a mail can follow from an event."""
    match data:
        case CertificateIssued() | CertificateRevoked():
            return True
        case CaseChanged(state=CaseState.RETURNED) as case:
            return bool(case.deficiencies)
        case _:
            return False


def _hear(state: Ledger | None, event: Event, now: datetime) -> Decision[Ledger]:
    match event.data:
        case CertificateIssued() as issued:
            give_up_at = max(issued.due, now + LATE_PATIENCE)
            return _plan(state, event, issued, issued.serial, _issued(issued), give_up_at)
        case CertificateRevoked() as revoked:
            return _plan(state, event, revoked, str(revoked.request_id), _revoked(revoked), now + PATIENCE)
        case CaseChanged() as case if heeds(case):
            return _plan(state, event, case, returning(case), _returned(case), now + PATIENCE)
        case _:
            return Decision(state)


def _plan(
    state: Ledger | None,
    event: Event,
    data: CertificateIssued | CertificateRevoked | CaseChanged,
    occasion: str,
    content: Content,
    give_up_at: datetime,
) -> Decision[Ledger]:
    ledger = state or Ledger(data.case_id)
    planned_before = {row.mail_id for row in ledger.rows}
    rows: list[Row] = []
    intents: list[Intent] = []
    for recipient, place in _addressed_once(data.recipients):
        identity = mail_id(data.case_id, content.kind, occasion, recipient.role, place)
        if identity in planned_before:
            continue
        rows.append(Row(identity, content.kind, occasion, recipient.role, place, planned_at=event.time))
        task = MailTask(
            mail_id=identity,
            case_id=data.case_id,
            language=data.language,
            recipient=recipient,
            date=event.time,
            give_up_at=give_up_at,
            content=content,
        )
        intents.append(Intent(INTENT, task))
    if not rows:
        return Decision(state)
    return Decision(ledger.with_planned(tuple(rows)), intents=tuple(intents))


def _settle(state: Ledger | None, result: Result) -> Decision[Ledger]:
    """The first outcome of a mail counts. A mail that no ledger knows is a fault of ours: it raises, so that it is seen."""
    outcome = result.data
    if not isinstance(outcome, MailOutcome) or state is None:
        raise LookupError(f"The result {result.id} belongs to no mail of this case.")
    row = state.row(outcome.mail_id)
    if row.state is not MailState.PLANNED:
        return Decision(state)
    settled = replace(row, state=outcome.state, attempts=outcome.attempts, answer=outcome.answer, settled_at=outcome.at)
    said = _EVENT_OF[outcome.state](
        case_id=state.case_id,
        mail_id=row.mail_id,
        kind=row.kind,
        recipient=row.recipient,
        answer=outcome.answer_class,
        attempts=outcome.attempts,
        at=outcome.at,
    )
    return Decision(state.with_settled(settled), events=(said,))


def _addressed_once(recipients: Recipients) -> Iterator[tuple[Recipient, int]]:
    """The recipients with different addresses, each with its place among those of its role. A domain has no case, a local part may have

    (RFC 5321 section 2.4): who waits for the outcome of every recipient's mail counts addresses the same way.
    """
    seen: set[tuple[str, str]] = set()
    places: dict[RecipientRole, int] = {}
    for recipient in recipients:
        local, _, domain = recipient.email.rpartition("@")
        address = (local, domain.lower())
        if address not in seen:
            seen.add(address)
            places[recipient.role] = places.get(recipient.role, 0) + 1
            yield recipient, places[recipient.role]


def returning(case: CaseChanged) -> str:
    """What one returning of a case is recognised by: when the case came to this state, and for what.

    The version does not do: it also grows when a delivered mail is entered into the view, and each mail would bring about the next.
    """
    since = max((entry.at for entry in case.history if entry.state is CaseState.RETURNED), default=None)
    lacking = "\n".join(f"{deficiency.code} {deficiency.field}" for deficiency in case.deficiencies)
    return sha256(f"{since}\n{lacking}".encode()).hexdigest()[:32]


def _issued(event: CertificateIssued) -> IssuedContent:
    return IssuedContent(
        type=event.type,
        serial=event.serial,
        serial_decimal=event.serial_decimal,
        subject=event.subject,
        not_before=event.not_before,
        not_after=event.not_after,
        fingerprint=event.fingerprint,
        certificate=event.certificate,
        chain=event.chain,
    )


def _revoked(event: CertificateRevoked) -> RevokedContent:
    return RevokedContent(
        serial=event.serial,
        serial_decimal=event.serial_decimal,
        subject=event.subject,
        reason=event.reason,
        requested_at=event.requested_at,
        revoked_at=event.revoked_at,
        invalid_since=event.invalid_since,
        crl_number=event.crl_number,
        crl_url=event.crl_url,
    )


def _returned(event: CaseChanged) -> ReturnedContent:
    wanted = event.applied_for
    return ReturnedContent(
        type=event.type,
        applied_for=next(iter(wanted.dns), None) or wanted.information_system or wanted.unit_long_name,
        customer_reference=wanted.customer_reference,
        deficiencies=sentences(event.deficiencies, event.language),
        due=event.due,
    )
