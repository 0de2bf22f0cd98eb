"""The organisational unit: its long name must be exactly that of the code service on the day (A6)."""

from dataclasses import dataclass

from servicecert_schemas.application import Form

from ..registers.lookup import Registered
from ..registers.snapshot import Unit, normalised
from . import deficiencies as lacking
from .deficiencies import Deficiencies


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
