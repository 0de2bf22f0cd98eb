"""The information system and its conformity certificate, which private care needs (A7)."""

from collections.abc import Mapping
from datetime import date

from servicecert_schemas.application import Attachment, AttachmentKind, InformationSystem
from servicecert_schemas.register import RegisteredSystem, Sector
from servicecert_schemas.values import CertificateType

from ..registers.snapshot import Registered, Unit
from . import deficiencies as lacking
from .application import Application
from .deficiencies import Deficiencies, Lack


def conformity(application: Application, matched: tuple[Unit, ...], registered: Registered, day: date) -> Deficiencies:
    """Require a conformity certificate, in force on `day`, for a system signature certificate of private care.

    The test type needs none.
    """
    form = application.form
    sectors = _sectors(registered.organisation, matched)
    if form.type is not CertificateType.SYSTEM_SIGNATURE or not _is_needed(sectors, matched):
        return ()
    system = form.information_system
    attached = [each for each in application.attachments if each.kind is AttachmentKind.CONFORMITY_CERTIFICATE]
    missing = lacking.CONFORMITY_MISSING if sectors else lacking.CONFORMITY_MISSING_WITHOUT_SECTOR
    lack = _lack(system, attached, registered.systems, day) if attached else missing
    unnamed = () if system is not None else (lacking.SYSTEM_MISSING.deficiency(),)
    return unnamed if lack is None else (*unnamed, lack.deficiency())


def _sectors(organisation: Unit | None, matched: tuple[Unit, ...]) -> frozenset[Sector]:
    """Return the sectors that the code service states of the certified unit and of the organisation itself."""
    itself = () if organisation is None or not organisation.is_organisation else (organisation,)
    return frozenset(entry.sector for entry in (*matched, *itself) if entry.sector is not None)


def _is_needed(sectors: frozenset[Sector], matched: tuple[Unit, ...]) -> bool:
    """Return whether the sectors require a conformity certificate: the stricter counts, also where none is stated.

    As long as the unit is not found, only a private organisation is known to need one.
    """
    return Sector.PRIVATE in sectors or (bool(matched) and not sectors)


def _lack(
    system: InformationSystem | None, attached: list[Attachment], systems: Mapping[str, RegisteredSystem], day: date
) -> Lack | None:
    """Return the first condition that no attached certificate meets, or None. Any system counts if none is named."""
    of_system = [each for each in attached if system is None or each.system_id == system.system_id]
    if not of_system:
        return lacking.CONFORMITY_OTHER_SYSTEM
    in_force = [each for each in of_system if each.valid_from <= day <= each.valid_to]
    if not in_force:
        return lacking.CONFORMITY_NOT_VALID
    if not any(_is_registered(each, systems.get(each.system_id), day) for each in in_force):
        return lacking.CONFORMITY_UNKNOWN
    return None


def _is_registered(attached: Attachment, entry: RegisteredSystem | None, day: date) -> bool:
    return entry is not None and any(
        each.number == attached.certificate_number
        and each.valid_from <= day <= each.valid_to
        and (each.withdrawn is None or day < each.withdrawn)
        for each in entry.certificates
    )
