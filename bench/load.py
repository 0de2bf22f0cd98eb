"""The e-service's side of a measurement: applications of many cases, and the times of their certificates and mails."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from uuid import UUID, uuid4

from aiokafka import AIOKafkaConsumer, TopicPartition
from servicecert_cli.demo import openssl
from servicecert_cli.e_service.application import Application, example, read_csr
from servicecert_cli.e_service.customer import Customer
from servicecert_cli.e_service.publishing import E_SERVICE
from servicecert_schemas.codec import Record, to_record
from servicecert_schemas.event import EventData
from servicecert_schemas.topics import APPLICATIONS, Topic
from servicecert_schemas.values import CertificateType
from servicecert_worker.kafka.cluster import Cluster
from servicecert_worker.kafka.partitioner import partition_for
from servicecert_worker.runtime.record import Record as Fetched

KINDS = {"ec": openssl.EC_P384, "rsa": openssl.RSA_2048}
_REQUESTS = 8


async def requests(family: str, folder: Path) -> list[str]:
    """Return certificate requests by OpenSSL, with keys of the family: EC P-384, or RSA 2048."""
    paths = [
        await openssl.make_request(KINDS[family], "bench.example", folder, f"{family}-{n}") for n in range(_REQUESTS)
    ]
    return [read_csr(path) for path in paths]


def records(count: int, csrs: list[str], names: int = 1, partitions: int = APPLICATIONS.partitions) -> list[Record]:
    """Return applications of `count` cases for server certificates; orderer and technical contact are one person.

    Each has so many host names, and is in one of the first `partitions` of each topic.
    """
    application = _named(_one_recipient(example(CertificateType.TEST_SERVER)), names)
    customer = Customer.of(application.applicant.business_id)
    now = datetime.now(UTC)
    return [
        to_record(customer.submitted(case_id, application, csrs[n % len(csrs)]), source=E_SERVICE, id=uuid4(), time=now)
        for n, case_id in zip(range(count), _case_ids(partitions), strict=False)
    ]


def opening() -> EventData:
    """Return the event that opens the account of those applications; it has no effect on an open account."""
    application = example(CertificateType.TEST_SERVER)
    business_id = application.applicant.business_id
    return Customer.of(business_id).opened(business_id, application.unit_long_name)


def _one_recipient(application: Application) -> Application:
    contact = application.technical_contact.model_copy(update={"email": application.orderer.email})
    return application.model_copy(update={"technical_contact": contact, "shared_mailbox": None})


def _named(application: Application, count: int) -> Application:
    first, *_ = application.names.dns
    names = (first, *(f"host-{n}.{first}" for n in range(1, count)))
    return application.model_copy(update={"names": application.names.model_copy(update={"dns": names})})


def _case_ids(partitions: int) -> Iterator[UUID]:
    every = range(APPLICATIONS.partitions)
    while True:
        case_id = uuid4()
        if partition_for(str(case_id).encode(), every, every) < partitions:
            yield case_id


class Watch:
    """The arrival time of a topic's first record of each key, and of the latest, in seconds of `perf_counter`."""

    def __init__(self) -> None:
        self.first: dict[bytes, Fetched] = {}
        self.seen_at: dict[bytes, float] = {}
        self.latest_at = 0.0
        self._more = asyncio.Condition()

    async def read(self, consumer: AIOKafkaConsumer) -> None:
        while True:
            batches = await consumer.getmany(timeout_ms=500)
            now = perf_counter()
            async with self._more:
                for batch in batches.values():
                    self.latest_at = now
                    for record in batch:
                        self.seen_at.setdefault(record.key, now)
                        self.first.setdefault(record.key, record)
                self._more.notify_all()

    async def until(self, count: int, seconds: float) -> None:
        """Wait for that many keys. Raises TimeoutError."""
        async with asyncio.timeout(seconds), self._more:
            await self._more.wait_for(lambda: len(self.seen_at) >= count)


@asynccontextmanager
async def watching(cluster: Cluster, topic: Topic) -> AsyncIterator[Watch]:
    """Watch the new records of a topic."""
    consumer = AIOKafkaConsumer(bootstrap_servers=cluster.bootstrap, group_id=None, auto_offset_reset="latest")
    await consumer.start()
    partitions = [TopicPartition(cluster.name(topic), n) for n in range(topic.partitions)]
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
