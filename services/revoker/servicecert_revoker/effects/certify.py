"""The act that signs a responder's certificate with a CA's key."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from servicecert_pki.authority import Authority, AuthorityMissing
from servicecert_pki.certificate import CertificateUnsound, sign_tbs, verify_certificate
from servicecert_pki.keys import KeyUnavailable, SigningKey
from servicecert_worker.decider import Done, Outcome, Retry, Task

from ..domain.responders import Certified, CertifyOrder

log = logging.getLogger(__name__)


@dataclass(frozen=True, repr=False)
class Certify:
    """Signs and verifies the ordered bytes, in a thread. A repeat signs the same bytes; the first result counts."""

    authority: Authority
    keys: Mapping[str, SigningKey]

    async def __call__(self, tasks: Sequence[Task]) -> Sequence[Outcome]:
        return await asyncio.to_thread(lambda: [self._outcome(task.data) for task in tasks])

    def _outcome(self, order: CertifyOrder) -> Outcome:
        try:
            issuer = self.authority.issuer(order.issuer)
            certificate = sign_tbs(order.tbs, self.keys[order.issuer])
            verify_certificate(certificate, order.tbs, issuer.public_key)
        except (KeyUnavailable, AuthorityMissing, CertificateUnsound) as fault:
            log.error("No certificate for an OCSP responder from %s; trying again: %s", order.issuer, fault)
            return Retry(str(fault))
        return Done(Certified(**dict(order), certificate=certificate, issuer_certificate=issuer.certificate_der))
