"""The national registers as an immutable snapshot, which shares unchanged parts with the one before.

It tells what is in force on a day of what an application names, and the closest long names (A6).
"""

import sys
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property, lru_cache
from hashlib import blake2b
from itertools import islice
from typing import Any, TypeAlias

from immutables import Map, MapMutation
from servicecert_schemas import register
from servicecert_schemas.application import Attachment, Form
from servicecert_schemas.event import EventData
from servicecert_schemas.values import is_business_id, organisation_oid

from .name_index import NameIndex, build_index, rank

SUGGESTIONS = 3

MANY = 1_000
"""Above this number of names an organisation's names are indexed: ranking so many takes some 10 ms."""
_index_of_many = lru_cache(maxsize=4)(build_index)


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
    sector: register.Sector | None
    kind: register.OrganisationKind
    valid_from: date
    valid_to: date | None

    def __str__(self) -> str:
        return "\n".join([str(getattr(self, name)) for name in self.__slots__])

    @property
    def is_organisation(self) -> bool:
        """Whether this is the entry of the organisation itself (A5). The code service may list only units of one."""
        return self.oid == organisation_oid(self.business_id)

    @property
    def names(self) -> tuple[str, ...]:
        return (self.name_fi,) if self.name_sv in (None, self.name_fi) else (self.name_fi, str(self.name_sv))

    def is_valid(self, day: date) -> bool:
        return self.valid_from <= day and (self.valid_to is None or day <= self.valid_to)


Kept: TypeAlias = Unit | register.Intermediary | register.RegisteredSystem


@dataclass(frozen=True, repr=False)
class Registers:
    """Organisations, Kanta intermediaries and information systems: the entries by id, and indexes of them.

    Entries of different days may share an OID, a business id or a name. `intermediaries` are by business id.
    """

    entries: Map[str, Kept] = field(default_factory=Map)
    by_oid: Map[str, tuple[Unit, ...]] = field(default_factory=Map)
    by_business_id: Map[str, tuple[Unit, ...]] = field(default_factory=Map)
    by_name: Map[str, tuple[Unit, ...]] = field(default_factory=Map)
    intermediaries: Map[str, tuple[register.Intermediary, ...]] = field(default_factory=Map)
    systems: Map[str, tuple[register.RegisteredSystem, ...]] = field(default_factory=Map)
    content: int = 0

    @property
    def fingerprint(self) -> str:
        """The hash of all entries: the same for the same registers, whatever the order and batches of changes."""
        return f"{self.content:032x}"

    def units_of(self, business_id: str, day: date) -> Iterator[Unit]:
        return _in_force(self.by_business_id.get(business_id, ()), day)

    def organisation(self, business_id: str, day: date) -> Unit | None:
        """Return the organisation with the OID that derives from its business id (A5), or else the first of its units.

        A pharmacy may keep its OID while its business id, the pharmacist's, changes.
        """
        entries = _in_force(self.by_oid.get(organisation_oid(business_id), ()), day)
        itself = (unit for unit in entries if unit.business_id == business_id)
        return max(itself, key=lambda unit: unit.valid_from, default=None) or min(
            self.units_of(business_id, day), key=lambda unit: unit.oid, default=None
        )

    def units_named(self, name: str, day: date) -> tuple[Unit, ...]:
        return tuple(_in_force(self.by_name.get(normalised(name), ()), day))

    def is_intermediary(self, business_id: str, day: date) -> bool:
        """Return whether THL's register lists a Kanta intermediary on `day` (A9)."""
        listed = self.intermediaries.get(business_id, ())
        return any(each.valid_from <= day and (each.valid_to is None or day <= each.valid_to) for each in listed)

    def system(self, system_id: str) -> register.RegisteredSystem | None:
        return next(iter(self.systems.get(system_id, ())), None)

    @cached_property
    def names(self) -> NameIndex:
        """The index of long names of any day, built on first use and passed on: some names may be deleted."""
        return build_index(self.by_name)


def _in_force(units: Iterable[Unit], day: date) -> Iterator[Unit]:
    return (unit for unit in units if unit.is_valid(day))


NO_REGISTERS = Registers()

_INDEXES = ("by_oid", "by_business_id", "by_name", "intermediaries", "systems")

MOST_ENTRIES = 200_000
"""How many entries the registers have at most by default: the code service has some ten thousand (F5)."""


