"""The act that signs a responder's certificate with a CA's key."""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from servicecert_pki.authority import Authority, AuthorityMissing
from servicecert_pki.ca_signing import SigningRefused, check_responder, sign_certificate
from servicecert_pki.certificate import CertificateUnsound
from servicecert_pki.keys import KeyUnavailable, SigningKey, key_of
from servicecert_schemas.revocation import StandingsCount
from servicecert_worker.core.decider import Done, Outcome, Retry, Task
from servicecert_worker.observe.logs import about

from ..domain.responders import Booked, Certified, CertifyOrder, Uncertified

log = logging.getLogger(__name__)

Books = Callable[[Sequence[tuple[str, str]]], Awaitable[Mapping[tuple[str, str], Booked]]]
"""Returns what is intended, by issuer and serial number."""


@dataclass(frozen=True, repr=False)
class Certify:
    """Checks, signs and verifies the ordered bytes, in a thread. A repeat signs the same; the first result counts.

    Bytes that differ from the books, or are no responder's certificate, are refused, with an alarm (F3).
    """

    authority: Authority
    keys: Mapping[str, SigningKey]
    books: Books
    count: Callable[[str], Awaitable[StandingsCount]]
    clock: Callable[[], datetime]
    refused: Counter[str] = field(default_factory=Counter)

    async def __call__(self, tasks: Sequence[Task]) -> Sequence[Outcome]:
        books, now = await self.books([(task.data.issuer, task.data.serial) for task in tasks]), self.clock()
        outcomes = await asyncio.to_thread(lambda: [self._logged(task, books, now) for task in tasks])
        return [await self._counted(outcome) for outcome in outcomes]

    async def _counted(self, outcome: Outcome) -> Outcome:
        if not isinstance(outcome, Done) or not isinstance(outcome.data, Certified):
            return outcome
        count = await self.count(outcome.data.issuer)
        return Done(outcome.data.model_copy(update={"count": count}))

    def _logged(self, task: Task, books: Mapping[tuple[str, str], Booked], now: datetime) -> Outcome:
        with about(task):
            return self._outcome(task, books, now)

    def _outcome(self, task: Task, books: Mapping[tuple[str, str], Booked], now: datetime) -> Outcome:
        order: CertifyOrder = task.data
        entry = books.get((order.issuer, order.serial))
        if order.not_after <= now:
            # The key was away all that time. Nobody waits for it any more.
            return Done(Uncertified(issuer=order.issuer, serial=order.serial, code="expired"))
        try:
            if entry is None or entry.tbs_sha256 != order.tbs_sha256:
                raise SigningRefused("other-bytes", "The bytes differ from the recorded intent.")
            issuer = self.authority.issuer(order.issuer)
            if issuer.environment != order.environment.value:
                raise SigningRefused("environment", f"{order.issuer} certifies no responders of {order.environment}.")
            checked = check_responder(order.tbs, int(order.serial, 16), order.key_sha256, order.not_after, issuer, now)
            certificate = sign_certificate(checked, key_of(order.issuer, self.keys))
        except SigningRefused as refused:
            self.refused[refused.code] += 1
            log.error(
                "alarm: refused to sign: %s Run `servicecert ca reconcile`",
                refused,
                extra={"key": task.key, "issuer": order.issuer, "code": refused.code},
            )
            return Done(Uncertified(issuer=order.issuer, serial=order.serial, code=refused.code))
        except (KeyUnavailable, AuthorityMissing, CertificateUnsound) as fault:
            log.error("No certificate for an OCSP responder from %s; trying again: %s", order.issuer, fault)
            return Retry(str(fault))
        return Done(Certified(**dict(order), certificate=certificate, issuer_certificate=issuer.certificate_der))
