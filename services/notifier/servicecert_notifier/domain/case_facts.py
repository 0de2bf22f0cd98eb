"""The facts of a case that its mails depend on: recipients, language, application, certificate. Pure.

The topics may overtake one another, so each event adds its facts independently of the order. The topic `cases` alone is
enough: a replay from its beginning restores every certificate and the reminders that it needs (C4).
"""

from dataclasses import dataclass, field, replace
from datetime import datetime

from servicecert_schemas.case import CaseChanged, CaseState
from servicecert_schemas.certificate import CertificateIssued, Recipient
from servicecert_schemas.deadline import DeadlineKind, DeadlineMark, DeadlineWarned
from servicecert_schemas.event import EventData
from servicecert_schemas.revocation import CertificateRevoked
from servicecert_schemas.values import CertificateType, Language

PENDING = frozenset({CaseState.SUBMITTED, CaseState.WAITING_FOR_CSR, CaseState.RETURNED})


@dataclass(frozen=True, slots=True)
class Correspondence:
    """The account of a case and its recipients. `version` is that of the view it was read from, 0 if it was no view.

    A view that differs in nothing else adds nothing: those of a case come in their order (I5).
    """

    account_id: str
    language: Language
    type: CertificateType
    recipients: tuple[Recipient, ...]
    version: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Application:
    """An application: its name, and what it lacks as sentences in the case's language."""

    name: str
    reference: str | None
    waits_for_csr: bool
    lacking: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate: serial number (hexadecimal and decimal), subject (RFC 4514), validity."""

    serial: str
    serial_decimal: str
    subject: str
    not_before: datetime
    not_after: datetime


@dataclass(frozen=True, slots=True)
class LapseWarning:
    """The share that has passed of the time, `since` to `until`, to complete an application (E2)."""

    mark: DeadlineMark
    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class CaseFacts:
    """The facts of a case. `follows` is the serial number of the certificate that its application renews (A14).

    `warned` is a warning not yet mailed, `slot` the time at which the rate limits allow the next reminder, `corrected`
    are addresses with those that operators gave instead.
    """

    correspondence: Correspondence | None = None
    application: Application | None = None
    certificate: Certificate | None = None
    follows: str | None = None
    revoked: bool = False
    warned: LapseWarning | None = None
    slot: datetime | None = None
    corrected: tuple[tuple[str, str], ...] = ()

    def correcting(self, wrong: str, right: str) -> "CaseFacts":
        before = {old: right if new == wrong else new for old, new in self.corrected}
        return replace(self, corrected=tuple({**before, wrong: right}.items()))

    def reached(self, recipients: tuple[Recipient, ...]) -> tuple[Recipient, ...]:
        """Return the recipients with the addresses that operators corrected."""
        right = dict(self.corrected)
        return tuple(each.model_copy(update={"email": right.get(each.email, each.email)}) for each in recipients)

    @property
    def recipients(self) -> tuple[Recipient, ...]:
        """The recipients of the case, none while they are unknown."""
        return self.correspondence.recipients if self.correspondence else ()


NO_FACTS = CaseFacts()


def with_event(facts: CaseFacts, data: EventData, now: datetime) -> CaseFacts:
    """Return the facts after an event, the same object if it adds nothing."""
    match data:
        case CertificateIssued():
            after = _with_certificate(facts, data)
        case CertificateRevoked():
            after = replace(facts, revoked=True)
        case DeadlineWarned(kind=DeadlineKind.COMPLETION, mark=DeadlineMark() as mark):
            # The view of an application may arrive after the warning: it may still be pending.
            is_over = facts.correspondence is not None and facts.application is None
            if is_over or mark is DeadlineMark.PASSED:
                return facts
            after = replace(facts, warned=LapseWarning(mark, data.since, data.until))
        case CaseChanged() if facts.correspondence is None or data.version > facts.correspondence.version:
            after = _with_view(facts, data, now)
        case _:
            return facts
    return facts if after == facts else after


def _with_certificate(facts: CaseFacts, data: CertificateIssued) -> CaseFacts:
    to = facts.correspondence or Correspondence(data.account_id, data.language, data.type, data.recipients)
    return replace(
        facts,
        correspondence=to,
        application=None,
        warned=None,
        certificate=Certificate(data.serial, data.serial_decimal, data.subject, data.not_before, data.not_after),
    )


def _with_view(facts: CaseFacts, data: CaseChanged, now: datetime) -> CaseFacts:
    is_pending, shown = data.state in PENDING, data.certificate
    if facts == NO_FACTS and not is_pending and (shown is None or shown.not_after < now):
        # The application ended or is being issued, or its certificate expired, and needs no mail: there is no reason to
        # keep an address. Read again from the first record on, the topic may still have views of erased cases (E3).
        return facts
    seen = shown and Certificate(shown.serial, shown.serial_decimal, shown.subject, shown.not_before, shown.not_after)
    return replace(
        facts,
        correspondence=Correspondence(
            data.account_id, data.language, data.type, data.recipients or facts.recipients, data.version
        ),
        application=application_of(data) if is_pending and facts.certificate is None else None,
        certificate=seen or facts.certificate,
        follows=data.renewal.serial if data.renewal else facts.follows,
        revoked=facts.revoked or data.state is CaseState.REVOKED,
        warned=facts.warned if is_pending else None,
    )


def application_of(case: CaseChanged) -> Application:
    """Return an application as mails tell of it, by its first host, else its information system, else its unit."""
    applied_for = case.applied_for
    return Application(
        name=next(iter(applied_for.dns), None) or applied_for.information_system or applied_for.unit_long_name,
        reference=applied_for.customer_reference,
        waits_for_csr=case.state is CaseState.WAITING_FOR_CSR,
        lacking=tuple(each.texts.in_language(case.language) for each in case.deficiencies),
    )
