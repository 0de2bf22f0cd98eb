"""E-mail addresses as people type them (C1, D5)."""

from functools import lru_cache

from email_validator import EmailNotValidError, validate_email


@lru_cache(maxsize=512)
def mailbox(typed: str) -> str | None:
    """Return the address with the domain in lower-case A-labels, or None for what is no address.

    The local part may be non-ASCII (RFC 6531). Whether the domain or mailbox exists is not checked. Cached: validating
    takes longer than all other rules.
    """
    try:
        address = validate_email(typed, check_deliverability=False, allow_smtputf8=True)
    except EmailNotValidError:
        return None
    return f"{address.local_part}@{address.ascii_domain}"
