"""Reads a CSV export of the registers: organisations, Kanta intermediaries or information systems, told apart by the header.

A file is UTF-8 or Latin-1, its cells are separated by semicolons, commas or tabs, its days are written 2026-01-31. Further columns are ignored. An
empty cell is a value that is not given. Information systems have one line for each conformity certificate.

    RegisterFileError   a file or a line that cannot be read; one sentence with line and column
"""

import csv
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError
from servicecert_schemas.register import OrganisationKind, RegisterEntry, Sector

FICTITIOUS_REGISTERS = Path(__file__).parent / "fictitious_registers"
"""Invented organisations, intermediaries and systems, for demonstration and tests."""

_DELIMITERS = ";,\t"
_TEXT = "is longer than 200 characters, or has a character that cannot be stored"
_FAULTS = MappingProxyType(
    {
        "oid": "is not an OID in dotted decimals, such as 1.2.246.10.99000019",
        "business_id": "is not a business id with its check digit, such as 0204819-8",
        "sector": f"is none of {', '.join(Sector)}",
        "kind": f"is none of {', '.join(OrganisationKind)}",
        "system_id": "has other characters than letters, digits and . _ : / -, or more than 100",
    }
)
_COLUMN_OF = MappingProxyType(
    {"fi": "name_fi", "sv": "name_sv", "organisation_kind": "kind", "number": "certificate_number"}
)


class RegisterFileError(ValueError):
    """One sentence that names the file, and the line and column where there is one, and says what is wrong."""


@dataclass(frozen=True, slots=True)
class _Line:
    """A line's cells by column, without blanks around them."""

    file: str
    number: int
    cells: dict[str, str]

    def error(self, column: str, fault: str) -> RegisterFileError:
        return RegisterFileError(f"Line {self.number} of {self.file}, column {column}: the value {fault}.")

    def text(self, column: str) -> str:
        if not (value := self.cells[column]):
            raise self.error(column, "is missing")
        return value

    def optional(self, column: str) -> str | None:
        return self.cells[column] or None

    def day(self, column: str) -> date:
        written = self.text(column)
        try:
            return date.fromisoformat(written)
        except ValueError:
            raise self.error(column, "is not a day such as 2026-01-31") from None

    def optional_day(self, column: str) -> date | None:
        return self.day(column) if self.cells[column] else None

    def invalid(self, fault: ValidationError) -> RegisterFileError:
        """What a model finds wrong, by the column that the field was read from."""
        named = [str(part) for part in fault.errors(include_url=False, include_input=False)[0]["loc"]]
        field = next((part for part in reversed(named) if not part.isdigit()), "")
        if field == "entry_id":
            field = next(column for column in ("oid", "business_id", "system_id") if column in self.cells)
        column = next(each for each in (_COLUMN_OF.get(field, field), f"system_{field}") if each in self.cells)
        return self.error(column, _FAULTS.get(column, _TEXT))


def read_register(path: Path) -> Iterator[RegisterEntry]:
    """The entries of a file, or of all `*.csv` in a folder. Raises `RegisterFileError`."""
    files = sorted(path.glob("*.csv")) if path.is_dir() else [path]
    if not files:
        raise RegisterFileError(f"The folder {path} has no register file (*.csv).")
    for file in files:
        yield from _entries(file)


def _entries(path: Path) -> Iterator[RegisterEntry]:
    lines = _lines(path)
    header = next(lines, None)
    if header is None:
        raise RegisterFileError(f"The register file {path.name} is empty; it begins with a header.")
    read = next((read for columns, read in _LAYOUTS if header.cells.keys() >= set(columns)), None)
    if read is None:
        known = "; or ".join(", ".join(columns) for columns, _ in _LAYOUTS)
        raise RegisterFileError(f"Line 1 of {path.name} is not the header of a register: it needs the columns {known}.")
    seen: dict[str, int] = {}
    for line, entry in read(lines):
        if (before := seen.setdefault(entry.entry_id, line.number)) != line.number:
            raise RegisterFileError(f"Line {line.number} of {path.name} is the same entry as line {before}; keep one.")
        yield entry


