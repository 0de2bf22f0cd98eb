"""Who receives the certificate and the mails of a case (C1)."""

from functools import lru_cache

from email_validator import EmailNotValidError, validate_email
from pydantic import ValidationError
from servicecert_schemas.application import Form
from servicecert_schemas.certificate import Recipient, RecipientRole

from . import deficiencies as lacking
from .deficiencies import Deficiencies


def recipients(form: Form) -> tuple[Recipient, ...]:
    """Orderer, technical contact and shared mailbox, those whose addresses are right, each address once in its first role.

    A domain has no case and is written in small letters, a local part may have one (RFC 5321 section 2.4).
    """
    found: dict[str, Recipient] = {}
    for role, _, email, name in _addressed(form):
        recipient = _recipient(role, email, name)
        if recipient is not None:
            found.setdefault(recipient.email, recipient)
    return tuple(found.values())


def addresses(form: Form) -> Deficiencies:
    """Every e-mail address is one that can be delivered to."""
    return tuple(
        lacking.EMAIL_WRONG.deficiency(field)
        for role, field, email, name in _addressed(form)
        if _recipient(role, email, name) is None
    )


def _addressed(form: Form) -> tuple[tuple[RecipientRole, str, str, str | None], ...]:
    """The role, the field, the address as typed, and the name of each."""
    people = (
        (RecipientRole.ORDERER, "orderer.email", form.orderer.email.strip(), form.orderer.name),
        (
            RecipientRole.TECHNICAL_CONTACT,
            "technical_contact.email",
            form.technical_contact.email.strip(),
            form.technical_contact.name,
        ),
    )
    shared = (form.shared_mailbox or "").strip()
    return (*people, (RecipientRole.SHARED_MAILBOX, "shared_mailbox", shared, None)) if shared else people


def _recipient(role: RecipientRole, email: str, name: str | None) -> Recipient | None:
    """The recipient, where the address is right."""
    mailbox = _mailbox(email)
    try:
        return None if mailbox is None else Recipient(role=role, email=mailbox, name=name)
    except ValidationError:
        return None


@lru_cache(maxsize=512)
def _mailbox(email: str) -> str | None:
    """The address as it is handed to a mail server: one mailbox of a domain in the internet, in A-labels.

    Whether there is such a domain or mailbox is not looked up. A local part may have letters beyond ASCII (RFC 6531). Each address is asked for twice
    or more in a turn, and looking at one takes longer than all other rules for it.
    """
    try:
        found = validate_email(email, check_deliverability=False, allow_smtputf8=True)
    except EmailNotValidError:
        return None
    return f"{found.local_part}@{found.ascii_domain}"
