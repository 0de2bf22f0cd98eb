"""Verifies certificates and checks a responder's request before the decision, and drafts what CAs are to sign for it.

Serial numbers and times are drawn here. Nothing drawn here counts before it is intended.
"""

from base64 import b64decode
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from servicecert_pki.authority import Authority
from servicecert_pki.issuer import IssuerInfo
from servicecert_pki.responder_certificate import (
    BACKDATING,
    LIFE,
    ResponderRefused,
    build_responder_tbs,
    lint_responder,
    requested_key,
)
from servicecert_pki.serials import draw_serial, serial_hex
from servicecert_pki.spki import spki_sha256
from servicecert_schemas.certificate import CertificateIssued, CertificateVoided
from servicecert_schemas.responder import ResponderRequested
from servicecert_worker.core.decider import Event, Untrusted

from .certificates import bound, verify
from .responders import CertifyOrder, Drafted


@dataclass(frozen=True)
class Examine:
    """Adds facts to each certificate, void serial number and responder's request in a batch.

    `partitions` is the number that new certificates are spread over.
    """

    authority: Authority
    random: Callable[[int], bytes]
    clock: Callable[[], datetime]
    partitions: int

    def __call__(self, events: Sequence[Event]) -> Sequence[Event]:
        return [self._examined(event) for event in events]

    def _examined(self, event: Event) -> Event:
        match event.data:
            case CertificateIssued() as issued:
                return replace(event, facts=verify(issued, event.time, self.authority))
            case CertificateVoided() as voided:
                at = min(event.time, self.clock())
                return replace(event, facts=bound(voided, at, self.authority, self.partitions))
            case ResponderRequested() as request:
                return replace(event, facts=self.facts(request))
        return event

    def facts(self, request: ResponderRequested) -> Drafted | Untrusted:
        """Return the orders that follow from a request, or the reason why it is rejected."""
        try:
            spki = requested_key(b64decode(request.request))
            if spki_sha256(spki) != request.key_sha256:
                raise ResponderRefused("The responder's request contains another key than its fingerprint says.")
            now = self.clock().replace(microsecond=0)
            return Drafted(tuple(self._draft(request, spki, issuer, now) for issuer in self._issuers(request, now)))
        except ResponderRefused as refused:
            return Untrusted("responder-refused", str(refused))

    def _issuers(self, request: ResponderRequested, now: datetime) -> Sequence[IssuerInfo]:
        """Return the CAs of the environment, of every generation; never those of the other environment (I11)."""
        issuers = [
            issuer
            for issuer in self.authority.issuers.values()
            if issuer.environment == request.environment.value and issuer.not_before <= now < issuer.not_after
        ]
        if not issuers:
            raise ResponderRefused(f"There is no issuing CA for {request.environment}.")
        return issuers

    def _draft(self, request: ResponderRequested, spki: bytes, issuer: IssuerInfo, now: datetime) -> CertifyOrder:
        serial = draw_serial(self.random)
        not_after = min(now + LIFE, issuer.not_after)
        tbs = build_responder_tbs(issuer, spki, serial, now - BACKDATING, not_after)
        lint_responder(tbs, issuer)
        return CertifyOrder(
            environment=request.environment,
            key_sha256=request.key_sha256,
            issuer=issuer.id,
            serial=serial_hex(serial).lower(),
            not_after=not_after,
            tbs=tbs,
        )
