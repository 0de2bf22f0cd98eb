"""What Kafka says of the canary's cases: their views, and their certificates. Other cases are not decoded."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from uuid import UUID

from aiokafka import AIOKafkaConsumer, TopicPartition
from servicecert_schemas.account import AccountOpened
from servicecert_schemas.canary import is_canary
from servicecert_schemas.case import CaseChanged
from servicecert_schemas.certificate import CertificateIssued
from servicecert_schemas.codec import Undecodable
from servicecert_schemas.event import Change
from servicecert_schemas.topics import ACCOUNTS, CASES, CERTIFICATES
from servicecert_worker.core.record import Record
from servicecert_worker.core.signatures import Verifier
from servicecert_worker.kafka.cluster import Cluster
from servicecert_worker.kafka.follower import change_of, log_skipped

from ..connections import kafka
from .customer import CANARY

_TOPICS = (CASES, CERTIFICATES)
_POLL_MS = 250


class Feed:
    """The newest view of each of the canary's cases, and their certificates, as far as the topics were read."""

    def __init__(
        self, cluster: Cluster, consumer: AIOKafkaConsumer, verifier: Verifier, known: Mapping[UUID, CaseChanged]
    ) -> None:
        self.views = dict(known)
        self.certificates: dict[UUID, CertificateIssued] = {}
        self._topics = {cluster.name(topic): topic for topic in _TOPICS}
        self._consumer = consumer
        self._verifier = verifier

    async def read(self) -> None:
        """Read what has come; return after a moment without anything."""
        for records in (await self._consumer.getmany(timeout_ms=_POLL_MS, max_records=500)).values():
            for record in records:
                if is_canary((record.key or b"").decode(errors="replace")):
                    self._take(record)

    def _take(self, record: Record) -> None:
        try:
            data = change_of(self._topics[record.topic], record, self._verifier).data
        except Undecodable as fault:
            log_skipped(record, fault)
            return
        # A case of another account is none of the canary's, whatever its id.
        if not isinstance(data, CertificateIssued | CaseChanged) or data.account_id != CANARY.account_id:
            return
        if isinstance(data, CertificateIssued):
            self.certificates[data.case_id] = data
        else:
            self.views[data.case_id] = max(self.views.get(data.case_id, data), data, key=lambda view: view.version)

    async def catch_up(self, ends: dict[TopicPartition, int]) -> None:
        """Read up to these offsets."""
        while [each for each in ends if await self._consumer.position(each) < ends[each]]:
            await self.read()


@asynccontextmanager
async def opened(
    cluster: Cluster, verifier: Verifier, since: datetime, known: Mapping[UUID, CaseChanged]
) -> AsyncIterator[Feed]:
    """Read the views that were published since then, after the known ones, and certificates from now on.

    Raises OperatorError.
    """
    partitions = await kafka.partitions_of(cluster, [cluster.name(topic) for topic in _TOPICS])
    places = [TopicPartition(name, number) for name, numbers in partitions.items() for number in numbers]
    cases = [place for place in places if place.topic == cluster.name(CASES)]
    async with kafka.reader(cluster) as consumer:
        consumer.assign(places)
        ends = await consumer.end_offsets(places)
        starts = await consumer.offsets_for_times(dict.fromkeys(cases, int(since.timestamp() * 1000)))
        for place in places:
            start = starts.get(place)
            consumer.seek(place, ends[place] if start is None else start.offset)
        feed = Feed(cluster, consumer, verifier, known)
        await feed.catch_up({place: ends[place] for place in cases})
        yield feed


async def is_account_open(cluster: Cluster) -> bool:
    """Return whether the topic `accounts` has the event that opened the canary's account. Raises OperatorError."""
    openings: list[Change] = []

    def take(change: Change) -> None:
        if change.key == CANARY.account_id and isinstance(change.data, AccountOpened):
            openings.append(change)

    await kafka.read(cluster, ACCOUNTS, take, await kafka.partitions_of_key(cluster, ACCOUNTS, CANARY.account_id))
    return bool(openings)
