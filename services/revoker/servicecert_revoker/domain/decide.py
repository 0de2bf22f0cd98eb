"""Decides about a case, a proposal, a responder's key and a CA's schedule of CRLs: tables of transitions. Pure.

Each function below that of the cases is one: it takes the status of a case and what happened, and returns the next
status and what follows.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeAlias
from uuid import UUID, uuid5

from servicecert_pki.partitions import FULL
from servicecert_schemas.certificate import CertificateIssued, CertificateVoided
from servicecert_schemas.event import CaseEvent, EventData
from servicecert_schemas.responder import ResponderRequested
from servicecert_schemas.revocation import CrlPublished, RevocationReason, RevocationRequested, StandingsCounted
from servicecert_worker.core.decider import (
    Deadline,
    Decision,
    Due,
    Event,
    Handlers,
    Happened,
    Intent,
    Result,
    Unanswerable,
    Untrusted,
    unchanged,
)
from servicecert_worker.core.time_limits import MARKS

from . import authority_requests, requests, responders
from .authority_requests import CascadeFound, Item, Proposal, cascade_request
from .certificates import IRREGULAR, Certificate, Irregular, Noted, Verified, Void, second_key
from .crl_orders import CONFIRM, PUBLISH, Confirmed, ConfirmOrder, Published, PublishOrder, publish_entry
from .knowledge import Knowledge
from .responders import EnrolledKey
from .status import (
    TAKES_EFFECT_WITHIN,
    Asked,
    Entered,
    Listed,
    Listing,
    Numbered,
    Registered,
    Revocation,
    Revoked,
    Status,
    Valid,
    check_marks,
    pending_of,
    standing,
)

State: TypeAlias = Status | Proposal | EnrolledKey

_VOIDED = UUID("8a7f1f0e-51c3-4b8e-9f57-3c7a2b9d6e15")


def decide(state: State | None, happened: Happened, known: Knowledge, now: datetime) -> Decision[State]:
    """Decide about a case, or by their keys `proposal/…`, a responder (`ocsp/…`) and a CA's schedule (`crl/…`)."""
    match happened:
        case Event(facts=Untrusted(code, text)):
            raise Unanswerable(code, text)
        case Due(kind="publish") if issuer := issuer_of_schedule(happened.key):
            return Decision(state, intents=(Intent(PUBLISH, PublishOrder(issuer=issuer)),))
        case Result(data=CascadeFound() as search):
            return Decision(state, tuple(cascade_request(search.key_sha256, item, now) for item in search.others))
        case Event(data=ResponderRequested()) if state is None:
            return responders.enrol(state, happened, known, now)
        case _:
            return BESIDE.get(type(state), decide_case)(state, happened, known, now)


def decide_case(before: Status | None, happened: Happened, known: Knowledge, now: datetime) -> Decision[Status]:
    """Decide about a case, and start and stop its clocks."""
    after = _transition(before, happened, known, now)
    issued, events = None if after.state is None else after.state.issued, after.events
    if issued is not None and issued.second_of is not None:
        # Its case is about the first certificate (F2).
        events = tuple(event for event in events if not isinstance(event, CaseEvent))
    return Decision(after.state, events, after.intents, (*after.deadlines, *_clock_deadlines(before, after.state)))


def _clock_deadlines(before: Status | None, after: Status | None) -> tuple[Deadline, ...]:
    """Start each clock with its registration, however much time has passed, and stop it once its entry can be seen."""
    was, now = (status.clocks if isinstance(status, Entered) else {} for status in (before, after))
    stopped = tuple(Deadline(kind, None) for kind in was if kind not in now)
    started = tuple(Deadline(kind, clock.wakes(MARKS[0])) for kind, clock in now.items() if was.get(kind) != clock)
    return stopped + started


