"""Checks a responder's request before the decision, and drafts the bytes that the CAs are to sign for it.

Serial numbers and times are drawn here. Nothing drawn here counts before it is intended.
"""

from base64 import b64decode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from servicecert_pki.authority import Authority
from servicecert_pki.issuer import IssuerInfo
from servicecert_pki.keys import SigningKey
from servicecert_pki.responder_certificate import ResponderRefused, build_responder_tbs, lint_responder, requested_key
from servicecert_pki.serials import draw_serial, serial_hex
from servicecert_pki.spki import KeyFamily, spki_sha256
from servicecert_schemas.responder import ResponderRequested
from servicecert_worker.decider import Event

from .responders import CertifyOrder, Drafted, Rejected, ResponderFacts

LIFE = timedelta(days=4)
"""How long a responder's certificate is valid. It cannot be revoked, so its key is renewed at half of this time."""

# For relying parties whose clocks are behind.
_BEFORE = timedelta(minutes=10)


@dataclass(frozen=True)
class Examine:
    """Adds facts to each responder's request in a batch. `throw_away` keys sign the copies that are linted."""

    authority: Authority
    throw_away: Mapping[KeyFamily, SigningKey]
    random: Callable[[int], bytes]
    clock: Callable[[], datetime]

    def __call__(self, events: Sequence[Event]) -> Sequence[Event]:
        return [
            replace(event, facts=self.facts(event.data)) if isinstance(event.data, ResponderRequested) else event
            for event in events
        ]

    def facts(self, request: ResponderRequested) -> ResponderFacts:
        """Return the orders that follow from a request, or the reason why it is rejected."""
        try:
            spki = requested_key(b64decode(request.request))
            if spki_sha256(spki) != request.key_sha256:
                raise ResponderRefused("The responder's request contains another key than its fingerprint says.")
            now = self.clock().replace(microsecond=0)
            return Drafted(tuple(self._draft(request, spki, issuer, now) for issuer in self._issuers(request, now)))
        except ResponderRefused as refused:
            return Rejected(str(refused))

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
        tbs = build_responder_tbs(issuer, spki, serial, now - _BEFORE, not_after)
        lint_responder(tbs, self.throw_away[issuer.family])
        return CertifyOrder(
            environment=request.environment,
            key_sha256=request.key_sha256,
            issuer=issuer.id,
            serial=serial_hex(serial).lower(),
            not_after=not_after,
            tbs=tbs,
        )
