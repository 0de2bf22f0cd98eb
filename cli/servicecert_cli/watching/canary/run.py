"""One run of the canary: an application through all stages. Whatever happens, what it opened is to be ended."""

import asyncio
import logging
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from time import monotonic
from typing import Self, TypeVar
from uuid import UUID

from aiohttp import ClientSession
from aiokafka.errors import KafkaError
from cryptography.x509.ocsp import OCSPCertStatus
from servicecert_pki.ocsp_client import OcspQuery
from servicecert_pki.profile import Profile
from servicecert_pki.profiles import load_profiles
from servicecert_revoker.ocsp.effects.enrolment import pinned
from servicecert_schemas.case import CaseChanged
from servicecert_schemas.event import EventData, new_case_id
from servicecert_schemas.mail import MailKind
from servicecert_worker.core.clock import Clock, clock_ahead
from servicecert_worker.core.faults import OperatorError, error_summary, is_transient
from servicecert_worker.core.service_keys import read_public_keys
from servicecert_worker.core.signatures import Verifier
from servicecert_worker.kafka.clients import broker_refused

from ...connections import kafka
from ..network import Unanswered, fetch, session
from ..settings import CanarySettings
from . import customer
from .customer import CANARY, TYPE
from .domain import certificate, views
from .domain.certificate import Certified, Wanted
from .domain.stages import NotYet, Stage, Step, Stuck
from .feed import Feed

log = logging.getLogger(__name__)
T = TypeVar("T")

_CA_CERTIFICATES = "SERVICECERT_CANARY_CA_CERTIFICATES"
_SOURCE = "/canary"
_LOOK_BACK = timedelta(days=7)
"""Cases that were left longer ago have a certificate that has expired."""
_PAUSE_SECONDS = 0.5
_END_SECONDS = 4.0
_ANSWER_SECONDS = 30.0
_NONCE_OCTETS = 32


@dataclass(frozen=True)
class Means:
    """What the runs of a process work with, one after another. `own` are its cases that have not ended."""

    settings: CanarySettings
    feed: Feed
    profile: Profile
    clock: Clock
    own: set[UUID] = field(default_factory=set)

    @classmethod
    def of(cls, settings: CanarySettings) -> Self:
        """Return those of the settings. Raises OperatorError for keys and certificates that cannot be read."""
        pinned(settings.ca_certificates, _CA_CERTIFICATES)
        clock = clock_ahead(settings.clock_ahead or timedelta())
        verifier = Verifier(read_public_keys(settings.service_keys), settings.cluster.prefix)
        return cls(settings, Feed(settings.cluster, verifier, clock() - _LOOK_BACK), load_profiles()[TYPE], clock)

    @property
    def longest(self) -> timedelta:
        return timedelta(seconds=self.settings.stage_seconds * len(Stage))


