"""One run of the canary: an application through all stages. Whatever happens, what it opened is to be ended."""

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable, Collection, Iterator
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from time import monotonic
from typing import TypeVar
from uuid import UUID

import aiohttp
from aiokafka.errors import KafkaError
from cryptography.x509.ocsp import OCSPCertStatus
from servicecert_pki.ocsp_client import OcspQuery
from servicecert_pki.profile import Profile
from servicecert_revoker.ocsp.effects.pinned import pinned
from servicecert_schemas.canary import new_case_id
from servicecert_schemas.case import CaseChanged
from servicecert_schemas.event import EventData
from servicecert_schemas.mail import MailKind
from servicecert_worker.core.clock import Clock
from servicecert_worker.core.faults import OperatorError, error_summary, is_transient
from servicecert_worker.core.signatures import Verifier

from ..connections import kafka
from ..e_service.publishing import publish
from . import customer, network
from .customer import CANARY
from .domain import certificate, status, views
from .domain.stages import NotYet, Outcome, Stage, Step, Stuck
from .feed import Feed, is_account_open, opened
from .settings import Settings

log = logging.getLogger(__name__)
T = TypeVar("T")

CA_CERTIFICATES = "SERVICECERT_CANARY_CA_CERTIFICATES"
_SOURCE = "/canary"
_OVERLAP = timedelta(minutes=5)
_PAUSE_SECONDS = 0.5
_END_SECONDS = 4.0
_NONCE_OCTETS = 32


@dataclass(frozen=True)
class Means:
    """What a run works with: the CAs' certificates are read anew by each."""

    settings: Settings
    verifier: Verifier
    profile: Profile
    clock: Clock

    @property
    def longest(self) -> timedelta:
        """The longest that a run may take."""
        return timedelta(seconds=self.settings.stage_seconds * len(Stage))


@dataclass
class Memory:
    """What a process keeps between its runs: up to when it has read views, its cases, and those that are left."""

    read_until: datetime
    has_account: bool = False
    own: set[UUID] = field(default_factory=set)
    left: dict[UUID, CaseChanged] = field(default_factory=dict)

    def keep(self, known: Collection[CaseChanged], now: datetime) -> None:
        """Keep the cases that have not ended, and those that have no view yet."""
        self.left = {view.case_id: view for view in known if not views.has_ended(view, now)}
        self.own -= {view.case_id for view in known if views.has_ended(view, now)}


async def run(means: Means, memory: Memory, take: Callable[[Step], None]) -> Outcome:
    """Make a run; call `take` with each stage that it passes, and with the one at which it stops.

    When it stops, also by a cancellation or a defect, it asks for the withdrawal of its case, or for the revocation of
    its certificate.
    """
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(network.session())
        work = _Run(means, memory, stack, session)
        try:
            for stage, act in work.stages():
                step = await work.step(stage, act)
                take(step)
                if not step.passed:
                    await work.end()
                    return Outcome(work.case_id, step)
        except BaseException:
            await work.end()
            raise
        return Outcome(work.case_id, None)


