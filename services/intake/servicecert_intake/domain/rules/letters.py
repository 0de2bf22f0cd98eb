"""The letters of names: only those of certificates, since other alphabets have letters that look the same (F5)."""

from servicecert_pki.characters import foreign_letters
from servicecert_schemas.application import Form

from . import deficiencies as lacking
from .deficiencies import Deficiencies, Lack, printable
from .intermediary import mark_of
from .unit import MatchedUnit

_SHOWN = 10
"""How many foreign letters of a name a deficiency shows."""


def typed_names(form: Form, matched: MatchedUnit | None) -> Deficiencies:
    """Require the letters of certificates in a unit's name that is not found (A6), and in what may be a mark (A9)."""
    unit, organisation = form.unit_long_name, form.technical_contact.organisation
    return (
        *(() if matched is not None else foreign(lacking.NAME_LETTERS, "unit_long_name", unit)),
        *(
            ()
            if mark_of(organisation) is not None
            else foreign(lacking.NAME_LETTERS, "technical_contact.organisation", organisation)
        ),
    )


def foreign(lack: Lack, field: str, name: str) -> Deficiencies:
    """Return the deficiency of a name that has letters of another alphabet."""
    found = foreign_letters(name)[:_SHOWN]
    return (lack.deficiency(field, value=printable(name), letters=found),) if found else ()
