"""The e-service's side of a measurement: applications of many cases, and when their certificates and mails came."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from uuid import uuid4

from aiokafka import AIOKafkaConsumer, TopicPartition
from servicecert_cli.demo import openssl
from servicecert_cli.e_service.application import Application, example, read_csr
from servicecert_cli.e_service.customer import Customer
from servicecert_cli.e_service.publishing import E_SERVICE
from servicecert_schemas.codec import Record, to_record
from servicecert_schemas.event import EventData
from servicecert_schemas.topics import Topic
from servicecert_schemas.values import CertificateType
from servicecert_worker.kafka.cluster import Cluster

KINDS = {"ec": openssl.EC_P384, "rsa": openssl.RSA_2048}
_REQUESTS = 8


async def requests(family: str, folder: Path) -> list[str]:
    """Certificate requests that OpenSSL made, with keys of the family: EC P-384, or RSA 2048."""
    paths = [
        await openssl.make_request(KINDS[family], "bench.example", folder, f"{family}-{n}") for n in range(_REQUESTS)
    ]
    return [read_csr(path) for path in paths]


def records(count: int, csrs: list[str]) -> list[Record]:
    """Applications of as many cases, for a server certificate each; orderer and technical contact are one person."""
    application = _one_recipient(example(CertificateType.TEST_SERVER))
    customer = Customer.of(application.applicant.business_id)
    now = datetime.now(UTC)
    return [
        to_record(customer.submitted(uuid4(), application, csrs[n % len(csrs)]), source=E_SERVICE, id=uuid4(), time=now)
        for n in range(count)
    ]


def opening() -> EventData:
    """The account of those applications is opened. Opening it again does nothing."""
    application = example(CertificateType.TEST_SERVER)
    business_id = application.applicant.business_id
    return Customer.of(business_id).opened(business_id, application.unit_long_name)


def _one_recipient(application: Application) -> Application:
    contact = application.technical_contact.model_copy(update={"email": application.orderer.email})
    return application.model_copy(update={"technical_contact": contact, "shared_mailbox": None})


class Watch:
    """When the records of a topic came, by key: seconds of `perf_counter`."""

    def __init__(self) -> None:
        self.came: dict[bytes, float] = {}
        self._more = asyncio.Condition()

    async def read(self, consumer: AIOKafkaConsumer) -> None:
        while True:
            batches = await consumer.getmany(timeout_ms=500)
            now = perf_counter()
            async with self._more:
                for batch in batches.values():
                    for record in batch:
                        self.came.setdefault(record.key, now)
                self._more.notify_all()

    async def until(self, count: int, seconds: float) -> None:
        """Waits for that many keys. Raises TimeoutError."""
        async with asyncio.timeout(seconds), self._more:
            await self._more.wait_for(lambda: len(self.came) >= count)


@asynccontextmanager
async def watching(place: Cluster, topic: Topic) -> AsyncIterator[Watch]:
    """Watches what comes to a topic from now on."""
    consumer = AIOKafkaConsumer(bootstrap_servers=place.bootstrap, group_id=None, auto_offset_reset="latest")
    await consumer.start()
    partitions = [TopicPartition(place.name(topic), n) for n in range(topic.partitions)]
    consumer.assign(partitions)
    await consumer.seek_to_end(*partitions)
    for partition in partitions:
        await consumer.position(partition)
    watch = Watch()
    reading = asyncio.create_task(watch.read(consumer))
    try:
        yield watch
    finally:
        reading.cancel()
        await asyncio.wait([reading])
        await consumer.stop()
