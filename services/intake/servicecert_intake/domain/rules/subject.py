"""The subject's fields: from the registers and the form, never from the request. Their lengths are the profile's."""

from collections.abc import Mapping

from servicecert_pki.names import NameRefused, fitting_text, server_common_name
from servicecert_pki.profile import Profile, SubjectField
from servicecert_schemas.application import Form
from servicecert_schemas.certificate import ServerNames
from servicecert_schemas.register import RegisteredSystem

from ..registers.snapshot import Unit
from . import deficiencies as lacking
from .deficiencies import Deficiencies, Lack
from .unit import MatchedUnit, foreign

Fitting = tuple[str | None, Deficiencies]


def organisation_name(organisation: Unit | None, profile: Profile) -> Fitting:
    """Return O: the registered name, or where it is too long the organisation's abbreviation."""
    if organisation is None:
        return None, ()
    return _organisation(organisation, profile.longest(SubjectField.ORGANISATION))


def _organisation(organisation: Unit, longest: int) -> Fitting:
    # A unit's abbreviation is not the organisation's.
    abbreviation = organisation.abbreviation if organisation.is_organisation else None
    return _fitting(organisation.registered_name, abbreviation, lacking.ORGANISATION_NAME_TOO_LONG, longest)


def unit_name(matched: MatchedUnit | None, profile: Profile) -> Fitting:
    """Return OU: the matched long name (A6), or where it is too long its abbreviation."""
    if matched is None:
        return None, ()
    longest = profile.longest(SubjectField.UNIT)
    return _fitting(matched.long_name, matched.unit.abbreviation, lacking.UNIT_NAME_TOO_LONG, longest)


def common_name(
    form: Form,
    organisation: Unit | None,
    names: ServerNames | None,
    systems: Mapping[str, RegisteredSystem],
    profile: Profile,
) -> Fitting:
    """Return CN: a server's first host name that fits; else the information system's name; else the organisation's.

    A system's registered name is used, or the typed one where that is too long: registers do not abbreviate systems.
    """
    longest = profile.longest(SubjectField.COMMON_NAME)
    if profile.dns_names:
        return None if names is None else server_common_name(names.dns, longest), ()
    system = form.information_system
    if system is None:
        return (None, ()) if organisation is None else _organisation(organisation, longest)
    entry = systems.get(system.system_id)
    if entry is None or len(entry.name) > longest:
        return _fitting(system.name, None, lacking.SYSTEM_NAME_UNFIT, longest, lacking.NAME_LETTERS)
    return _fitting(entry.name, None, lacking.SYSTEM_NAME_UNFIT, longest)


def _fitting(
    name: str, abbreviation: str | None, lack: Lack, longest: int, letters: Lack = lacking.REGISTERED_NAME_LETTERS
) -> Fitting:
    """Return the name or its abbreviation; else `lack`, or `letters` where only the letters are wrong."""
    try:
        return fitting_text(name, abbreviation, lack.field, longest), ()
    except NameRefused as refused:
        if refused.code == "text-letters":
            return None, foreign(letters, lack.field, abbreviation if abbreviation and len(name) > longest else name)
        return None, (lack.deficiency(most=str(longest)),)
