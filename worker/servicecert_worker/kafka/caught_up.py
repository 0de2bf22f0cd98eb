"""Whether all that was written before a moment has had its effect: what was sent in time is heard before a deadline ends its case."""

import logging
from contextlib import suppress
from datetime import datetime, timedelta

from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from ..clock import machine_clock
from ..faults import error_summary, with_timeout
from .clients import STOP_SECONDS, stop
from .cluster import Cluster
from .lag import measure

log = logging.getLogger(__name__)

_START_SECONDS = 15.0
_ANSWER_SECONDS = 30.0


async def is_caught_up(cluster: Cluster, service: str, until: datetime) -> bool:
    """Whether a service has handled every record of its topics that was written up to a moment, by the records' own times.

    Where the broker does not answer nobody knows, so it has not.
    """
    admin = AIOKafkaAdminClient(**cluster.client)
    reader = AIOKafkaConsumer(**cluster.client, group_id=None, enable_auto_commit=False)
    try:
        await with_timeout(_START_SECONDS, admin.start())
        await with_timeout(_START_SECONDS, reader.start())
        now = machine_clock()
        lags = await with_timeout(_ANSWER_SECONDS, measure(admin, reader, cluster.prefix, [service], now))
    except (KafkaError, OSError, TimeoutError) as error:
        log.info("What waits to be handled is not known (%s)", error_summary(error))
        return False
    finally:
        await stop(reader)
        with suppress(Exception):
            await with_timeout(STOP_SECONDS, admin.close())
    waiting = [each.seconds for each in lags if each.messages]
    return all(age is not None and now - timedelta(seconds=age) > until for age in waiting)
