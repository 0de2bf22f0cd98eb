"""Apply all rules: an application is granted, or gets all its deficiencies at once (A10)."""

from collections import Counter
from datetime import datetime

from servicecert_pki.profile import KeyUsage, Profile, SubjectField
from servicecert_pki.profiles import Profiles
from servicecert_pki.spki import KeyFamily
from servicecert_pki.validity import day_of
from servicecert_schemas.application import Form
from servicecert_schemas.certificate import Subject
from servicecert_schemas.values import Usage

from ..registers.snapshot import Registered, Registers, look_up
from . import applicant, contents, csr, recipients, subject, system
from .application import Application, Grant
from .deficiencies import Deficiencies

MOST_DEFICIENCIES = 50
"""How many deficiencies are reported at most, so that a case always fits an event."""


def judge(
    application: Application, registers: Registers, profiles: Profiles, sent: datetime
) -> tuple[Grant | Deficiencies, Form]:
    """Judge the application as of the moment it was sent. Return the outcome, and the form with its mark (A9)."""
    form = application.form
    registered = look_up(registers, form, application.attachments, day_of(sent))
    marked = applicant.with_canonical_mark(form) if registered.is_intermediary else form
    return _outcome(application, registered, profiles[form.type], sent), marked


def _outcome(
    application: Application, registered: Registered, profile: Profile, sent: datetime
) -> Grant | Deficiencies:
    """Return what is granted, or what lacks. A missing request is no deficiency: the case waits (A3)."""
    form, day, organisation = application.form, day_of(sent), registered.organisation
    matched, wrong_unit = subject.matched_units(registered)
    server_names, wrong_names = contents.server_names(form, profile)
    usages, wrong_usages = contents.usages(form, profile)
    o, unfit_o = subject.organisation_name(organisation, profile.longest(SubjectField.ORGANISATION))
    ou, unfit_ou = subject.unit_name(form, matched, profile.longest(SubjectField.UNIT))
    cn, unfit_cn = subject.common_name(form, organisation, server_names, registered.systems, profile)
    deficiencies = (
        *applicant.canary(application),
        *applicant.business_id(form, organisation),
        *applicant.of_account(application),
        *applicant.organisation_oid(form, registered),
        *applicant.capacity(application, registered),
        *applicant.signatory(application),
        *applicant.intermediary(form, is_listed=registered.is_intermediary),
        *wrong_unit,
        *subject.typed_names(form, matched),
        *unfit_o,
        *unfit_ou,
        *unfit_cn,
        *wrong_names,
        *wrong_usages,
        *system.conformity(application, matched, registered, day),
        *contents.start_date(form, day),
        *contents.validity_days(form, profile, sent),
        *contents.follows(application),
        *recipients.addresses(form),
        *csr.request(application, organisation, profile),
    )
    # Without deficiencies all values are present; the conditions are for the type checker.
    if deficiencies or organisation is None or server_names is None or o is None or ou is None or cn is None:
        return _limited(tuple(dict.fromkeys(deficiencies)))
    return Grant(
        Subject(organisation=o, organisational_unit=ou, business_id=organisation.business_id, common_name=cn),
        server_names,
        usages,
        _key_usage(application, profile, usages),
    )


def _key_usage(application: Application, profile: Profile, usages: tuple[Usage, ...]) -> tuple[KeyUsage, ...]:
    if application.csr is None or application.csr.key is None:
        return ()
    usage = profile.key_usage(KeyFamily(application.csr.key.family), usages)
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
