"""The OCSP responder as a FastStream application: `faststream run --factory servicecert_revoker.ocsp.app:app`."""

import asyncio
import logging
import resource
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import datetime, timedelta
from functools import partial

import aiohttp
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from faststream import FastStream
from servicecert_pki.serials import serial_hex
from servicecert_schemas.broker import Principal
from servicecert_schemas.codec import to_record
from servicecert_schemas.event import Change, EventData
from servicecert_schemas.responder import ResponderCertified
from servicecert_schemas.revocation import StandingChanged, StandingsCounted
from servicecert_schemas.topics import CERTIFICATE_STANDINGS, OCSP_RESPONDERS
from servicecert_worker.core.clock import ClockGuard, ClockWrong, clock_ahead
from servicecert_worker.core.faults import OperatorError, Outage, guard_cancellation, with_timeout
from servicecert_worker.core.service_keys import read_public_keys
from servicecert_worker.core.signatures import Verifier
from servicecert_worker.kafka import origins
from servicecert_worker.kafka.broker import Broker
from servicecert_worker.kafka.clients import stop
from servicecert_worker.kafka.follower import Follower
from servicecert_worker.process.health import Check
from servicecert_worker.process.service import standalone

from .domain.answering import TRY_LATER, Answer, Answering, Budget
from .domain.standings import Standings
from .effects.crls import CrlFeed
from .effects.enrolment import CertificateMismatch, Enrolment, KeyRequest, pinned
from .effects.server import serve
from .operator.metrics import Metrics
from .settings import Settings

log = logging.getLogger(__name__)

NAME = "ocsp"
TOPICS = (CERTIFICATE_STANDINGS, OCSP_RESPONDERS)

_POLL_SECONDS = 0.5
# What is on its way arrives sooner.
_SOON = timedelta(minutes=1)
_MOST_NAMED = 5
_PUBLISH_SECONDS = 10.0
# Some tenth of a core: who has many addresses gets no more signed than this.
_SIGNED_PER_SECOND = 1_000


def app() -> FastStream:
    """Return the responder that the environment describes. It reads its topics from the first record on."""
    # A core dump would hold the responder's key (I10).
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    return standalone(NAME, Principal.OCSP_RESPONDER, Settings, _responder)


def _responder(settings: Settings, broker: Broker) -> "Responder":
    return Responder(settings, broker, clock_ahead(settings.clock_ahead or timedelta()))


