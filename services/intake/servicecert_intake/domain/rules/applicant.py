"""The applicant, and whether it may apply (A5, A8, A11); the canary may for the test environment (I11)."""

from servicecert_pki.names import NameRefused, check_business_id
from servicecert_schemas.application import ApplyingAs, Form
from servicecert_schemas.register import OrganisationKind
from servicecert_schemas.values import is_business_id
from servicecert_schemas.values import organisation_oid as derived_oid

from ..registers.lookup import Registered
from ..registers.snapshot import Unit
from . import deficiencies as lacking
from .application import Application
from .deficiencies import Deficiencies

_REGISTERED_AS = {
    ApplyingAs.CARE_PROVIDER: OrganisationKind.CARE_PROVIDER,
    ApplyingAs.PHARMACY: OrganisationKind.PHARMACY,
}


def canary(application: Application) -> Deficiencies:
    """Require the test environment in the canary's cases (I11): figures of the business leave them out."""
    if application.of_canary and not application.form.type.is_test:
        return (lacking.CANARY_FOR_PRODUCTION.deficiency(),)
    return ()


def business_id(form: Form, organisation: Unit | None) -> Deficiencies:
    """Require a valid business id (A5) of an organisation in the code service (A11: it may be added later)."""
    if organisation is not None:
        return ()
    try:
        check_business_id(form.applicant.business_id)
    except NameRefused as refused:
        wrong_digit = refused.code == lacking.BUSINESS_ID_CHECK_DIGIT.code
        return ((lacking.BUSINESS_ID_CHECK_DIGIT if wrong_digit else lacking.BUSINESS_ID_FORM).deficiency(),)
    return (lacking.APPLICANT_NOT_REGISTERED.deficiency(),)


def of_account(application: Application) -> Deficiencies:
    """Require that the account's organisation is the applicant (A2), also for suppliers and intermediaries (A8, A9)."""
    account, typed = application.account, application.form.applicant.business_id
    if account is None or account.business_id == typed or not is_business_id(typed):
        return ()
    return (lacking.APPLICANT_OF_ANOTHER_ACCOUNT.deficiency(),)


def organisation_oid(form: Form, registered: Registered) -> Deficiencies:
    """Require that a typed organisation OID derives from the business id, or is that of an own unit (A5)."""
    oid, organisation = form.applicant.organisation_oid, registered.organisation
    if not oid or organisation is None or oid == derived_oid(organisation.business_id):
        return ()
    if any(unit.oid == oid for unit in registered.units):
        return ()
    return (lacking.ORGANISATION_OID_MISMATCH.deficiency(),)


def capacity(application: Application, registered: Registered) -> Deficiencies:
    """Require that the registers confirm the capacity that the organisation states (A8).

    A registered supplier's own application for a system signature certificate is refused. Where a corrected business
    id, the register or another capacity can still mend it, the application is returned.
    """
    form, kinds = application.form, {unit.kind for unit in registered.units}
    if form.applying_as is ApplyingAs.IT_SUPPLIER and not form.type.is_server:
        may_apply = registered.is_intermediary or not kinds.isdisjoint(_REGISTERED_AS.values())
        is_supplier = registered.organisation is not None and not may_apply and not of_account(application)
        return ((lacking.SUPPLIER_CANNOT_APPLY if is_supplier else lacking.CAPACITY_SUPPLIER).deficiency(),)
    kind = _REGISTERED_AS.get(form.applying_as)
    if kind is None or registered.organisation is None or kind in kinds:
        return ()
    return (lacking.CAPACITY_MISMATCH.deficiency(),)
