"""Whole responders on a real broker: certified, caught up, several at one port, with and without Kafka (D8, I7)."""

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient
from identities import Identities
from servicecert_cli.e_service.publishing import publish
from servicecert_deploy import Child
from servicecert_deploy.ports import HOST, free_port
from servicecert_pki.authority import Authority
from servicecert_pki.keys import SigningKey
from servicecert_pki.lint import throw_away_keys
from servicecert_pki.ocsp_client import OcspQuery, OcspUnsound
from servicecert_revoker.domain.decide import decide
from servicecert_revoker.domain.examine import Examine
from servicecert_revoker.domain.knowledge import NOTHING_KNOWN
from servicecert_revoker.domain.responders import Booked, EnrolledKey
from servicecert_revoker.effects.certify import Certify
from servicecert_revoker.ocsp.app import Responder
from servicecert_revoker.ocsp.settings import Settings
from servicecert_schemas.codec import decode
from servicecert_schemas.responder import ResponderRequested
from servicecert_schemas.topics import CERTIFICATE_STANDINGS, OCSP_RESPONDERS
from servicecert_worker.decider import Event, Result, Task
from servicecert_worker.faults import OperatorError, backoff
from servicecert_worker.kafka import topic_creation
from servicecert_worker.kafka.broker import Broker
from servicecert_worker.kafka.cluster import Cluster
from servicecert_worker.process import health
from services.revoker.ocsp_stand import GOOD, NEVER_ISSUED, REVOKED, revoked, said

POST = {"Content-Type": "application/ocsp-request"}
WAIT_SECONDS = 120


@pytest.fixture(scope="module")
def identities(tmp_path_factory: pytest.TempPathFactory) -> Identities:
    return Identities(tmp_path_factory.mktemp("identities") / "service-keys")


