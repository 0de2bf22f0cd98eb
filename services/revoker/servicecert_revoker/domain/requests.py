"""Requests for revocation: how they are judged and answered (A2, D1 to D4, D6). Pure.

The requester is judged first, then the reason, and only then the certificate. An outsider gets the same answer, after
the same time and work, with or without a certificate: the request waits, as if the certificate had not been read yet.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from servicecert_schemas.certificate import Recipient, Recipients
from servicecert_schemas.event import EventData, Role
from servicecert_schemas.membership import is_strongly_authenticated, may, role_or_wait
from servicecert_schemas.revocation import (
    KeyCompromised,
    RevocationReason,
    RevocationRefused,
    RevocationRegistered,
    RevocationRequested,
)
from servicecert_worker.core.decider import Deadline, Decision, Event, Intent
from servicecert_worker.core.texts import read_texts

from .authority_requests import CASCADE, CascadeOrder
from .certificates import Certificate
from .crl_orders import publish_entry
from .knowledge import Knowledge
from .status import (
    TAKES_EFFECT_WITHIN,
    Asked,
    Awaited,
    Entered,
    Numbered,
    Registered,
    Revocation,
    Revoked,
    Status,
    pending_of,
)

ANSWER = "answer"
"""The deadline at which pending requests are judged again."""

MOST_PENDING = 20
"""How many requests of a case may be pending; no honest customer sends more."""

MOST_REQUESTERS = 5
"""How many addresses beside the recipients get the mail about one entry."""

MOST_CHANGES = 20
"""How often later requests may move a revocation's date of suspicion earlier (F5): each is a CRL and mails.

An exposed key always overrides a weaker reason.
"""


class Code(StrEnum):
    """Why a request is refused. The answers are in texts/."""

    NOT_STRONGLY_AUTHENTICATED = "not-strongly-authenticated"
    NO_SUCH_CERTIFICATE = "no-such-certificate"
    REASON_RESERVED = "reason-reserved"
    ROLE_NOT_ALLOWED = "role-not-allowed"
    NOT_CONFIRMED = "not-confirmed"
    EXPIRED = "certificate-expired"


TEXTS = read_texts(__package__, "refusals", Code)


@dataclass(frozen=True, slots=True)
class Refused:
    """The request is refused; `in_case` tells whether the case may show it."""

    code: Code
    in_case: bool


def ask(status: Status | None, event: Event, known: Knowledge, now: datetime) -> Decision[Status]:
    """Answer a request, after those that are pending. A repeated request changes nothing.

    Another actor's request with the same id is another one: ids of the authority's can be foreseen.
    """
    pending, request = pending_of(status), event.data
    assert isinstance(request, RevocationRequested)
    if any((each.request.request_id, each.request.actor) == (request.request_id, request.actor) for each in pending):
        return Decision(status)
    return answer(status, (*pending, Asked(request, event.time, now)), known, now)


def answer(status: Status | None, asked: Sequence[Asked], known: Knowledge, now: datetime) -> Decision[Status]:
    """Judge requests and answer them in their order. Up to `MOST_PENDING` wait until the first of them is due."""
    certificate, after = None if status is None else status.issued, status
    events: list[EventData] = []
    intents: list[Intent] = []
    waiting: list[tuple[Asked, datetime]] = []
    for each in asked:
        verdict = judge(each, certificate, known, now)
        if isinstance(verdict, datetime) and len(waiting) < MOST_PENDING:
            waiting.append((each, verdict))
        elif not isinstance(verdict, Certificate):
            excess = Refused(Code.NO_SUCH_CERTIFICATE, in_case=False)
            events.append(_refusal(each.request, excess if isinstance(verdict, datetime) else verdict))
        else:
            granted = _grant(after, each, verdict, known.compromised, now)
            after, events, intents = granted.state, [*events, *granted.events], [*intents, *granted.intents]
    due = min((until for _, until in waiting), default=None)
    deadlines = (Deadline(ANSWER, due),) if waiting or pending_of(status) else ()
    pending = tuple(each for each, _ in waiting)
    if pending != pending_of(after):
        after = replace(after, pending=pending) if isinstance(after, Numbered) else Awaited(pending)
    return Decision(after, tuple(events), tuple(intents), deadlines)


def judge(
    asked: Asked, certificate: Certificate | None, known: Knowledge, now: datetime
) -> Certificate | Refused | datetime:
    """Return the certificate that a request revokes, given that of its case if it is known; or why it does not.

    Or else when it is judged again: a record that is not read yet may change the result.
    """
    request, end = asked.request, asked.since + TAKES_EFFECT_WITHIN
    # A certificate may not be read yet. Another account's certificate counts as absent (D1).
    absent = end if now < end else Refused(Code.NO_SUCH_CERTIFICATE, in_case=True)
    if request.actor.role is Role.OPERATOR:
        if not _is_the_authoritys(request, certificate, known):
            return Refused(Code.NOT_CONFIRMED, in_case=False)
        return certificate or absent
    sent = min(asked.at, asked.since)
    invited_as = role_or_wait(request.actor, request.case_id, known.accounts, sent, asked.since, now, known.heard)
    if not is_strongly_authenticated(request.actor):
        return Refused(Code.NOT_STRONGLY_AUTHENTICATED, in_case=isinstance(invited_as, Role))
    if isinstance(invited_as, datetime):
        return invited_as
    if invited_as is None:
        return Refused(Code.NO_SUCH_CERTIFICATE, in_case=False)
    if request.reason is RevocationReason.PRIVILEGE_WITHDRAWN:
        return Refused(Code.REASON_RESERVED, in_case=True)
    if not may(invited_as, request):
        return Refused(Code.ROLE_NOT_ALLOWED, in_case=True)
    if certificate is None or request.actor.account_id != certificate.account_id:
        return absent
    if int(certificate.serial, 16) not in request.serials:
        return Refused(Code.NO_SUCH_CERTIFICATE, in_case=True)
    return certificate


def _is_the_authoritys(request: RevocationRequested, certificate: Certificate | None, known: Knowledge) -> bool:
    """Return whether two operators confirmed the authority's own request, or its key is compromised (D6)."""
    if known.confirmed.get((request.request_id, request.case_id)) == request.reason:
        return True
    key = certificate.key_sha256 if certificate is not None else None
    return request.reason is RevocationReason.KEY_EXPOSED and key in known.compromised


