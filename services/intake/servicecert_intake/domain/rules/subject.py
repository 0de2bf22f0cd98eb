"""The subject's fields: from the registers and the form, never from the request. Their lengths are the profile's.

OU is a long name of the code service, exactly as it is there on the day (A6). Names have only the letters of
certificates, since other alphabets have letters that look the same (F5).
"""

from collections.abc import Mapping

from servicecert_pki.names import NameRefused, fitting_text, foreign_letters, server_common_name
from servicecert_pki.profile import Profile, SubjectField
from servicecert_schemas.application import Form
from servicecert_schemas.certificate import ServerNames
from servicecert_schemas.register import RegisteredSystem

from ..registers.snapshot import Registered, Unit, normalised
from . import deficiencies as lacking
from .applicant import mark_of
from .deficiencies import Deficiencies, Lack, printable

Fitting = tuple[str | None, Deficiencies]

_SHOWN = 10
"""How many foreign letters of a name a deficiency shows."""


def matched_units(registered: Registered) -> tuple[tuple[Unit, ...], Deficiencies]:
    """Return the applicant's entries with exactly the typed long name, in the order of their OIDs."""
    if not registered.named:
        lack = lacking.UNIT_NOT_FOUND_BUT_CLOSE if registered.close else lacking.UNIT_NOT_FOUND
        return (), (lack.deficiency(suggestions=registered.close),)
    # Without a registered applicant the unit's owner cannot be checked: the business id has its own deficiency.
    if registered.organisation is None:
        return (), ()
    own = [unit for unit in registered.named if unit.business_id == registered.organisation.business_id]
    return tuple(sorted(own, key=lambda unit: unit.oid)), () if own else (lacking.UNIT_OF_ANOTHER.deficiency(),)


def typed_names(form: Form, matched: tuple[Unit, ...]) -> Deficiencies:
    """Require the letters of certificates in a unit's name that is not found (A6), and in what may be a mark (A9)."""
    unit = () if matched else _foreign(lacking.NAME_LETTERS, "unit_long_name", form.unit_long_name)
    contact = form.technical_contact.organisation
    if mark_of(contact) is not None:
        return unit
    return (*unit, *_foreign(lacking.NAME_LETTERS, "technical_contact.organisation", contact))


def _foreign(lack: Lack, field: str, name: str) -> Deficiencies:
    found = foreign_letters(name)[:_SHOWN]
    return (lack.deficiency(field, value=printable(name), letters=found),) if found else ()


def organisation_name(organisation: Unit | None, longest: int) -> Fitting:
    """Return O: the registered name, or where it is too long the organisation's abbreviation."""
    if organisation is None:
        return None, ()
    # A unit's abbreviation is not the organisation's.
    abbreviation = organisation.abbreviation if organisation.is_organisation else None
    return _fitting(organisation.registered_name, abbreviation, lacking.ORGANISATION_NAME_TOO_LONG, longest)


def unit_name(form: Form, matched: tuple[Unit, ...], longest: int) -> Fitting:
    """Return OU: the matched long name in its language (A6), or where it is too long its abbreviation."""
    if not matched:
        return None, ()
    return _fitting(normalised(form.unit_long_name), matched[0].abbreviation, lacking.UNIT_NAME_TOO_LONG, longest)


def common_name(
    form: Form,
    organisation: Unit | None,
    names: ServerNames | None,
    systems: Mapping[str, RegisteredSystem],
    profile: Profile,
) -> Fitting:
    """Return CN: a server's first host name that fits; else the information system's name; else the organisation's.

    A system's registered name is used, or the typed one where that does not fit: registers do not abbreviate systems.
    """
    longest = profile.longest(SubjectField.COMMON_NAME)
    if profile.dns_names:
        return None if names is None else server_common_name(names.dns, longest), ()
    system = form.information_system
    if system is None:
        return organisation_name(organisation, longest)
    entry = systems.get(system.system_id)
    registered = None if entry is None else normalised(entry.name)
    if registered is None or not 0 < len(registered) <= longest or not registered.isprintable():
        return _fitting(normalised(system.name), None, lacking.SYSTEM_NAME_UNFIT, longest, lacking.NAME_LETTERS)
    return _fitting(registered, None, lacking.SYSTEM_NAME_UNFIT, longest)


def _fitting(
    name: str, abbreviation: str | None, lack: Lack, longest: int, letters: Lack = lacking.REGISTERED_NAME_LETTERS
) -> Fitting:
    try:
        return fitting_text(name, abbreviation, longest), ()
    except NameRefused as refused:
        if refused.code == "text-letters":
            return None, _foreign(letters, lack.field, abbreviation if abbreviation and len(name) > longest else name)
        return None, (lack.deficiency(most=str(longest)),)
