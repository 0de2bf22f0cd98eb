"""The fence: compares a service's database with its journal before anything is decided.

A database that comes from the past has forgotten what was decided since: a restored one, or a replica that lags and
took over. A worker that went on would decide again what was decided and published. A broker that comes from the past
lacks what the others were told. Both are found by the journal: its topic has what the database noted as sent, and the
database still has as changes all that the topic has beyond. So a worker stops before it decides anything.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from aiokafka import TopicPartition
from servicecert_schemas.topics import journal_topic

from ..core.decider import Fetch
from ..core.faults import OperatorError
from ..core.signatures import Verifier
from .cluster import Cluster
from .journal import JournalTopic, LookReader, Number, Part
from .reading import PartReader, part_reader

_NOTED = "select epoch, look, next_offset, exists (select from changes) from journal"
_UNKNOWN = """
select next_offset, exists (
    select from unnest($1::uuid[]) as c (id) where not exists (select from changes where changes.id = c.id)
)
from journal
"""


class Past(NamedTuple):
    """What comes from the past, in a sentence, and the command that brings it forward once no worker runs."""

    text: str
    command: str

    def error(self) -> OperatorError:
        return OperatorError(f"{self.text} Nothing was decided. Start no worker, and run `{self.command}`.", 65)


@dataclass(frozen=True, slots=True)
class Fence:
    """The comparison for one service. Its methods raise what aiokafka and asyncpg raise. `fetch` asks the database."""

    cluster: Cluster
    service: str
    verifier: Verifier

    async def require_known(self, fetch: Fetch) -> None:
        """Return if database and broker know all of each other. Raises `OperatorError` if one comes from the past."""
        async with part_reader(self.cluster) as reader:
            past = await self.past(reader, fetch)
        if past is not None:
            raise past.error()

    async def require_sent(self, reader: PartReader, fetch: Fetch) -> None:
        """Return if the journal is as long as the database noted. Raises `OperatorError`."""
        ((_, _, noted, _),) = await fetch(_NOTED)
        journal = TopicPartition(self.cluster.name(journal_topic(self.service)), 0)
        if (await reader.ends([journal]))[journal] < (noted or 0):
            raise older_broker(self.service).error()

    async def past(self, reader: PartReader, fetch: Fetch) -> Past | None:
        """Return what comes from the past; None if database and broker know all of each other."""
        ((epoch, look, noted, has_changes),) = await fetch(_NOTED)
        topic = await JournalTopic.open(reader, self.cluster, self.service, self.verifier)
        if topic.end < (noted or 0):
            return older_broker(self.service)
        if topic.first > (noted or 0) and not has_changes:
            return self._older_database("before what that still keeps")
        looks = LookReader(Number(epoch, look))
        async for part, record in topic.parts((noted or 0) - 1):
            if part.offset + 1 == noted:
                if part.number != (epoch, look):
                    return older_broker(self.service)
            elif await self._is_unknown(fetch, looks.add(replace(part, groups=()))):
                return self._older_database(f"since {record.written:%Y-%m-%d %H:%M:%S} UTC")
        return None

    async def _is_unknown(self, fetch: Fetch, look: Sequence[Part]) -> bool:
        """Return whether the database lacks what a look found, and has not noted meanwhile that it is sent.

        It is asked for each part, so that its connection is never idle for long: after an outage a look is large.
        """
        ((noted, is_missing),) = await fetch(_UNKNOWN, [id for part in look for id in part.changes])
        return bool(is_missing and look[-1].offset >= (noted or 0))

    def _older_database(self, when: str) -> Past:
        return Past(
            f"The database of {self.service} does not know what its journal has {when}: it was restored to an earlier "
            "moment, or DATABASE_URL and KAFKA_BOOTSTRAP_SERVERS belong to two systems.",
            f"servicecert restore check {self.service}",
        )


def older_broker(service: str, to: str = "its journal") -> Past:
    """Return that the broker lacks what was sent to a topic."""
    return Past(
        f"Kafka lacks what {service} has sent to {to}: it was put back to an earlier moment, its topics were "
        "lost, or DATABASE_URL and KAFKA_BOOTSTRAP_SERVERS belong to two systems.",
        f"servicecert republish {service}",
    )
