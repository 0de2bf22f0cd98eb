"""The revoker's one act on the world: publishing CRLs. However many orders there are, a CA has one pass at a time, and each pass answers all of them."""

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
from ..operator.gauges import Tally
from .files import CrlFilesRefused
from .publishers import NotPublished
from .run import Press

log = logging.getLogger(__name__)

# Each pass holds a connection, and turns need theirs.
_PASSES = 2


@dataclass(eq=False)
class _Asking:
    """Orders that wait for a pass, and what came of them."""

    tasks: Sequence[Task]
    came: tuple[PublishedCrl, ...] | Retry | None = None
    announcer: UUID | None = None


@dataclass(eq=False)
class _Desk:
    """The orders for one CA: who comes while a pass is under way is in the next one, together with all others who came."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    waiting: list[_Asking] = field(default_factory=list)


@dataclass(frozen=True, repr=False)
class Publish:
    """Publishes the CRLs that tasks order, and answers each with its own."""

    authority: Authority
    keys: Mapping[str, SigningKey]
    press: Press
    tally: Tally
    _desks: dict[str, _Desk] = field(default_factory=dict, init=False)
    _passes: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_PASSES), init=False)

    async def __call__(self, tasks: Sequence[Task]) -> Sequence[Outcome]:
        by_issuer: dict[str, list[Task]] = {}
        for task in tasks:
            by_issuer.setdefault(task.data.issuer, []).append(task)
        asking = {issuer: _Asking(of_issuer) for issuer, of_issuer in by_issuer.items()}
        passes = [self._ask(issuer, each) for issuer, each in asking.items()]
        for fault in await asyncio.gather(*passes, return_exceptions=True):
            if fault is not None:
                raise fault
        return [self._answer(asking[task.data.issuer], task) for task in tasks]

    async def _ask(self, issuer: str, asking: _Asking) -> None:
        desk = self._desks.setdefault(issuer, _Desk())
        desk.waiting.append(asking)
        async with desk.lock, self._passes:
            if asking.came is not None:
                return
            taken: list[_Asking] = []
            try:
                came = await self._pass(issuer, desk, taken)
            except BaseException:
                desk.waiting += [each for each in taken if each is not asking]
                raise
            announcer = _announcer([task for each in taken for task in each.tasks])
            for each in taken:
                each.came, each.announcer = came, announcer

    async def _pass(self, issuer: str, desk: _Desk, taken: list[_Asking]) -> tuple[PublishedCrl, ...] | Retry:
        def take() -> list[PublishOrder]:
            taken.extend(desk.waiting)
            desk.waiting.clear()
            return [task.data for each in taken for task in each.tasks]

        try:
            info = self.authority.issuer(issuer)
            with self.tally.measured(issuer):
                return await self.press.run(info, self._key(issuer), take)
        except (GateFailed, CrlFilesRefused, NotPublished, KeyUnavailable, AuthorityMissing) as fault:
            return report(self.tally, issuer, fault)
        finally:
            if not taken:
                take()

    def _key(self, issuer: str) -> SigningKey:
        try:
            return self.keys[issuer]
        except KeyError:
            raise KeyUnavailable(f"The key of {issuer} is not in SERVICECERT_CA_DIR; bring that CA back.") from None

    def _answer(self, asking: _Asking, task: Task) -> Outcome:
        came = asking.came
        assert came is not None
        if isinstance(came, Retry):
            return came
        order: PublishOrder = task.data
        crl = next(crl for crl in came if crl.partition == order.partition)
        return Done(
            Published(
                issuer=order.issuer,
                crl=crl,
                announced=came if task.id == asking.announcer else (),
                next_planned=crl.this_update + self.press.timing.interval,
                published_at=self.press.clock(),
                request_id=order.request_id,
            )
        )


def _announcer(tasks: Sequence[Task]) -> UUID:
    """The one order that tells of the CRLs: the scheduled one where there is one."""
    return next((task.id for task in tasks if task.data.serial is None), tasks[0].id)


def report(tally: Tally, issuer: str, fault: Exception) -> Retry:
    """Count and log what kept a CRL from being published; the old one stays. Return why it is to be tried again."""
    if isinstance(fault, GateFailed):
        tally.gate_failed(fault.gate)
        log.error("The CRL of %s is not published, the old one stays: gate %s: %s", issuer, fault.gate, fault)
        return Retry(f"alarm: gate {fault.gate}: {fault}")
    if isinstance(fault, CrlFilesRefused | NotPublished):
        tally.publisher_failed(fault.publisher)
    log.error("The CRL of %s is not published: %s", issuer, fault)
    return Retry(str(fault))
