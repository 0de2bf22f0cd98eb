"""Whether the world knows of a revocation: the acts of asking the OCSP responder, before which nobody is told (D5, I7), and of the alarm (D4)."""

import asyncio
import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import aiohttp
from servicecert_pki.authority import Authority, AuthorityMissing
from servicecert_pki.ocsp_client import OcspUnsound, Question
from servicecert_worker.decider import Done, Outcome, Retry, Task

from ..crl.domain.publication import Confirmed, ConfirmOrder
from ..domain.decide import Alarmed

log = logging.getLogger(__name__)

# The responder hears of it within a fraction of a second; who is later than that is away.
_FIRST_PAUSE = timedelta(milliseconds=100)
_LONGEST_PAUSE = timedelta(seconds=10)
_ALARM_AFTER = 8
_HEADERS = {"Content-Type": "application/ocsp-request", "Accept": "application/ocsp-response"}
_LARGEST = 64 * 1024


@dataclass(frozen=True, repr=False)
class Confirm:
    """Asks at `url` about each certificate, with a nonce, so that no cache answers. Without a `url` nobody is asked."""

    url: str | None
    authority: Authority
    session: aiohttp.ClientSession
    clock: Callable[[], datetime]
    random: Callable[[int], bytes] = os.urandom

    async def __call__(self, tasks: Sequence[Task]) -> Sequence[Outcome]:
        return await asyncio.gather(*(self._outcome(task) for task in tasks))

    async def _outcome(self, task: Task) -> Outcome:
        order: ConfirmOrder = task.data
        if self.url is None:
            return Done(Confirmed(**dict(order), confirmed_at=None))
        try:
            question = Question(self.authority.issuer(order.issuer), int(order.serial, 16), self.random(32))
            answer = await self._ask(self.url, question.request())
            if question.is_revoked(answer, self.clock()):
                return Done(Confirmed(**dict(order), confirmed_at=self.clock()))
            fault = f"OCSP at {self.url} does not say revoked yet."
        except (aiohttp.ClientError, TimeoutError) as error:
            fault = f"OCSP at {self.url} does not answer ({type(error).__name__}): start it, or correct SERVICECERT_OCSP_URL."
        except (OcspUnsound, AuthorityMissing) as unsound:
            fault = f"OCSP at {self.url} cannot be relied on: {unsound}"
        if task.tries == _ALARM_AFTER:
            log.error("A revocation is published and not told to anybody, since OCSP does not say so: %s", fault)
        return Retry(fault, min(_FIRST_PAUSE * 2 ** min(task.tries, 10), _LONGEST_PAUSE))

    async def _ask(self, url: str, request: bytes) -> bytes:
        async with self.session.post(url, data=request, headers=_HEADERS) as response:
            response.raise_for_status()
            answer = bytearray()
            # One read gives what has come by then, and a network brings an answer in pieces.
            async for piece in response.content.iter_any():
                answer += piece
                if len(answer) > _LARGEST:
                    raise OcspUnsound("The answer is too large.")
            return bytes(answer)


async def alarm(tasks: Sequence[Task]) -> Sequence[Outcome]:
    """The effect that says aloud that a revocation is late (D4): an act, so that it is said whatever dies between."""
    for task in tasks:
        log.error(
            "alarm: the revocation of the certificate of %s was due at %s and is not known to the world",
            task.key,
            task.data.due.isoformat(),
        )
    return [Done(Alarmed()) for _ in tasks]
