"""The acts that ask OCSP whether it says revoked, before anybody is notified (D5, I7), and that log an alarm (D4)."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import aiohttp
from servicecert_pki.authority import Authority, AuthorityMissing
from servicecert_pki.ocsp_client import OcspQuery, OcspUnsound
from servicecert_worker.core.decider import Done, Outcome, Retry, Task
from servicecert_worker.observe.logs import about
from servicecert_worker.process.connections import at_most

from ..domain.authority_requests import proposal_of
from ..domain.crl_orders import REASONS, Confirmed, ConfirmOrder
from ..domain.status import Alarmed

log = logging.getLogger(__name__)

# A running responder reads the event within a fraction of a second.
_FIRST_PAUSE = timedelta(milliseconds=100)
_LONGEST_PAUSE = timedelta(seconds=10)
_ALARM_AFTER = 8
_HEADERS = {"Content-Type": "application/ocsp-request", "Accept": "application/ocsp-response"}
_LARGEST = 64 * 1024


@dataclass(frozen=True, repr=False)
class Confirm:
    """Asks OCSP at `url` about each certificate. Without a `url` it confirms at once.

    It asks without a nonce: responders limit how many answers they sign anew for a client (F5), and one mass revocation
    has more. Nothing caches a POST, and a "revoked" of any time is final.
    """

    url: str | None
    authority: Authority
    session: aiohttp.ClientSession
    clock: Callable[[], datetime]

    async def __call__(self, tasks: Sequence[Task]) -> Sequence[Outcome]:
        return await asyncio.gather(*(self._outcome(task) for task in tasks))

    async def _outcome(self, task: Task) -> Outcome:
        order: ConfirmOrder = task.data
        if self.url is None:
            return Done(Confirmed(**dict(order), confirmed_at=None))
        try:
            issuer = self.authority.issuer(order.issuer)
            if issuer.not_after < self.clock():
                # No responder answers for a CA that has ended.
                return Done(Confirmed(**dict(order), confirmed_at=None))
            question = OcspQuery(issuer, int(order.serial, 16))
            answer = await self._ask(self.url, question.request())
            reason = None if order.reason is None else REASONS[order.reason]
            if question.is_revoked(answer, self.clock(), reason):
                return Done(Confirmed(**dict(order), confirmed_at=self.clock()))
            fault = f"OCSP at {self.url} does not say revoked yet."
        except (aiohttp.ClientError, TimeoutError) as error:
            way_out = "start it, or correct its address in authority.toml"
            fault = f"No answer from OCSP at {self.url} ({type(error).__name__}): {way_out}."
        except (OcspUnsound, AuthorityMissing) as unsound:
            fault = f"OCSP at {self.url} gave an invalid answer: {unsound}"
        if task.tries == _ALARM_AFTER:
            with about(task):
                log.error("A revocation is on a CRL but OCSP does not confirm it, so nobody is notified: %s", fault)
        return Retry(fault, min(_FIRST_PAUSE * 2 ** min(task.tries, 10), _LONGEST_PAUSE))

    async def _ask(self, url: str, request: bytes) -> bytes:
        async with self.session.post(url, data=request, headers=_HEADERS) as response:
            response.raise_for_status()
            answer = await at_most(_LARGEST, response.content.iter_any())
        if answer is None:
            raise OcspUnsound("The answer is too large.")
        return answer


async def alarm(tasks: Sequence[Task]) -> Sequence[Outcome]:
    """Log an alarm for each late revocation (D4) or confirmation (D6): an act, so that a crash does not lose it."""
    cascade = (
        "alarm: certificates of a compromised key were to be revoked by %s and are not: check them with "
        "`servicecert proposals show %s`, then confirm or drop the proposal"
    )
    late = "alarm: the revocation of the certificate of %s was due at %s and relying parties cannot see it"
    for task in tasks:
        proposal, due = proposal_of(task.key), task.data.due.isoformat()
        with about(task):
            if proposal is not None:
                log.error(cascade, due, proposal)
            else:
                log.error(late, task.key, due)
    return [Done(Alarmed()) for _ in tasks]