def _transition(status: Status | None, happened: Happened, known: Knowledge, now: datetime) -> Decision[Status]:
    """The table. A second end of a case that has one does not change the first (I3)."""
    match status, happened:
        case _, Event():
            return HANDLERS.get(type(happened.data), unchanged)(status, happened, known, now)
        case _, Result(data=Noted() as noted):
            return _keep_second(status, noted, now)
        case _, Result(data=Published() as published):
            return _mark_listed(status, published)
        case Listed() | Revoked(), Result(data=Confirmed() as confirmed):
            return _mark_revoked(status, confirmed, UUID(happened.key))
        case Entered(), Due(kind=kind) if clock := status.clocks.get(kind):
            return Decision(status, *check_marks(clock, kind, UUID(happened.key), now))
        case _, Due(kind=requests.ANSWER):
            return requests.answer(status, pending_of(status), known, now)
        case _:
            return Decision(status)


def _learn(before: Status | None, event: Event, known: Knowledge, now: datetime) -> Decision[Status]:
    """The certificate is issued: OCSP says good (D8), and the pending requests are answered in their order.

    A certificate with a compromised key is revoked at once, without a request (D6). A second one of the case is stored
    beside the first under a key of its own, so that both can be revoked, with an alarm (F2). Nobody is notified of it,
    so it has no recipients (E3). One that is stored otherwise than it is told of is an alarm: no worker stored it.
    """
    verified, case_id = event.facts, UUID(event.key)
    assert isinstance(verified, Verified)
    certificate, case = verified.certificate, event.key
    own = before.certificate if isinstance(before, Numbered) else None
    is_own = own is not None and (own.issuer, own.serial) == (certificate.issuer, certificate.serial)
    holder = known.holders.get((certificate.issuer, certificate.serial))
    if is_own and isinstance(own, Certificate) and not own.is_as(certificate):
        return Decision(before, intents=(_alarm("stored-otherwise", verified),))
    if is_own or holder in (case, str(second_key(case, certificate.issuer, certificate.serial))):
        return Decision(before)
    if holder is not None:
        return Decision(before, intents=(_alarm("certificate-of-another-case", verified),))
    if own is not None:
        second = replace(certificate, second_of=case, recipients=())
        return Decision(before, intents=(_alarm("second-certificate", verified, second),))
    pending = asked = pending_of(before)
    if certificate.key_sha256 in known.compromised and now <= certificate.not_after:
        asked = (Asked(_cascade(certificate, case_id, now), now, now), *pending)
    answered = requests.answer(Valid(certificate, pending), asked, known, now)
    differing = (_alarm("fields-differ", verified),) if verified.differ else ()
    return replace(answered, events=(standing(certificate), *answered.events), intents=(*answered.intents, *differing))


def _keep_second(status: Status | None, noted: Noted, now: datetime) -> Decision[Status]:
    """A second certificate is stored: OCSP says good, and with a compromised key its revocation is requested (D6)."""
    second = noted.second
    if second is None:
        return Decision(status)
    key = second_key(str(second.second_of), second.issuer, second.serial)
    requests = (_cascade(second, key, now),) if noted.compromised else ()
    return Decision(status, (standing(second), *requests))


def _void(before: Status | None, event: Event, known: Knowledge, now: datetime) -> Decision[Status]:
    """Revoke a void serial number: a CA's key may have signed its certificate. Nobody is notified (B2).

    Only an intended certificate is reported as void: without intended bytes no key was used. The entry is on the CRLs
    that the certificate would name, for as long as it would be valid. The reason is "no longer needed" (D2); the 24
    hours of D4 run from when it became void. Pending requests keep waiting, and are refused in the end.

    A case with a certificate keeps it (I3); another serial number than that one's is an alarm, and so is one that is
    another case's (F2).
    """
    certificate, since = event.facts, min(event.time, now)
    assert isinstance(certificate, Void)
    number = certificate.issuer, certificate.serial
    if isinstance(before, Numbered) or known.holders.get(number, event.key) != event.key:
        same = isinstance(before, Numbered) and (before.certificate.issuer, before.certificate.serial) == number
        code = "second-end" if isinstance(before, Numbered) else "certificate-of-another-case"
        odd = Irregular(code=code, issuer=certificate.issuer, serial=certificate.serial)
        return Decision(before, intents=() if same else (Intent(IRREGULAR, odd),))
    if certificate.not_after < now:
        return Decision(before)
    revocation = Revocation(
        request_id=uuid5(_VOIDED, f"{certificate.issuer}/{certificate.serial}"),
        reason=RevocationReason.NO_LONGER_NEEDED,
        requested_at=since,
        due=since + TAKES_EFFECT_WITHIN,
        revoked_at=now.replace(microsecond=0),
    )
    registered = Registered(certificate, revocation, pending_of(before))
    return Decision(registered, intents=(publish_entry(registered),))


