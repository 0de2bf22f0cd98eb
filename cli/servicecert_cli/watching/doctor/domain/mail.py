"""The mail servers, and the mails that wait for them."""

from collections.abc import Sequence
from dataclasses import dataclass

from ....faults import listed
from .check import Finding, critical, fault, ok, skipped, warning


@dataclass(frozen=True, slots=True)
class Relay:
    """What a conversation with a mail server came to: why it did not open, or why the login was refused."""

    name: str
    fault: str | None = None
    login_fault: str | None = None
    has_login: bool = False
    is_encrypted: bool = True


def check_mail_server(relays: Sequence[Relay]) -> Finding:
    faults = [each for each in relays if each.fault is not None]
    remedy = "Correct the mail server, or SMTP_HOST, SMTP_PORT, SMTP_TLS and SMTP_CA_FILE."
    if faults:
        texts = " ".join(each.fault or "" for each in faults)
        return critical(texts, remedy) if len(faults) == len(relays) else warning(texts, remedy)
    if open_ones := [each.name for each in relays if not each.is_encrypted]:
        return warning(f"Without verified TLS: {listed(open_ones)}.", "Set SMTP_TLS=starttls or implicit.")
    return ok(f"Mails can be handed to {listed([each.name for each in relays])}.")


def check_mail_login(relays: Sequence[Relay]) -> Finding:
    if faults := [each.login_fault for each in relays if each.login_fault is not None]:
        return fault(" ".join(faults))
    if not any(each.has_login for each in relays):
        return skipped("SMTP_USERNAME is not set: mails are sent without a login.")
    if all(each.fault is not None for each in relays):
        return skipped("No mail server could be asked: see `MailServer`.")
    return ok("Every login is accepted.")


def check_refused_mails(number: int) -> Finding:
    return fault(f"The mail server refuses us: {number} mails wait.") if number else ok("No mail waits for that.")
