"""What people typed or pasted where it is compared letter by letter: without the blanks around it, which nobody sees.

A blank that does not break the line is a blank, as in the registers' files.
"""

from typing import TypeVar

from servicecert_schemas.application import Attachment, Form
from servicecert_schemas.values import Value

V = TypeVar("V", bound=Value)


def form_as_meant(form: Form) -> Form:
    """The form with its business id, OID, unit, system's id and followed serial number so; the same one where nothing changes."""
    applicant = _trimmed(form.applicant, "business_id", "organisation_oid")
    system = form.information_system
    if system is not None:
        system = _trimmed(system, "system_id")
    form = _trimmed(form, "unit_long_name", "follows")
    if applicant is form.applicant and system is form.information_system:
        return form
    return form.model_copy(update={"applicant": applicant, "information_system": system})


def attachments_as_meant(attachments: tuple[Attachment, ...]) -> tuple[Attachment, ...]:
    """The attachments with the numbers of their certificates and systems so."""
    return tuple(_trimmed(each, "system_id", "certificate_number") for each in attachments)


def _trimmed(value: V, *fields: str) -> V:
    typed: dict[str, str] = {name: text for name in fields if (text := getattr(value, name))}
    meant = {name: text.replace("\u00a0", " ").strip() for name, text in typed.items()}
    return value if meant == typed else value.model_copy(update=meant)
