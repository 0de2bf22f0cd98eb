"""Kanta intermediaries and their mark (A9)."""

from datetime import date

from servicecert_schemas.application import ApplyingAs, Form

from ..registers.snapshot import Registers, normalised
from . import deficiencies as lacking
from .deficiencies import Deficiencies

MARKS = frozenset({"Kanta-förmedlare", "Kanta-välittäjä"})
"""What the technical contact's organisation must read where a Kanta intermediary applies in its own name."""


def intermediary(form: Form, registers: Registers, day: date) -> Deficiencies:
    """Require that an applying Kanta intermediary is listed, and that listed ones, and no others, have the mark."""
    listed = registers.is_intermediary(form.applicant.business_id, day)
    marked = normalised(form.technical_contact.organisation.strip()) in MARKS
    if listed:
        mark_is_needed = not (form.type.is_server or marked)
        return (lacking.INTERMEDIARY_MARK_MISSING.deficiency(),) if mark_is_needed else ()
    unlisted = (
        (lacking.INTERMEDIARY_NOT_LISTED.deficiency(),) if form.applying_as is ApplyingAs.KANTA_INTERMEDIARY else ()
    )
    unfounded = (lacking.INTERMEDIARY_MARK_UNFOUNDED.deficiency(),) if marked else ()
    return (*unlisted, *unfounded)
