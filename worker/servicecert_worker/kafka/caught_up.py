"""Whether all records written before a moment are handled: a deadline must not overtake events sent in time."""

import logging
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from servicecert_schemas.topics import Topic

from ..core.clock import machine_clock
from ..core.faults import error_summary, with_timeout
from .clients import STOP_SECONDS, stop
from .cluster import Cluster
from .lag import LagMeter

log = logging.getLogger(__name__)

_START_SECONDS = 15.0
_ANSWER_SECONDS = 30.0


async def is_caught_up(cluster: Cluster, service: str, reads: Sequence[Topic], until: datetime) -> bool:
    """Return whether a service has handled every record of the topics that it reads with a timestamp up to `until`.

    Return False if the broker does not answer.
    """
    admin = AIOKafkaAdminClient(**cluster.client)
    reader = AIOKafkaConsumer(**cluster.client, group_id=None, enable_auto_commit=False)
    try:
        await with_timeout(_START_SECONDS, admin.start())
        await with_timeout(_START_SECONDS, reader.start())
        now = machine_clock()
        looking = LagMeter(admin, reader, cluster.prefix).look({service: reads}, now)
        (group,) = (await with_timeout(_ANSWER_SECONDS, looking)).groups
    except (KafkaError, OSError, TimeoutError) as error:
        log.info("Lag unknown; deadlines that wait for topics stay open", extra={"error": error_summary(error)})
        return False
    finally:
        await stop(reader)
        with suppress(Exception):
            await with_timeout(STOP_SECONDS, admin.close())
    waiting = [each.seconds for each in group.lags if each.messages]
    return all(age is not None and now - timedelta(seconds=age) > until for age in waiting)
