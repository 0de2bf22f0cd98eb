"""Reads CSV exports of the registers: organisations, Kanta intermediaries or information systems, known by the header.

Other columns are ignored. An empty cell is a missing value. An organisation with one name may have it in either
language's column. Information systems have one line for each conformity certificate.

    RegisterFileError   a file or line that cannot be read; one sentence with line and column
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError
from servicecert_schemas.register import OrganisationKind, RegisterEntry, Sector

from .csv_lines import Line, RegisterFileError, read_lines

FICTITIOUS_REGISTERS = Path(__file__).parent / "fictitious"
"""Fictitious organisations, intermediaries and systems, for demo and tests."""

_TEXT = "is longer than 200 characters, or has a character that cannot be stored"
_FAULTS = MappingProxyType(
    {
        "oid": "is not an OID in dotted decimals, like 1.2.246.10.99000019",
        "business_id": "is not a business id with a valid check digit, like 0204819-8",
        "sector": f"is none of {', '.join(Sector)}",
        "kind": f"is none of {', '.join(OrganisationKind)}",
        "system_id": "has other characters than letters, digits and . _ : / -, or more than 100 of them",
        "certificate_number": "is longer than 200 characters, or one of more than 100 certificates",
    }
)
_COLUMN_OF = MappingProxyType(
    {
        "fi": "name_fi",
        "sv": "name_sv",
        "organisation_kind": "kind",
        "number": "certificate_number",
        "certificates": "certificate_number",
    }
)
# The code service's notation.
_SECTORS = MappingProxyType({"1 julkinen": Sector.PUBLIC, "2 yksityinen": Sector.PRIVATE})


def read_register(path: Path) -> Iterator[RegisterEntry]:
    """Yield the entries of a file, or of all `*.csv` in a folder. Raises `RegisterFileError`, at any line."""
    files = sorted(path.glob("*.csv")) if path.is_dir() else [path]
    if not files:
        raise RegisterFileError(f"The folder {path} has no register file (*.csv): name another folder.")
    seen: dict[str, Line] = {}
    for file in files:
        for line, entry in _entries(file):
            if (before := seen.setdefault(entry.entry_id, line)) is not line:
                where = (
                    f"line {before.number}" if before.file == line.file else f"line {before.number} of {before.file}"
                )
                raise RegisterFileError(f"Line {line.number} of {line.file} is the same entry as {where}: keep one.")
            yield entry


def _entries(path: Path) -> Iterator[tuple[Line, RegisterEntry]]:
    columns, lines = read_lines(path)
    if not columns:
        raise RegisterFileError(f"The register file {path.name} is empty: export it again, with its header.")
    layout = max(_LAYOUTS, key=lambda layout: layout.likeness(columns))
    if missing := [column for column in layout.columns if column not in columns]:
        raise RegisterFileError(
            f"Line 1 of {path.name} is not the header of a register: for {layout.register} add {', '.join(missing)}."
        )
    if twice := [column for column, number in Counter(columns).items() if number > 1 and column in layout.columns]:
        raise RegisterFileError(f"Line 1 of {path.name} has the column {twice[0]} twice: keep one.")
    entries = layout.read(lines)
    if (first := next(entries, None)) is None:
        raise RegisterFileError(f"The register file {path.name} has a header but no entries: export it again.")
    yield first
    yield from entries


def _organisations(lines: Iterator[Line]) -> Iterator[tuple[Line, RegisterEntry]]:
    for line in lines:
        valid_from, valid_to = line.period("valid_from", "valid_to")
        sector = line.optional("sector")
        name_sv = line.optional("name_sv")
        fields = {
            "kind": "organisation",
            "oid": line.text("oid"),
            "business_id": line.text("business_id"),
            "registered_name": line.text("registered_name"),
            "names": {
                "fi": line.optional("name_fi") or name_sv or line.text("name_fi"),
                "sv": name_sv,
                "abbreviation": line.optional("abbreviation"),
            },
            "sector": Sector.PRIVATE if sector is None else _SECTORS.get(sector.casefold(), sector),
            "sector_stated": sector is not None,
            "organisation_kind": line.text("kind"),
            "valid_from": valid_from,
            "valid_to": valid_to,
        }
        # An organisation may have successive entries: the id of each has its first day.
        yield line, _entry(line, f"organisation/{fields['oid']}/{valid_from}", fields)


def _intermediaries(lines: Iterator[Line]) -> Iterator[tuple[Line, RegisterEntry]]:
    for line in lines:
        valid_from, valid_to = line.period("valid_from", "valid_to")
        fields = {
            "kind": "intermediary",
            "business_id": line.text("business_id"),
            "name": line.text("name"),
            "valid_from": valid_from,
            "valid_to": valid_to,
        }
        yield line, _entry(line, f"intermediary/{fields['business_id']}/{valid_from}", fields)


def _systems(lines: Iterator[Line]) -> Iterator[tuple[Line, RegisterEntry]]:
    """Yield each system once, with the certificates of all its lines."""
    systems: dict[str, tuple[Line, list[dict[str, Any]]]] = {}
    for line in lines:
        _, certificates = systems.setdefault(line.text("system_id"), (line, []))
        if line.optional("certificate_number"):
            line.day("certificate_valid_to")
            valid_from, valid_to = line.period("certificate_valid_from", "certificate_valid_to")
            certificates.append(
                {
                    "number": line.text("certificate_number"),
                    "valid_from": valid_from,
                    "valid_to": valid_to,
                    "withdrawn": line.day("certificate_withdrawn") if line.cells["certificate_withdrawn"] else None,
                }
            )
    for system_id, (line, certificates) in systems.items():
        fields = {
            "kind": "information-system",
            "system_id": system_id,
            "name": line.text("system_name"),
            "system_class": line.text("system_class"),
            "certificates": certificates,
        }
        yield line, _entry(line, f"information-system/{system_id}", fields)


def _entry(line: Line, entry_id: str, fields: dict[str, Any]) -> RegisterEntry:
    try:
        return RegisterEntry.model_validate({"entry_id": entry_id, "entry": fields})
    except ValidationError as fault:
        location = [str(part) for part in fault.errors(include_url=False, include_input=False)[0]["loc"]]
    field = next((part for part in reversed(location) if not part.isdigit()), "")
    if field == "entry_id":
        field = next(column for column in ("oid", "business_id", "system_id") if column in line.cells)
    column = next(each for each in (_COLUMN_OF.get(field, field), f"system_{field}") if each in line.cells)
    raise line.error(column, _FAULTS.get(column, _TEXT))


@dataclass(frozen=True, slots=True)
class _Layout:
    """The columns of a register's header, and the function that reads its lines."""

    register: str
    columns: tuple[str, ...]
    read: Callable[[Iterator[Line]], Iterator[tuple[Line, RegisterEntry]]]

    def likeness(self, columns: list[str]) -> tuple[bool, int]:
        """Return whether a header is this register's, and the number of its columns that it has."""
        known = len(set(self.columns) & set(columns))
        return known == len(self.columns), known


_LAYOUTS = (
    _Layout(
        "organisations",
        (
            *("oid", "business_id", "registered_name", "name_fi", "name_sv", "abbreviation", "sector", "kind"),
            *("valid_from", "valid_to"),
        ),
        _organisations,
    ),
    _Layout(
        "information systems",
        (
            *("system_id", "system_name", "system_class", "certificate_number"),
            *("certificate_valid_from", "certificate_valid_to", "certificate_withdrawn"),
        ),
        _systems,
    ),
    _Layout("Kanta intermediaries", ("business_id", "name", "valid_from", "valid_to"), _intermediaries),
)
