"""What the topic `certificates` says of how cases ended."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from aiokafka import TopicPartition
from servicecert_schemas.certificate import CertificateIssued, CertificateVoided
from servicecert_schemas.codec import Undecodable, decode
from servicecert_schemas.topics import CERTIFICATES

from servicecert_cli import kafka
from servicecert_cli.addresses import Cluster

SECONDS = 60.0
"""How long nothing may come."""


async def read_ends(place: Cluster, take: Callable[[CertificateIssued | CertificateVoided], None]) -> None:
    """Gives every certificate that is issued and every serial number that is void, as far as the topic still has them. Raises TimeoutError."""
    topic = place.name(CERTIFICATES)
    async with kafka.reader(place) as consumer:
        partitions = [TopicPartition(topic, number) for number in await kafka.partitions(place, CERTIFICATES)]
        consumer.assign(partitions)
        await consumer.seek_to_beginning(*partitions)
        last = await consumer.end_offsets(partitions)
        async with asyncio.timeout(SECONDS) as limit:
            while [each for each in partitions if await consumer.position(each) < last[each]]:
                for batch in (await consumer.getmany(timeout_ms=500)).values():
                    limit.reschedule(asyncio.get_running_loop().time() + SECONDS)
                    for record in batch:
                        try:
                            _, data = decode(record.key, record.headers, record.value)
                        except Undecodable:
                            continue
                        if isinstance(data, CertificateIssued | CertificateVoided):
                            take(data)
