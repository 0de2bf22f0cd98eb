"""What the notifier knows of a case beside its mails: whom to write to and in what language, how its application and its certificate stand. Pure.

The topics may overtake one another, so each event adds what it says whatever came before. `cases` alone is enough: who reads it from its beginning
knows every certificate again, and what is owed for it (C4).
"""

from dataclasses import dataclass, replace
from datetime import datetime

from servicecert_schemas.case import CaseChanged, CaseState, Deficiency
from servicecert_schemas.certificate import CertificateIssued, Recipient
from servicecert_schemas.deadline import DeadlineKind, DeadlineMark, DeadlineWarned
from servicecert_schemas.event import EventData
from servicecert_schemas.revocation import CertificateRevoked
from servicecert_schemas.values import CertificateType, Language

PENDING = frozenset({CaseState.SUBMITTED, CaseState.WAITING_FOR_CSR, CaseState.RETURNED})


@dataclass(frozen=True, slots=True)
class Correspondence:
    """Whom a case is about and whom it is written to. `version` is that of the view it was read from, 0 where another event told it."""

    account_id: str
    language: Language
    type: CertificateType
    recipients: tuple[Recipient, ...]
    version: int = 0


@dataclass(frozen=True, slots=True)
class Application:
    """An application that is not complete: what it is known by, and what it lacks, as sentences in the case's language."""

    name: str
    reference: str | None
    waits_for_csr: bool
    lacking: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate by its serial number (hexadecimal and decimal), with its subject (RFC 4514) and validity."""

    serial: str
    serial_decimal: str
    subject: str
    not_before: datetime
    not_after: datetime


@dataclass(frozen=True, slots=True)
class Warned:
    """So much of the time from `since` until `until` is gone in which an application has to be complete (E2)."""

    mark: DeadlineMark
    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of a case. `follows` is the serial number of the certificate that its application renews (A14).

    `warned` is a warning that is not told yet, `slot` the moment that a reminder was given by the limits.
    """

    correspondence: Correspondence | None = None
    application: Application | None = None
    certificate: Certificate | None = None
    follows: str | None = None
    revoked: bool = False
    warned: Warned | None = None
    slot: datetime | None = None


NOTHING = Standing()


def learned(standing: Standing, data: EventData) -> Standing:
    """What is known after an event; the same object where it says nothing new."""
    match data:
        case CertificateIssued():
            after = _of_certificate(standing, data)
        case CertificateRevoked():
            after = replace(standing, revoked=True)
        case DeadlineWarned(kind=DeadlineKind.COMPLETION) if _may_warn(standing, data):
            after = replace(standing, warned=Warned(data.mark, data.since, data.until))
        case CaseChanged() if standing.correspondence is None or data.version > standing.correspondence.version:
            after = _of_view(standing, data)
        case _:
            return standing
    return standing if after == standing else after


def known_by(case: CaseChanged) -> str:
    """What a person knows an application by: its first name, else its information system, else its unit."""
    wanted = case.applied_for
    return next(iter(wanted.dns), None) or wanted.information_system or wanted.unit_long_name


def _may_warn(standing: Standing, data: DeadlineWarned) -> bool:
    """A warning counts as long as nothing says that the application is no longer pending: its view may come later."""
    is_over = standing.correspondence is not None and standing.application is None
    return data.mark is not DeadlineMark.PASSED and not is_over


def _of_certificate(standing: Standing, data: CertificateIssued) -> Standing:
    told = Correspondence(data.account_id, data.language, data.type, data.recipients)
    return replace(
        standing,
        correspondence=standing.correspondence or told,
        application=None,
        warned=None,
        certificate=Certificate(data.serial, data.serial_decimal, data.subject, data.not_before, data.not_after),
    )


def _of_view(standing: Standing, data: CaseChanged) -> Standing:
    is_pending = data.state in PENDING
    if standing == NOTHING and not is_pending and data.certificate is None:
        # An application that ended, or is being issued, and of which nothing is owed: no reason to keep an address.
        return standing
    shown = data.certificate
    seen = shown and Certificate(shown.serial, shown.serial_decimal, shown.subject, shown.not_before, shown.not_after)
    return replace(
        standing,
        correspondence=Correspondence(
            data.account_id, data.language, data.type, data.recipients or _written_to(standing), data.version
        ),
        application=_application(data) if is_pending and standing.certificate is None else None,
        certificate=seen or standing.certificate,
        follows=data.renewal.serial if data.renewal else standing.follows,
        revoked=standing.revoked or data.state is CaseState.REVOKED,
        warned=standing.warned if is_pending else None,
    )


def _written_to(standing: Standing) -> tuple[Recipient, ...]:
    return standing.correspondence.recipients if standing.correspondence else ()


def _application(data: CaseChanged) -> Application:
    return Application(
        name=known_by(data),
        reference=data.applied_for.customer_reference,
        waits_for_csr=data.state is CaseState.WAITING_FOR_CSR,
        lacking=sentences(data.deficiencies, data.language),
    )


def sentences(deficiencies: tuple[Deficiency, ...], language: Language) -> tuple[str, ...]:
    """The deficiencies as sentences in one language."""
    return tuple(deficiency.texts.in_language(language) for deficiency in deficiencies)
