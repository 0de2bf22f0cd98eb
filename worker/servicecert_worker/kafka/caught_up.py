"""Whether all records written before a moment are handled: a deadline must not overtake events sent in time."""

import logging
from collections.abc import Sequence
from datetime import datetime

from aiokafka.errors import KafkaError
from servicecert_schemas.topics import Topic

from ..core.faults import error_summary, with_timeout
from .cluster import Cluster
from .reading import part_reader

log = logging.getLogger(__name__)

_ANSWER_SECONDS = 45.0


async def is_caught_up(cluster: Cluster, service: str, reads: Sequence[Topic], until: datetime) -> bool:
    """Return whether a service has handled every record of the topics that it reads with a timestamp up to `until`.

    Return False if the broker does not answer.
    """
    try:
        return await with_timeout(_ANSWER_SECONDS, _has_handled(cluster, service, reads, until))
    except (KafkaError, OSError, TimeoutError) as error:
        log.info("Lag unknown; deadlines that wait for topics stay open", extra={"error": error_summary(error)})
        return False


async def _has_handled(cluster: Cluster, service: str, reads: Sequence[Topic], until: datetime) -> bool:
    async with part_reader(cluster) as reader:
        partitions = await reader.partitions([cluster.name(topic) for topic in reads])
        handled = await reader.committed(cluster.group(service), partitions)
        first = await reader.at(dict.fromkeys(partitions, 0))
        later = await reader.at(dict.fromkeys(partitions, int(until.timestamp() * 1000) + 1))
        ends = await reader.ends(partitions)
    # A partition without records has no first one. What was deleted waits no more.
    return all(
        max(handled.get(each, 0), first.get(each, ends[each])) >= later.get(each, ends[each]) for each in partitions
    )
