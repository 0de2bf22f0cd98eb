"""The life of a case's certificate: issued or void, registered for revocation, listed, revoked; and its events. Pure.

Each function is a transition: it takes the status and what happened, and returns the next status and what follows.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TypeAlias
from uuid import UUID, uuid5

from servicecert_schemas.certificate import CertificateIssued, CertificateVoided
from servicecert_schemas.compromise import KeyCompromised
from servicecert_schemas.event import EventData, Role
from servicecert_schemas.revocation import RevocationReason, RevocationRequested
from servicecert_worker.core.decider import Deadline, Decision, Intent

from .certificates import BoundedVoid, Verified
from .crl_orders import CONFIRM, PUBLISH, Confirmed, ConfirmOrder, Published, PublishOrder
from .irregular import IRREGULAR, Irregular, Noted, alarm, second_key
from .notices import announcements, notified, refusal, registration, revoked, standing, valid, with_requester
from .requests import (
    CASCADE,
    TAKES_EFFECT_WITHIN,
    CascadeOrder,
    Code,
    Context,
    Granted,
    Item,
    Refused,
    cascade_requests,
    changed,
    judge_all,
)
from .status import (
    Asked,
    Awaited,
    Certificate,
    Entered,
    Listed,
    Listing,
    Numbered,
    Registered,
    Revocation,
    Revoked,
    Status,
    Valid,
    Void,
    certificate_of,
    is_open,
    pending_of,
)

Decided: TypeAlias = Decision[Status]

ANSWER = "answer"
"""The deadline at which pending requests are judged again."""


_VOIDED = UUID("8a7f1f0e-51c3-4b8e-9f57-3c7a2b9d6e15")

_LONGEST = timedelta(days=3 * 366)
"""CRL lifetime of a void serial number with unknown `not_after`: longer than the longest validity (B1) plus a later
start (A14).
"""


def learn(
    before: Status | None, issued: CertificateIssued, verified: Verified, at: datetime, context: Context
) -> Decided:
    """The certificate is issued: OCSP says good (D8), and the pending requests are answered in their order.

    A certificate with a compromised key is revoked at once, without a request (D6). A second one of the case is stored
    beside the first under a key of its own, so that both can be revoked, with an alarm (F2). Nobody is notified of it,
    so it has no recipients (E3). One that is stored otherwise than it is told of is an alarm: no worker stored it.
    """
    certificate, now = Certificate.of(issued, verified, at), context.now
    place, case = (certificate.issuer, certificate.serial), str(issued.case_id)
    holder = context.known.holders.get(place)
    known = certificate_of(before)
    if known is not None and _place(before) == place and not known.is_as(certificate):
        return Decision(before, intents=(alarm("stored-otherwise", verified),))
    if holder in (case, str(second_key(case, *place))) or _place(before) == place:
        return Decision(before)
    if holder is not None:
        return Decision(before, intents=(alarm("certificate-of-another-case", verified),))
    if isinstance(before, Numbered):
        second = replace(certificate, second_of=case, recipients=())
        return Decision(before, intents=(alarm("second-certificate", verified, second),))
    pending = pending_of(before)
    key, asked = certificate.key_sha256, pending
    if key in context.known.compromised and now <= certificate.not_after:
        item = Item(issued.case_id, certificate.account_id, certificate.serial)
        asked = (*(Asked(request, now, now) for request in cascade_requests(key, (item,), now)), *pending)
    decision = _answer_all(Valid(certificate, pending), asked, context)
    differing = (alarm("fields-differ", verified),) if verified.differ else ()
    return replace(decision, events=(valid(certificate), *decision.events), intents=(*decision.intents, *differing))


def keep_second(status: Status | None, noted: Noted, now: datetime) -> Decided:
    """A second certificate is stored: OCSP says good, and with a compromised key its revocation is requested (D6)."""
    second = noted.second
    if second is None:
        return Decision(status)
    key = second_key(str(second.second_of), second.issuer, second.serial)
    item = Item(key, second.account_id, second.serial)
    requests = cascade_requests(second.key_sha256, (item,), now) if noted.compromised else ()
    return Decision(status, (valid(second), *requests))


def _place(status: Status | None) -> tuple[str, str] | None:
    """Return the issuer and the serial number, if the status has them."""
    return (status.certificate.issuer, status.certificate.serial) if isinstance(status, Numbered) else None


def void(
    before: Status | None, voided: CertificateVoided, bounded: BoundedVoid, at: datetime, context: Context
) -> Decided:
    """Revoke a void serial number: a CA's key may have signed its certificate. Nobody is notified (B2).

    Only an intended certificate is reported as void: without intended bytes no key was used. The entry is on the CRLs
    that the certificate would name, for as long as it would be valid. The reason is "no longer needed" (D2); the 24
    hours of D4 run from `at`, when it became void. Pending requests keep waiting, and are refused in the end.

    A case with a certificate keeps it (I3); another serial number than that one's is an alarm (F2).
    """
    since = min(at, context.now)
    if isinstance(before, Numbered):
        same = _place(before) == (voided.issuer, voided.serial)
        odd = Irregular(code="second-end", issuer=voided.issuer, serial=voided.serial)
        return Decision(before, intents=() if same else (Intent(IRREGULAR, odd),))
    certificate = Void(voided.issuer, voided.serial, bounded.not_after or since + _LONGEST, bounded.partition)
    if certificate.not_after < context.now:
        return Decision(before)
    revocation = Revocation(
        request_id=uuid5(_VOIDED, f"{voided.issuer}/{voided.serial}"),
        reason=RevocationReason.NO_LONGER_NEEDED,
        requested_at=since,
        due=since + TAKES_EFFECT_WITHIN,
        revoked_at=context.now.replace(microsecond=0),
    )
    registered = Registered(certificate, revocation, pending_of(before))
    return Decision(registered, intents=(_publish_intent(registered),))


def ask(status: Status | None, asked: Asked, context: Context) -> Decided:
    """Answer a request, after those that are pending. A repeated request changes nothing.

    Another actor's request with the same id is another one: ids of the authority's can be foreseen.
    """
    pending, request = pending_of(status), asked.request
    if any((each.request.request_id, each.request.actor) == (request.request_id, request.actor) for each in pending):
        return Decision(status)
    return _answer_all(status, (*pending, asked), context)


def answer(status: Status | None, context: Context) -> Decided:
    """Answer the pending requests when their deadline is due."""
    return _answer_all(status, pending_of(status), context)


def _answer_all(status: Status | None, asked: Sequence[Asked], context: Context) -> Decided:
    """Judge all requests, then fold the verdicts over the status. Pending ones wait until the first of them is due."""
    verdicts, waiting = judge_all(asked, certificate_of(status), context)
    decided: Decided = Decision(status)
    for request, verdict in verdicts:
        if isinstance(verdict, Granted):
            after = _grant(decided.state, request, verdict, context)
        else:
            after = Decision(decided.state, events=(refusal(request, verdict),))
        decided = Decision(after.state, decided.events + after.events, decided.intents + after.intents)
    due = min((until for _, until in waiting), default=None)
    deadlines = (Deadline(ANSWER, due),) if waiting or pending_of(status) else ()
    pending = tuple(each for each, _ in waiting)
    return replace(decided, state=_with_pending(decided.state, pending), deadlines=deadlines)


def _with_pending(status: Status | None, pending: tuple[Asked, ...]) -> Status | None:
    """Return the status with these pending requests; the same object if they are the same."""
    if pending == pending_of(status):
        return status
    return replace(status, pending=pending) if isinstance(status, Numbered) else Awaited(pending)


def _grant(status: Status | None, request: RevocationRequested, granted: Granted, context: Context) -> Decided:
    """Register the revocation. Later requests get the first one's result, unless they change the entry (D3).

    The authority's own requests get no refusal for an expired certificate: the customer did not ask.
    """
    certificate, new = granted.certificate, granted.revocation
    compromised, cascade = _compromised(certificate, new.reason, context)
    if isinstance(status, Valid) and certificate.not_after < new.requested_at:
        expired = refusal(request, Refused(Code.EXPIRED, in_case=True))
        refusals: tuple[EventData, ...] = () if request.actor.role is Role.OPERATOR else (expired,)
        return Decision(status, refusals + compromised, cascade)
    if isinstance(status, Entered):
        if new.request_id == status.revocation.request_id:
            return Decision(status)
        entry = changed(status.revocation, new)
        if entry is None:
            return _repeat(status, certificate, request)
        entered = _with_change(status, replace(entry, changed_at=new.requested_at), request)
    else:
        entered = Registered(certificate, new, pending_of(status), with_requester((), request))
    events = (registration(request, certificate, new), *compromised)
    return Decision(entered, events, (_publish_intent(entered), *cascade))


def _with_change(status: Entered, entry: Revocation, request: RevocationRequested) -> Entered:
    """Return the status with a changed entry, and with those who get its mail.

    The clock of an earlier change that is open goes on: its end is the earlier one.
    """
    if isinstance(status, Revoked) and not status.changed:
        return replace(status, revocation=entry, requesters=with_requester((), request), changed=True)
    entry = replace(entry, changed_at=status.revocation.changed_at or entry.changed_at)
    return replace(status, revocation=entry, requesters=with_requester(status.requesters, request))


def _repeat(status: Entered, certificate: Certificate, request: RevocationRequested) -> Decided:
    """Answer with the first result. An address that has not had the mail gets it once relying parties see the entry."""
    answered = registration(request, certificate, status.revocation)
    requesters = with_requester(status.requesters, request)
    if requesters == status.requesters:
        return Decision(status, (answered,))
    after = replace(status, requesters=requesters)
    before, to = (notified(certificate, each) for each in (status.requesters, requesters))
    if not isinstance(after, Revoked) or is_open(after) or after.listing is None or len(to) == len(before):
        return Decision(after, (answered,))
    mailed = revoked(request.case_id, request.request_id, after, certificate, after.listing, to[len(before) :])
    return Decision(after, (answered, mailed))


def _compromised(
    certificate: Certificate, reason: RevocationReason, context: Context
) -> tuple[tuple[EventData, ...], tuple[Intent, ...]]:
    """Report a compromised key and search its other certificates (D6), for an expired certificate too."""
    key = certificate.key_sha256
    if reason is not RevocationReason.KEY_EXPOSED or key in context.known.compromised:
        return (), ()
    event = KeyCompromised(key_sha256=key, known_at=context.now)
    return (event,), (Intent(CASCADE, CascadeOrder(key_sha256=key)),)


def _publish_intent(status: Entered) -> Intent:
    """Return the intent to publish CRLs with a new or changed entry."""
    certificate = status.certificate
    order = PublishOrder(
        issuer=certificate.issuer,
        partition=certificate.partition,
        serial=certificate.serial,
        request_id=status.revocation.request_id,
    )
    return Intent(PUBLISH, order)


def mark_listed(status: Status | None, published: Published) -> Decided:
    """A published CRL lists the certificate: OCSP may say revoked, and is asked before anybody else is notified (I7).

    If a later request has changed the entry meanwhile, the new entry's CRL counts. Scheduled CRLs, which have no
    request, are scheduled again.
    """
    announced = tuple(announcements(published))
    if published.request_id is None:
        return Decision(status, announced, deadlines=(Deadline(PUBLISH, published.next_planned),))
    if not isinstance(status, Entered) or published.request_id != status.revocation.request_id:
        return Decision(status, announced)
    certificate, entry = status.certificate, status.revocation
    events = (standing(certificate, entry), *announced)
    if not is_open(status):
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


def mark_revoked(status: Listed | Revoked, confirmed: Confirmed, case_id: UUID) -> Decided:
    """OCSP says it too: mail and the customer's view follow (D5, I7).

    If a later request has changed the entry meanwhile, the new entry counts. Nobody is notified of a void one.
    """
    certificate, entry = status.certificate, status.revocation
    if confirmed.request_id != entry.request_id or not is_open(status):
        return Decision(status)
    listing = Listing(confirmed.crl_number, confirmed.crl_url, confirmed.published_at, len(status.requesters))
    after = Revoked(certificate, entry, status.pending, status.requesters, listing)
    if isinstance(certificate, Void):
        return Decision(after)
    to = notified(certificate, status.requesters)
    return Decision(after, events=(revoked(case_id, entry.request_id, after, certificate, listing, to),))