class Responder:
    """All parts of a responder, from start to end."""

    def __init__(self, settings: Settings, broker: Broker, clock: Callable[[], datetime]) -> None:
        self._settings = settings
        self._cluster = settings.cluster
        self._clock = clock
        # It has no database: the revoker's time is known by when it has certified a key.
        self._guard = ClockGuard(timedelta(seconds=settings.clock_limit_seconds), clock, other="the revoker's")
        self._asked: dict[str, float] = {}
        self._standings = Standings()
        budget = Budget(settings.ocsp_signed_per_second, max(_SIGNED_PER_SECOND, settings.ocsp_signed_per_second))
        self._answering = Answering(self._standings, settings.validity, settings.ocsp_kept, budget)
        if settings.ocsp_ca_certificates is None:
            log.warning("Every CA that Kafka names is trusted: set SERVICECERT_OCSP_CA_CERTIFICATES")
            self._enrolment = Enrolment()
        else:
            self._enrolment = Enrolment(partial(pinned, settings.ocsp_ca_certificates))
        self._metrics = Metrics()
        self._crls = CrlFeed(settings.ocsp_crl_url, self._standings)
        self._alarmed: set[str] = set()
        self._topic_ids: Mapping[str, str] = {}
        verifier = Verifier(read_public_keys(settings.service_keys), self._cluster.prefix)
        self._feed = Follower(broker, TOPICS, self._apply, self._set_moment, verifier, clock)
        self._metrics.followed.of = self._feed
        self._metrics.followed.readers = (self._feed,)
        self._outage = Outage("Kafka, for the responder's certificates")

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Answer until the context ends. Raises OperatorError where an operator must act."""
        self._enrolment.given()
        async with self._served(), asyncio.TaskGroup() as group:
            parts = [
                group.create_task(guard_cancellation(part))
                for part in (self._feed.watch(), self._watch_topics(), self._enrol(), self._fetch())
            ]
            yield
            for part in parts:
                part.cancel()

    async def finish(self) -> None:
        """Return at once: nothing is lost by stopping."""

    @asynccontextmanager
    async def _served(self) -> AsyncIterator[None]:
        settings = self._settings
        async with AsyncExitStack() as stack:
            try:
                address = await stack.enter_async_context(
                    serve(
                        self._respond,
                        self._clock,
                        settings.ocsp_cache_seconds,
                        settings.ocsp_host,
                        settings.ocsp_port,
                        proxies=settings.proxies,
                        closed=self._metrics.watch_connections,
                    )
                )
            except OSError as fault:
                raise OperatorError(
                    f"OCSP cannot be served at port {settings.ocsp_port} ({fault.strerror}): "
                    "choose another by SERVICECERT_OCSP_PORT, or an address of this machine by SERVICECERT_OCSP_HOST.",
                    69,
                ) from None
            log.info("Ready to answer", extra={"ocsp": address})
            yield

    def live(self) -> Check:
        return True, "Alive."

    def ready(self) -> Check:
        """Return whether it can answer about certificates, some of them: clients of none would believe in them all."""
        if wrong := self._guard.fault():
            return False, wrong
        stalled = self._feed.standstill.reason
        if self._answering.moment is None:
            return False, stalled or "Not caught up yet: reading the topic of certificates."
        if not self._answering.signers:
            return False, "No CA has certified this responder's key yet: check that the revoker runs."
        if self._answering.moment + self._settings.validity <= self._clock():
            return False, stalled or "Kafka has been unavailable for so long that all answers are outdated."
        if not self._crls.has_looked:
            return False, "Not caught up yet: fetching the CRLs."
        if not any(map(self._answering.vouches, self._answering.signers)):
            stalled = stalled or "not all standings of any CA are known: see the alert OcspIncomplete"
        return True, f"Answering, but {stalled}" if stalled else "Answering."

    async def metrics(self) -> bytes:
        ready, _ = self.ready()
        wrong = self._guard.fault() is not None
        self._metrics.show(self._answering, self._standings, self._clock(), ready=ready, wrong=wrong)
        return self._metrics.text()

    def _respond(self, request: bytes, now: datetime, client: str) -> Answer:
        answer = TRY_LATER if self._is_clock_wrong() else self._answering.answer(request, now, client)
        self._metrics.count(answer.kind)
        return answer

    def _is_clock_wrong(self) -> bool:
        """Return whether nothing is to be signed or said by this clock (F6); forget what was."""
        try:
            self._guard.require()
        except ClockWrong:
            self._answering.forget_all()
            return True
        return False

    def _apply(self, changes: Sequence[Change]) -> None:
        for change in changes:
            if change.data is not None:
                self._apply_event(change.data, change.time)

    def _apply_event(self, data: EventData, at: datetime) -> None:
        if isinstance(data, StandingChanged):
            self._standings.take(data, at)
        elif isinstance(data, StandingsCounted):
            self._standings.counted(data.issuer, data.count)
        elif isinstance(data, ResponderCertified):
            if (asked := self._asked.pop(data.key_sha256, None)) is not None:
                with suppress(ClockWrong):
                    self._guard.compare(asked, at)
            if data.count is not None:
                self._standings.counted(data.issuer, data.count)
            try:
                certified = self._enrolment.accept(data, self._clock())
            except CertificateMismatch as fault:
                log.error("A responder's certificate is invalid and not used: %s", fault)
                return
            if certified is not None and certified[0].is_for_production and self._settings.clock_ahead:
                log.error("SERVICECERT_CLOCK_AHEAD is for trials: no answers for a production CA until it is removed")
            elif certified is not None:
                self._answering.certified(*certified)
                self._crls.watch(certified[0])
                log.info("Ready to answer for a CA", extra={"issuer": data.issuer, "until": data.not_after.isoformat()})

    async def _set_moment(self, moment: datetime) -> None:
        if self._is_clock_wrong():
            return
        self._answering.caught_up(moment)
        for issuer in self._answering.signers:
            self._report(issuer, moment)

    def _report(self, issuer: str, moment: datetime) -> None:
        """Log once that something is missing which is not on its way, and once that nothing is missing any more."""
        ca = self._standings.cas[issuer]
        since = ca.lacks_since
        if since is None and issuer in self._alarmed:
            self._alarmed.remove(issuer)
            log.warning("All standings are known again", extra={"issuer": issuer})
        elif since is not None and moment >= since + _SOON and issuer not in self._alarmed:
            self._alarmed.add(issuer)
            log.error(
                "alarm: not all standings of a CA are known",
                extra={
                    "issuer": issuer,
                    "lacks": sorted(ca.lacks),
                    "only_on_the_crl": len(ca.different),
                    "serials": [serial_hex(serial).lower() for serial in sorted(ca.different)[:_MOST_NAMED]],
                },
            )

    async def _watch_topics(self) -> None:
        topics = [self._cluster.name(topic) for topic in TOPICS]
        await origins.watch(self._cluster, topics, self._compare, Outage("Kafka, for the topics' ids,"))

    async def _compare(self, ids: Mapping[str, str], _: object) -> None:
        """Raise OperatorError if a topic was created again: it lacks records, and certificates would be unknown."""
        before, self._topic_ids = self._topic_ids or ids, ids
        if changed := [name for name in sorted(before) if ids.get(name) != before[name]]:
            raise OperatorError(
                f"Topic {', '.join(changed)} was recreated; records may be missing: "
                "run `servicecert republish revoker --yes`, then start the responder again.",
                exit_code=65,
            )

    async def _fetch(self) -> None:
        """Fetch the CRLs, once the topic is read: what both say needs no memory then."""
        async with aiohttp.ClientSession() as session:
            while True:
                if self._answering.moment is not None:
                    await self._crls.look(session)
                await asyncio.sleep(_POLL_SECONDS)

    async def _enrol(self) -> None:
        while True:
            doubtful = self._guard.fault() is not None
            for request in self._enrolment.due(now := self._clock(), self._standings.issuers(now), doubtful=doubtful):
                self._asked.setdefault(request.data.key_sha256, self._guard.steady())
                await self._publish(request)
            await asyncio.sleep(_POLL_SECONDS)

    async def _publish(self, request: KeyRequest) -> None:
        record = to_record(request.data, source="/ocsp", id=request.id, time=request.at)
        producer = AIOKafkaProducer(**self._cluster.client, acks="all")
        try:
            await with_timeout(_PUBLISH_SECONDS, producer.start())
            sent = producer.send_and_wait(
                self._cluster.prefix + record.topic, record.value, record.key, headers=record.headers
            )
            await with_timeout(_PUBLISH_SECONDS, sent)
            self._outage.ended()
        except (KafkaError, OSError, TimeoutError) as error:
            self._outage.began(error)
        finally:
            await stop(producer)
