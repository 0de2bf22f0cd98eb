"""The act that publishes CRLs. A CA has one pass at a time, and each pass serves all orders that wait for it."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from servicecert_pki.authority import Authority, AuthorityMissing
from servicecert_pki.keys import KeyUnavailable, SigningKey
from servicecert_worker.decider import Done, Outcome, Retry, Task

from ..domain.gates import GateFailed
from ..domain.publication import Published, PublishedCrl, PublishOrder
from ..operator.gauges import CrlStats
from .files import CrlFilesError
from .publishers import NotPublished
from .run import CrlRunner

log = logging.getLogger(__name__)

# Each pass holds a connection, and turns need theirs.
_PASSES = 2


@dataclass(eq=False)
class _Orders:
    """Orders that wait for a pass, and its result."""

    tasks: Sequence[Task]
    result: tuple[PublishedCrl, ...] | Retry | None = None
    announcer: UUID | None = None


@dataclass(eq=False)
class _Queue:
    """The orders for one CA. Those that arrive during a pass are in the next one."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    waiting: list[_Orders] = field(default_factory=list)


@dataclass(frozen=True, repr=False)
class Publish:
    """Publishes the CRLs that tasks order, and answers each task with its own."""

    authority: Authority
    keys: Mapping[str, SigningKey]
    runner: CrlRunner
    stats: CrlStats
    _queues: dict[str, _Queue] = field(default_factory=dict, init=False)
    _passes: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_PASSES), init=False)

    async def __call__(self, tasks: Sequence[Task]) -> Sequence[Outcome]:
        by_issuer: dict[str, list[Task]] = {}
        for task in tasks:
            by_issuer.setdefault(task.data.issuer, []).append(task)
        orders = {issuer: _Orders(of_issuer) for issuer, of_issuer in by_issuer.items()}
        passes = [self._serve(issuer, each) for issuer, each in orders.items()]
        for fault in await asyncio.gather(*passes, return_exceptions=True):
            if fault is not None:
                raise fault
        return [self._answer(orders[task.data.issuer], task) for task in tasks]

    async def _serve(self, issuer: str, orders: _Orders) -> None:
        """Wait for the pass that serves these orders, or run it."""
        queue = self._queues.setdefault(issuer, _Queue())
        queue.waiting.append(orders)
        async with queue.lock, self._passes:
            if orders.result is not None:
                return
            batch: list[_Orders] = []
            try:
                result = await self._pass(issuer, queue, batch)
            except BaseException:
                queue.waiting += [each for each in batch if each is not orders]
                raise
            announcer = _announcer([task for each in batch for task in each.tasks])
            for each in batch:
                each.result, each.announcer = result, announcer

    async def _pass(self, issuer: str, queue: _Queue, batch: list[_Orders]) -> tuple[PublishedCrl, ...] | Retry:
        def take() -> list[PublishOrder]:
            batch.extend(queue.waiting)
            queue.waiting.clear()
            return [task.data for each in batch for task in each.tasks]

        try:
            info = self.authority.issuer(issuer)
            with self.stats.measured(issuer):
                return await self.runner.run(info, self._key(issuer), take)
        except (GateFailed, CrlFilesError, NotPublished, KeyUnavailable, AuthorityMissing) as fault:
            return report(self.stats, issuer, fault)
        finally:
            if not batch:
                take()

    def _key(self, issuer: str) -> SigningKey:
        try:
            return self.keys[issuer]
        except KeyError:
            raise KeyUnavailable(f"The key of {issuer} is not in SERVICECERT_CA_DIR; bring that CA back.") from None

    def _answer(self, orders: _Orders, task: Task) -> Outcome:
        result = orders.result
        assert result is not None
        if isinstance(result, Retry):
            return result
        order: PublishOrder = task.data
        crl = next(crl for crl in result if crl.partition == order.partition)
        return Done(
            Published(
                issuer=order.issuer,
                crl=crl,
                announced=result if task.id == orders.announcer else (),
                next_planned=crl.this_update + self.runner.timing.interval,
                published_at=self.runner.clock(),
                request_id=order.request_id,
            )
        )


def _announcer(tasks: Sequence[Task]) -> UUID:
    """Return the one task that announces the CRLs: the scheduled one if there is one."""
    return next((task.id for task in tasks if task.data.serial is None), tasks[0].id)


def report(stats: CrlStats, issuer: str, fault: Exception) -> Retry:
    """Count and log a CRL that could not be published; the old one stays. Return the retry."""
    if isinstance(fault, GateFailed):
        stats.gate_failed(fault.gate)
        log.error("alarm: the CRL of %s is not published, the old one stays: gate %s: %s", issuer, fault.gate, fault)
        return Retry(f"gate {fault.gate}: {fault}")
    if isinstance(fault, CrlFilesError | NotPublished):
        stats.publisher_failed(fault.publisher)
    log.error("The CRL of %s is not published: %s", issuer, fault)
    return Retry(str(fault))
