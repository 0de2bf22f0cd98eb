"""The registers: 80,000 organisations loaded from a file to the topic, and searched by name."""

import random
import tempfile
from datetime import date
from functools import partial
from pathlib import Path
from time import perf_counter

from servicecert_cli.admin.topics import create as create_topics
from servicecert_cli.registers import loading
from servicecert_cli.registers.reading import read_register
from servicecert_cli.stand.parts import open_place
from servicecert_cli.stand.progress import Steps
from servicecert_intake.domain.registers.snapshot import NO_REGISTERS, Registers, Unit, apply, suggested
from servicecert_schemas.register import LongNames, Organisation, RegisterEntry
from servicecert_schemas.topics import CATALOGUE
from servicecert_schemas.values import is_business_id, organisation_oid

from bench.results import keep
from bench.stand import processor_microseconds, scaled

ROWS, COUNTY = 80_000, 4_000
DAY = date(2026, 11, 24)
COLUMNS = "oid;business_id;registered_name;name_fi;name_sv;abbreviation;sector;kind;valid_from;valid_to"
LOAD_SECONDS, SUGGEST_MS = 10.0, 20.0
"""The limits."""

_PLACES = ("Onnela", "Satuniemi", "Taruvaara", "Peikkola", "Keijula", "Haltiala", "Hopeajärvi", "Öljymäki", "Åholma")
_KINDS = ("terveysasema", "hammashoitola", "hoitokoti", "työterveys", "palvelutalo", "lääkäriasema", "fysioterapia")
_PERSONS = ("Aino", "Väinö", "Ilmari", "Louhi", "Kullervo", "Tapio", "Mielikki", "Ahti", "Vellamo", "Otso", "Rauni")
_TYPED = {"slip": "Onelan terveysasema Aino 17", "words": "laakariasema hopeajarven otso oy"}


async def measure(share: float) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "organisations.csv"
        path.write_text("\n".join((COLUMNS, *_rows(scaled(ROWS, share)), "")), encoding="utf-8")
        async with open_place(None, Steps(), apart=True) as place:
            await create_topics(place.cluster, CATALOGUE)
            started = perf_counter()
            await loading.load(place.cluster, list(read_register(path)), DAY, 100.0)
            seconds = perf_counter() - started
        keep("registers-load", seconds, "s", "limit", LOAD_SECONDS)
        entries = list(read_register(path))
    registers = apply(NO_REGISTERS, [(each.key(), each) for each in entries])
    for name, typed in _TYPED.items():
        _keep_suggesting(name, typed, None, registers)
    county, unit = _with_county(registers, entries[0])
    _keep_suggesting("county", "Kuvitelman HVA hamashoitola 1016", unit, county)


def _rows(count: int) -> list[str]:
    """Return fictitious organisations, each with its own long name."""
    choose = random.Random(20261124).choice
    numbers = (f"{number:07}-{check}" for number in range(20_000) for check in range(10))
    ids = [each for each in numbers if is_business_id(each)]
    rows = []
    for number in range(count):
        business_id = ids[number % len(ids)]
        name = f"{choose(_PLACES)}n {choose(_KINDS)} {choose(_PERSONS)}, {choose(_PERSONS)}n toimipiste {number}"
        rows.append(
            f"{organisation_oid(business_id)}.10.{number};{business_id};Organisaatio {business_id} Oy;{name};;;"
            "private;care-provider;2020-01-01;"
        )
    return rows


def _keep_suggesting(name: str, typed: str, owner: Unit | None, registers: Registers) -> None:
    suggest = partial(suggested, typed, owner, registers, DAY)
    quickest = min(processor_microseconds(suggest, 1) for _ in range(10))
    keep(f"registers-suggest-{name}", quickest / 1000, "ms", "limit", SUGGEST_MS)


def _with_county(registers: Registers, entry: RegisterEntry) -> tuple[Registers, Unit]:
    """Add 4,000 units of one organisation, as a wellbeing services county has; return the registers and one unit."""
    of = entry.entry
    assert isinstance(of, Organisation)
    units = []
    for number in range(COUNTY):
        fi = f"Kuvitelman hyvinvointialue, {_KINDS[number % len(_KINDS)]} {number}"
        names = LongNames(fi=fi, sv=f"Enhet {number}")
        unit = of.model_copy(update={"oid": f"{organisation_oid(of.business_id)}.11.{number}", "names": names})
        units.append((f"county/{number}", RegisterEntry(entry_id=f"county/{number}", entry=unit)))
    return (many := apply(registers, units)), many.by_oid[f"{organisation_oid(of.business_id)}.11.0"][0]
