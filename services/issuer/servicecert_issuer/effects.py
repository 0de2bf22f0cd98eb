"""The issuer's one act on the world: using a CA key."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from servicecert_pki.authority import Authority
from servicecert_pki.certificate import CertificateUnsound
from servicecert_pki.keys import KeyUnavailable, SigningKey
from servicecert_worker.decider import Again, Done, Outcome, Task

from .issuance import Signed, SigningOrder

log = logging.getLogger(__name__)

_AFTER_ALARM = timedelta(minutes=1)


@dataclass(frozen=True, repr=False)
class Sign:
    """Signs and verifies orders in a thread, where the arithmetic leaves the event loop free.

    A repetition signs the same bytes: RSA makes the same signature, ECDSA another that is as good; the first one recorded counts.
    """

    authority: Authority
    keys: Mapping[str, SigningKey]

    async def __call__(self, tasks: Sequence[Task]) -> Sequence[Outcome]:
        return await asyncio.to_thread(lambda: [self._sign(task.data) for task in tasks])

    def _sign(self, order: SigningOrder) -> Outcome:
        key = self.keys.get(order.issuer)
        if key is None:
            return Again(f"The key of {order.issuer} is not in SERVICECERT_CA_DIR; bring that CA back.", _AFTER_ALARM)
        try:
            return Done(Signed.by(self.authority.issuer(order.issuer), key, order))
        except KeyUnavailable as away:
            return Again(str(away))
        except CertificateUnsound as unsound:
            log.error("A certificate of %s is not released: %s", order.issuer, unsound)
            return Again(f"alarm: {unsound}", _AFTER_ALARM)
