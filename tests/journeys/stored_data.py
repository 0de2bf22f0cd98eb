"""All data of a system as bytes to be searched: logs, metrics, records of all topics, rows of all tables, files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import asyncpg
from aiokafka import TopicPartition
from servicecert_cli.connections import kafka
from servicecert_cli.stand.system import System
from servicecert_schemas.topics import CATALOGUE

_TABLES = """
select format('%I.%I', schemaname, tablename) from pg_tables
where schemaname not in ('pg_catalog', 'information_schema')
"""


async def logs(system: System) -> Mapping[str, bytes]:
    """Return the log and the metrics of each worker."""
    logs = {f"log {path.name}": path.read_bytes() for path in (system.folder / "logs").iterdir()}
    metrics = {f"metrics of {name}": repr(await system.metrics(name)).encode() for name in system.children}
    return {**logs, **metrics}


async def stores(system: System) -> Mapping[str, bytes]:
    """Return topics and tables. Binary columns are raw bytes, not PostgreSQL's text form."""
    return {**await _topics(system), **await _tables(system)}


def files(folder: Path) -> Mapping[str, bytes]:
    """Return the files of a folder, by path."""
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


async def _topics(system: System) -> dict[str, bytes]:
    topics: dict[str, bytes] = {}
    async with kafka.reader(system.cluster) as reader:
        for topic in CATALOGUE:
            partitions = [TopicPartition(system.cluster.name(topic), number) for number in range(topic.partitions)]
            reader.assign(partitions)
            await reader.seek_to_beginning(*partitions)
            ends = await reader.end_offsets(partitions)
            whole = bytearray()
            for partition, end in ends.items():
                while await reader.position(partition) < end:
                    for records in (await reader.getmany(partition, timeout_ms=500)).values():
                        for record in records:
                            headers = [part for name, raw in record.headers for part in (name.encode(), raw or b"")]
                            whole += b"\n".join([record.key or b"", *headers, record.value or b"", b""])
            topics[f"topic {topic.name}"] = bytes(whole)
    return topics


async def _tables(system: System) -> dict[str, bytes]:
    connection = await asyncpg.connect(system.backends.admin_url)
    try:
        names = [row[0] for row in await connection.fetch(_TABLES)]
        return {f"table {name}": await _rows(connection, name) for name in names}
    finally:
        connection.terminate()


async def _rows(connection: asyncpg.Connection, table: str) -> bytes:
    whole = bytearray()
    for row in await connection.fetch(f"select * from {table}"):
        for value in row:
            whole += (value if isinstance(value, bytes) else str(value).encode()) + b"\n"
    return bytes(whole)
