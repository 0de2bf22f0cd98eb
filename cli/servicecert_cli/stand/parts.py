"""Broker and database for one system: with roles and schemas, and a name of its own where others use them too."""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import psycopg
from psycopg import sql
from servicecert_deploy import Parts, start_parts
from servicecert_schemas.topics import CATALOGUE, SERVICES
from servicecert_worker.faults import OperatorError
from servicecert_worker.kafka.access import IN_THE_CLEAR
from servicecert_worker.kafka.cluster import Cluster
from servicecert_worker.storage import database

from ..connections import kafka
from ..connections.addresses import kafka_access
from .progress import Report


@dataclass(frozen=True)
class Place:
    """Where a system's records and rows are. `urls` are the services' own; `admin_url` is that of whoever made their roles."""

    parts: Parts
    cluster: Cluster
    admin_url: str
    urls: Mapping[str, str]


@asynccontextmanager
async def opened_place(given: Parts | None, report: Report, *, apart: bool, throughput: bool) -> AsyncIterator[Place]:
    """Takes the parts given, or those of the environment, or starts them; with a database prepared for the services.

    `apart` means a database and a topic prefix of its own in parts that others use too, removed afterwards. Raises DeployError and OperatorError.
    """
    parts = given or await _started(report, throughput)
    try:
        mine = uuid4().hex[:8]
        foreign_kafka = apart and (given is not None or parts.kafka is None)
        foreign_postgres = apart and (given is not None or parts.postgres is None)
        named = os.environ.get("SERVICECERT_TOPIC_PREFIX", "")
        cluster = Cluster(
            parts.bootstrap,
            f"servicecert-{mine}." if foreign_kafka else named,
            kafka_access() if parts.kafka is None else IN_THE_CLEAR,
        )
        admin_url = (
            await asyncio.to_thread(_own_database, parts.database_url, mine) if foreign_postgres else parts.database_url
        )
        try:
            passwords = {service: database.new_password() for service in SERVICES}
            urls = await asyncio.to_thread(database.prepare, admin_url, passwords)
            yield Place(parts, cluster, admin_url, urls)
        finally:
            if foreign_kafka:
                await _without_topics(cluster)
            if foreign_postgres:
                await asyncio.to_thread(_drop_database, parts.database_url, mine)
    finally:
        if given is None:
            await asyncio.to_thread(_end, parts)


def _end(parts: Parts) -> None:
    """Ends what was started at once: its records and rows go with it, so there is nothing to put in order."""
    for part in (parts.kafka, parts.postgres):
        if part is not None:
            part.kill()
    parts.stop()


async def _started(report: Report, throughput: bool) -> Parts:
    """The parts, started in a thread. Whoever is interrupted meanwhile waits for the start and stops them."""
    report.began("parts", "Kafka and PostgreSQL")
    starting = asyncio.create_task(
        asyncio.to_thread(
            start_parts, report=lambda line: report.began("parts", line.capitalize()), throughput=throughput
        )
    )
    try:
        parts = await asyncio.shield(starting)
    except asyncio.CancelledError:
        report.began("parts", "ends once it has started; Ctrl-C ends now")
        await asyncio.wait([starting])
        if starting.exception() is None:
            await asyncio.to_thread(starting.result().stop)
        raise
    report.done("parts", f"at {parts.bootstrap} and {urlsplit(parts.database_url).netloc.rpartition('@')[2]}")
    return parts


def _own_database(url: str, mine: str) -> str:
    name = f"servicecert_{mine}"
    try:
        with psycopg.connect(url, autocommit=True, connect_timeout=5) as connection:
            connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
    except psycopg.OperationalError as error:
        raise database.database_refused(url, str(error)) from None
    except psycopg.errors.InsufficientPrivilege:
        raise OperatorError(
            "DATABASE_URL names a role that may not create databases: name one that may, or leave DATABASE_URL unset to have a server started.",
            os.EX_NOPERM,
        ) from None
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


def _drop_database(url: str, mine: str) -> None:
    name = f"servicecert_{mine}"
    with psycopg.connect(url, autocommit=True, connect_timeout=5) as connection:
        connection.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))
        for service in SERVICES:
            role = sql.Identifier(database.role_of(name, service))
            connection.execute(sql.SQL("drop role if exists {}").format(role))


async def _without_topics(cluster: Cluster) -> None:
    async with kafka.admin(cluster) as admin:
        there = set(await admin.list_topics())
        if mine := [name for topic in CATALOGUE if (name := cluster.name(topic)) in there]:
            await admin.delete_topics(mine)
