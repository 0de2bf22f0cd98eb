"""The applicant: whether it may apply and in what capacity, and who signed for it (A2, A5, A8, A9, A11).

The canary may apply for the test environment (I11).
"""

import unicodedata
from collections.abc import Iterator
from types import MappingProxyType

from servicecert_pki.names import NameRefused, check_business_id
from servicecert_schemas.application import ApplyingAs, Form, Signatory
from servicecert_schemas.case import Deficiency
from servicecert_schemas.membership import CLOCKS_DIFFER
from servicecert_schemas.register import OrganisationKind
from servicecert_schemas.values import is_business_id
from servicecert_schemas.values import organisation_oid as derived_oid

from ..registers.snapshot import Registered, Unit
from . import deficiencies as lacking
from .application import Application
from .deficiencies import Deficiencies, printable

_REGISTERED_AS = {
    ApplyingAs.CARE_PROVIDER: OrganisationKind.CARE_PROVIDER,
    ApplyingAs.PHARMACY: OrganisationKind.PHARMACY,
}

MARKS = ("Kanta-förmedlare", "Kanta-välittäjä")
"""What the technical contact's organisation must read where a Kanta intermediary applies in its own name."""

# Dashes outside the general category Pd.
_MORE_DASHES = frozenset("\u02d7\u2043\u2053\u207b\u208b\u2212")

_LETTERS = frozenset({"Lu", "Ll", "Lt", "Lo"})


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
    id, the register or another capacity can still mend it, the application is returned: an intermediary's mark says
    that it may be listed one day (A9).
    """
    form, kinds = application.form, {unit.kind for unit in registered.units}
    if form.applying_as is ApplyingAs.IT_SUPPLIER and not form.type.is_server:
        marked = registered.is_intermediary or mark_of(form.technical_contact.organisation) is not None
        may_apply = marked or not kinds.isdisjoint(_REGISTERED_AS.values())
        is_supplier = registered.organisation is not None and not may_apply and not of_account(application)
        return ((lacking.SUPPLIER_CANNOT_APPLY if is_supplier else lacking.CAPACITY_SUPPLIER).deficiency(),)
    kind = _REGISTERED_AS.get(form.applying_as)
    if kind is None or registered.organisation is None or kind in kinds:
        return ()
    return (lacking.CAPACITY_MISMATCH.deficiency(),)


def signatory(application: Application) -> Deficiencies:
    """Require a signatory with name and title, who signed between the account's opening and the form's sending.

    Registration and application may share one click, and each moment may be another clock's.
    """
    if application.form.type.is_server:
        return ()
    signed = application.form.signatory
    if signed is None:
        return (lacking.SIGNATORY_MISSING.deficiency(),)
    missing = () if signed.name and signed.title else (lacking.SIGNATORY_MISSING.deficiency(),)
    return (*missing, *_without_letters(signed), *_wrong_time(signed, application))


def _without_letters(signed: Signatory) -> Iterator[Deficiency]:
    for field, typed in (("signatory.name", signed.name), ("signatory.title", signed.title)):
        if typed and not any(unicodedata.category(character) in _LETTERS for character in typed):
            yield lacking.SIGNATORY_WITHOUT_LETTERS.deficiency(field, value=printable(typed))


def _wrong_time(signed: Signatory, application: Application) -> Iterator[Deficiency]:
    sent, account = application.sent_at, application.account
    if sent is not None and signed.signed_at > sent + CLOCKS_DIFFER:
        yield lacking.SIGNED_IN_FUTURE.deficiency()
    if account is not None and signed.signed_at < account.opened_at - CLOCKS_DIFFER:
        yield lacking.SIGNED_BEFORE_ACCOUNT.deficiency()


def _letters(text: str) -> str:
    """Return what counts in recognising a mark: its letters, whatever their case and Unicode form."""
    return unicodedata.normalize("NFKC", "".join(each for each in text if not _separates(each))).casefold()


def _separates(character: str) -> bool:
    return character.isspace() or character in _MORE_DASHES or unicodedata.category(character) == "Pd"


_BY_LETTERS = MappingProxyType({_letters(mark): mark for mark in MARKS})


def mark_of(text: str) -> str | None:
    """Return the mark that a typed text spells, in its canonical form, or None.

    Case, Unicode form and blanks do not count; the hyphen may be of any kind, a blank, or missing.
    """
    return _BY_LETTERS.get(_letters(text))


def with_canonical_mark(form: Form) -> Form:
    """Return the form with a mark in its canonical form, or the same object."""
    contact = form.technical_contact
    mark = mark_of(contact.organisation)
    if mark in (None, contact.organisation):
        return form
    return form.model_copy(update={"technical_contact": contact.model_copy(update={"organisation": mark})})


def intermediary(form: Form, *, is_listed: bool) -> Deficiencies:
    """Require that an applying Kanta intermediary is listed, and that listed ones, and no others, have the mark."""
    typed = form.technical_contact.organisation
    marked = mark_of(typed) is not None
    if is_listed:
        mark_is_needed = not (form.type.is_server or marked)
        return (lacking.INTERMEDIARY_MARK_MISSING.deficiency(),) if mark_is_needed else ()
    unlisted = (
        (lacking.INTERMEDIARY_NOT_LISTED.deficiency(),) if form.applying_as is ApplyingAs.KANTA_INTERMEDIARY else ()
    )
    unfounded = (lacking.INTERMEDIARY_MARK_UNFOUNDED.deficiency(value=printable(typed)),) if marked else ()
    return (*unlisted, *unfounded)
