"""The e-service's own copy of the code service's file: the units of an organisation, to suggest their long names."""

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path


@dataclass(frozen=True)
class Unit:
    """An entry: its organisation, its long names in Finnish and Swedish, and whether it is public."""

    business_id: str
    names: tuple[str, ...]
    is_public: bool


def read(path: Path, today: date) -> tuple[Unit, ...]:
    """Return the entries in force."""
    with path.open(encoding="utf-8", newline="") as file:
        return tuple(
            Unit(
                row["business_id"],
                tuple(dict.fromkeys(filter(None, (row["name_fi"], row["name_sv"])))),
                row["sector"] == "public",
            )
            for row in csv.DictReader(file, delimiter=";")
            if row["valid_from"] <= today.isoformat() <= (row["valid_to"] or "9999")
        )


def long_names(units: Iterable[Unit], business_id: str) -> list[str]:
    """Return the names to suggest to an organisation."""
    return [name for unit in units if unit.business_id == business_id for name in unit.names]


def is_public(units: Iterable[Unit], business_id: str) -> bool:
    """Return whether all entries of an organisation are public; not, if there is none.

    Only a hint of which fields to ask for: the authority judges by its own register (A7).
    """
    return {unit.is_public for unit in units if unit.business_id == business_id} == {True}
