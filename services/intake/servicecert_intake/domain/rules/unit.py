"""The organisational unit: its long name must be exactly that of the code service on the day (A6)."""

from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from itertools import islice

from servicecert_schemas.application import Form
from servicecert_schemas.case import Deficiency

from ..registers.name_index import NameIndex, build_index, rank
from ..registers.snapshot import Registers, Unit, normalised
from . import deficiencies as lacking
from .deficiencies import Deficiencies

SUGGESTIONS = 3

MANY = 1_000
"""Above this number of names an organisation's names are indexed: ranking so many takes some 10 ms."""


@dataclass(frozen=True, slots=True)
class MatchedUnit:
    """The applicant's entries with one long name, in the order of their OIDs, and that name in the matched language."""

    entries: tuple[Unit, ...]
    long_name: str

    @property
    def unit(self) -> Unit:
        """The entry that is certified."""
        return self.entries[0]


def matched_unit(
    form: Form, organisation: Unit | None, registers: Registers, day: date
) -> tuple[MatchedUnit | None, Deficiencies]:
    """Return the applicant's unit with exactly the typed long name."""
    named = registers.units_named(form.unit_long_name, day)
    if not named:
        return None, (_not_found(form.unit_long_name, organisation, registers, day),)
    # Without a registered applicant the unit's owner cannot be checked: the business id has its own deficiency.
    if organisation is None:
        return None, ()
    own = [unit for unit in named if unit.business_id == organisation.business_id]
    if not own:
        return None, (lacking.UNIT_OF_ANOTHER.deficiency(),)
    return MatchedUnit(tuple(sorted(own, key=lambda unit: unit.oid)), normalised(form.unit_long_name)), ()


def _not_found(typed: str, organisation: Unit | None, registers: Registers, day: date) -> Deficiency:
    suggestions = suggested(typed, organisation, registers, day)
    if not suggestions:
        return lacking.UNIT_NOT_FOUND.deficiency()
    return lacking.UNIT_NOT_FOUND_BUT_CLOSE.deficiency(suggestions=suggestions)


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
    """Return the cached index of a large organisation's names."""
    return build_index(names)
