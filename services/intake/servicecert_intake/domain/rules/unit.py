"""The organisational unit: its long name must be exactly that of the code service on the day (A6).

Names have only the letters of certificates, since other alphabets have letters that look the same (F5).
"""

from dataclasses import dataclass

from servicecert_pki.characters import foreign_letters
from servicecert_schemas.application import Form

from ..registers.lookup import Registered
from ..registers.snapshot import Unit, normalised
from . import deficiencies as lacking
from .deficiencies import Deficiencies, Lack, printable
from .intermediary import mark_of

_SHOWN = 10
"""How many foreign letters of a name a deficiency shows."""


@dataclass(frozen=True, slots=True)
class MatchedUnit:
    """The applicant's entries with one long name, in the order of their OIDs, and that name in the matched language."""

    entries: tuple[Unit, ...]
    long_name: str

    @property
    def unit(self) -> Unit:
        return self.entries[0]


def matched_unit(form: Form, registered: Registered) -> tuple[MatchedUnit | None, Deficiencies]:
    """Return the applicant's unit with exactly the typed long name."""
    if not registered.named:
        lack = lacking.UNIT_NOT_FOUND_BUT_CLOSE if registered.close else lacking.UNIT_NOT_FOUND
        return None, (lack.deficiency(suggestions=registered.close),)
    # Without a registered applicant the unit's owner cannot be checked: the business id has its own deficiency.
    if registered.organisation is None:
        return None, ()
    own = [unit for unit in registered.named if unit.business_id == registered.organisation.business_id]
    if not own:
        return None, (lacking.UNIT_OF_ANOTHER.deficiency(),)
    return MatchedUnit(tuple(sorted(own, key=lambda unit: unit.oid)), normalised(form.unit_long_name)), ()


def typed_names(form: Form, matched: MatchedUnit | None) -> Deficiencies:
    """Require the letters of certificates in a unit's name that is not found (A6), and in what may be a mark (A9)."""
    unit = () if matched is not None else foreign(lacking.NAME_LETTERS, "unit_long_name", form.unit_long_name)
    contact = form.technical_contact.organisation
    if mark_of(contact) is not None:
        return unit
    return (*unit, *foreign(lacking.NAME_LETTERS, "technical_contact.organisation", contact))


def foreign(lack: Lack, field: str, name: str) -> Deficiencies:
    """Return the deficiency of a name that has letters of another alphabet."""
    found = foreign_letters(name)[:_SHOWN]
    return (lack.deficiency(field, value=printable(name), letters=found),) if found else ()
