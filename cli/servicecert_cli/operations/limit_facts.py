"""Measures how near an installation is to its limits, from Kafka and PostgreSQL alone; changes nothing."""

import asyncio
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any

import asyncpg
from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, for_code
from servicecert_schemas.topics import CATALOGUE, SERVICES
from servicecert_worker.faults import OperatorError
from servicecert_worker.kafka import lag
from servicecert_worker.kafka.cluster import Cluster
from servicecert_worker.storage import database

from ..connections import kafka
from ..connections.addresses import cluster, database_url
from ..faults import UserError
from .limit_checks import (
    Backlog,
    Check,
    Connections,
    CrlPass,
    Group,
    Lag,
    TopicCopy,
    Verdict,
    check_connections,
    check_copies,
    check_crls,
    check_database_settings,
    check_intents,
    check_lag,
    check_outboxes,
    check_topic_settings,
    check_topics,
    check_workers,
)

LOOK_SECONDS = 3.0
"""Between two looks at the lag."""

_CONNECTIONS = """
select current_setting('max_connections')::int as most,
       current_setting('superuser_reserved_connections')::int
       + coalesce(current_setting('reserved_connections', true)::int, 0) as reserved,
       count(*) as used,
       count(*) filter (where datname = current_database() and application_name = any($1::text[])) as used_by_services,
       current_setting('max_locks_per_transaction')::int as locks
from pg_stat_activity
where datid is not null and coalesce(backend_type, 'client backend') = 'client backend'
"""

_BACKLOG = """
select (select count(*) from {0}.intents) as intents,
       (select coalesce(extract(epoch from now() - min(since)), 0)::float8 from {0}.intents) as intents_seconds,
       (select count(*) from {0}.outbox) as outbox,
       (select coalesce(extract(epoch from now() - min(at)), 0)::float8 from {0}.outbox) as outbox_seconds
"""

_CRL_PASSES = """
select distinct on (issuer) issuer, entries, extract(epoch from published_at - allocated_at)::float8 as seconds
from revoker.crls where partition = 0 and published_at is not null order by issuer, number desc
"""


async def checks() -> list[Check]:
    """Return all checks. A server that does not answer, or a table that may not be read, is a check that is UNKNOWN."""
    (groups, from_kafka), from_database = await asyncio.gather(_ask_kafka(), _ask_database())
    workers = None if groups is None else sum(len(group.members) for group in groups)
    return [*from_kafka, *from_database(workers)]


async def _ask_kafka() -> tuple[list[Group] | None, list[Check]]:
    """Return the services' groups, None if Kafka does not answer, and the checks of what Kafka says."""
    try:
        target = cluster()
        async with kafka.admin(target) as admin, kafka.reader(target) as reader:
            groups, lags = await _groups_and_lags(target, admin, reader)
            found = [*map(check_workers, groups), *map(check_lag, lags), *await _ask_topics(target, admin)]
    except (OperatorError, UserError) as fault:
        return None, [Check("Kafka", Verdict.UNKNOWN, str(fault))]
    return groups, found


async def _groups_and_lags(
    target: Cluster, admin: AIOKafkaAdminClient, reader: AIOKafkaConsumer
) -> tuple[list[Group], list[Lag]]:
    """Look twice at the lag, and once at the groups between the looks."""

    async def measured() -> list[lag.PartitionLag]:
        return await lag.measure(admin, reader, target.prefix, SERVICES, datetime.now(UTC))

    before = await measured()
    await asyncio.sleep(LOOK_SECONDS)
    now = await measured()
    groups, lags = [], []
    for service in SERVICES:
        own = [each for each in now if each.group == service]
        topics = [each.topic for each in own]
        members = await lag.members(admin, target.group(service))
        groups.append(Group(service, {topic: topics.count(topic) for topic in topics}, tuple(map(len, members))))
        ages = [each.seconds for each in own]
        oldest = None if None in ages else max((age for age in ages if age is not None), default=0.0)
        first = sum(each.messages for each in before if each.group == service)
        lags.append(Lag(service, first, sum(each.messages for each in own), oldest))
    return groups, lags