class _Run:
    """The acts of the stages, and what they have found so far."""

    def __init__(self, means: Means, memory: Memory, stack: AsyncExitStack, session: aiohttp.ClientSession) -> None:
        self.case_id: UUID | None = None
        self._means = means
        self._settings = means.settings
        self._memory = memory
        self._stack = stack
        self._session = session
        self._missing = ""
        self._feed: Feed
        self._wanted: certificate.Wanted
        self._certified: certificate.Certified
        self._request_id: UUID | None = None

    def stages(self) -> Iterator[tuple[Stage, Callable[[], Awaitable[str]]]]:
        """Yield the stages in their order, each with its act, which returns a sentence."""
        yield Stage.ACCOUNT, self._open_account
        yield Stage.SUBMITTED, self._submit
        yield Stage.ACCEPTED, self._await_acceptance
        yield Stage.ISSUED, self._await_certificate
        yield Stage.MAILED, lambda: self._await_mail(MailKind.CERTIFICATE_ISSUED)
        yield Stage.OCSP_GOOD, lambda: self._ask_ocsp(OCSPCertStatus.GOOD)
        yield Stage.CRL_CLEAR, lambda: self._look_at_crl(status.clear, "is valid and does not list the certificate")
        yield Stage.REVOCATION_REQUESTED, self._request_revocation
        yield Stage.REVOKED, self._await_revocation
        yield Stage.CRL_LISTED, lambda: self._look_at_crl(status.listed, "lists the certificate")
        yield Stage.OCSP_REVOKED, lambda: self._ask_ocsp(OCSPCertStatus.REVOKED)
        yield Stage.REVOCATION_MAILED, lambda: self._await_mail(MailKind.CERTIFICATE_REVOKED)

    async def step(self, stage: Stage, act: Callable[[], Awaitable[str]]) -> Step:
        """Carry out a stage within its time."""
        began = monotonic()
        self._missing = str(kafka.unanswered(self._settings.cluster)).removesuffix(".")
        try:
            async with asyncio.timeout(self._settings.stage_seconds):
                sentence = await act()
            return Step(stage, monotonic() - began, sentence)
        except Stuck as fault:
            stage, sentence = fault.stage or stage, str(fault)
        except TimeoutError:
            sentence = self._missing
        except OperatorError as fault:
            sentence = str(fault).removesuffix(".")
        except Exception as error:
            if not is_transient(error):
                raise
            sentence = f"a connection failed ({error_summary(error)}): see that Kafka runs"
        return Step(stage, monotonic() - began, sentence, passed=False)

    async def end(self) -> None:
        """Ask for what ends the case, whatever its state: once, and for seconds at most. The next run looks again."""
        if self.case_id is None:
            return
        with suppress(OperatorError, KafkaError, OSError):
            async with asyncio.timeout(_END_SECONDS):
                await self._publish(*self._ending(self.case_id))
                return
        log.warning(
            "What the canary opened could not be ended: its next run does that", extra={"case": str(self.case_id)}
        )

    def _ending(self, case_id: UUID) -> Iterator[EventData]:
        view = self._feed.views.get(case_id)
        if self._request_id is not None:
            return
        if view is None:
            yield CANARY.withdrawn(case_id)
        elif view.certificate is None and (issued := self._feed.certificates.get(case_id)) is not None:
            yield customer.revocation(case_id, issued.serial)
        else:
            yield from customer.endings([view])

    async def _open_account(self) -> str:
        now = self._means.clock()
        self._feed = await self._stack.enter_async_context(
            opened(self._settings.cluster, self._means.verifier, self._memory.read_until - _OVERLAP, self._memory.left)
        )
        self._memory.read_until = now
        left = views.left_open(self._feed.views.values(), now, self._means.longest, frozenset(self._memory.own))
        self._memory.keep(self._feed.views.values(), now)
        await self._publish(*customer.endings(left[: views.MOST_LEFT]))
        views.require_few(left)
        ended = f"; {len(left)} cases of earlier runs are to be ended" if left else ""
        if self._memory.has_account or await is_account_open(self._settings.cluster):
            self._memory.has_account = True
            return f"the account {CANARY.account_id} is open{ended}"
        await self._publish(CANARY.opened(self._settings.business_id, self._settings.unit))
        return f"the account {CANARY.account_id} was opened{ended}"

    async def _submit(self) -> str:
        self.case_id = new_case_id()
        self._memory.own.add(self.case_id)
        csr, self._wanted = customer.request(self._settings)
        await self._publish(CANARY.submitted(self.case_id, customer.application(self._settings), csr))
        return f"the application of the case {self.case_id} is published"

    async def _await_acceptance(self) -> str:
        await self._until_view(views.accepted)
        return "intake accepted the application"

    async def _await_certificate(self) -> str:
        trusted = await asyncio.to_thread(pinned, self._settings.ca_certificates, CA_CERTIFICATES)

        def verify(view: CaseChanged | None) -> certificate.Certified:
            shown = views.certified(views.accepted(view))
            issued = self._feed.certificates.get(views.accepted(view).case_id)
            if issued is None:
                raise NotYet("the certificate is not on the topic `certificates`")
            now = self._means.clock()
            return certificate.verify(issued, shown, self._wanted, trusted, self._means.profile, now)

        self._certified = await self._until_view(verify)
        return f"{self._certified.issuer.id} issued the certificate {self._certified.serial:x}, which is right"

    async def _await_mail(self, kind: MailKind) -> str:
        await self._until_view(lambda view: views.mailed(views.accepted(view), kind))
        return f"the mail {kind} is handed over"

    async def _request_revocation(self) -> str:
        assert self.case_id is not None
        request = customer.revocation(self.case_id, f"{self._certified.serial:x}")
        await self._publish(request)
        self._request_id = request.request_id
        return f"the request {request.request_id} is published"

    async def _await_revocation(self) -> str:
        request_id = self._request_id
        assert request_id is not None
        await self._until_view(lambda view: views.revoked(views.accepted(view), request_id))
        return "the case is revoked"

    async def _ask_ocsp(self, wanted: OCSPCertStatus) -> str:
        url = self._certified.ocsp_url

        async def look() -> None:
            query = OcspQuery(self._certified.issuer, self._certified.serial, secrets.token_bytes(_NONCE_OCTETS))
            answer = await network.ask_ocsp(self._session, url, query.request())
            status.answered(query, answer, wanted, self._means.clock())

        await self._until(look, _PAUSE_SECONDS)
        return f"{url} says {wanted.name.lower()}"

    async def _look_at_crl(self, judge: Callable[[bytes, certificate.Certified, datetime], None], sentence: str) -> str:
        url = self._certified.crl_url

        async def look() -> None:
            content = await network.fetch_crl(self._session, url)
            await asyncio.to_thread(judge, content, self._certified, self._means.clock())

        await self._until(look, _PAUSE_SECONDS)
        return f"{url} {sentence}"

    async def _until_view(self, judge: Callable[[CaseChanged | None], T]) -> T:
        """Read on until the verdict on the case's view is no longer NotYet."""

        async def look() -> T:
            await self._feed.read()
            return judge(None if self.case_id is None else self._feed.views.get(self.case_id))

        return await self._until(look)

    async def _until(self, look: Callable[[], Awaitable[T]], pause: float = 0.0) -> T:
        while True:
            try:
                return await look()
            except NotYet as fault:
                self._missing = str(fault)
            await asyncio.sleep(pause)

    async def _publish(self, *events: EventData) -> None:
        if events:
            await publish(self._settings.cluster, *events, source=_SOURCE)