@pytest.fixture
async def cluster(parts: Any, identities: Identities, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    monkeypatch.setenv("SERVICECERT_SERVICE_KEYS", str(identities.folder))
    cluster = Cluster(parts.bootstrap, f"t{uuid4().hex[:8]}-")
    await topic_creation.create(cluster.bootstrap, (CERTIFICATE_STANDINGS, OCSP_RESPONDERS), cluster.prefix)
    return cluster


@pytest.fixture
async def revoker(
    cluster: Cluster, identities: Identities, authority: Authority, ca_keys: Mapping[str, SigningKey]
) -> AsyncIterator[None]:
    """Answers responders as the revoker does, by its own decisions and acts."""
    examine = Examine(authority, throw_away_keys(), lambda size: uuid4().bytes[:size], lambda: datetime.now(UTC), 16)
    books: dict[tuple[str, str], Booked] = {}

    async def booked(_: object) -> Mapping[tuple[str, str], Booked]:
        return books

    certify = Certify(authority, ca_keys, booked, lambda: datetime.now(UTC))

    async def run() -> None:
        async with consumer(cluster) as records:
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
                        await publish(cluster, *events, signer=identities.signer("revoker"))

    running = asyncio.create_task(run())
    yield
    running.cancel()
    await asyncio.wait([running])


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


def settings(cluster: Cluster, port: int, **more: Any) -> Settings:
    return Settings(
        bootstrap_servers=cluster.bootstrap, topic_prefix=cluster.prefix, ocsp_host=HOST, ocsp_port=port, **more
    )


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

    def __init__(self, authority: Authority, port: int) -> None:
        self._issuer = authority.issuer("test-ec")
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


async def test_D8_F2_I7_responders_without_state_say_what_the_revoker_says(
    cluster: Cluster, identities: Identities, revoker: None, authority: Authority, tmp_path: Path
) -> None:
    signer = identities.signer("revoker")
    # F2: whoever may write to the topic, without the revoker's key.
    await publish(cluster, revoked(GOOD, datetime.now(UTC)), said(NEVER_ISSUED))
    await publish(cluster, revoked(GOOD, datetime.now(UTC)), signer=identities.signer("intake"))
    await publish(cluster, said(GOOD), said(REVOKED), revoked(REVOKED, datetime.now(UTC)), signer=signer)
    port = free_port()
    first, second = (Whole(settings(cluster, port, health_file=tmp_path / name)) for name in ("first", "second"))
    asker = Asker(authority, port)
    async with answering(first, second):
        await until(lambda: asker.all_say(REVOKED, "revoked"))
        assert await asker.says(GOOD) == "not revoked"
        assert await asker.says(NEVER_ISSUED) == "not revoked"
        topic = CERTIFICATE_STANDINGS.name
        assert first.responder._feed.skipped == {(topic, "unsigned"): 2, (topic, "wrong-signature"): 1}
        await publish(cluster, revoked(GOOD, datetime.now(UTC)), said(GOOD), signer=signer)
        await until(lambda: asker.all_say(GOOD, "revoked"))
        async with aiohttp.ClientSession() as session:
            for name in ("first", "second"):
                address = (tmp_path / name).read_text()
                async with session.get(f"http://{address}/ready") as response:
                    assert (response.status, await response.text()) == (200, "Answering.\n")
                async with session.get(f"http://{address}/metrics") as response:
                    shown = await response.text()
                assert "servicecert_ocsp_certificates 2.0" in shown
                (left,) = re.findall(r'_certificate_left_seconds{issuer="production-rsa"} (.*)', shown)
                assert 3.99 < float(left) / 86_400 < 4
                assert "servicecert_followed_offset{" in shown
                assert 'servicecert_ready{service="ocsp"} 1.0' in shown


async def test_D8_nothing_is_answered_before_a_ca_has_certified_the_key(
    cluster: Cluster, authority: Authority, tmp_path: Path
) -> None:
    port = free_port()
    alone = Whole(settings(cluster, port, health_file=tmp_path / "alone"))
    asker = Asker(authority, port)
    async with answering(alone), aiohttp.ClientSession() as session:
        await until(lambda: asker.all_say(GOOD, "The responder answers TRY_LATER."))

        async def waits_for_the_revoker() -> bool:
            async with session.get(f"http://{(tmp_path / 'alone').read_text()}/ready") as response:
                return response.status == 503 and "revoker" in await response.text()

        await until(waits_for_the_revoker)


async def test_D8_a_topic_made_anew_stops_a_responder_with_one_sentence(
    cluster: Cluster, identities: Identities, revoker: None, authority: Authority
) -> None:
    await publish(cluster, *(said(serial) for serial in range(1, 200)), signer=identities.signer("revoker"))
    port = free_port()
    responder = Whole(settings(cluster, port))
    asker = Asker(authority, port)
    async with answering(responder) as (running,):
        await until(lambda: asker.all_say(GOOD, "not revoked"))
        admin = AIOKafkaAdminClient(bootstrap_servers=cluster.bootstrap)
        await admin.start()
        await admin.delete_topics([cluster.name(CERTIFICATE_STANDINGS)])
        await admin.close()
        async with asyncio.timeout(WAIT_SECONDS):
            await asyncio.wait([running])
        fault = running.exception()
        assert isinstance(fault, BaseExceptionGroup)
        ours, others = fault.split(OperatorError)
        assert others is None
        assert "certificate-standings" in repr(ours)


async def test_D8_a_responder_that_is_cut_off_says_so_when_its_knowledge_ends(cluster: Cluster, revoker: None) -> None:
    ahead = timedelta()
    whole = Whole(settings(cluster, free_port()), lambda: datetime.now(UTC) + ahead)
    async with answering(whole):

        async def ready() -> bool:
            return whole.responder.ready()[0]

        async def nothing(_: datetime) -> None:
            pass

        await until(ready)
        whole.responder._feed._reached = nothing
        ahead = timedelta(hours=4)
        assert whole.responder.ready() == (
            False,
            "Kafka has been unavailable for so long that all answers are outdated.",
        )


async def test_f5_a_responder_that_cannot_read_a_partition_says_so_and_answers_until_its_knowledge_ends(
    cluster: Cluster, revoker: None
) -> None:
    """Clients of responders that were all taken away would believe in every certificate."""
    ahead = timedelta()
    whole = Whole(settings(cluster, free_port()), lambda: datetime.now(UTC) + ahead)
    said = "certificate-standings, partition 3, cannot be read at offset 7: see the alert PartitionStalled"

    def stalls() -> None:
        for _ in range(3):
            whole.responder._feed.standstill.reopened({("certificate-standings", 3): 7})

    stalls()
    assert whole.responder.ready() == (False, said)
    async with answering(whole):

        async def ready() -> bool:
            return whole.responder.ready()[0]

        await until(ready)
        stalls()
        assert whole.responder.ready() == (True, f"Answering, but {said}")
        assert b'servicecert_stalled_offset{partition="3",service="ocsp"' in await whole.responder.metrics()
        ahead = timedelta(hours=4)
        assert whole.responder.ready() == (False, said)


async def test_a_missing_topic_is_one_sentence(cluster: Cluster) -> None:
    whole = Whole(Settings(bootstrap_servers=cluster.bootstrap, topic_prefix="nowhere-", ocsp_host=HOST, ocsp_port=0))
    async with asyncio.timeout(WAIT_SECONDS):
        with pytest.raises(BaseExceptionGroup) as ended:
            await whole.run()
    assert ended.group_contains(OperatorError, match="servicecert topics create")


async def test_a_port_that_is_taken_is_one_sentence(cluster: Cluster) -> None:
    async with asyncio.timeout(WAIT_SECONDS):
        with pytest.raises(BaseExceptionGroup) as ended:
            await Whole(Settings(bootstrap_servers=cluster.bootstrap, ocsp_host="192.0.2.1", ocsp_port=1)).run()
    assert ended.group_contains(OperatorError, match="SERVICECERT_OCSP_HOST")


async def test_a_responder_that_waits_for_the_broker_ends_in_order_when_it_is_told_to(tmp_path, identities):
    asked = asyncio.Event()

    async def says_nothing(reader, writer):
        asked.set()
        await reader.read()
        writer.close()

    silent = await asyncio.start_server(says_nothing, "127.0.0.1", 0)
    async with silent:
        bootstrap = f"127.0.0.1:{silent.sockets[0].getsockname()[1]}"
        command = [sys.executable, "-m", "servicecert_cli", "ocsp"]
        environment = {
            **os.environ,
            "KAFKA_BOOTSTRAP_SERVERS": bootstrap,
            "SERVICECERT_SERVICE_KEYS": str(identities.folder),
        }
        responder = Child(command, log=tmp_path / "ocsp.log", environment=environment)
        async with asyncio.timeout(60):
            await asked.wait()
        assert await asyncio.to_thread(responder.stop, 60) == 0
