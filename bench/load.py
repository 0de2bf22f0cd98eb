"""The e-service's side of a measurement: applications of many cases, and when a topic has their outcomes."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from time import perf_counter
from uuid import UUID, uuid4

from aiokafka import AIOKafkaConsumer, TopicPartition
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from servicecert_cli.connections import kafka
from servicecert_cli.operations.applications import customer_of, example
from servicecert_schemas.application import Application
from servicecert_schemas.codec import Record
from servicecert_schemas.customer import record_of
from servicecert_schemas.topics import APPLICATIONS, Topic
from servicecert_schemas.values import CertificateType
from servicecert_worker.core.record import Record as Fetched
from servicecert_worker.kafka.cluster import Cluster
from servicecert_worker.kafka.partitioner import partition_for

_REQUESTS = 8
_EXAMPLE = example(CertificateType.TEST_SERVER)
CUSTOMER = customer_of(_EXAMPLE)
"""Whose account all applications come from."""

OPENING = CUSTOMER.opened(_EXAMPLE.applicant.business_id, _EXAMPLE.unit_long_name)
"""The event that opens that account."""


def requests(family: str) -> list[str]:
    """Return certificate requests, each with its own key: EC P-384 for `ec`, RSA 2048 for `rsa`."""
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "bench.example")])
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    keys = (
        rsa.generate_private_key(65_537, 2048) if family == "rsa" else ec.generate_private_key(ec.SECP384R1())
        for _ in range(_REQUESTS)
    )
    return [builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM).decode() for key in keys]


def records(count: int, csrs: list[str], names: int = 1, partitions: int = APPLICATIONS.partitions) -> list[Record]:
    """Return applications of `count` cases for server certificates; orderer and technical contact are one person.

    Each has so many host names, and is in one of the first `partitions` of each topic.
    """
    application = _application(names)
    return [
        record_of(CUSTOMER.submitted(case_id, application, csrs[n % len(csrs)]))
        for n, case_id in zip(range(count), _case_ids(partitions), strict=False)
    ]


def _application(names: int) -> Application:
    contact = _EXAMPLE.technical_contact.model_copy(update={"email": _EXAMPLE.orderer.email})
    first, *_ = _EXAMPLE.names.dns
    dns = (first, *(f"host-{n}.{first}" for n in range(1, names)))
    changed = {"technical_contact": contact, "names": _EXAMPLE.names.model_copy(update={"dns": dns})}
    return _EXAMPLE.model_copy(update={**changed, "shared_mailbox": None})


def _case_ids(partitions: int) -> Iterator[UUID]:
    every = range(APPLICATIONS.partitions)
    while True:
        case_id = uuid4()
        if partition_for(str(case_id).encode(), every, every) < partitions:
            yield case_id


class Watch:
    """A topic's first record of each key, and when the last one arrived, in seconds of `perf_counter`."""

    def __init__(self, consumer: AIOKafkaConsumer) -> None:
        self.first: dict[bytes, Fetched] = {}
        self.latest_at = 0.0
        self._consumer = consumer

    async def until(self, count: int, seconds: float = 600.0) -> None:
        """Read until there are that many keys. Raises TimeoutError."""
        async with asyncio.timeout(seconds):
            while len(self.first) < count:
                for batch in (await self._consumer.getmany(timeout_ms=500)).values():
                    self.latest_at = perf_counter()
                    for record in batch:
                        self.first.setdefault(record.key, record)


@asynccontextmanager
async def watching(cluster: Cluster, topic: Topic) -> AsyncIterator[Watch]:
    async with kafka.reader(cluster) as consumer:
        partitions = [TopicPartition(cluster.name(topic), n) for n in range(topic.partitions)]
        consumer.assign(partitions)
        await consumer.seek_to_end(*partitions)
        for partition in partitions:
            await consumer.position(partition)
        yield Watch(consumer)
