"""Broker and database of one system, with roles and schemas; shared ones get a topic prefix and a database."""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

from psycopg import sql
from servicecert_launcher import Parts, start_parts
from servicecert_launcher.environment import DATABASE_URL, KAFKA_BOOTSTRAP_SERVERS
from servicecert_schemas.broker import Principal
from servicecert_schemas.topics import CATALOGUE, SERVICES
from servicecert_worker.core.access import PLAINTEXT_ACCESS
from servicecert_worker.kafka.cluster import Cluster
from servicecert_worker.storage import database, schema

from ..connections import addresses, kafka
from ..operations.broker_identities import ADMINISTRATOR
from ..operations.migrating import migrate
from .identities import Identities
from .progress import Steps


@dataclass(frozen=True)
class Backends:
    """Addresses of a system's topics and tables. `urls` are those of the services, `admin_url` made their roles.

    `cluster` is the broker as its administrator reaches it; without `identities` there is nobody else.
    """

    parts: Parts
    cluster: Cluster
    admin_url: str
    urls: Mapping[str, str]
    identities: Identities | None = None

    def cluster_of(self, principal: Principal) -> Cluster:
        """Return the cluster as a principal reaches it."""
        if self.identities is None:
            return self.cluster
        return self.identities.cluster(self.parts, principal, self.cluster.prefix)


def given() -> list[str]:
    """Return the environment's variables that name a broker or a database server to be used."""
    return [name for name in (KAFKA_BOOTSTRAP_SERVERS, DATABASE_URL) if os.environ.get(name)]


@asynccontextmanager
async def open_place(
    existing: Parts | None, report: Steps, *, apart: bool, identities: Identities | None = None
) -> AsyncIterator[Backends]:
    """Use the existing parts, or those of the environment, or start them, and prepare the database for the services.

    With `apart` the system gets its own database and topic prefix in shared parts; both are removed afterwards. The
    broker knows the `identities`: existing parts were started with them. Raises DeployError and OperatorError.
    """
    parts = existing or await _started(report, identities)
    try:
        suffix = uuid4().hex[:8]
        shared_kafka = apart and (existing is not None or parts.kafka is None)
        shared_postgres = apart and (existing is not None or parts.postgres is None)
        prefix = os.environ.get("SERVICECERT_TOPIC_PREFIX", "")
        prefix = f"servicecert-{suffix}." if shared_kafka else prefix
        if identities is None:
            access = addresses.cluster().access if parts.kafka is None else PLAINTEXT_ACCESS
            cluster = Cluster(parts.bootstrap, prefix, access)
        else:
            cluster = identities.cluster(parts, ADMINISTRATOR, prefix)
        admin_url = parts.database_url
        if shared_postgres:
            admin_url = await asyncio.to_thread(_create_database, parts.database_url, suffix)
        try:
            passwords = {name: database.new_password() for name in (*SERVICES, *database.LOGINS)}
            urls = await asyncio.to_thread(_prepared, admin_url, passwords)
            yield Backends(parts, cluster, admin_url, urls, identities)
        finally:
            if shared_kafka:
                await _delete_topics(cluster)
            if shared_postgres:
                await asyncio.to_thread(_drop_database, parts.database_url, suffix)
    finally:
        if existing is None:
            await asyncio.to_thread(parts.stop)


def _prepared(admin_url: str, passwords: Mapping[str, str]) -> dict[str, str]:
    urls = schema.prepare(admin_url, passwords)
    migrate(urls[database.MIGRATOR], SERVICES)
    return urls


async def _started(report: Steps, identities: Identities | None) -> Parts:
    """Start the parts in a thread and return them. If cancelled, wait for the start and stop them."""
    read = {KAFKA_BOOTSTRAP_SERVERS: lambda: addresses.cluster().bootstrap, DATABASE_URL: addresses.database_url}
    named = {name: read[name]() for name in given()}
    report.began("parts", "Kafka and PostgreSQL")
    starting = asyncio.create_task(
        asyncio.to_thread(
            start_parts,
            environment=named,
            report=partial(report.began, "parts"),
            secured=identities.broker if identities else None,
            tls=identities.database if identities else None,
        )
    )
    try:
        parts = await asyncio.shield(starting)
    except asyncio.CancelledError:
        report.began("parts", "Stops once started; Ctrl-C stops now")
        await asyncio.wait([starting])
        if starting.exception() is None:
            await asyncio.to_thread(starting.result().stop)
        raise
    places = f"{parts.bootstrap} and {urlsplit(parts.database_url).netloc.rpartition('@')[2]}"
    report.done("parts", f"{'TLS ' if identities else ''}at {places}")
    return parts


def _create_database(url: str, suffix: str) -> str:
    name = f"servicecert_{suffix}"
    with schema.connected(url) as connection:
        connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


def _drop_database(url: str, suffix: str) -> None:
    name = f"servicecert_{suffix}"
    with schema.connected(url) as connection:
        connection.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))
        # Logins first: who made one a member of others cannot go before it.
        for (role,) in connection.execute(
            "select rolname from pg_roles where starts_with(rolname, %s) order by rolcanlogin desc", (f"{name}_",)
        ).fetchall():
            connection.execute(sql.SQL("drop role if exists {}").format(sql.Identifier(role)))


async def _delete_topics(cluster: Cluster) -> None:
    async with kafka.admin(cluster) as admin:
        existing = set(await admin.list_topics())
        if names := [name for topic in CATALOGUE if (name := cluster.name(topic)) in existing]:
            await admin.delete_topics(names)
