"""Whole responders on a real broker, the revoker that answers them, and relying parties that ask them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
from aiokafka import AIOKafkaConsumer
from crls import build_crl
from identities import Identities
from servicecert_cli.connections.kafka import publish
from servicecert_launcher.ports import HOST
from servicecert_pki.authority import Authority
from servicecert_pki.crl import Reason, entry_der
from servicecert_pki.keys import SigningKey
from servicecert_pki.ocsp_client import OcspQuery, OcspUnsound
from servicecert_pki.partitions import FULL, crl_name
from servicecert_revoker.domain.decide import decide
from servicecert_revoker.domain.examine import Examine
from servicecert_revoker.domain.knowledge import NOTHING_KNOWN
from servicecert_revoker.domain.responders import Booked, EnrolledKey
from servicecert_revoker.effects.certify import Certify
from servicecert_revoker.ocsp.app import Responder
from servicecert_revoker.ocsp.settings import Settings
from servicecert_schemas.codec import decode
from servicecert_schemas.responder import ResponderRequested
from servicecert_schemas.revocation import StandingsCount
from servicecert_schemas.topics import OCSP_RESPONDERS
from servicecert_worker.core.decider import Event, Result, Task
from servicecert_worker.core.faults import backoff
from servicecert_worker.kafka.broker import Broker
from servicecert_worker.kafka.cluster import Cluster
from servicecert_worker.process import health

POST = {"Content-Type": "application/ocsp-request"}
WAIT_SECONDS = 120


@dataclass
class Revoker:
    """Certifies responders as the revoker does, by its own decisions and acts, and publishes CRLs at `url`.

    `counts` are the standings that it counts, by CA; of others it does not count any, as an earlier version.
    """

    cluster: Cluster
    identities: Identities
    authority: Authority
    ca_keys: Mapping[str, SigningKey]
    folder: Path
    url: str
    counts: dict[str, StandingsCount] = field(default_factory=dict)

    def publish_crl(
        self,
        *revoked: int,
        number: int = 1,
        issuer: str = "test-ec",
        life: timedelta = timedelta(days=3),
        at: datetime | None = None,
    ) -> None:
        now = (at or datetime.now(UTC)).replace(microsecond=0)
        entries = [entry_der(serial, now, Reason.CESSATION_OF_OPERATION) for serial in sorted(revoked)]
        crl = build_crl(
            self.ca_keys[issuer], self.authority.issuer(issuer), now - timedelta(hours=1), now + life, entries, number
        )
        (self.folder / crl_name(issuer, FULL)).write_bytes(crl)

    def counted(self, *serials: int, crl_number: int = 1, issuer: str = "test-ec") -> StandingsCount:
        """Count these serial numbers: one that is revoked is given twice."""
        self.counts[issuer] = StandingsCount(
            at=datetime.now(UTC), crl_number=crl_number, standings=len(serials), total=sum(serials)
        )
        return self.counts[issuer]

    async def answer(self) -> None:
        examine = Examine(self.authority, lambda size: uuid4().bytes[:size], lambda: datetime.now(UTC), 16)
        books: dict[tuple[str, str], Booked] = {}

        async def booked(_: object) -> Mapping[tuple[str, str], Booked]:
            return books

        async def count(issuer: str) -> Any:
            return self.counts.get(issuer)

        certify = Certify(self.authority, self.ca_keys, booked, count, lambda: datetime.now(UTC))
        async with consumer(self.cluster) as records:
            async for record in records:
                _, data = decode(OCSP_RESPONDERS.name, record.key, record.headers, record.value)
                if isinstance(data, ResponderRequested):
                    (event,) = examine([Event(uuid4(), data.key(), data, datetime.now(UTC))])
                    decision = decide(None, event, NOTHING_KNOWN, event.time)
                    responder = decision.state
                    assert isinstance(responder, EnrolledKey)
                    books.update({(it.issuer, it.serial): it for it in responder.certificates})
                    for intent in decision.intents:
                        (done,) = await certify([Task(uuid4(), event.key, intent.kind, intent.data, event.time)])
                        result = Result(uuid4(), event.key, intent.kind, done.data)
                        events = decide(responder, result, NOTHING_KNOWN, event.time).events
                        await publish(self.cluster, *events, signer=self.identities.signer("revoker"))


@asynccontextmanager
async def consumer(cluster: Cluster) -> AsyncIterator[AIOKafkaConsumer]:
    consumer = AIOKafkaConsumer(
        cluster.name(OCSP_RESPONDERS), bootstrap_servers=cluster.bootstrap, auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        yield consumer
    finally:
        await consumer.stop()


class Whole:
    """A responder with its broker and its health, as its application runs it."""

    def __init__(self, settings: Settings, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._settings = settings
        self._broker = Broker(settings.cluster, "ocsp")
        self._stopping = asyncio.Event()
        self.responder = Responder(settings, self._broker, clock)

    async def run(self) -> None:
        try:
            async with health.serve(self.responder, self._settings), self.responder.working():
                await self._broker.start()
                await self._stopping.wait()
        finally:
            await self._broker.stop()

    def stop(self) -> None:
        self._stopping.set()


@asynccontextmanager
async def answering(*responders: Whole) -> AsyncIterator[list["asyncio.Task[None]"]]:
    running = [asyncio.create_task(responder.run()) for responder in responders]
    try:
        yield running
    finally:
        for responder in responders:
            responder.stop()
        await asyncio.wait(running)


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(WAIT_SECONDS):
        async for _ in backoff(first=0.05, longest=0.2):
            if await holds():
                return


class Asker:
    """A relying party that opens a connection for each question, so that each of several responders is asked."""

    def __init__(self, authority: Authority, port: int, issuer: str = "test-ec") -> None:
        self._issuer = authority.issuer(issuer)
        self._url = f"http://{HOST}:{port}"

    async def says(self, serial: int) -> str:
        question = OcspQuery(self._issuer, serial, uuid4().bytes * 2)
        try:
            async with (
                aiohttp.ClientSession() as session,
                session.post(self._url, data=question.request(), headers=POST) as response,
            ):
                return "revoked" if question.is_revoked(await response.read(), datetime.now(UTC)) else "not revoked"
        except OcspUnsound as unsound:
            return str(unsound)
        except aiohttp.ClientError:
            return "nothing"

    async def all_say(self, serial: int, what: str) -> bool:
        return {await self.says(serial) for _ in range(10)} == {what}


def settings(cluster: Cluster, port: int, crl_url: str = "http://127.0.0.1:1", **more: Any) -> Settings:
    return Settings(
        bootstrap_servers=cluster.bootstrap,
        topic_prefix=cluster.prefix,
        ocsp_host=HOST,
        ocsp_port=port,
        ocsp_crl_url=crl_url,
        **more,
    )
