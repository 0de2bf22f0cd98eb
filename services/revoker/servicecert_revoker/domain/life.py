"""The life of a case's certificate, but for what is asked about it: issued or void, listed, revoked. Pure.

Each function is a transition: it takes the status and what happened, and returns the next status and what follows.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID, uuid5

from servicecert_schemas.certificate import CertificateVoided
from servicecert_schemas.event import EventData
from servicecert_schemas.revocation import CrlPublished, RevocationReason, RevocationRequested, StandingsCounted
from servicecert_worker.core.decider import Deadline, Decision, Intent

from .authority_requests import Item, cascade_requests
from .certificates import IRREGULAR, BoundedVoid, Certificate, Irregular, Noted, Verified, Void, second_key
from .crl_orders import CONFIRM, PUBLISH, Confirmed, ConfirmOrder, Published, publish_entry
from .knowledge import Knowledge
from .notices import notified, revoked, standing
from .requests import answer
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
    pending_of,
)

_VOIDED = UUID("8a7f1f0e-51c3-4b8e-9f57-3c7a2b9d6e15")

_LONGEST = timedelta(days=3 * 366)
"""CRL lifetime of a void serial number with unknown `not_after`: longer than the longest validity (B1) plus a later
start (A14).
"""


def learn(
    before: Status | None, case_id: UUID, verified: Verified, known: Knowledge, now: datetime
) -> Decision[Status]:
    """The certificate is issued: OCSP says good (D8), and the pending requests are answered in their order.

    A certificate with a compromised key is revoked at once, without a request (D6). A second one of the case is stored
    beside the first under a key of its own, so that both can be revoked, with an alarm (F2). Nobody is notified of it,
    so it has no recipients (E3). One that is stored otherwise than it is told of is an alarm: no worker stored it.
    """
    certificate, case = verified.certificate, str(case_id)
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
    asked = pending = pending_of(before)
    if certificate.key_sha256 in known.compromised and now <= certificate.not_after:
        asked = (*(Asked(request, now, now) for request in _cascade(certificate, case_id, now)), *pending)
    answered = answer(Valid(certificate, pending), asked, known, now)
    differing = (_alarm("fields-differ", verified),) if verified.differ else ()
    return replace(answered, events=(standing(certificate), *answered.events), intents=(*answered.intents, *differing))


def keep_second(status: Status | None, noted: Noted, now: datetime) -> Decision[Status]:
    """A second certificate is stored: OCSP says good, and with a compromised key its revocation is requested (D6)."""
    second = noted.second
    if second is None:
        return Decision(status)
    key = second_key(str(second.second_of), second.issuer, second.serial)
    return Decision(status, (standing(second), *(_cascade(second, key, now) if noted.compromised else ())))


def void(
    before: Status | None, voided: CertificateVoided, bounded: BoundedVoid, at: datetime, now: datetime
) -> Decision[Status]:
    """Revoke a void serial number: a CA's key may have signed its certificate. Nobody is notified (B2).

    Only an intended certificate is reported as void: without intended bytes no key was used. The entry is on the CRLs
    that the certificate would name, for as long as it would be valid. The reason is "no longer needed" (D2); the 24
    hours of D4 run from `at`, when it became void. Pending requests keep waiting, and are refused in the end.

    A case with a certificate keeps it (I3); another serial number than that one's is an alarm (F2).
    """
    since = min(at, now)
    if isinstance(before, Numbered):
        same = (before.certificate.issuer, before.certificate.serial) == (voided.issuer, voided.serial)
        odd = Irregular(code="second-end", issuer=voided.issuer, serial=voided.serial)
        return Decision(before, intents=() if same else (Intent(IRREGULAR, odd),))
    certificate = Void(voided.issuer, voided.serial, bounded.not_after or since + _LONGEST, bounded.partition)
    if certificate.not_after < now:
        return Decision(before)
    revocation = Revocation(
        request_id=uuid5(_VOIDED, f"{voided.issuer}/{voided.serial}"),
        reason=RevocationReason.NO_LONGER_NEEDED,
        requested_at=since,
        due=since + TAKES_EFFECT_WITHIN,
        revoked_at=now.replace(microsecond=0),
    )
    registered = Registered(certificate, revocation, pending_of(before))
    return Decision(registered, intents=(publish_entry(registered),))


def mark_listed(status: Status | None, published: Published) -> Decision[Status]:
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
    events = (standing(certificate, entry), *announced)
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


def mark_revoked(status: Listed | Revoked, confirmed: Confirmed, case_id: UUID) -> Decision[Status]:
    """OCSP says it too: mail and the customer's view follow (D5, I7).

    If a later request has changed the entry meanwhile, the new entry counts. Nobody is notified of a void one.
    """
    certificate, entry = status.certificate, status.revocation
    if confirmed.request_id != entry.request_id or not status.is_open:
        return Decision(status)
    listing = Listing(confirmed.crl_number, confirmed.crl_url, confirmed.published_at, len(status.requesters))
    after = Revoked(certificate, entry, status.pending, status.requesters, listing)
    if isinstance(certificate, Void):
        return Decision(after)
    to = notified(certificate, status.requesters)
    return Decision(after, (revoked(case_id, entry.request_id, entry, certificate, listing, to),))


def _cascade(certificate: Certificate, case_id: UUID, now: datetime) -> tuple[RevocationRequested, ...]:
    """Return the request that follows from the compromised key of a certificate that is not in its cascade."""
    item = Item(case_id, certificate.account_id, certificate.serial)
    return cascade_requests(certificate.key_sha256, (item,), now)


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
