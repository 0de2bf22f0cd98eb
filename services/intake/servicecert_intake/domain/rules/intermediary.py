"""Kanta intermediaries and their mark (A9)."""

import unicodedata
from types import MappingProxyType

from servicecert_schemas.application import ApplyingAs, Form

from . import deficiencies as lacking
from .deficiencies import Deficiencies, printable

MARKS = ("Kanta-förmedlare", "Kanta-välittäjä")
"""What the technical contact's organisation must read where a Kanta intermediary applies in its own name."""

# Dashes outside the general category Pd.
_MORE_DASHES = frozenset("\u02d7\u2043\u2053\u207b\u208b\u2212")


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
