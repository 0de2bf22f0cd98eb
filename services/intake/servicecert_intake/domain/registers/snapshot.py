"""The national registers as an immutable snapshot, which shares unchanged parts with the one before."""

import sys
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields
from datetime import date
from functools import cached_property
from hashlib import blake2b
from typing import Any

from immutables import Map, MapMutation
from servicecert_schemas.event import EventData
from servicecert_schemas.register import (
    Intermediary,
    Organisation,
    OrganisationKind,
    RegisteredSystem,
    RegisterEntry,
    Sector,
)
from servicecert_schemas.values import organisation_oid

from .name_index import NameIndex, build_index

EntryIds = tuple[str, ...]


def normalised(text: str) -> str:
    """Return a name for comparison: with composed characters (Unicode NFC)."""
    return unicodedata.normalize("NFC", text)


@dataclass(frozen=True, slots=True)
class Unit:
    """An organisation or a unit of one in the code service (A6). `registered_name` is that of its organisation.

    `sector` is None where the entry does not state one (A7).
    """

    oid: str
    business_id: str
    registered_name: str
    name_fi: str
    name_sv: str | None
    abbreviation: str | None
    sector: Sector | None
    kind: OrganisationKind
    valid_from: date
    valid_to: date | None

    def __str__(self) -> str:
        """Return all fields, one a line."""
        return (
            f"{self.oid}\n{self.business_id}\n{self.registered_name}\n{self.name_fi}\n{self.name_sv}\n{self.abbreviation}\n"
            f"{self.sector}\n{self.kind}\n{self.valid_from}\n{self.valid_to}"
        )

    @property
    def is_organisation(self) -> bool:
        """Whether this is the entry of the organisation itself (A5). The code service may list only units of one."""
        return self.oid == organisation_oid(self.business_id)

    @property
    def names(self) -> tuple[str, ...]:
        return (self.name_fi,) if self.name_sv in (None, self.name_fi) else (self.name_fi, str(self.name_sv))

    def is_valid(self, day: date) -> bool:
        return self.valid_from <= day and (self.valid_to is None or day <= self.valid_to)


@dataclass(frozen=True, repr=False)
class Registers:
    """Organisations, Kanta intermediaries and information systems.

    Entries are stored by id. The indexes hold ids, since entries of different days may share OID, business id or name.
    """

    units: Map[str, Unit] = field(default_factory=Map)
    intermediaries: Map[str, Intermediary] = field(default_factory=Map)
    systems: Map[str, RegisteredSystem] = field(default_factory=Map)
    by_oid: Map[str, EntryIds] = field(default_factory=Map)
    by_business_id: Map[str, EntryIds] = field(default_factory=Map)
    by_name: Map[str, EntryIds] = field(default_factory=Map)
    intermediary_ids: Map[str, EntryIds] = field(default_factory=Map)
    system_ids: Map[str, EntryIds] = field(default_factory=Map)
    content: int = 0

    @property
    def size(self) -> int:
        return len(self.units) + len(self.intermediaries) + len(self.systems)

    @property
    def fingerprint(self) -> str:
        """The hash of all entries: the same for the same registers, whatever the order and batches of changes."""
        return f"{self.content:032x}"

    def units_of(self, business_id: str, day: date) -> Iterator[Unit]:
        return self._in_force(self.by_business_id.get(business_id, ()), day)

    def organisation(self, business_id: str, day: date) -> Unit | None:
        """Return the organisation with the OID that derives from its business id (A5), or else the first of its units.

        A pharmacy may keep its OID while its business id, the pharmacist's, changes.
        """
        entries = self.by_oid.get(organisation_oid(business_id), ())
        itself = (unit for unit in self._in_force(entries, day) if unit.business_id == business_id)
        return max(itself, key=lambda unit: unit.valid_from, default=None) or min(
            self.units_of(business_id, day), key=lambda unit: unit.oid, default=None
        )

    def units_named(self, name: str, day: date) -> tuple[Unit, ...]:
        return tuple(self._in_force(self.by_name.get(normalised(name), ()), day))

    def is_intermediary(self, business_id: str, day: date) -> bool:
        """Return whether THL's register lists a Kanta intermediary on `day` (A9)."""
        listed = (self.intermediaries[entry] for entry in self.intermediary_ids.get(business_id, ()))
        return any(each.valid_from <= day and (each.valid_to is None or day <= each.valid_to) for each in listed)

    def system(self, system_id: str) -> RegisteredSystem | None:
        entries = self.system_ids.get(system_id, ())
        return self.systems[entries[0]] if entries else None

    @cached_property
    def names(self) -> NameIndex:
        """The index of long names of any day, built on first use and passed on: some names may be deleted."""
        return build_index(self.by_name)

    def _in_force(self, entries: EntryIds, day: date) -> Iterator[Unit]:
        return (unit for entry in entries if (unit := self.units[entry]).is_valid(day))


