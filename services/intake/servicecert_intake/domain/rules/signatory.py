"""The signature of an application for a system signature certificate (A8)."""

import unicodedata
from collections.abc import Iterator

from servicecert_schemas.application import Signatory
from servicecert_schemas.case import Deficiency
from servicecert_schemas.membership import CLOCKS_DIFFER

from . import deficiencies as lacking
from .application import Application
from .deficiencies import Deficiencies, printable

_LETTERS = frozenset({"Lu", "Ll", "Lt", "Lo"})


def signatory(application: Application) -> Deficiencies:
    """Require a signatory with name and title, who signed between the account's opening and the form's sending.

    Registration and application may share one click, and each moment may be another clock's.
    """
    if application.form.type.is_server:
        return ()
    signed = application.form.signatory
    if signed is None or not (signed.name and signed.title):
        return (lacking.SIGNATORY_MISSING.deficiency(),)
    return (*_without_letters(signed), *_wrong_time(signed, application))


def _without_letters(signed: Signatory) -> Iterator[Deficiency]:
    for field, typed in (("signatory.name", signed.name), ("signatory.title", signed.title)):
        if not any(unicodedata.category(character) in _LETTERS for character in typed):
            yield lacking.SIGNATORY_WITHOUT_LETTERS.deficiency(field, value=printable(typed))


def _wrong_time(signed: Signatory, application: Application) -> Iterator[Deficiency]:
    sent, account = application.sent_at, application.account
    if sent is not None and signed.signed_at > sent + CLOCKS_DIFFER:
        yield lacking.SIGNED_IN_FUTURE.deficiency()
    if account is not None and signed.signed_at < account.opened_at - CLOCKS_DIFFER:
        yield lacking.SIGNED_BEFORE_ACCOUNT.deficiency()
