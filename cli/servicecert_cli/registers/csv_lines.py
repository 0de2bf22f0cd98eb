"""Reads CSV files: UTF-8, Latin-1 or Windows-1252, three delimiters, any line ends, quoted cells with line breaks.

An error is one sentence that names the file, the line and, if known, the column.
"""

import csv
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from io import StringIO
from pathlib import Path

from servicecert_schemas.characters import is_visible

from ..faults import UserError

_DELIMITERS = ";,\t"
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
# The letters å, ä and ö of UTF-8 that was read as Windows-1252.
_MISREAD = re.compile("Ã[\u00a0-\u00bf\u0152-\u2122]")
_ISO_DAY = re.compile(r"(\d{4}-\d{2}-\d{2})([T ].*)?")
_FINNISH_DAY = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})( .*)?")


class RegisterFileError(UserError):
    """One sentence with the file, the line and column if known, and what is wrong."""

    def __init__(self, sentence: str, exit_code: int = os.EX_DATAERR) -> None:
        super().__init__(sentence, exit_code)


@dataclass(frozen=True, slots=True)
class Line:
    """A line's cells by column, stripped. `number` is that of its first line in the file."""

    file: str
    number: int
    cells: dict[str, str]

    def error(self, column: str, fault: str) -> RegisterFileError:
        return RegisterFileError(f"Line {self.number} of {self.file}, column {column}: the value {fault}.")

    def text(self, column: str) -> str:
        """Return the value of a cell. Raises `RegisterFileError` if it is empty or has an invisible character."""
        if not (value := self.cells[column]):
            raise self.error(column, "is missing")
        if not is_visible(value):
            raise self.error(column, "has a line break or another invisible character")
        return value

    def optional(self, column: str) -> str | None:
        return self.text(column) if self.cells[column] else None

    def day(self, column: str) -> date:
        """Return the day of a cell: 2026-01-31 or 31.1.2026; a time of day after it is ignored."""
        if (day := _day(self.text(column))) is None:
            raise self.error(column, "is not a day like 2026-01-31 or 31.1.2026")
        return day

    def period(self, begin: str, end: str) -> tuple[date, date | None]:
        """Return the first and the last day; the last is None if its cell is empty."""
        first, last = self.day(begin), self.day(end) if self.cells[end] else None
        if last is not None and last < first:
            raise self.error(end, f"is before that of {begin}")
        return first, last


def read_lines(path: Path) -> tuple[list[str], Iterator[Line]]:
    """Return the header's columns in lower case, and the non-blank lines. Both raise `RegisterFileError`."""
    text = _decoded(_octets(path), path.name)
    if text and not text.endswith(("\n", "\r")):
        raise RegisterFileError(
            f"Line {len(text.splitlines())} of {path.name}, the last, has no line break at its end: the file may be"
            " truncated. If it is complete, add one."
        )
    first = text.split("\n", 1)[0]
    rows = _rows(text, max(_DELIMITERS, key=first.count), path.name)
    _, header = next(rows, (0, []))
    columns = [cell.casefold() for cell in header]
    return columns, _lines(path.name, columns, rows)


def _lines(name: str, columns: list[str], rows: Iterator[tuple[int, list[str]]]) -> Iterator[Line]:
    for number, cells in rows:
        if len(cells) > len(columns) and not any(cells[len(columns) :]):
            del cells[len(columns) :]
        if len(cells) != len(columns):
            raise RegisterFileError(
                f"Line {number} of {name} has {len(cells)} columns, the header {len(columns)}: correct the line."
            )
        yield Line(name, number, dict(zip(columns, cells, strict=True)))


def _rows(text: str, delimiter: str, name: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the non-blank rows with stripped cells, each with the number of its first line."""
    rows = csv.reader(StringIO(text, newline=""), delimiter=delimiter, strict=True)
    while True:
        begins = rows.line_num + 1
        try:
            row = next(rows, None)
        except csv.Error:
            raise RegisterFileError(
                f"Line {begins} of {name} has a misplaced or unclosed quotation mark, or the file is truncated there:"
                " correct it."
            ) from None
        if row is None:
            return
        cells = [cell.replace("\u00a0", " ").strip() for cell in row]
        if any(cells):
            yield begins, cells


def _octets(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as fault:
        raise RegisterFileError(
            f"The register file {path} cannot be read ({fault.strerror}): name another file.", os.EX_NOINPUT
        ) from None


def _decoded(octets: bytes, name: str) -> str:
    """Return the text. Latin-1 is read as Windows-1252, which has the same letters and more."""
    if octets.startswith(_UTF_16) or b"\x00" in octets:
        raise RegisterFileError(f"The register file {name} is UTF-16 or not text: save it as CSV in UTF-8.")
    try:
        return octets.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        line = octets.count(b"\n", 0, fault.start) + 1
        damaged = RegisterFileError(
            f"Line {line} of {name} mixes character encodings: export the file again, in UTF-8."
        )
    try:
        text = octets.decode("cp1252")
    except UnicodeDecodeError:
        raise damaged from None
    if _MISREAD.search(text):
        raise damaged
    return text


@lru_cache(maxsize=10_000)
def _day(written: str) -> date | None:
    try:
        if iso := _ISO_DAY.fullmatch(written):
            return date.fromisoformat(iso[1])
        if finnish := _FINNISH_DAY.fullmatch(written):
            return date(int(finnish[3]), int(finnish[2]), int(finnish[1]))
    except ValueError:
        pass
    return None
