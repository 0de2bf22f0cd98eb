"""A responder as a process: its parts put together, signals, exit codes."""

from __future__ import annotations

import asyncio
import logging
import resource
import signal
import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from time import monotonic

from aiohttp import web
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from pydantic import ValidationError
from servicecert_schemas.codec import to_record
from servicecert_schemas.event import EventData
from servicecert_schemas.responder import ResponderCertified
from servicecert_schemas.revocation import StandingChanged
from servicecert_worker.clock import clock_ahead
from servicecert_worker.faults import OperatorError, Outage, pauses, uncancelled, within
from servicecert_worker.kafka.clients import stop
from servicecert_worker.process import health, logs
from servicecert_worker.process.run import broker_fault, calm_collector, loop_factory, settings_fault, stop_at_once

from .domain.answering import Answer, Answering
from .domain.standings import Standings
from .effects.enrolment import Asked, Enrolment, NotOurs
from .effects.feed import Feed
from .effects.server import serve
from .operator.metrics import Metrics
from .settings import Settings

log = logging.getLogger(__name__)

NAME = "ocsp"

_LOOK_SECONDS = 0.5
_PUBLISH_SECONDS = 10.0
# How many answers are signed anew without letting those wait who ask: some milliseconds.
_AT_ONCE = 40


def run() -> int:
    """Runs a responder until it is told to stop (SIGTERM, SIGINT). Answers the exit code; an operator's fault is one sentence on standard error."""
    try:
        settings = Settings()
    except ValidationError as error:
        print(f"{NAME}: {settings_fault(error)}", file=sys.stderr)
        return 78
    # A core dump would hold the responder's key (I10).
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    stop_at_once()
    calm_collector()
    logs.configure(NAME, settings.log_format, settings.log_level)
    code = 0
    try:
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            runner.run(_main(settings))
    except* OperatorError as group:
        fault: BaseException = group
        while isinstance(fault, BaseExceptionGroup):
            fault = fault.exceptions[0]
        assert isinstance(fault, OperatorError)
        print(f"{NAME}: {fault}", file=sys.stderr)
        code = fault.exit_code
    return code


async def _main(settings: Settings) -> None:
    await _broker_there(settings)
    responder = Responder(settings, clock_ahead(settings.clock_ahead or timedelta()))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, responder.stop)
    await responder.run()


async def _broker_there(settings: Settings) -> None:
    """Waits for the broker as long as the patience lasts. Raises OperatorError."""
    until = monotonic() + settings.patience_seconds
    async for _ in pauses(first=0.2, longest=2.0):
        fault = await broker_fault(settings)
        if fault is None:
            return
        if monotonic() > until:
            raise fault


class Responder:
    """All parts of a responder, from start to end."""

    def __init__(self, settings: Settings, clock: Callable[[], datetime]) -> None:
        self._settings = settings
        self._clock = clock
        self._stopping = asyncio.Event()
        self._standings = Standings()
        self._answering = Answering(self._standings, settings.validity, settings.ocsp_kept)
        self._enrolment = Enrolment()
        self._metrics = Metrics()
        self._feed = Feed(
            settings.bootstrap_servers, settings.topic_prefix, self._take, self._reached, clock, access=settings
        )
        self._asking = Outage("Kafka, for the responder's certificates")

    def stop(self) -> None:
        """Asks for an orderly end."""
        self._stopping.set()

    async def run(self) -> None:
        """Answers until it is stopped. Raises OperatorError where an operator must act."""
        runner, health_address = await self._serve_health()
        try:
            async with serve(
                self._respond,
                self._clock,
                self._settings.ocsp_cache_seconds,
                self._settings.ocsp_host,
                self._settings.ocsp_port,
            ) as address:
                log.info("Ready to answer", extra={"health": health_address, "ocsp": address})
                async with asyncio.TaskGroup() as group:
                    parts = [
                        group.create_task(uncancelled(part))
                        for part in (self._feed.run(), self._ask(), self._refresh())
                    ]
                    await self._stopping.wait()
                    for part in parts:
                        part.cancel()
        except OSError as fault:
            raise OperatorError(
                f"OCSP cannot be served at port {self._settings.ocsp_port} ({fault.strerror}): "
                "choose another by SERVICECERT_OCSP_PORT, or an address of this machine by SERVICECERT_OCSP_HOST.",
                69,
            ) from None
        finally:
            await runner.cleanup()

    def _respond(self, asked: bytes, now: datetime) -> Answer:
        answer = self._answering.answer(asked, now)
        self._metrics.count(answer.kind)
        return answer

    def _take(self, data: EventData, at: datetime) -> None:
        if isinstance(data, StandingChanged):
            if self._standings.take(data, at) and self._answering.moment is not None:
                self._answering.changed(data.issuer, int(data.serial, 16), self._clock())
        elif isinstance(data, ResponderCertified):
            try:
                certified = self._enrolment.take(data, self._clock())
            except NotOurs as fault:
                log.error("A responder's certificate is not used: %s", fault)
                return
            if certified is not None:
                self._answering.certified(*certified)
                log.info("Answers for a CA", extra={"issuer": data.issuer, "until": data.not_after.isoformat()})

    def _reached(self, moment: datetime) -> None:
        self._answering.moment = moment

    async def _ask(self) -> None:
        """Asks for certificates whenever there is reason to."""
        while True:
            for asked in self._enrolment.due(now := self._clock(), self._standings.issuers(now)):
                await self._publish(asked)
            await asyncio.sleep(_LOOK_SECONDS)

    async def _publish(self, asked: Asked) -> None:
        record = to_record(asked.data, source="/ocsp", id=asked.id, time=asked.at)
        producer = AIOKafkaProducer(**self._settings.to(self._settings.bootstrap_servers), acks="all")
        try:
            await within(_PUBLISH_SECONDS, producer.start())
            sent = producer.send_and_wait(
                self._settings.topic_prefix + record.topic, record.value, record.key, headers=record.headers
            )
            await within(_PUBLISH_SECONDS, sent)
            self._asking.ended()
        except (KafkaError, OSError, TimeoutError) as error:
            self._asking.began(error)
        finally:
            await stop(producer)

    async def _refresh(self) -> None:
        """Signs kept answers anew ahead of time, a few at once."""
        while True:
            more = self._answering.refresh(self._clock(), _AT_ONCE)
            await asyncio.sleep(0.002 if more else _LOOK_SECONDS)

    def _is_ready(self) -> tuple[bool, str]:
        if self._answering.moment is None:
            return False, "The standings are not read to their end yet."
        if not self._answering.signers:
            return False, "No CA has certified this responder's key yet: see whether the revoker runs."
        if self._answering.moment + self._settings.validity <= self._clock():
            return False, "Kafka has been away for so long that nothing can be answered."
        return True, "Answering."

    async def _serve_health(self) -> tuple[web.AppRunner, str]:
        async def metrics() -> bytes:
            ready, _ = self._is_ready()
            return self._metrics.text(self._answering, self._standings, self._feed.faulty, self._clock(), ready=ready)

        settings = self._settings
        try:
            runner, address = await health.serve(
                settings.health_host, settings.health_port, metrics, lambda: (True, "Alive."), self._is_ready
            )
        except OSError:
            raise OperatorError(
                f"Port {settings.health_port} is in use: free it, or set SERVICECERT_HEALTH_PORT to another (0 takes any free one).",
                69,
            ) from None
        if settings.health_file is not None:
            settings.health_file.write_text(address)
        return runner, address