class Run:
    """A run, and the case that it opens."""

    def __init__(self, means: Means) -> None:
        self.case_id: UUID | None = None
        self._is_revocation_asked = False
        self._means = means
        self._settings = means.settings
        self._feed = means.feed
        self._missing = ""

    async def make(self, take: Callable[[Step], None]) -> Step:
        """Make the run. Call `take` with each stage that it passes, and with the one at which it stops; return that.

        When it stops, also by a cancellation or a defect, it asks for the withdrawal of its case, or for the revocation
        of its certificate.
        """
        async with aclosing(self._stages()) as acts:
            try:
                for stage in Stage:
                    take(step := await self._step(stage, acts))
                    if not step.passed:
                        break
            finally:
                await self._end()
        return step

    async def _step(self, stage: Stage, acts: AsyncGenerator[str, None]) -> Step:
        """Carry out a stage within its time."""
        began = monotonic()
        self._missing = ""
        try:
            async with asyncio.timeout(self._settings.stage_seconds):
                sentence = await anext(acts)
            return Step(stage, monotonic() - began, sentence)
        except Stuck as fault:
            stage, sentence = fault.stage or stage, str(fault)
        except TimeoutError:
            sentence = self._missing or str(await broker_refused(self._settings.cluster)).removesuffix(".")
        except OperatorError as fault:
            sentence = str(fault).removesuffix(".")
        except Exception as error:
            if not is_transient(error):
                raise
            sentence = f"a connection failed ({error_summary(error)}): see that Kafka runs"
        return Step(stage, monotonic() - began, sentence, passed=False)

    async def _stages(self) -> AsyncGenerator[str, None]:
        async with self._feed.reading(self._means.clock()), session(_ANSWER_SECONDS) as web:
            yield await self._open_account()
            self.case_id = new_case_id()
            self._means.own.add(self.case_id)
            csr, wanted = customer.request(application := customer.application(self._settings))
            await self._publish(CANARY.submitted(self.case_id, application, csr))
            yield f"the application of the case {self.case_id} is published"
            await self._until_view(lambda _: None)
            yield "intake accepted the application"
            certified = await self._certified(wanted)
            yield f"{certified.issuer.id} issued the certificate {certified.serial:x}, which is right"
            yield await self._mailed(MailKind.CERTIFICATE_ISSUED)
            yield await self._answered(web, certified, OCSPCertStatus.GOOD)
            yield await self._listed(web, certified, wanted=False)
            request = customer.revocation(self.case_id, f"{certified.serial:x}")
            await self._publish(request)
            self._is_revocation_asked = True
            yield f"the request {request.request_id} is published"
            await self._until_view(lambda view: views.revoked(view, request.request_id))
            yield "the case is revoked"
            yield await self._listed(web, certified, wanted=True)
            yield await self._answered(web, certified, OCSPCertStatus.REVOKED)
            yield await self._mailed(MailKind.CERTIFICATE_REVOKED)

    async def _open_account(self) -> str:
        """Ask for the end of what earlier runs have left, and open the account once."""
        now, known, own = self._means.clock(), self._feed.views, self._means.own
        left = views.left_open(known.values(), now, self._means.longest, own)
        for view in [each for each in known.values() if views.has_ended(each, now)]:
            del known[view.case_id]
            own.discard(view.case_id)
        await self._publish(*filter(None, map(customer.ending, left[: views.MOST_LEFT])))
        views.require_few(left)
        ended = f"; {len(left)} cases of earlier runs are to be ended" if left else ""
        if await self._feed.has_account():
            return f"the account {CANARY.account_id} is open{ended}"
        await self._publish(CANARY.opened(self._settings.business_id, self._settings.unit))
        return f"the account {CANARY.account_id} was opened{ended}"

    async def _certified(self, wanted: Wanted) -> Certified:
        trusted = await asyncio.to_thread(pinned, self._settings.ca_certificates, _CA_CERTIFICATES)

        def verify(view: CaseChanged) -> Certified:
            shown = views.certified(view)
            if (issued := self._feed.certificates.get(view.case_id)) is None:
                raise NotYet("the certificate is not on the topic `certificates`")
            return certificate.verify(issued, shown, wanted, trusted, self._means.profile, self._means.clock())

        return await self._until_view(verify)

    async def _mailed(self, kind: MailKind) -> str:
        await self._until_view(lambda view: views.mailed(view, kind))
        return f"the mail {kind} is handed over"

    async def _answered(self, web: ClientSession, certified: Certified, wanted: OCSPCertStatus) -> str:
        async def look() -> None:
            query = OcspQuery(certified.issuer, certified.serial, secrets.token_bytes(_NONCE_OCTETS))
            answer = await self._fetched(web, "OCSP", certified.ocsp_url, query.request())
            certificate.answered(query, answer, wanted, self._means.clock())

        await self._until(look, _PAUSE_SECONDS)
        return f"{certified.ocsp_url} says {wanted.name.lower()}"

    async def _listed(self, web: ClientSession, certified: Certified, *, wanted: bool) -> str:
        async def look() -> None:
            content = await self._fetched(web, "the CRL", certified.crl_url)
            await asyncio.to_thread(certificate.listed, content, certified, self._means.clock(), wanted=wanted)

        await self._until(look, _PAUSE_SECONDS)
        said = "lists the certificate" if wanted else "is valid and does not list the certificate"
        return f"{certified.crl_url} {said}"

    async def _fetched(self, web: ClientSession, what: str, url: str, query: bytes | None = None) -> bytes:
        try:
            return await fetch(web, url, query)
        except Unanswered as fault:
            raise NotYet(f"{what} at {url} {fault}: see what serves it") from None

    async def _until_view(self, judge: Callable[[CaseChanged], T]) -> T:
        """Read on until the application is accepted, and the verdict on the case's view is no longer NotYet."""

        async def look() -> T:
            await self._feed.read()
            return judge(views.accepted(None if self.case_id is None else self._feed.views.get(self.case_id)))

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
            await kafka.publish(self._settings.cluster, *events, source=_SOURCE)

    async def _end(self) -> None:
        """Ask for what ends the case, whatever its state: once, and for seconds at most. The next run looks again."""
        if self.case_id is None or self._is_revocation_asked:
            return
        view, issued = self._feed.views.get(self.case_id), self._feed.certificates.get(self.case_id)
        ending = CANARY.withdrawn(self.case_id) if view is None else customer.ending(view)
        if issued is not None and view is not None and view.certificate is None:
            ending = customer.revocation(self.case_id, issued.serial)
        with suppress(OperatorError, KafkaError, OSError):
            async with asyncio.timeout(_END_SECONDS):
                await self._publish(*filter(None, [ending]))
                return
        log.warning(
            "What the canary opened could not be ended: its next run does that", extra={"case": str(self.case_id)}
        )
