"""Answers OCSP requests, without I/O and with the time as an argument.

An answer states what was known when the topic was last caught up, and is valid for some time from then on. If Kafka
stops, answers go on until that time is over, and then it is "try later": better than an outdated answer. So it is for
all that is not revoked where the responder cannot know everything about a CA (D8).
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha1, sha256

from servicecert_pki import der
from servicecert_pki.issuer import IssuerInfo
from servicecert_pki.ocsp_messages import (
    GOOD,
    UNKNOWN,
    CertId,
    Fault,
    OcspRequest,
    RequestMalformed,
    Signer,
    fault_response,
    read_request,
    revoked,
    single_response,
)

from .standings import Revoked, SerialStatus, Standings


class Kind(StrEnum):
    """The content of an answer, as metrics count it."""

    GOOD = "good"
    REVOKED = "revoked"
    UNKNOWN = "unknown"
    SEVERAL = "several"
    MALFORMED = "malformed-request"
    UNAUTHORIZED = "unauthorized"
    TRY_LATER = "try-later"
    LIMITED = "limited"
    INTERNAL_ERROR = "internal-error"


@dataclass(frozen=True, slots=True)
class Answer:
    """A DER OCSPResponse. Only one that HTTP caches may keep has times and an ETag."""

    body: bytes
    kind: Kind
    this_update: datetime | None = None
    next_update: datetime | None = None
    etag: str | None = None


MALFORMED = Answer(fault_response(Fault.MALFORMED_REQUEST), Kind.MALFORMED)
UNAUTHORIZED = Answer(fault_response(Fault.UNAUTHORIZED), Kind.UNAUTHORIZED)
TRY_LATER = Answer(fault_response(Fault.TRY_LATER), Kind.TRY_LATER)
LIMITED = Answer(fault_response(Fault.TRY_LATER), Kind.LIMITED)
"""For a client that has too many answers signed anew."""
INTERNAL_ERROR = Answer(fault_response(Fault.INTERNAL_ERROR), Kind.INTERNAL_ERROR)

UNKNOWN_FOR = timedelta(minutes=5)
"""How long "unknown" is valid: the serial number may be issued soon."""

BURST_SECONDS = 10.0
"""A client that was quiet may have the answers of this time signed at once (F5)."""

_HASHES: tuple[tuple[bytes, Callable[[bytes], bytes]], ...] = (
    (der.oid("1.3.14.3.2.26"), lambda of: sha1(of, usedforsecurity=False).digest()),
    (der.oid("2.16.840.1.101.3.4.2.1"), lambda of: sha256(of).digest()),
)
"""The hashes of a CertID: SHA-1, which RFC 5019 requires, and SHA-256, which newer clients use (RFC 9654)."""


@dataclass(frozen=True, slots=True)
class _CachedAnswer:
    """A signed answer about a certificate of this status. It serves until the standings reach `due`, or until `until`.

    So it is replaced at half of its time where anybody asks for it, and at once where the status changes.
    """

    answer: Answer
    status: Revoked | SerialStatus
    due: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class _Statement:
    """What an answer says about one certificate, as DER too."""

    kind: Kind
    encoded: bytes
    this_update: datetime
    next_update: datetime


@dataclass(slots=True)
class _Bucket:
    """What is left, up to `most`, and the time at which it was reckoned."""

    rate: float
    most: float
    left: float
    at: float

    def has_one(self, now: float) -> bool:
        """Fill it up, and return whether it has one. A clock that goes back fills nothing."""
        self.left = min(self.most, self.left + max(0.0, now - self.at) * self.rate)
        self.at = now
        return self.left >= 1


class Budget:
    """How many answers may be signed anew: token buckets, `per_second` for each client, `total_per_second` for all.

    The newest `most_clients` are remembered. Who has more addresses than that can use up the total, and no more:
    answers that are signed already need no budget.
    """

    def __init__(self, per_second: float, total_per_second: float, most_clients: int = 10_000) -> None:
        self._per_second = per_second
        self._most_clients = most_clients
        self._clients: dict[str, _Bucket] = {}
        self._total = _bucket(total_per_second, 0.0)

    def __len__(self) -> int:
        return len(self._clients)

    def take(self, client: str, now: datetime) -> bool:
        """Return whether an answer may be signed for the client now, and count it."""
        seconds = now.timestamp()
        bucket = self._clients.pop(client, None) or _bucket(self._per_second, seconds)
        self._clients[client] = bucket
        if len(self._clients) > self._most_clients:
            del self._clients[next(iter(self._clients))]
        if not bucket.has_one(seconds) or not self._total.has_one(seconds):
            return False
        bucket.left -= 1
        self._total.left -= 1
        return True


def _bucket(rate: float, now: float) -> _Bucket:
    return _Bucket(rate, rate * BURST_SECONDS, rate * BURST_SECONDS, now)


class Answering:
    """Answers requests. `moment` is the time up to which the standings are read; None until they are caught up.

    `signers` are a key and its certificate for each CA. Answers are valid for `validity`; the newest `most_kept` are
    cached. What cannot be cached is signed as far as the `budget` goes (F5).
    """

    def __init__(self, standings: Standings, validity: timedelta, most_kept: int, budget: Budget) -> None:
        self._budget = budget
        self.moment: datetime | None = None
        self.signed = 0
        self._standings = standings
        self._validity = validity
        self._most_kept = most_kept
        self._issuers: dict[tuple[bytes, bytes, bytes], str] = {}
        self.signers: dict[str, Signer] = {}
        self.last: dict[str, bool] = {}
        """Whether a CA ends with its signer's certificate, so that none follows."""
        self._cache: dict[bytes, _CachedAnswer] = {}

    def __len__(self) -> int:
        return len(self._cache)

    def caught_up(self, moment: datetime) -> None:
        self.moment = moment
        self._standings.look(moment)

    def vouches(self, issuer: str) -> bool:
        """Return whether it can tell of all certificates of a CA: it lacks no standing (D8)."""
        return self.moment is not None and self._standings.vouched_until(issuer, self.moment) is not None

    def certified(self, issuer: IssuerInfo, signer: Signer) -> None:
        for algorithm, digest in _HASHES:
            self._issuers[algorithm, digest(issuer.subject_der), digest(issuer.key_bits)] = issuer.id
        self.signers[issuer.id] = signer
        self.last[issuer.id] = signer.not_after >= issuer.not_after

    def answer(self, encoded: bytes, now: datetime, client: str = "") -> Answer:
        """Return the answer to an encoded request of a client."""
        try:
            request = read_request(encoded)
        except RequestMalformed:
            return MALFORMED
        if not self.signers or self.moment is None:
            return TRY_LATER
        issuers = {self._issuers.get((it.algorithm, it.name_hash, it.key_hash)) for it in request.certificates}
        issuer = issuers.pop()
        if issuer is None or issuers:
            return UNAUTHORIZED
        first = request.certificates[0]
        status = self._standings.of(issuer, first.serial)
        if request.nonce is None and len(request.certificates) == 1 and status is not SerialStatus.NEVER_ISSUED:
            return self._cached_answer(request, issuer, status, now)
        if not self._budget.take(client, now):
            return LIMITED
        return self._sign(request, issuer, now)

    def forget_all(self) -> None:
        """Forget all cached answers: their times are wrong."""
        self._cache.clear()

    def oldest(self) -> datetime | None:
        return next((cached.answer.this_update for cached in self._cache.values()), None)

    def _cached_answer(
        self, request: OcspRequest, issuer: str, status: Revoked | SerialStatus, now: datetime
    ) -> Answer:
        """Return the answer about one certificate without a nonce: signed once for all who ask the same."""
        assert self.moment is not None
        if isinstance(status, SerialStatus) and not self.vouches(issuer):
            return TRY_LATER
        encoded = request.certificates[0].encoded
        cached = self._cache.get(encoded)
        if cached is not None and cached.status == status and self.moment < cached.due and now < cached.until:
            return cached.answer
        answer = self._sign(request, issuer, now)
        self._cache.pop(encoded, None)
        if answer.this_update is not None and answer.next_update is not None:
            oldest = next(iter(self._cache), None)
            if oldest is not None and (len(self) >= self._most_kept or self._cache[oldest].until <= now):
                del self._cache[oldest]
            due = answer.this_update + self._validity / 2
            self._cache[encoded] = _CachedAnswer(answer, status, due, answer.next_update)
        return answer

    def _sign(self, request: OcspRequest, issuer: str, now: datetime) -> Answer:
        signer = self.signers[issuer]
        statements = [self._state(it, issuer, signer, now) for it in request.certificates]
        if min(it.next_update for it in statements) <= now:
            return TRY_LATER
        body = signer.response([it.encoded for it in statements], now, request.nonce)
        self.signed += 1
        if len(statements) > 1:
            return Answer(body, Kind.SEVERAL)
        (it,) = statements
        if request.nonce is not None or it.kind is Kind.UNKNOWN:
            return Answer(body, it.kind)
        return Answer(body, it.kind, it.this_update, it.next_update, f'"{sha256(body).hexdigest()[:32]}"')

    def _state(self, cert_id: CertId, issuer: str, signer: Signer, now: datetime) -> _Statement:
        """Return what is said about a certificate. A revocation is final, so its this update is now."""
        assert self.moment is not None
        status = self._standings.of(issuer, cert_id.serial)
        if isinstance(status, Revoked):
            since = now.replace(microsecond=0)
            until = min(since + self._validity, signer.not_after)
            encoded = revoked(status.revoked_at, status.reason)
            single = single_response(cert_id.encoded, encoded, since, until, status.invalid_since)
            return _Statement(Kind.REVOKED, single, since, until)
        since = self.moment.replace(microsecond=0)
        vouched = self._standings.vouched_until(issuer, self.moment) or now
        kind, encoded, validity = Kind.GOOD, GOOD, self._validity
        if status is SerialStatus.NEVER_ISSUED:
            kind, encoded, validity = Kind.UNKNOWN, UNKNOWN, min(validity, UNKNOWN_FOR)
        until = min(since + validity, signer.not_after, vouched)
        return _Statement(kind, single_response(cert_id.encoded, encoded, since, until), since, until)