def _lines(path: Path) -> Iterator[_Line]:
    """The header, its cells under their own names, and every line that is not blank."""
    try:
        octets = path.read_bytes()
    except OSError as fault:
        raise RegisterFileError(f"The register file {path} cannot be read ({fault.strerror}).") from None
    text = _decoded(octets)
    first = text.split("\n", 1)[0]
    rows = csv.reader(text.splitlines(), delimiter=max(_DELIMITERS, key=first.count), strict=True)
    columns: list[str] = []
    while True:
        try:
            row = next(rows, None)
        except csv.Error:
            raise RegisterFileError(
                f"Line {rows.line_num} of {path.name} has a quotation mark out of place or no end; correct it."
            ) from None
        if row is None:
            return
        cells = [cell.strip() for cell in row]
        if not any(cells):
            continue
        columns = columns or cells
        if len(cells) != len(columns):
            raise RegisterFileError(
                f"Line {rows.line_num} of {path.name} has {len(cells)} columns where the header has {len(columns)}."
            )
        yield _Line(path.name, rows.line_num, dict(zip(columns, cells, strict=True)))


def _decoded(octets: bytes) -> str:
    try:
        return octets.decode("utf-8-sig")
    except UnicodeDecodeError:
        return octets.decode("latin-1")


def _organisations(lines: Iterator[_Line]) -> Iterator[tuple[_Line, RegisterEntry]]:
    for line in lines:
        valid_from = line.day("valid_from")
        fields = {
            "kind": "organisation",
            "oid": line.text("oid"),
            "business_id": line.text("business_id"),
            "registered_name": line.text("registered_name"),
            "names": {
                "fi": line.text("name_fi"),
                "sv": line.optional("name_sv"),
                "abbreviation": line.optional("abbreviation"),
            },
            "sector": line.text("sector"),
            "organisation_kind": line.text("kind"),
            "valid_from": valid_from,
            "valid_to": line.optional_day("valid_to"),
        }
        # An organisation may have entries that follow one another: each has the day on which it begins in its id.
        yield line, _entry(line, f"organisation/{fields['oid']}/{valid_from}", fields)


def _intermediaries(lines: Iterator[_Line]) -> Iterator[tuple[_Line, RegisterEntry]]:
    for line in lines:
        valid_from = line.day("valid_from")
        fields = {
            "kind": "intermediary",
            "business_id": line.text("business_id"),
            "name": line.text("name"),
            "valid_from": valid_from,
            "valid_to": line.optional_day("valid_to"),
        }
        yield line, _entry(line, f"intermediary/{fields['business_id']}/{valid_from}", fields)


def _systems(lines: Iterator[_Line]) -> Iterator[tuple[_Line, RegisterEntry]]:
    """Each system once, with the certificates of all its lines."""
    systems: dict[str, tuple[_Line, list[dict[str, Any]]]] = {}
    for line in lines:
        _, certificates = systems.setdefault(line.text("system_id"), (line, []))
        if line.optional("certificate_number"):
            certificates.append(
                {
                    "number": line.text("certificate_number"),
                    "valid_from": line.day("certificate_valid_from"),
                    "valid_to": line.day("certificate_valid_to"),
                    "withdrawn": line.optional_day("certificate_withdrawn"),
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


def _entry(line: _Line, entry_id: str, fields: dict[str, Any]) -> RegisterEntry:
    try:
        return RegisterEntry.model_validate({"entry_id": entry_id, "entry": fields})
    except ValidationError as fault:
        raise line.invalid(fault) from None


_Read = Callable[[Iterator[_Line]], Iterator[tuple[_Line, RegisterEntry]]]
_LAYOUTS: tuple[tuple[tuple[str, ...], _Read], ...] = (
    (
        (
            "oid",
            "business_id",
            "registered_name",
            "name_fi",
            "name_sv",
            "abbreviation",
            "sector",
            "kind",
            "valid_from",
            "valid_to",
        ),
        _organisations,
    ),
    (
        (
            "system_id",
            "system_name",
            "system_class",
            "certificate_number",
            "certificate_valid_from",
            "certificate_valid_to",
            "certificate_withdrawn",
        ),
        _systems,
    ),
    (("business_id", "name", "valid_from", "valid_to"), _intermediaries),
)
"""The columns that a register's header has, and how its lines are read."""