NO_REGISTERS = Registers()

_MAPS = tuple(each.name for each in fields(Registers) if each.name != "content")
_KEPT_IN = {Unit: "units", Intermediary: "intermediaries", RegisteredSystem: "systems"}

MOST_ENTRIES = 200_000
"""How many entries the registers have at most by default: the code service has some ten thousand (F5)."""


def apply(registers: Registers, changes: Sequence[tuple[str, EventData | None]], most: int = MOST_ENTRIES) -> Registers:
    """Return a new snapshot after changes by entry id; None deletes. An event of another type changes nothing.

    Beyond `most` entries a new one is left out, so that memory is bounded; changes of the others are applied.
    """
    draft = _Draft(registers, most)
    for entry_id, event in changes:
        draft.remove(entry_id)
        if isinstance(event, RegisterEntry):
            draft.add(entry_id, event.entry)
    return draft.finish()


class _Draft:
    """A snapshot under construction, on private copies."""

    def __init__(self, old: Registers, most: int) -> None:
        self._old, self._most, self._content = old, most, old.content
        self._maps: dict[str, MapMutation[str, Any]] = {name: getattr(old, name).mutate() for name in _MAPS}
        self._added: list[str] = []

    def add(self, entry_id: str, entry: Organisation | Intermediary | RegisteredSystem) -> None:
        if sum(len(self._maps[name]) for name in _KEPT_IN.values()) >= self._most:
            return
        kept = _unit(entry) if isinstance(entry, Organisation) else entry
        self._maps[_KEPT_IN[type(kept)]][entry_id] = kept
        self._content ^= _digest(entry_id, kept)
        for index, value in _index_keys(kept):
            if index == "by_name" and value not in self._old.by_name:
                self._added.append(value)
            self._maps[index][value] = (*self._maps[index].get(value, ()), entry_id)

    def remove(self, entry_id: str) -> None:
        for name in _KEPT_IN.values():
            if (kept := self._maps[name].pop(entry_id, None)) is not None:
                self._content ^= _digest(entry_id, kept)
                for index, value in _index_keys(kept):
                    _drop(self._maps[index], value, entry_id)

    def finish(self) -> Registers:
        registers = Registers(**{name: each.finish() for name, each in self._maps.items()}, content=self._content)
        if (names := vars(self._old).get("names")) is not None and (more := names.with_added(self._added)) is not None:
            # Fills the cached property.
            vars(registers)["names"] = more
        return registers


def _index_keys(kept: Unit | Intermediary | RegisteredSystem) -> Iterator[tuple[str, str]]:
    """Yield the indexes of an entry, each with the entry's key in it."""
    match kept:
        case Unit():
            yield "by_oid", kept.oid
            yield "by_business_id", kept.business_id
            yield from (("by_name", name) for name in kept.names)
        case Intermediary():
            yield "intermediary_ids", kept.business_id
        case _:
            yield "system_ids", kept.system_id


def _drop(index: MapMutation[str, EntryIds], value: str, entry_id: str) -> None:
    remaining = tuple(each for each in index[value] if each != entry_id)
    if remaining:
        index[value] = remaining
    else:
        del index[value]


def _digest(entry_id: str, entry: object) -> int:
    """Return an entry's part of the fingerprint. Combining by exclusive or also removes the part of a deleted entry."""
    return int.from_bytes(blake2b(f"{entry_id}\n{entry}".encode(), digest_size=16).digest())


def _unit(entry: Organisation) -> Unit:
    """Return the entry with repeated texts interned, to save memory."""
    names = entry.names
    return Unit(
        entry.oid,
        sys.intern(entry.business_id),
        sys.intern(normalised(entry.registered_name)),
        normalised(names.fi),
        None if names.sv is None else normalised(names.sv),
        None if names.abbreviation is None else normalised(names.abbreviation),
        entry.sector if entry.sector_stated else None,
        entry.organisation_kind,
        entry.valid_from,
        entry.valid_to,
    )
