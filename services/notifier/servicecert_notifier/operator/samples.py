"""One mail of each kind, for the preview and the golden files: made by the decider from the stored example events."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from typing import TypeVar
from uuid import UUID, uuid5

from servicecert_schemas.case import CaseChanged, CaseState, Deficiency, HistoryEntry
from servicecert_schemas.certificate import CertificateIssued, IssuingRefused, Recipient, RecipientRole
from servicecert_schemas.deadline import DeadlineKind, DeadlineMark, DeadlineWarned
from servicecert_schemas.event import EventData
from servicecert_schemas.revocation import CertificateRevoked
from servicecert_schemas.values import CertificateType, Language
from servicecert_worker.core.decider import Due, Event, Happened, Result

from ..domain.decide import decide
from ..domain.ledger import Ledger
from ..domain.reminders import DAYS, NOTHING_PREPARED, REMIND
from ..domain.task import MailOutcome, MailState, MailTask

E = TypeVar("E", bound=EventData)

NOW = datetime(2026, 11, 24, 10, 15, 30, tzinfo=UTC)
_IDS = UUID("0c0fbd8e-4a56-5a3b-9d3c-4b1f6d0a7e11")
_PEOPLE = (
    Recipient(role=RecipientRole.ORDERER, email="maija.mallikas@laakaritalo.example", name="Maija Mallikas"),
    Recipient(role=RecipientRole.TECHNICAL_CONTACT, email="teppo.testaaja@yllapito.example", name="Teppo Testaaja"),
    Recipient(role=RecipientRole.SHARED_MAILBOX, email="varmenteet@yllapito.example"),
)


def example(model: type[E], variant: str | None = None) -> E:
    """Return the event in the stored record of the model's type, or in that of one of its variants."""
    name = f"{model.TYPE}.{variant}.json" if variant else f"{model.TYPE}.json"
    record = json.loads((files("servicecert_schemas") / "exported" / "examples" / name).read_text("utf-8"))
    return model.model_validate_json(json.dumps(record["value"]))


def samples(language: Language) -> Iterator[tuple[str, MailTask]]:
    """Yield each kind of mail in one language, with a name."""
    waiting, issued = _waiting(language), _issued(language)
    refused = example(IssuingRefused)
    too_long = Deficiency(code=refused.code, field="validity_days", texts=refused.texts)
    returned = _case(language, CaseState.RETURNED, too_long, *example(CaseChanged, "returned").deficiencies)
    revoked = example(CertificateRevoked).model_copy(update={"language": language, "recipients": _PEOPLE})
    yield "csr-invited", _of(waiting)
    yield "application-returned", _of(returned)
    yield "application-nears-lapse-half", _nearing(waiting, DeadlineMark.HALF, datetime(2027, 2, 22, 8, tzinfo=UTC))
    yield "application-nears-lapse", _nearing(returned, DeadlineMark.NINE_TENTHS, datetime(2027, 5, 6, 8, tzinfo=UTC))
    yield "application-lapsed", _of(_case(language, CaseState.LAPSED))
    yield "application-refused", _of(_case(language, CaseState.REFUSED, too_long))
    yield "certificate-issued", _of(issued)
    yield "certificate-issued-system", _of(_issued(language, CertificateType.TEST_SYSTEM_SIGNATURE))
    for kind, days in DAYS.items():
        yield kind, _expiring(issued, days)
    yield "certificate-expires-tomorrow", _expiring(issued, 1)
    yield "certificate-revoked", _of(revoked)
    yield "address-refused", _undelivered(_event(issued))


def _mails(*inputs: Happened, now: datetime = NOW) -> tuple[MailTask, ...]:
    ledger: Ledger | None = None
    tasks: tuple[MailTask, ...] = ()
    for happened in inputs:
        decision = decide(ledger, happened, NOTHING_PREPARED, now)
        ledger = decision.state
        tasks = tuple(intent.data for intent in decision.intents if isinstance(intent.data, MailTask))
    return tasks


def _event(data: EventData) -> Event:
    return Event(uuid5(_IDS, data.model_dump_json()), data.key(), data, NOW)


def _issued(language: Language, type: CertificateType = CertificateType.SERVER) -> CertificateIssued:
    event = example(CertificateIssued)
    name = "Potilastieto Esimerkki" if not type.is_server else "kanta.laakaritalo.example"
    subject = event.subject.replace("kanta.laakaritalo.example", name)
    # One begins at once, the other on a requested day (A14).
    begins = NOW if type.is_server else event.not_before
    who = {"language": language, "recipients": _PEOPLE}
    return event.model_copy(update={**who, "type": type, "subject": subject, "not_before": begins, "due": NOW})


def _case(language: Language, state: CaseState, *lacking: Deficiency, **changes: object) -> CaseChanged:
    event = example(CaseChanged, "returned")
    history = (event.history[0], HistoryEntry(state=state, at=NOW))
    applied_for = event.applied_for.model_copy(update={"customer_reference": "PO 2026-118"})
    common = {"language": language, "recipients": _PEOPLE, "state": state, "deficiencies": lacking, "history": history}
    lapses = datetime(2027, 5, 24, 20, 59, 59, tzinfo=UTC)
    return event.model_copy(update={**common, "applied_for": applied_for, "lapses": lapses, **changes})


def _waiting(language: Language) -> CaseChanged:
    case = _case(language, CaseState.WAITING_FOR_CSR, type=CertificateType.TEST_SERVER)
    names = ("test.apteekki.example", "test2.apteekki.example")
    applied_for = case.applied_for.model_copy(update={"dns": names, "unit_long_name": "Apoteket Exempelby I"})
    return case.model_copy(update={"applied_for": applied_for})


def _nearing(case: CaseChanged, mark: DeadlineMark, at: datetime) -> MailTask:
    assert case.lapses is not None
    warned = DeadlineWarned(
        case_id=case.case_id, kind=DeadlineKind.COMPLETION, mark=mark, since=case.history[0].at, until=case.lapses
    )
    return _mails(_event(case), _event(warned), Due(case.case_id, case.key(), REMIND, at), now=at)[0]


def _expiring(issued: CertificateIssued, days: int) -> MailTask:
    at = issued.not_after - timedelta(days=days, hours=-12)
    return _mails(_event(issued), Due(issued.case_id, issued.key(), REMIND, at), now=at)[0]


def _undelivered(issued: Event) -> MailTask:
    mail = _mails(issued)[1]
    outcome = MailOutcome(mail_id=mail.mail_id, state=MailState.REFUSED, answer="550 5.1.1", attempts=1, at=NOW)
    return _mails(issued, Result(mail.mail_id, issued.key, "mail", outcome))[0]


def _of(data: EventData) -> MailTask:
    return _mails(_event(data))[0]