def apply(registers: Registers, changes: Sequence[tuple[str, EventData | None]], most: int = MOST_ENTRIES) -> Registers:
    """Return a new snapshot after changes by entry id; None deletes. An event of another type changes nothing.

    Beyond `most` entries a new one is left out, so that memory is bounded; changes of the others are applied.
    """
    entries, content, added = registers.entries.mutate(), registers.content, list[str]()
    indexes: dict[str, MapMutation[str, Any]] = {name: getattr(registers, name).mutate() for name in _INDEXES}
    for entry_id, event in changes:
        if (old := entries.pop(entry_id, None)) is not None:
            content ^= _digest(entry_id, old)
            for index, value in _index_keys(old):
                _drop(indexes[index], value, old)
        if isinstance(event, register.RegisterEntry) and len(entries) < most:
            kept = _unit(event.entry) if isinstance(event.entry, register.Organisation) else event.entry
            entries[entry_id] = kept
            content ^= _digest(entry_id, kept)
            for index, value in _index_keys(kept):
                indexes[index][value] = (*indexes[index].get(value, ()), kept)
            added += [value for index, value in _index_keys(kept) if index == "by_name"]
    changed = {name: each.finish() for name, each in indexes.items()}
    after = Registers(entries.finish(), **changed, content=content)
    new = (name for name in added if name not in registers.by_name)
    if (names := vars(registers).get("names")) is not None and (more := names.with_added(new)) is not None:
        # Fills the cached property.
        vars(after)["names"] = more
    return after


def _index_keys(kept: Kept) -> Iterator[tuple[str, str]]:
    match kept:
        case Unit():
            yield "by_oid", kept.oid
            yield "by_business_id", kept.business_id
            yield from (("by_name", name) for name in kept.names)
        case register.Intermediary():
            yield "intermediaries", kept.business_id
        case _:
            yield "systems", kept.system_id


def _drop(index: MapMutation[str, Any], value: str, entry: Kept) -> None:
    remaining = tuple(each for each in index[value] if each is not entry)
    if remaining:
        index[value] = remaining
    else:
        del index[value]


def _digest(entry_id: str, entry: Kept) -> int:
    """Return an entry's part of the fingerprint. Combining by exclusive or also removes the part of a deleted entry."""
    return int.from_bytes(blake2b(f"{entry_id}\n{entry}".encode(), digest_size=16).digest())


def _unit(entry: register.Organisation) -> Unit:
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


@dataclass(frozen=True, slots=True)
class Registered:
    """The applicant's `organisation` and its `units`, and whether it is listed as a Kanta intermediary.

    `named` are the units with the typed long name, `close` the closest names where there is none. `systems` are the
    named information systems by their id.
    """

    organisation: Unit | None
    units: tuple[Unit, ...]
    is_intermediary: bool
    named: tuple[Unit, ...]
    close: tuple[str, ...]
    systems: Mapping[str, register.RegisteredSystem]


def look_up(registers: Registers, form: Form, attachments: Sequence[Attachment], day: date) -> Registered:
    """Return what is in force on the day."""
    applicant, system = form.applicant.business_id, form.information_system
    organisation = registers.organisation(applicant, day) if is_business_id(applicant) else None
    named = registers.units_named(form.unit_long_name, day)
    systems = {each.system_id for each in (*attachments, *((system,) if system is not None else ()))}
    return Registered(
        organisation,
        () if organisation is None else tuple(registers.units_of(organisation.business_id, day)),
        registers.is_intermediary(applicant, day),
        named,
        () if named else suggested(form.unit_long_name, organisation, registers, day),
        {each: entry for each in systems if (entry := registers.system(each)) is not None},
    )


def suggested(typed: str, organisation: Unit | None, registers: Registers, day: date) -> tuple[str, ...]:
    """Return the closest long names in force: the applicant's own if any is close, else those of the whole register."""
    if organisation is not None:
        own = frozenset(name for unit in registers.units_of(organisation.business_id, day) for name in unit.names)
        close = rank(typed, own) if len(own) <= MANY else _index_of_many(own).closest(typed)
        if close:
            return tuple(close[:SUGGESTIONS])
    in_force = (name for name in registers.names.closest(typed) if registers.units_named(name, day))
    return tuple(islice(in_force, SUGGESTIONS))
