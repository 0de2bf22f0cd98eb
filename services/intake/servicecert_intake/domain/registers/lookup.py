"""What the registers say on a day of what an application names, and the closest long names (A6)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from itertools import islice

from servicecert_schemas.application import Attachment, Form
from servicecert_schemas.register import RegisteredSystem
from servicecert_schemas.values import is_business_id

from .name_index import NameIndex, build_index, rank
from .snapshot import Registers, Unit

SUGGESTIONS = 3

MANY = 1_000
"""Above this number of names an organisation's names are indexed: ranking so many takes some 10 ms."""


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
    systems: Mapping[str, RegisteredSystem]


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


@lru_cache(maxsize=4)
def _index_of_many(names: frozenset[str]) -> NameIndex:
    return build_index(names)