def _mark_listed(status: Status | None, published: Published) -> Decision[Status]:
    """A published CRL lists the certificate: OCSP may say revoked, and is asked before anybody else is notified (I7).

    If a later request has changed the entry meanwhile, the new entry's CRL counts. Scheduled CRLs, which have no
    request, are scheduled again. A pass announces its CRLs, and how many standings responders
    have to know by then (D8).
    """
    announced: list[EventData] = []
    for crl in published.announced:
        announced.append(CrlPublished(issuer=published.issuer, **dict(crl)))
        if crl.count is not None:
            announced.append(StandingsCounted(issuer=published.issuer, count=crl.count))
    if published.request_id is None:
        return Decision(status, tuple(announced), deadlines=(Deadline(PUBLISH, published.next_planned),))
    if not isinstance(status, Entered) or published.request_id != status.revocation.request_id:
        return Decision(status, tuple(announced))
    certificate, entry = status.certificate, status.revocation
    events = (status.standing(), *announced)
    if not status.is_open:
        return Decision(status, events)
    order = ConfirmOrder(
        issuer=certificate.issuer,
        serial=certificate.serial,
        request_id=entry.request_id,
        reason=entry.reason,
        crl_number=published.crl.number,
        crl_url=published.crl.url,
        published_at=published.published_at,
    )
    after = status if isinstance(status, Revoked) else Listed(certificate, entry, status.pending, status.requesters)
    return Decision(after, events, (Intent(CONFIRM, order),))


def _mark_revoked(status: Listed | Revoked, confirmed: Confirmed, case_id: UUID) -> Decision[Status]:
    """OCSP says it too: mail and the customer's view follow (D5, I7).

    If a later request has changed the entry meanwhile, the new entry counts. Nobody is notified of a void one.
    """
    certificate, entry = status.certificate, status.revocation
    if confirmed.request_id != entry.request_id or not status.is_open:
        return Decision(status)
    listing = Listing(confirmed.crl_number, confirmed.crl_url, confirmed.published_at, len(status.requesters))
    after = Revoked(certificate, entry, status.pending, status.requesters, listing)
    return Decision(after, () if after.issued is None else (after.notice(case_id, entry.request_id),))


def _cascade(certificate: Certificate, case_id: UUID, now: datetime) -> RevocationRequested:
    """Return the request that follows from the compromised key of a certificate that is not in its cascade."""
    item = Item(case_id, certificate.account_id, certificate.serial)
    return cascade_request(certificate.key_sha256, item, now)


def _alarm(code: str, verified: Verified, second: Certificate | None = None) -> Intent:
    irregular = Irregular(
        code=code,
        issuer=verified.certificate.issuer,
        serial=verified.certificate.serial,
        fingerprint=verified.fingerprint,
        differ=verified.differ,
        second=second,
    )
    return Intent(IRREGULAR, irregular)


HANDLERS: Handlers = {
    CertificateIssued: _learn,
    CertificateVoided: _void,
    RevocationRequested: requests.ask,
    ResponderRequested: responders.enrol,
}


BESIDE: Mapping[type, Callable[..., Decision[Any]]] = {
    Proposal: authority_requests.decide,
    EnrolledKey: responders.decide,
}
"""What decides about something else than a case."""


def schedule_key(issuer: str) -> str:
    """Return the key of a CA's schedule: that of its full CRL's `CrlPublished` events."""
    return f"crl/{issuer}/{FULL}"


def issuer_of_schedule(key: str) -> str | None:
    """Return the CA whose schedule the key names, None for a case's key."""
    kind, _, rest = key.partition("/")
    return rest.rpartition("/")[0] if kind == "crl" else None
