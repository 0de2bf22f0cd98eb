"""`python -m bench.registers`: 80,000 organisations loaded from a file to the topic, in memory, and searched by name.

Loading is compared with the same rows read by Python's csv module and produced unchanged; single changes with batches
of 500.
"""

import asyncio
import csv
import gc
import random
import tempfile
import tracemalloc
from collections.abc import Callable, Sequence
from datetime import date
from functools import partial
from pathlib import Path
from time import perf_counter, thread_time

from aiokafka.admin import NewTopic
from servicecert_cli.connections import kafka
from servicecert_cli.registers import loading
from servicecert_cli.registers.changes import Changes
from servicecert_cli.registers.reading import read_register
from servicecert_cli.stand.parts import open_place
from servicecert_cli.stand.progress import silent
from servicecert_intake.domain.registers.snapshot import NO_REGISTERS, Registers, Unit, apply
from servicecert_intake.domain.rules.unit import suggested
from servicecert_schemas.register import LongNames, Organisation, RegisterEntry
from servicecert_schemas.topics import CATALOGUE, REGISTERS
from servicecert_schemas.values import is_business_id, organisation_oid
from servicecert_worker.kafka import topic_creation
from servicecert_worker.kafka.cluster import Cluster

from bench.results import keep

ROWS = 80_000
COUNTY = 4_000
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
    """Measure everything of the registers."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "organisations.csv"
        path.write_text("\n".join((COLUMNS, *_rows(), "")), encoding="utf-8")
        async with open_place(None, silent, apart=True, throughput=False) as place:
            await topic_creation.create(place.cluster.bootstrap, CATALOGUE, place.cluster.prefix)
            plain = await _plain(path, place.cluster)
            seconds, changes = await _load(path, place.cluster)
            assert len(changes.added) == ROWS
            keep("registers-load", seconds, "s", "csv and produce", plain)
            keep("registers-load-limit", seconds, "s", "limit", 10.0)
            seconds, changes = await _load(path, place.cluster)
            assert changes.unchanged == ROWS
            keep("registers-load-again", seconds, "s", "limit", 10.0)
        _keep_memory_and_times(list(read_register(path)))


def _rows() -> list[str]:
    """Return fictitious organisations, each with its own long name."""
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
    with loading.collector_paused():
        changes = await loading.load(cluster, list(read_register(path)), DAY, 100.0)
    return perf_counter() - started, changes


def _keep_memory_and_times(entries: list[RegisterEntry]) -> None:
    """Measure a worker's memory: the snapshot, and the index of names that the first search makes."""
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
    keep("registers-memory", kept, "MB", "limit", 150.0)
    suggested(_TYPED[0], None, registers, DAY)
    keep("registers-names-memory", tracemalloc.get_traced_memory()[0] / 1e6 - kept, "MB", "limit", 50.0)
    tracemalloc.stop()
    for name, typed in zip(("slip", "words", "abbreviation"), _TYPED, strict=True):
        quickest = _quickest(partial(suggested, typed, None, registers, DAY))
        keep(f"registers-suggest-{name}", quickest, "ms", "limit", 20.0)
    registers, owner = _with_county(registers, entries[0])
    quickest = _quickest(partial(suggested, "Kuvitelman HVA hamashoitola 1016", owner, registers, DAY))
    keep("registers-suggest-county", quickest, "ms", "limit", 20.0)
    alone, together = (_change(registers, entries[:4_000], at_once) for at_once in (1, 500))
    keep("registers-one-by-one", alone, "µs", "500 at once", together)


def _change(registers: Registers, entries: Sequence[RegisterEntry], at_once: int) -> float:
    """Return the cost of a change in batches of `at_once`, in microseconds."""
    changes = [(entry.key(), entry) for entry in entries]
    batches = [changes[first : first + at_once] for first in range(0, len(changes), at_once)]
    return _quickest(lambda: [apply(registers, batch) for batch in batches], 3) * 1_000 / len(changes)


def _with_county(registers: Registers, entry: RegisterEntry) -> tuple[Registers, Unit]:
    """Add 4,000 units of one organisation, as a wellbeing services county has; return the registers and one unit."""
    of = entry.entry
    assert isinstance(of, Organisation)
    units = []
    for number in range(COUNTY):
        names = LongNames(
            fi=f"Kuvitelman hyvinvointialue, {_KINDS[number % len(_KINDS)]} {number}", sv=f"Enhet {number}"
        )
        unit = of.model_copy(update={"oid": f"{organisation_oid(of.business_id)}.11.{number}", "names": names})
        units.append((f"county/{number}", RegisterEntry(entry_id=f"county/{number}", entry=unit)))
    return (many := apply(registers, units)), many.units["county/0"]


def _quickest(call: Callable[[], object], calls: int = 20) -> float:
    """Return the processor time in milliseconds of the quickest call, which other load on the machine affects least."""
    spent = []
    for _ in range(calls):
        before = thread_time()
        call()
        spent.append(thread_time() - before)
    return min(spent) * 1_000


if __name__ == "__main__":
    asyncio.run(measure())
