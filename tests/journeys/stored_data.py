"""All data of a system as bytes to be searched: logs, metrics, records of all topics, rows of all tables, files.

What is searched for may be written in several ways: see `written`.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

import aiohttp
import asyncpg
from aiokafka import TopicPartition
from servicecert_cli.connections import kafka
from servicecert_cli.stand.system import System
from servicecert_schemas.topics import CATALOGUE

_TABLES = """
select format('%I.%I', schemaname, tablename) from pg_tables
where schemaname not in ('pg_catalog', 'information_schema')
"""


def written(word: str) -> tuple[bytes, ...]:
    """Return a word of ASCII as text, in hexadecimal and in base64, of which the place decides what is in it."""
    raw = word.encode()
    in_base64 = [b64encode(bytes(place) + raw)[-(-place * 4 // 3) :].rstrip(b"=")[:-1] for place in range(3)]
    return (raw, raw.hex().encode(), *in_base64)


def holding(words: Iterable[bytes], places: Mapping[str, bytes]) -> set[str]:
    """Return the places that hold one of the words, also where a line break is inside it, as in PEM."""
    wanted = tuple(words)

    def holds(content: bytes) -> bool:
        whole = content.replace(b"\\n", b"").replace(b"\n", b"")
        return any(word in content or word in whole for word in wanted)

    return {place for place, content in places.items() if holds(content)}


async def logs(system: System) -> Mapping[str, bytes]:
    """Return the log of each process, and its metrics with all labels."""
    logs = {f"log {path.name}": path.read_bytes() for path in (system.folder / "logs").iterdir()}
    metrics: dict[str, bytes] = {}
    async with aiohttp.ClientSession() as session:
        for name in system.children:
            async with session.get(f"http://{system.health(name)}/metrics") as answer:
                metrics[f"metrics of {name}"] = await answer.read()
    return {**logs, **metrics}


async def stores(system: System) -> Mapping[str, bytes]:
    """Return topics and tables. Binary columns are raw bytes, not PostgreSQL's text form."""
    return {**await _topics(system), **await _tables(system)}


def files(folder: Path) -> Mapping[str, bytes]:
    """Return the files of a folder, by path. One that is deleted meanwhile is gone."""
    contents: dict[str, bytes] = {}
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError, IsADirectoryError):
            contents[str(path)] = path.read_bytes()
    return contents


async def _topics(system: System) -> dict[str, bytes]:
    topics: dict[str, bytes] = {}
    async with kafka.reader(system.cluster) as reader:
        for topic in CATALOGUE:
            partitions = [
                TopicPartition(system.cluster.name(topic), each)
                for each in await kafka.partitions(system.cluster, topic)
            ]
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
        tables = {f"table {name}": await _rows(connection, name) for name in names}
        # The planner's samples of the columns' values. They are of any type, so only their text can be read.
        samples = await connection.fetch("select s::text from pg_catalog.pg_statistic as s")
        return {**tables, "table pg_statistic": "\n".join(row[0] for row in samples).encode()}
    finally:
        connection.terminate()


async def _rows(connection: asyncpg.Connection, table: str) -> bytes:
    whole = bytearray()
    for row in await connection.fetch(f"select * from {table}"):
        for value in row:
            whole += (value if isinstance(value, bytes) else str(value).encode()) + b"\n"
    return bytes(whole)
