"""`python -m bench.registers`: 80,000 organisations from a file to the topic, in memory, and searched for the closest names.

Loading is held against the same rows read by Python's csv module and produced as they are.
"""

from __future__ import annotations

import asyncio
import csv
import gc
import random
import tempfile
import tracemalloc
from datetime import date
from pathlib import Path
from time import perf_counter, thread_time

from aiokafka.admin import NewTopic
from servicecert_cli import collector, kafka
from servicecert_cli.addresses import Cluster
from servicecert_cli.parts import opened_place
from servicecert_cli.progress import silent
from servicecert_cli.publishing import load_registers
from servicecert_cli.standing_registers import standing
from servicecert_intake.register_changes import Changes, changes
from servicecert_intake.register_file import read_register
from servicecert_intake.registers import NO_REGISTERS, Registers, apply
from servicecert_intake.rules.unit import suggested
from servicecert_schemas.register import RegisterEntry
from servicecert_schemas.topics import CATALOGUE, REGISTERS
from servicecert_schemas.values import is_business_id, organisation_oid
from servicecert_worker import topic_creation

from bench.results import Measurement, Reference

ROWS = 80_000
DAY = date(2026, 11, 24)
COLUMNS = "oid;business_id;registered_name;name_fi;name_sv;abbreviation;sector;kind;valid_from;valid_to"
_PLACES = ("Onnela", "Satuniemi", "Taruvaara", "Peikkola", "Keijula", "Haltiala", "Hopeajärvi", "Öljymäki", "Åholma")
_KINDS = ("terveysasema", "hammashoitola", "hoitokoti", "työterveys", "palvelutalo", "lääkäriasema", "fysioterapia")
_PERSONS = ("Aino", "Väinö", "Ilmari", "Louhi", "Kullervo", "Tapio", "Mielikki", "Ahti", "Vellamo", "Otso", "Rauni")
_TYPED = (
    "Onelan terveysasema Aino 17",
    "laakariasema hopeajarven otso oy",
    "Satuniemi HVA hoitokoti Tapion toimipiste",
)


async def measure() -> None:
    """Measures everything of the registers."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "organisations.csv"
        path.write_text("\n".join((COLUMNS, *_rows(), "")), encoding="utf-8")
        async with opened_place(None, silent, apart=True, throughput=False) as place:
            await topic_creation.create(place.cluster.bootstrap, CATALOGUE, place.cluster.prefix)
            plain = Reference("csv and produce", await _plain(path, place.cluster))
            seconds, found = await _load(path, place.cluster)
            assert len(found.added) == ROWS
            Measurement("registers-load", seconds, "s", plain).keep()
            Measurement("registers-load-limit", seconds, "s", Reference("limit", 10.0)).keep()
            seconds, found = await _load(path, place.cluster)
            assert found.unchanged == ROWS
            Measurement("registers-load-again", seconds, "s", Reference("limit", 10.0)).keep()
        _keep_memory_and_times(list(read_register(path)))


def _rows() -> list[str]:
    """Fictitious organisations, each with a long name of its own: so many names as rows."""
    choose = random.Random(20261124).choice
    ids = [
        f"{number:07}-{check}"
        for number in range(20_000)
        for check in range(10)
        if is_business_id(f"{number:07}-{check}")
    ]
    rows = []
    for number in range(ROWS):
        business_id = ids[number % len(ids)]
        name = f"{choose(_PLACES)}n {choose(_KINDS)} {choose(_PERSONS)}, {choose(_PERSONS)}n toimipiste {number}"
        rows.append(
            f"{organisation_oid(business_id)}.10.{number};{business_id};Organisaatio {business_id} Oy;{name};;;"
            "private;care-provider;2020-01-01;"
        )
    return rows


async def _plain(path: Path, cluster: Cluster) -> float:
    started = perf_counter()
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file, delimiter=";"))
    topic = cluster.prefix + "plain"
    async with kafka.admin(cluster) as admin:
        await admin.create_topics([NewTopic(topic, REGISTERS.partitions, 1, topic_configs=REGISTERS.config)])
    async with kafka.producer(cluster) as producer:
        sent = [await producer.send(topic, value=";".join(row).encode(), key=row[0].encode()) for row in rows]
        await asyncio.gather(*sent)
    return perf_counter() - started


async def _load(path: Path, cluster: Cluster) -> tuple[float, Changes]:
    started = perf_counter()
    with collector.paused():
        found = changes(await standing(cluster), list(read_register(path)), DAY)
        await load_registers(cluster, found.entries)
    return perf_counter() - started, found


def _keep_memory_and_times(entries: list[RegisterEntry]) -> None:
    """What a worker keeps in memory: the snapshot, and the index of names once somebody asked for close ones."""
    gc.collect()
    tracemalloc.start()
    registers: Registers = NO_REGISTERS
    for first in range(0, len(entries), 5_000):
        registers = apply(
            registers,
            [
                (entry.key(), RegisterEntry.model_validate_json(entry.model_dump_json()))
                for entry in entries[first : first + 5_000]
            ],
        )
    kept = tracemalloc.get_traced_memory()[0] / 1e6
    Measurement("registers-memory", kept, "MB", Reference("limit", 150.0)).keep()
    suggested(_TYPED[0], None, registers, DAY)
    Measurement(
        "registers-names-memory", tracemalloc.get_traced_memory()[0] / 1e6 - kept, "MB", Reference("limit", 50.0)
    ).keep()
    tracemalloc.stop()
    for name, typed in zip(("slip", "words", "abbreviation"), _TYPED, strict=True):
        Measurement(f"registers-suggest-{name}", _quickest(typed, registers), "ms", Reference("limit", 20.0)).keep()


def _quickest(typed: str, registers: Registers) -> float:
    """The processor time in milliseconds of the quickest of some searches, which the machine's other work lengthens least."""
    spent = []
    for _ in range(20):
        before = thread_time()
        suggested(typed, None, registers, DAY)
        spent.append(thread_time() - before)
    return min(spent) * 1_000


if __name__ == "__main__":
    asyncio.run(measure())
