"""Which cluster and which topics a service's state was made from.

A topic that is deleted and made anew, or a wiped broker at the same address, makes live consumers skip records without an error and with lag 0.
So the ids are remembered with the state, and a worker that finds others stops and says what to do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, NoReturn

import asyncpg
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError
from asyncpg import Pool

from ..faults import OperatorError, Outage, is_transient, with_timeout
from ..storage.operator_requests import Act, Operation
from .cluster import Cluster
from .internals import topic_ids

CLUSTER = "the cluster"

_LOOK_SECONDS = 5.0
_ANSWER_SECONDS = 15.0


Compare = Callable[[Mapping[str, str]], Awaitable[None]]


async def watch(cluster: Cluster, topics: Sequence[str], compare: Compare, outage: Outage) -> NoReturn:
    """Look at the ids of cluster and topics every few seconds, and have them compared; an outage of Kafka is told meanwhile.

    Raises `OperatorError` where a topic is missing, and what `compare` raises that is not transient.
    """
    while True:
        client = AIOKafkaClient(**cluster.client, request_timeout_ms=10_000)
        try:
            await with_timeout(_ANSWER_SECONDS, client.bootstrap())
            while True:
                found = await with_timeout(_ANSWER_SECONDS, look(client, topics))
                require(found, topics)
                await compare(found)
                outage.ended()
                await asyncio.sleep(_LOOK_SECONDS)
        except Exception as error:
            if not is_transient(error):
                raise
            if not isinstance(error, asyncpg.PostgresError | asyncpg.InterfaceError):
                outage.began(error)
        finally:
            with suppress(KafkaError, OSError):
                await client.close()
        await asyncio.sleep(1)


async def look(client: AIOKafkaClient, topics: Sequence[str]) -> dict[str, str]:
    """The ids of the cluster and of the topics that exist, by name. Raises what aiokafka raises."""
    cluster, found = await topic_ids(client, list(topics))
    return {CLUSTER: cluster, **found}


def require(found: Mapping[str, str], topics: Sequence[str]) -> None:
    """Raises `OperatorError` where a topic is missing."""
    missing = sorted(set(topics) - set(found))
    if missing:
        raise OperatorError(f"Kafka has no topic {', '.join(missing)}: run `servicecert topics create`.", exit_code=78)


async def compare(pool: Pool[Any], service: str, found: Mapping[str, str]) -> None:
    """Remembers the ids that are new, and raises `OperatorError` where one is not the remembered one."""
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(
            "insert into origins (name, id) select * from unnest($1::text[], $2::text[]) order by 1 on conflict do nothing",
            list(found),
            list(found.values()),
        )
        rows = await connection.fetch("select name, id from origins")
    changed = sorted(row["name"] for row in rows if found.get(row["name"], row["id"]) != row["id"])
    if changed:
        names = ", ".join(name if name == CLUSTER else f"topic {name}" for name in changed)
        raise OperatorError(
            f"Kafka is not the one that {service}'s state was made from: {names} was deleted and made anew, "
            "or KAFKA_BOOTSTRAP_SERVERS points to another cluster, and going on would skip records without a trace. "
            f"Point it back; or, if the change is meant, stop {service}'s workers and run "
            f"`servicecert topics accept {service}`: it then reads from the first record on, "
            "and what it handled before has no second effect.",
            exit_code=65,
        )


async def forget(connection: asyncpg.Connection[Any]) -> None:
    """Drops what is remembered, so that the next start remembers anew."""
    async with connection.transaction():
        rows = await connection.fetch("delete from origins returning name, id")
        known = {row["name"]: row["id"] for row in rows}
        await Operation(connection, "topics accept").tell([Act("", {"forgotten": known})] if known else [])
