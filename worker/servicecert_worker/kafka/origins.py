"""The ids of the cluster and the topics that a service's state was made from.

If a topic is deleted and created again, or a broker wiped, live consumers skip records without an error and with lag 0.
So the ids are stored with the state, and a worker that finds other ids stops and says what to do.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import NoReturn

import asyncpg
from asyncpg import Pool

from ..core.faults import OperatorError, Outage, backoff, end_if_cancelled, on_transient, with_timeout
from ..storage.operator_requests import permitted
from .cluster import Cluster
from .reading import PartReader, part_reader

CLUSTER = "the cluster"

_STORED = "select name, id from origins"

_LOOK_SECONDS = 5.0
_ANSWER_SECONDS = 15.0


Compare = Callable[[Mapping[str, str], PartReader], Awaitable[None]]
"""Compares the ids, and what else the reader tells."""


async def watch(cluster: Cluster, topics: Sequence[str], compare: Compare, outage: Outage) -> NoReturn:
    """Fetch and compare the ids of cluster and topics every 5 s, and log outages of Kafka.

    Raises `OperatorError` if a topic is missing, and the errors of `compare` that are not transient.
    """
    async for _ in backoff(first=1.0, longest=1.0):
        with on_transient(outage.began):
            async with part_reader(cluster) as reader:
                while True:
                    cluster_id, ids = await with_timeout(_ANSWER_SECONDS, reader.ids(topics))
                    if missing := sorted(set(topics) - set(ids)):
                        raise OperatorError(
                            f"Kafka has no topic {', '.join(missing)}: run `servicecert topics create`."
                        )
                    outage.ended()
                    # While the database is unavailable the next look compares: that is no outage of Kafka.
                    with on_transient(lambda _: end_if_cancelled()):
                        await compare({CLUSTER: cluster_id, **ids}, reader)
                    await asyncio.sleep(_LOOK_SECONDS)
    raise AssertionError("The pauses never end.")


async def compare(pool: Pool, service: str, ids: Mapping[str, str]) -> None:
    """Store new ids. Raises `OperatorError` if an id differs from the stored one."""
    rows = await pool.fetch(_STORED)
    if missing := sorted(ids.keys() - {row["name"] for row in rows}):
        insert = "insert into origins (name, id) values ($1, $2) on conflict do nothing"
        await pool.executemany(insert, [(name, ids[name]) for name in missing])
        rows = await pool.fetch(_STORED)
    if changed := sorted(row["name"] for row in rows if ids.get(row["name"], row["id"]) != row["id"]):
        names = ", ".join(name if name == CLUSTER else f"topic {name}" for name in changed)
        raise OperatorError(
            f"The cluster or topic IDs differ from those stored by {service}: {names} was recreated, "
            "or KAFKA_BOOTSTRAP_SERVERS points to another cluster, and records would be skipped silently. "
            f"Point it back; or, if the change is intended, stop {service}'s workers and run "
            f"`servicecert topics accept {service}`: it then reads from the first record on, "
            "and events that it handled before have no second effect.",
            exit_code=65,
        )


async def forget(connection: asyncpg.Connection) -> None:
    await permitted(connection.fetchval("select forget_origins()"))