def revocation(asked: Asked, certificate: Certificate, now: datetime) -> Revocation:
    """Return the revocation of a granted request, if it is the first one.

    The moment that it is judged by, and the start of D4's 24 hours, is the sending time that the e-service states, if
    between issuance and the event's time; else the event's time. It is never in the future: the issuer's clock may be
    ahead. Its invalidity date (RFC 5280, 5.3.2) is not before the certificate's first moment, and never in the future
    (D3), where that moment may lie.

    A reason that this version does not know revokes, and claims the least (D2). The audit keeps it as it was sent. If
    it means that the key is exposed, a request that says so overrides it (D3).
    """
    request, reason = asked.request, asked.request.reason
    written = min(now, max(certificate.issued_at, asked.at))
    sent = request.sent_at if certificate.issued_at <= request.sent_at <= written else written
    exposed = request.exposed_since if reason is RevocationReason.KEY_EXPOSED else None
    return Revocation(
        request_id=request.request_id,
        reason=reason if isinstance(reason, RevocationReason) else RevocationReason.NO_LONGER_NEEDED,
        requested_at=sent,
        due=sent + TAKES_EFFECT_WITHIN,
        revoked_at=now.replace(microsecond=0),
        invalid_since=None if exposed is None else min(now, max(certificate.begins, exposed)).replace(microsecond=0),
    )


def changed(entry: Revocation, new: Revocation) -> Revocation | None:
    """Return the entry after a later request, None if it stays (D3).

    Only an exposed key overrides a weaker reason, and only an earlier date of suspicion moves the date. An entry
    without a date is invalid since its revocation. After `MOST_CHANGES` the date stays.
    """
    if new.reason is not RevocationReason.KEY_EXPOSED:
        return None
    is_earlier = new.invalid_since is not None and new.invalid_since < (entry.invalid_since or entry.revoked_at)
    if entry.reason is RevocationReason.KEY_EXPOSED and not (is_earlier and entry.changes < MOST_CHANGES):
        return None
    return replace(
        entry,
        request_id=new.request_id,
        reason=new.reason,
        invalid_since=new.invalid_since,
        changed_at=entry.changed_at or new.requested_at,
        changes=entry.changes + 1,
    )


