"""The recipients of the certificate and the mails of a case (C1)."""

from pydantic import ValidationError
from servicecert_schemas.application import Form
from servicecert_schemas.certificate import Recipient, RecipientRole
from servicecert_schemas.mailboxes import mailbox

from . import deficiencies as lacking
from .deficiencies import Deficiencies


def recipients(form: Form) -> tuple[Recipient, ...]:
    """Return orderer, technical contact and shared mailbox: each valid address once, in its first role.

    Domains are in lower case; a local part may be case-sensitive (RFC 5321 section 2.4).
    """
    by_address: dict[str, Recipient] = {}
    for role, _, email, name in _addressees(form):
        if (recipient := _recipient(role, email, name)) is not None:
            by_address.setdefault(recipient.email, recipient)
    return tuple(by_address.values())


def addresses(form: Form) -> Deficiencies:
    return tuple(
        lacking.EMAIL_WRONG.deficiency(field)
        for role, field, email, name in _addressees(form)
        if _recipient(role, email, name) is None
    )


def _addressees(form: Form) -> tuple[tuple[RecipientRole, str, str, str | None], ...]:
    orderer, contact, shared = form.orderer, form.technical_contact, form.shared_mailbox
    people = (
        (RecipientRole.ORDERER, "orderer.email", orderer.email, orderer.name),
        (RecipientRole.TECHNICAL_CONTACT, "technical_contact.email", contact.email, contact.name),
    )
    return (*people, (RecipientRole.SHARED_MAILBOX, "shared_mailbox", shared, None)) if shared else people


def _recipient(role: RecipientRole, email: str, name: str | None) -> Recipient | None:
    address = mailbox(email)
    try:
        return None if address is None else Recipient(role=role, email=address, name=name)
    except ValidationError:
        return None
