"""Our FastStream broker: it waits for Kafka, stops whatever Kafka's state, and never logs a record's content."""

from __future__ import annotations

import asyncio
import logging
import ssl
from pathlib import Path

from faststream.security import SASLScram512
from servicecert_launcher import Parts
from servicecert_launcher.ports import free_port
from servicecert_schemas import topics
from servicecert_worker.core.access import PLAINTEXT_ACCESS, KafkaAccess
from servicecert_worker.kafka import broker as brokers
from servicecert_worker.kafka import clients
from servicecert_worker.kafka.broker import Broker, ErrorTypeLogger, security
from servicecert_worker.kafka.cluster import Cluster
from toy.stand import Stand, eventually


async def nothing(_: object) -> None:
    """A handler."""


async def test_a_broker_that_is_away_is_waited_for_and_the_wait_can_be_ended(caplog) -> None:
    broker = Broker(Cluster(f"127.0.0.1:{free_port()}"), "toy")
    broker.subscriber("applications", group_id=None)(nothing)
    starting = asyncio.create_task(broker.start())

    async def is_logged() -> bool:
        return "Kafka is unavailable" in caplog.text

    await eventually(is_logged)
    assert not starting.done()
    async with asyncio.timeout(120):
        await broker.stop()
        await starting
    assert not starting.cancelled()


async def test_a_broker_whose_consumer_does_not_end_is_left(stand: Stand, monkeypatch) -> None:
    broker = Broker(Cluster(stand.bootstrap, stand.prefix), "toy")
    subscriber = broker.subscriber(stand.prefix + topics.APPLICATIONS.name, group_id=None)
    subscriber(nothing)
    await broker.start()

    class Hanging:
        _client = subscriber.consumer._client

        async def stop(self) -> None:
            await asyncio.Event().wait()

    real, subscriber.consumer = subscriber.consumer, Hanging()
    monkeypatch.setattr("servicecert_worker.kafka.clients.STOP_SECONDS", 0.01)
    async with asyncio.timeout(120):
        await broker.stop()
    monkeypatch.undo()
    await clients.stop(real)


async def test_a_broker_ends_while_kafka_is_down(stand: Stand, parts: Parts) -> None:
    assert parts.kafka is not None
    broker = Broker(Cluster(stand.bootstrap, stand.prefix), "toy")
    broker.subscriber(stand.prefix + topics.APPLICATIONS.name, group_id=None)(nothing)
    await broker.start()
    try:
        await asyncio.to_thread(parts.kafka.kill)
        async with asyncio.timeout(3 * brokers._STOP_SECONDS):
            await broker.stop()
    finally:
        await asyncio.to_thread(parts.kafka.restart)


def test_I10_a_fault_is_logged_by_its_type_and_never_by_its_text(caplog) -> None:
    with caplog.at_level(logging.DEBUG):
        ErrorTypeLogger().log(logging.ERROR, "ValueError: Aino Esimerkki", {"topic": "t"}, exc_info=ValueError("Aino"))
        ErrorTypeLogger().log(logging.INFO, "Received Aino")
    assert "ValueError" in caplog.records[0].error
    assert "Aino" not in str([vars(record) for record in caplog.records])


def test_faststream_reaches_kafka_as_our_clients_do(tmp_path: Path) -> None:
    assert security(PLAINTEXT_ACCESS) is None
    over_tls = security(KafkaAccess(security_protocol="SSL"))
    assert over_tls is not None
    assert over_tls.use_ssl
    assert isinstance(over_tls.ssl_context, ssl.SSLContext)
    password = tmp_path / "password"
    password.write_text("of the broker\n")
    password.chmod(0o600)
    both = security(KafkaAccess(security_protocol="SASL_SSL", sasl_username="us", sasl_password_file=password))
    assert isinstance(both, SASLScram512)
    assert (both.username, both.password, both.use_ssl) == ("us", "of the broker", True)
