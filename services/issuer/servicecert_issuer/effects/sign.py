"""The issuer's effects: sign with a CA key, and examine stopped applications again."""

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
from ..domain.issuance import ClockUntrusted, RecordedIntent, Signed, SigningOrder, Unsigned

log = logging.getLogger(__name__)

_AFTER_ALARM = timedelta(minutes=1)
_AFTER_CLOCK = timedelta(seconds=5)


@dataclass(frozen=True, repr=False)
class Sign:
    """Sign and verify orders in a thread, so that the event loop stays free.

    Repeating an order signs the same bytes: the first recorded signature counts. Expired and voided orders are not
    signed, nor orders whose bytes differ from `recorded_intents` (B2): no turn wrote those. Nothing is signed or voided
    while `clock_fault` returns why the clock is not trusted.
    """

    authority: Authority
    keys: Mapping[str, SigningKey]
    clock: Callable[[], datetime]
    clock_fault: Callable[[], str | None]
    recorded_intents: Callable[[Sequence[str]], Awaitable[Mapping[str, RecordedIntent]]]
    unavailable: set[str] = field(default_factory=set)

    async def __call__(self, tasks: Sequence[Task]) -> Sequence[Outcome]:
        if fault := self.clock_fault():
            return [Retry(fault, _AFTER_CLOCK)] * len(tasks)
        now = self.clock()
        recorded = await self.recorded_intents([task.key for task in tasks])
        return await asyncio.to_thread(lambda: [self._finish(task, recorded.get(task.key), now) for task in tasks])

    async def unavailable_keys(self) -> Mapping[str, float]:
        """Return the CAs whose keys were unavailable the last time."""
        return dict.fromkeys(sorted(self.unavailable), 1.0)

    def _finish(self, task: Task, recorded: RecordedIntent | None, now: datetime) -> Outcome:
        """Return the single outcome of an order, signed or not (B2)."""
        order: SigningOrder = task.data
        if recorded is None or not recorded.is_of(order):
            log.error(
                "alarm: refused to sign: the bytes differ from the recorded intent; run `servicecert ca reconcile`",
                extra={"key": task.key, "issuer": order.issuer},
            )
            return Retry("the bytes differ from the recorded intent", _AFTER_ALARM)
        if not recorded.open:
            return Done(Unsigned(code="ended"))
        if recorded.unwanted or (order.sign_by is not None and now > order.sign_by):
            return Done(Unsigned(code="operator" if recorded.unwanted else "deadline"))
        key = self.keys.get(order.issuer)
        if key is None:
            self._log_unavailable(order.issuer)
            return Retry(f"The key of {order.issuer} is not in SERVICECERT_CA_DIR; bring that CA back.", _AFTER_ALARM)
        try:
            signed = Done(Signed.by(self.authority.issuer(order.issuer), key, order))
        except (KeyUnavailable, AuthorityMissing) as error:
            self._log_unavailable(order.issuer)
            return Retry(str(error))
        except CertificateUnsound as unsound:
            log.error("alarm: a certificate of %s is not released: %s", order.issuer, unsound, extra={"key": task.key})
            return Retry(str(unsound), _AFTER_ALARM)
        if order.issuer in self.unavailable:
            self.unavailable.discard(order.issuer)
            log.warning("The key of %s is available again: signing continues", order.issuer)
        return signed

    def _log_unavailable(self, issuer: str) -> None:
        """Log once when a key becomes unavailable."""
        if issuer not in self.unavailable:
            self.unavailable.add(issuer)
            log.error("The key of %s is unavailable: its certificates wait until it is back", issuer)


@dataclass(frozen=True)
class ExamineStopped:
    """Examine stopped applications again, each with a new serial number."""

    examine: Examine

    async def __call__(self, tasks: Sequence[Task]) -> Sequence[Outcome]:
        examined = await asyncio.to_thread(lambda: [self.examine.facts(task.data) for task in tasks])
        return [
            Retry(facts.text, _AFTER_CLOCK) if isinstance(facts, ClockUntrusted) else Done(Examined(facts=facts))
            for facts in examined
        ]
