"""What Kafka says of the canary's cases: their views, and their certificates. Other cases are not decoded."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from uuid import UUID

from aiokafka import AIOKafkaConsumer, TopicPartition
from servicecert_schemas.account import AccountOpened
from servicecert_schemas.case import CaseChanged
from servicecert_schemas.certificate import CertificateIssued
from servicecert_schemas.codec import Undecodable
from servicecert_schemas.event import Change, is_canary
from servicecert_schemas.topics import ACCOUNTS, CASES, CERTIFICATES
from servicecert_worker.core.record import Record
from servicecert_worker.core.signatures import Verifier
from servicecert_worker.kafka.cluster import Cluster
from servicecert_worker.kafka.reading import change_of, log_skipped

from ...connections import kafka
from .customer import CANARY

_TOPICS = (CASES, CERTIFICATES)
_POLL_MS = 250
_OVERLAP = timedelta(minutes=5)


class Feed:
    """The newest view of each of the canary's cases, and their certificates, as far as the topics were read.

    It is read by one run after another. `since` is how far back the first begins.
    """

    def __init__(self, cluster: Cluster, verifier: Verifier, since: datetime) -> None:
        self.views: dict[UUID, CaseChanged] = {}
        self.certificates: dict[UUID, CertificateIssued] = {}
        self._cluster = cluster
        self._topics = {cluster.name(topic): topic for topic in _TOPICS}
        self._verifier = verifier
        self._since = since
        self._has_account = False
        self._consumer: AIOKafkaConsumer

    @asynccontextmanager
    async def reading(self, now: datetime) -> AsyncIterator[None]:
        """Read the views that were published since the run before, and certificates from now on. Raises OperatorError.

        The views of today's end are there at once; `read` reads on.
        """
        self.certificates.clear()
        partitions = await kafka.partitions_of(self._cluster, self._topics)
        places = [TopicPartition(name, number) for name, numbers in partitions.items() for number in numbers]
        cases = [place for place in places if self._topics[place.topic] is CASES]
        async with kafka.reader(self._cluster) as self._consumer:
            self._consumer.assign(places)
            ends = await self._consumer.end_offsets(places)
            since = int((self._since - _OVERLAP).timestamp() * 1000)
            starts = await self._consumer.offsets_for_times(dict.fromkeys(cases, since))
            for place in places:
                start = starts.get(place)
                self._consumer.seek(place, ends[place] if start is None else start.offset)
            while [each for each in cases if await self._consumer.position(each) < ends[each]]:
                await self.read()
            self._since = now
            yield

    async def read(self) -> None:
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

    async def has_account(self) -> bool:
        """Return whether `accounts` has the event that opened the canary's account. Raises OperatorError."""

        def take(change: Change) -> None:
            if change.key == CANARY.account_id and isinstance(change.data, AccountOpened):
                self._has_account = True

        if not self._has_account:
            only = await kafka.partitions_of_key(self._cluster, ACCOUNTS, CANARY.account_id)
            await kafka.read(self._cluster, ACCOUNTS, take, only)
        return self._has_account
