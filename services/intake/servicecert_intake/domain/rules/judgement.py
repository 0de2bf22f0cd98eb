"""Apply all rules: an application is granted, or gets all its deficiencies at once (A10)."""

from collections import Counter
from datetime import datetime
from functools import cache

from servicecert_pki.profile import KeyUsage, Profile
from servicecert_pki.profiles import Profiles
from servicecert_pki.spki import KeyFamily
from servicecert_schemas.certificate import Subject
from servicecert_schemas.values import Usage

from ..deadlines import day_of
from ..registers.snapshot import Registers
from . import (
    applicant,
    canary,
    csr,
    intermediary,
    letters,
    names,
    recipients,
    signatory,
    subject,
    system,
    unit,
    validity,
)
from .application import Application, Grant
from .deficiencies import SEVERITIES, Deficiencies, Severity

MOST_DEFICIENCIES = 50
"""How many deficiencies are reported at most, so that a case always fits an event."""


def judge(application: Application, registers: Registers, profiles: Profiles, sent: datetime) -> Grant | Deficiencies:
    """Judge the application as of the moment it was sent. A missing request is no deficiency: the case waits (A3)."""
    form, day, profile = application.form, day_of(sent), profiles[application.form.type]
    organisation = applicant.registered(form, registers, day)
    matched, wrong_unit = unit.matched_unit(form, organisation, registers, day)
    server_names, wrong_names = names.server_names(form, profile)
    usages, wrong_usages = names.usages(form, profile)
    o, unfit_o = subject.organisation_name(organisation, profile)
    ou, unfit_ou = subject.unit_name(matched, profile)
    cn, unfit_cn = subject.common_name(form, organisation, server_names, registers, profile)
    deficiencies = (
        *canary.certificate_type(application),
        *applicant.business_id(form, organisation),
        *applicant.of_account(application),
        *applicant.organisation_oid(form, organisation, registers, day),
        *applicant.capacity(application, organisation, registers, day),
        *signatory.signatory(application),
        *intermediary.intermediary(form, registers, day),
        *wrong_unit,
        *letters.typed_names(form, matched),
        *unfit_o,
        *unfit_ou,
        *unfit_cn,
        *wrong_names,
        *wrong_usages,
        *system.conformity(application, organisation, matched, registers, day),
        *validity.start_date(form, day),
        *validity.validity_days(form, profile, sent),
        *validity.follows(application),
        *recipients.addresses(form),
        *csr.request(application, organisation, profile),
    )
    # Without deficiencies all values are present; the conditions are for the type checker.
    if deficiencies or organisation is None or server_names is None or o is None or ou is None or cn is None:
        return _limited(deficiencies)
    return Grant(
        Subject(organisation=o, organisational_unit=ou, business_id=organisation.business_id, common_name=cn),
        server_names,
        usages,
        _key_usage(application, profile, usages),
    )


def _key_usage(application: Application, profile: Profile, usages: tuple[Usage, ...]) -> tuple[KeyUsage, ...]:
    """Return the key usage of the request's key, from its profile."""
    if application.csr is None or application.csr.key is None:
        return ()
    return _in_order(profile.key_usage(KeyFamily(application.csr.key.family), usages))


@cache
def _in_order(usage: frozenset[KeyUsage]) -> tuple[KeyUsage, ...]:
    return tuple(each for each in KeyUsage if each in usage)


def _limited(deficiencies: Deficiencies) -> Deficiencies:
    """Return the deficiencies, of very many the first of each code: host names do not crowd out others (A10)."""
    seen = Counter[str]()
    ranked = []
    for place, deficiency in enumerate(deficiencies):
        seen[deficiency.code] += 1
        ranked.append((seen[deficiency.code], place))
    kept = sorted(place for _, place in sorted(ranked)[:MOST_DEFICIENCIES])
    return tuple(deficiencies[place] for place in kept)


def is_final(deficiencies: Deficiencies) -> bool:
    """Return whether one of them cannot be corrected by a supplement (A8)."""
    return any(SEVERITIES[deficiency.code] is Severity.REFUSED for deficiency in deficiencies)