async def _ask_topics(target: Cluster, admin: AIOKafkaAdminClient) -> list[Check]:
    try:
        copies = await _copies(target, admin)
        brokers = len((await admin.describe_cluster())["brokers"])
    except KafkaError as fault:
        return [Check("topics", Verdict.UNKNOWN, f"Kafka does not describe them: {type(fault).__name__}.")]
    if not copies:
        return [check_topics(copies)]
    return [check_topics(copies), check_copies(copies, brokers), check_topic_settings(copies)]


async def _copies(target: Cluster, admin: AIOKafkaAdminClient) -> list[TopicCopy]:
    names = {target.name(topic): topic for topic in CATALOGUE}
    described = [each for each in await admin.describe_topics(list(names)) if each["error_code"] == 0]
    resources = [ConfigResource(ConfigResourceType.TOPIC, each["topic"]) for each in described]
    settings = {}
    for answer in await admin.describe_configs(resources) if resources else []:
        for code, _, _, name, entries in answer.resources:
            if code:
                raise for_code(code)
            settings[name] = {entry[0]: entry[1] for entry in entries}
    return [
        TopicCopy(
            names[each["topic"]],
            len(each["partitions"]),
            min(len(part["replicas"]) for part in each["partitions"]),
            min(len(part["isr"]) for part in each["partitions"]),
            settings[each["topic"]],
        )
        for each in described
    ]


async def _ask_database() -> Callable[[int | None], list[Check]]:
    """Return a function from the number of workers to the checks of what PostgreSQL says."""
    try:
        connection = await _connect(database_url())
    except asyncpg.TooManyConnectionsError:
        return lambda _: [check_connections(None, None)]
    except (OperatorError, UserError) as fault:
        unknown = Check("PostgreSQL", Verdict.UNKNOWN, str(fault))
        return lambda _: [unknown]
    try:
        row = await connection.fetchrow(_CONNECTIONS, [f"servicecert-{service}" for service in SERVICES])
        assert row is not None
        connections = Connections(row["most"], row["reserved"], row["used"], row["used_by_services"])
        found = [check_database_settings(row["locks"]), *await _ask_tables(connection)]
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as fault:
        unknown = Check("PostgreSQL", Verdict.UNKNOWN, f"It stopped answering: {type(fault).__name__}.")
        return lambda _: [unknown]
    finally:
        connection.terminate()
    return lambda workers: [check_connections(connections, workers), *found]


async def _connect(url: str) -> "asyncpg.Connection[Any]":
    """Connect without the services' own settings, since the server's are checked.

    Raises OperatorError, and TooManyConnectionsError.
    """
    settings = {
        "application_name": "servicecert-doctor",
        "statement_timeout": "20s",
        "default_transaction_read_only": "on",
    }
    try:
        return await asyncpg.connect(url, timeout=database.CONNECT_SECONDS, server_settings=settings)
    except asyncpg.TooManyConnectionsError:
        raise
    except (OSError, TimeoutError, asyncpg.PostgresError) as fault:
        raise database.database_refused(url, str(fault)) from None


async def _ask_tables(connection: "asyncpg.Connection[Any]") -> list[Check]:
    backlogs, found = [], []
    for service in SERVICES:

        async def intents(service: str = service) -> Check:
            (row,) = await connection.fetch(_BACKLOG.format(service))
            backlogs.append(Backlog(service, **row))
            return check_intents(backlogs[-1])

        found.append(await _readable(f"{service} intents", service, intents()))

    async def crls() -> Check:
        return check_crls([CrlPass(**row) for row in await connection.fetch(_CRL_PASSES)])

    outboxes = [check_outboxes(backlogs)] if backlogs else []
    return [*found, *outboxes, await _readable("CRLs", "revoker", crls())]


async def _readable(subject: str, schema: str, checked: Coroutine[Any, Any, Check]) -> Check:
    """Return a check, or why the tables that it needs cannot be read."""
    try:
        return await checked
    except asyncpg.InsufficientPrivilegeError:
        finding = f"DATABASE_URL's role may not read the tables of {schema}."
        return Check(subject, Verdict.UNKNOWN, finding, "Use the role that made the schemas.")
    except (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError):
        finding = f"The schema {schema} is not prepared."
        return Check(subject, Verdict.UNKNOWN, finding, f"Run `servicecert db prepare`, then start {schema} once.")
