"""What is answered to a request: pure of I/O, and told what time it is.

An answer says what was known at the moment up to which the feed was read, and holds from then on for a while. So where the feed stands still the
answers go on as long as they are true, and then there are none: it is better to say "try later" than what may not be so any more.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha1, sha256

from servicecert_pki import der
from servicecert_pki.issuer import IssuerInfo
from servicecert_pki.ocsp_request import CertId, OcspRequest, RequestMalformed, read_request
from servicecert_pki.ocsp_response import GOOD, UNKNOWN, Fault, Signer, fault_response, revoked, single_response

from .standings import Known, Revoked, Standings


class Kind(StrEnum):
    """What an answer says, for those who count."""

    GOOD = "good"
    REVOKED = "revoked"
    UNKNOWN = "unknown"
    SEVERAL = "several"
    MALFORMED = "malformed-request"
    UNAUTHORIZED = "unauthorized"
    TRY_LATER = "try-later"
    INTERNAL_ERROR = "internal-error"


@dataclass(frozen=True, slots=True)
class Answer:
    """A DER OCSPResponse. The times and the tag are of one that others may keep, None of any other."""

    body: bytes
    kind: Kind
    this_update: datetime | None = None
    next_update: datetime | None = None
    etag: str | None = None


MALFORMED = Answer(fault_response(Fault.MALFORMED_REQUEST), Kind.MALFORMED)
UNAUTHORIZED = Answer(fault_response(Fault.UNAUTHORIZED), Kind.UNAUTHORIZED)
TRY_LATER = Answer(fault_response(Fault.TRY_LATER), Kind.TRY_LATER)
INTERNAL_ERROR = Answer(fault_response(Fault.INTERNAL_ERROR), Kind.INTERNAL_ERROR)

UNKNOWN_FOR = timedelta(minutes=5)
"""A serial number that was never issued may be issued the next minute."""

_HASHES: tuple[tuple[bytes, Callable[[bytes], bytes]], ...] = (
    (der.oid("1.3.14.3.2.26"), lambda of: sha1(of, usedforsecurity=False).digest()),
    (der.oid("2.16.840.1.101.3.4.2.1"), lambda of: sha256(of).digest()),
)
"""The hashes of a CertID: SHA-1, which RFC 5019 prescribes, and SHA-256 (RFC 9654's generation of clients)."""


@dataclass(slots=True)
class _Kept:
    """An answer that is signed already. `asked` says whether anybody wanted it since it was signed."""

    answer: Answer
    cert_id: CertId
    issuer: str
    asked: bool = True


class Answering:
    """Answers requests. `moment` is the time up to which the standings are read; None before they are read to their end for the first time.

    Answers are valid for `validity`; at most `most_kept` are kept, the newest.
    """

    def __init__(self, standings: Standings, validity: timedelta, most_kept: int) -> None:
        self.moment: datetime | None = None
        self.signed = 0
        self._standings = standings
        self._validity = validity
        self._most_kept = most_kept
        self._issuers: dict[tuple[bytes, bytes, bytes], str] = {}
        self._signers: dict[str, Signer] = {}
        self._kept: dict[bytes, _Kept] = {}
        self._kept_of: dict[tuple[str, int], set[bytes]] = {}

    def __len__(self) -> int:
        """How many answers are kept."""
        return len(self._kept)

    @property
    def signers(self) -> dict[str, Signer]:
        """By which key and certificate each CA is answered for."""
        return self._signers

    def certified(self, issuer: IssuerInfo, signer: Signer) -> None:
        """From now on this signer answers for the CA."""
        for algorithm, digest in _HASHES:
            self._issuers[algorithm, digest(issuer.subject_der), digest(issuer.key_bits)] = issuer.id
        self._signers[issuer.id] = signer

    def answer(self, encoded: bytes, now: datetime) -> Answer:
        """The answer to a request as it came."""
        try:
            request = read_request(encoded)
        except RequestMalformed:
            return MALFORMED
        if not self._signers or self.moment is None:
            return TRY_LATER
        issuers = {self._issuers.get((it.algorithm, it.name_hash, it.key_hash)) for it in request.certificates}
        issuer = issuers.pop()
        if issuer is None or issuers:
            return UNAUTHORIZED
        if request.nonce is None and len(request.certificates) == 1:
            return self._lasting(request.certificates[0], issuer, now)
        return self._made(request, issuer, now)

    def changed(self, issuer: str, serial: int, now: datetime) -> None:
        """A standing changed: what is kept of it is signed anew at once."""
        for encoded in tuple(self._kept_of.get((issuer, serial), ())):
            self._sign_anew(self._forget(encoded), now)

    def refresh(self, now: datetime, most: int) -> bool:
        """Signs anew up to `most` of the kept answers that are past half of their time, of those that anybody asked for; forgets the others.

        Whether there may be more of them.
        """
        for _ in range(most):
            encoded = next(iter(self._kept), None)
            if encoded is None or self.moment is None or not self._ages(self._kept[encoded]):
                return False
            kept = self._forget(encoded)
            if kept.asked:
                kept.asked = False
                self._sign_anew(kept, now)
        return True

    def oldest(self) -> datetime | None:
        """The moment that the oldest of the kept answers tells of."""
        return next((kept.answer.this_update for kept in self._kept.values()), None)

    def _ages(self, kept: _Kept) -> bool:
        """Whether a newer answer would say more: half of the time has gone by, on the feed's clock."""
        assert self.moment is not None
        assert kept.answer.this_update is not None
        return self.moment - kept.answer.this_update >= self._validity / 2

    def _lasting(self, cert_id: CertId, issuer: str, now: datetime) -> Answer:
        """One certificate, without a nonce: an answer that serves everybody who asks the same, signed once."""
        kept = self._kept.get(cert_id.encoded)
        if kept is not None:
            assert kept.answer.next_update is not None
            if kept.answer.next_update > now:
                kept.asked = True
                return kept.answer
            self._forget(cert_id.encoded)
        answer = self._made(OcspRequest((cert_id,), None), issuer, now)
        self._keep(answer, cert_id, issuer, asked=True)
        return answer

    def _sign_anew(self, kept: _Kept, now: datetime) -> None:
        answer = self._made(OcspRequest((kept.cert_id,), None), kept.issuer, now)
        self._keep(answer, kept.cert_id, kept.issuer, asked=kept.asked)

    def _keep(self, answer: Answer, cert_id: CertId, issuer: str, *, asked: bool) -> None:
        if answer.etag is None:
            return
        if len(self._kept) >= self._most_kept:
            self._forget(next(iter(self._kept)))
        self._kept[cert_id.encoded] = _Kept(answer, cert_id, issuer, asked)
        self._kept_of.setdefault((issuer, cert_id.serial), set()).add(cert_id.encoded)

    def _forget(self, encoded: bytes) -> _Kept:
        kept = self._kept.pop(encoded)
        place = kept.issuer, kept.cert_id.serial
        self._kept_of[place].discard(encoded)
        if not self._kept_of[place]:
            del self._kept_of[place]
        return kept

    def _made(self, request: OcspRequest, issuer: str, now: datetime) -> Answer:
        """An answer that is signed now."""
        signer = self._signers[issuer]
        found = [self._standings.of(issuer, it.serial) for it in request.certificates]
        times = [self._times(standing, signer, now) for standing in found]
        if min(until for _, until in times) <= now:
            return TRY_LATER
        said = [
            _said(*of, *time) for of, time in zip(zip(request.certificates, found, strict=True), times, strict=True)
        ]
        body = signer.response(said, now, request.nonce)
        self.signed += 1
        if len(found) > 1:
            return Answer(body, Kind.SEVERAL)
        if request.nonce is not None or found[0] is Known.NEVER_ISSUED:
            return Answer(body, _kind(found[0]))
        return Answer(body, _kind(found[0]), *times[0], f'"{sha256(body).hexdigest()[:32]}"')

    def _times(self, standing: Revoked | Known, signer: Signer, now: datetime) -> tuple[datetime, datetime]:
        """Since when and until when something can be said. A revocation is final, so it is as true now as when the feed was last read."""
        assert self.moment is not None
        since = (now if isinstance(standing, Revoked) else self.moment).replace(microsecond=0)
        lasting = min(self._validity, UNKNOWN_FOR) if standing is Known.NEVER_ISSUED else self._validity
        return since, min(since + lasting, signer.not_after)


def _kind(standing: Revoked | Known) -> Kind:
    if isinstance(standing, Revoked):
        return Kind.REVOKED
    return Kind.GOOD if standing is Known.VALID else Kind.UNKNOWN


def _said(cert_id: CertId, standing: Revoked | Known, this_update: datetime, next_update: datetime) -> bytes:
    if isinstance(standing, Revoked):
        status = revoked(standing.revoked_at, standing.reason)
        return single_response(cert_id.encoded, status, this_update, next_update, standing.invalid_since)
    status = GOOD if standing is Known.VALID else UNKNOWN
    return single_response(cert_id.encoded, status, this_update, next_update)
