"""The act that publishes CRLs. A CA has one pass at a time, and each pass serves all orders that wait for it.

An order is done when its own CRLs are published; those of other orders do not hold it up.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from uuid import UUID

from servicecert_pki.authority import Authority, AuthorityMissing
from servicecert_pki.keys import KeyUnavailable, SigningKey, key_of
from servicecert_pki.partitions import FULL
from servicecert_worker.core.decider import Done, Outcome, Retry, Task
from servicecert_worker.core.faults import error_summary, is_transient

from ..domain.crl_gates import GateFailed
from ..domain.crl_orders import Published, PublishedCrl, PublishOrder, covering
from .crl_pass import CrlRunner, Pass
from .gauges import CrlStats
from .places import NotPublished

log = logging.getLogger(__name__)

# Each pass holds a connection, and turns need theirs.
_PASSES = 2


@dataclass(eq=False)
class _Orders:
    """Orders that wait for a pass, and what came of each order of that."""

    tasks: Sequence[Task]
    outcomes: Mapping[UUID, Outcome] = field(default_factory=dict)


@dataclass(eq=False)
class _Queue:
    """The orders for one CA. Those that arrive during a pass are in the next one.

    `rest` are the scheduled orders whose pass has published the full CRL but not all others, and `unannounced` the
    published CRLs whose pass had no order that was done.
    """

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    waiting: list[_Orders] = field(default_factory=list)
    rest: set[UUID] = field(default_factory=set)
    unannounced: dict[int, PublishedCrl] = field(default_factory=dict)


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
        faults = await asyncio.gather(*passes, return_exceptions=True)
        for each, fault in zip(orders.values(), faults, strict=True):
            if fault is not None:
                if not is_transient(fault):
                    raise fault
                again = Retry(f"A pass broke off ({error_summary(fault)}).")
                each.outcomes = {task.id: again for task in each.tasks}
        return [orders[task.data.issuer].outcomes[task.id] for task in tasks]

    async def _serve(self, issuer: str, orders: _Orders) -> None:
        """Wait for the pass that serves these orders, or run it."""
        queue = self._queues.setdefault(issuer, _Queue())
        queue.waiting.append(orders)
        async with queue.lock, self._passes:
            if orders.outcomes:
                return
            batch: list[_Orders] = []
            try:
                result = await self._pass(issuer, queue, batch)
            except BaseException:
                queue.waiting += [each for each in batch if each is not orders]
                raise
            tasks = [task for each in batch for task in each.tasks]
            if isinstance(result, Retry):
                outcomes: Mapping[UUID, Outcome] = {task.id: result for task in tasks}
            else:
                announced = _settle(queue, result, tasks)
                outcomes = {task.id: self._outcome(result, task, announced.get(task.id, ())) for task in tasks}
            for each in batch:
                each.outcomes = outcomes

    async def _pass(self, issuer: str, queue: _Queue, batch: list[_Orders]) -> Pass | Retry:
        def take() -> list[PublishOrder]:
            batch.extend(queue.waiting)
            queue.waiting.clear()
            # What a scheduled pass has left is outdated, and so made without an order.
            return [task.data for each in batch for task in each.tasks if task.id not in queue.rest]

        try:
            info = self.authority.issuer(issuer)
            start = perf_counter()
            result = await self.runner.run(info, key_of(issuer, self.keys), take)
            self.stats.seconds[issuer] = perf_counter() - start
            faults = list(result.failed.values())
            self.stats.failures.update({fault.publisher for fault in faults})
            if faults:
                text, extra = "CRLs of %s are not published, and tried again: %s", {"crls": len(faults)}
                log.error(text, issuer, faults[0], extra=extra)
            return result
        except (GateFailed, NotPublished, KeyUnavailable, AuthorityMissing) as fault:
            return report(self.stats, issuer, fault)
        finally:
            if not batch:
                take()

    def _outcome(self, result: Pass, task: Task, announced: tuple[PublishedCrl, ...]) -> Outcome:
        order: PublishOrder = task.data
        if fault := _fault(result, order):
            return Retry(str(fault))
        crls = {crl.partition: crl for crl in result.published}
        crl = crls[covering(order.partition, crls)]
        return Done(
            Published(
                issuer=order.issuer,
                crl=crl,
                announced=announced,
                next_planned=crl.this_update + self.runner.interval,
                published_at=self.runner.clock(),
                request_id=order.request_id,
            ),
            result.steps,
        )


def _fault(result: Pass, order: PublishOrder) -> NotPublished | None:
    """Return why one of the CRLs that the order needs is not published: its own and the full one, or all."""
    if order.serial is None:
        return next(iter(result.failed.values()), None)
    own = result.failed.get(order.partition)
    return own or result.failed.get(FULL)


def _settle(queue: _Queue, result: Pass, tasks: Sequence[Task]) -> Mapping[UUID, tuple[PublishedCrl, ...]]:
    """Return what the one task announces that is done, preferably a scheduled one: all CRLs not announced before.

    A scheduled order that is retried needs no second pass over all CRLs.
    """
    scheduled = {task.id for task in tasks if task.data.serial is None}
    queue.rest -= scheduled
    if result.failed and FULL not in result.failed:
        queue.rest |= scheduled
    queue.unannounced |= {crl.partition: crl for crl in result.published}
    done = [task.id for task in tasks if _fault(result, task.data) is None]
    if not done:
        return {}
    announced = sorted(queue.unannounced.values(), key=lambda crl: -crl.partition)
    queue.unannounced.clear()
    return {next((id for id in done if id in scheduled), done[0]): tuple(announced)}


def report(stats: CrlStats, issuer: str, fault: Exception) -> Retry:
    """Count and log a CRL that could not be published; the old one stays. Return the retry."""
    if isinstance(fault, GateFailed):
        stats.gates[fault.gate] += 1
        log.error("alarm: the CRL of %s is not published, the old one stays: gate %s: %s", issuer, fault.gate, fault)
        return Retry(f"gate {fault.gate}: {fault}")
    if isinstance(fault, NotPublished):
        stats.failures[fault.publisher] += 1
    log.error("The CRL of %s is not published: %s", issuer, fault)
    return Retry(str(fault))