def _grant(
    status: Status | None, asked: Asked, certificate: Certificate, compromised: Collection[str], now: datetime
) -> Decision[Status]:
    """Register the revocation. Later requests get the first one's result, unless they change the entry (D3).

    An exposed key is reported, and its other certificates searched (D6), for an expired certificate too. The
    authority's own requests get no refusal for an expired certificate: the customer did not ask.
    """
    request, new, key = asked.request, revocation(asked, certificate, now), certificate.key_sha256
    exposed = new.reason is RevocationReason.KEY_EXPOSED and key not in compromised
    reports: tuple[EventData, ...] = (KeyCompromised(key_sha256=key, known_at=now),) if exposed else ()
    cascade = (Intent(CASCADE, CascadeOrder(key_sha256=key)),) if exposed else ()
    before = status if isinstance(status, Entered) else None
    if before is None and certificate.not_after < new.requested_at:
        expired = _refusal(request, Refused(Code.EXPIRED, in_case=True))
        return Decision(status, reports if request.actor.role is Role.OPERATOR else (expired, *reports), cascade)
    if before is not None and before.revocation.request_id == new.request_id:
        return Decision(status)
    entry = new if before is None else changed(before.revocation, new)
    # An entry that relying parties see has had its mail: a changed one gets requesters of its own.
    earlier = before.requesters if before is not None and (entry is None or before.is_open) else ()
    requesters = _with_requester(earlier, asked.requester)
    if before is None:
        after: Entered = Registered(certificate, new, pending_of(status), requesters)
    elif entry is None:
        after = before if requesters == earlier else replace(before, requesters=requesters)
        return Decision(after, _repetition(request, certificate, after, earlier))
    else:
        # The clock of an earlier change that is open goes on: its end is the earlier one.
        entry = entry if before.is_open else replace(entry, changed_at=new.requested_at)
        after = replace(before, revocation=entry, requesters=requesters)
        after = replace(after, changed=True) if isinstance(after, Revoked) else after
    return Decision(after, (_registration(request, certificate, new), *reports), (publish_entry(after), *cascade))


def _registration(request: RevocationRequested, certificate: Certificate, entry: Revocation) -> RevocationRegistered:
    requested_at = entry.changed_at or entry.requested_at
    return RevocationRegistered(
        case_id=request.case_id,
        request_id=request.request_id,
        serial=certificate.serial,
        reason=entry.reason,
        requested_at=requested_at,
        due=requested_at + TAKES_EFFECT_WITHIN,
    )


def _repetition(
    request: RevocationRequested, certificate: Certificate, status: Entered, before: Recipients
) -> tuple[EventData, ...]:
    """Return the answer with the first result, and the mail to an address that is not among the requesters of `before`.

    It gets that only if relying parties see the entry already; else it gets the mail with the others.
    """
    answered = _registration(request, certificate, status.revocation)
    known, to = status.recipients(before), status.recipients(status.requesters)
    if not isinstance(status, Revoked) or status.is_open or status.listing is None or len(to) == len(known):
        return (answered,)
    new = to[len(known) :]
    return (answered, status.notice(request.case_id, request.request_id, new))


def _with_requester(before: Recipients, new: Recipient | None) -> Recipients:
    """Return the requesters with who asks now: each address once. Beyond the most it adds none."""
    if new is None or len(before) >= MOST_REQUESTERS or new.identity in {each.identity for each in before}:
        return before
    return (*before, new)


def _refusal(request: RevocationRequested, refused: Refused) -> RevocationRefused:
    return RevocationRefused(
        case_id=request.case_id,
        request_id=request.request_id,
        account_id=request.actor.account_id,
        in_case=refused.in_case,
        code=refused.code.value,
        texts=TEXTS[refused.code],
    )
