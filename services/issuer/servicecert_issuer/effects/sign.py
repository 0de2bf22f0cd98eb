"""The issuer's acts: using a CA key, and examining a stopped application anew."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from servicecert_pki.authority import Authority, AuthorityMissing
from servicecert_pki.certificate import CertificateUnsound
from servicecert_pki.keys import KeyUnavailable, SigningKey
from servicecert_worker.decider import Done, Examined, Outcome, Retry, Task

from ..domain.examine import Examine
from ..domain.issuance import OnRecord, Signed, SigningOrder, Unsigned, Untimely

log = logging.getLogger(__name__)

_AFTER_ALARM = timedelta(minutes=1)
_AFTER_CLOCK = timedelta(seconds=5)


@dataclass(frozen=True, repr=False)
class Sign:
    """Signs and verifies orders in a thread, where the arithmetic leaves the event loop free.

    A repetition signs the same bytes: RSA makes the same signature, ECDSA another that is as good; the first one recorded counts. An order whose
    time is over, or that an operator does not want, is not signed. Nor is one whose bytes are not those that `on_record` answers for its case (B2): it was
    written by somebody else than a turn. Nothing is signed, and nothing given up, while `clock_fault` answers why the clock cannot be trusted.
    """

    authority: Authority
    keys: Mapping[str, SigningKey]
    clock: Callable[[], datetime]
    clock_fault: Callable[[], str | None]
    on_record: Callable[[Sequence[str]], Awaitable[Mapping[str, OnRecord]]]
    away: set[str] = field(default_factory=set)

    async def __call__(self, tasks: Sequence[Task]) -> Sequence[Outcome]:
        if fault := self.clock_fault():
            return [Retry(fault, _AFTER_CLOCK)] * len(tasks)
        now = self.clock()
        recorded = await self.on_record([task.key for task in tasks])
        return await asyncio.to_thread(lambda: [self._end(task, recorded.get(task.key), now) for task in tasks])

    async def keys_away(self) -> Mapping[str, float]:
        """The CAs whose keys did not answer the last time."""
        return dict.fromkeys(sorted(self.away), 1.0)

    def _end(self, task: Task, recorded: OnRecord | None, now: datetime) -> Outcome:
        """B2: one outcome ends an order, signed or not."""
        order: SigningOrder = task.data
        if recorded is None or not recorded.is_of(order):
            log.error(
                "An act would have %s sign what is not intended for the case %s; it signs nothing",
                order.issuer,
                task.key,
            )
            return Retry("alarm: it would sign what is not intended", _AFTER_ALARM)
        if not recorded.open:
            return Done(Unsigned(code="ended"))
        if recorded.unwanted or (order.sign_by is not None and now > order.sign_by):
            return Done(Unsigned(code="operator" if recorded.unwanted else "deadline"))
        key = self.keys.get(order.issuer)
        if key is None:
            self._alarm_away(order.issuer)
            return Retry(f"The key of {order.issuer} is not in SERVICECERT_CA_DIR; bring that CA back.", _AFTER_ALARM)
        try:
            signed = Done(Signed.by(self.authority.issuer(order.issuer), key, order))
        except (KeyUnavailable, AuthorityMissing) as gone:
            self._alarm_away(order.issuer)
            return Retry(str(gone))
        except CertificateUnsound as unsound:
            log.error("A certificate of %s is not released: %s", order.issuer, unsound)
            return Retry(f"alarm: {unsound}", _AFTER_ALARM)
        if order.issuer in self.away:
            self.away.discard(order.issuer)
            log.warning("The key of %s is back; what waits for it is signed", order.issuer)
        return signed

    def _alarm_away(self, issuer: str) -> None:
        """Alarms once each time that a key goes away."""
        if issuer not in self.away:
            self.away.add(issuer)
            log.error("The key of %s is away: what is intended under it waits, and is not lost", issuer)


@dataclass(frozen=True)
class ExamineAnew:
    """Examines stopped applications anew, each with a serial number of its own."""

    examine: Examine

    async def __call__(self, tasks: Sequence[Task]) -> Sequence[Outcome]:
        found = await asyncio.to_thread(lambda: [self.examine.facts(task.data) for task in tasks])
        return [
            Retry(facts.text, _AFTER_CLOCK) if isinstance(facts, Untimely) else Done(Examined(facts=facts))
            for facts in found
        ]
