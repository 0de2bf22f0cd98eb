"""The subject's fields: from the registers and the form, never from the request. At most 64 characters each."""

from servicecert_pki.names import NameRefused, fitting_text, server_common_name
from servicecert_schemas.application import Form
from servicecert_schemas.certificate import ServerNames

from ..registers.snapshot import Registers, Unit
from . import deficiencies as lacking
from .deficiencies import Deficiencies, Lack
from .unit import MatchedUnit

Fitting = tuple[str | None, Deficiencies]


def organisation_name(organisation: Unit | None) -> Fitting:
    """Return O: the registered name, or where it is too long the organisation's abbreviation."""
    if organisation is None:
        return None, ()
    # A unit's abbreviation is not the organisation's.
    abbreviation = organisation.abbreviation if organisation.is_organisation else None
    return _fitting(organisation.registered_name, abbreviation, lacking.ORGANISATION_NAME_TOO_LONG)


def unit_name(matched: MatchedUnit | None) -> Fitting:
    """Return OU: the matched long name (A6), or where it is too long its abbreviation."""
    if matched is None:
        return None, ()
    return _fitting(matched.long_name, matched.unit.abbreviation, lacking.UNIT_NAME_TOO_LONG)


def common_name(form: Form, organisation: str | None, names: ServerNames | None, registers: Registers) -> Fitting:
    """Return CN: a server's first host name that fits; else the information system's name; else the organisation's.

    A system's registered name is used, or the typed one where that is too long: registers do not abbreviate systems.
    """
    if form.type.is_server:
        return None if names is None else server_common_name(names.dns), ()
    system = form.information_system
    if system is None:
        return organisation, ()
    entry, typed = registers.system(system.system_id), system.name
    return _fitting(typed if entry is None else entry.name, typed, lacking.SYSTEM_NAME_UNFIT)


def _fitting(name: str, abbreviation: str | None, lack: Lack) -> Fitting:
    try:
        return fitting_text(name, abbreviation, lack.field), ()
    except NameRefused:
        return None, (lack.deficiency(),)
