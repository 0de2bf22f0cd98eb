"""All rules together: an application is granted, or every deficiency is told at once (A10)."""

from dataclasses import dataclass
from datetime import date

from servicecert_pki.profiles import Profiles
from servicecert_schemas.certificate import ServerNames, Subject
from servicecert_schemas.values import Usage

from ..registers import Registers
from . import applicant, csr, intermediary, names, recipients, subject, system, unit, validity
from .application import Application
from .catalogue import SEVERITIES
from .deficiencies import Deficiencies
from .wording import Severity

MOST_DEFICIENCIES = 50
"""How many deficiencies are told, so that a case always fits an event. The next check tells the others."""


@dataclass(frozen=True, slots=True)
class Grant:
    """What will be certified, apart from the key."""

    subject: Subject
    names: ServerNames
    usages: tuple[Usage, ...]


def judge(application: Application, registers: Registers, profiles: Profiles, day: date) -> Grant | Deficiencies:
    """Judges the application as of `day`. A request that has not come is no deficiency: the case waits for it (A3)."""
    form = application.form
    organisation = applicant.registered(form, registers, day)
    matched, wrong_unit = unit.matched_unit(form, organisation, registers, day)
    server_names, wrong_names = names.server_names(form)
    usages, wrong_usages = names.usages(form)
    o, unfit_o = subject.organisation_name(organisation)
    ou, unfit_ou = subject.unit_name(matched)
    cn, unfit_cn = subject.common_name(form, o, server_names, registers)
    deficiencies = (
        *applicant.business_id(form, organisation),
        *applicant.organisation_oid(form, organisation, registers, day),
        *applicant.capacity(form, organisation, registers, day),
        *applicant.signatory(form),
        *intermediary.intermediary(form, registers, day),
        *wrong_unit,
        *unfit_o,
        *unfit_ou,
        *unfit_cn,
        *wrong_names,
        *wrong_usages,
        *system.conformity(application, organisation, registers, day),
        *validity.start_date(form, day),
        *validity.validity_days(form, profiles[form.type], day),
        *recipients.addresses(form),
        *csr.request(application),
    )
    # Every value is found where nothing lacks: the one condition says to the type checker what the rules say.
    if deficiencies or organisation is None or server_names is None or o is None or ou is None or cn is None:
        return deficiencies[:MOST_DEFICIENCIES]
    return Grant(
        Subject(organisation=o, organisational_unit=ou, business_id=organisation.business_id, common_name=cn),
        server_names,
        usages,
    )


def is_final(deficiencies: Deficiencies) -> bool:
    """Whether one of them cannot be mended by a supplement (A8)."""
    return any(SEVERITIES[deficiency.code] is Severity.REFUSED for deficiency in deficiencies)
