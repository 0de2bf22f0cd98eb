"""The mail server, and the mails that wait for it."""

from collections.abc import Sequence
from dataclasses import dataclass

from .check import Finding, Subject, critical, examination, listed, ok, period, skipped, warning, worst

WARN_SECONDS, CRITICAL_SECONDS = 3_600.0, 86_400.0


@dataclass(frozen=True, slots=True)
class Relay:
    """What a conversation with a mail server came to: why it did not open, or why the login was refused."""

    name: str
    fault: str | None = None
    login_fault: str | None = None
    has_login: bool = False
    is_encrypted: bool = True


@dataclass(frozen=True, slots=True)
class Deferred:
    """Mails that are tried again, the age in seconds of the oldest, how many a server refused because of us, and the
    answer that most of them had: None if there are none."""

    number: int
    oldest: float
    refused: int
    answer: str | None = None


@examination(
    "mail-server",
    Subject.MAIL,
    "Does each mail server open a conversation, with TLS as set?",
    "Certificates and invitations reach people by mail only.",
)
def check_mail_server(relays: Sequence[Relay]) -> Finding:
    faults = [each for each in relays if each.fault is not None]
    remedy = "Correct the mail server, or SMTP_HOST, SMTP_PORT, SMTP_TLS and SMTP_CA_FILE."
    if faults:
        texts = " ".join(each.fault or "" for each in faults)
        return critical(texts, remedy) if len(faults) == len(relays) else warning(texts, remedy)
    if open_ones := [each.name for each in relays if not each.is_encrypted]:
        return warning(f"Without verified TLS: {listed(open_ones)}.", "Set SMTP_TLS=starttls or implicit.")
    return ok(f"{listed([each.name for each in relays])}.")


@examination(
    "mail-login",
    Subject.MAIL,
    "Does each mail server accept our login?",
    "A server that refuses us takes no mail at all: all wait.",
)
def check_mail_login(relays: Sequence[Relay]) -> Finding:
    if faults := [each.login_fault for each in relays if each.login_fault is not None]:
        return critical(" ".join(faults), "Correct SMTP_USERNAME and the file of SMTP_PASSWORD_FILE.")
    if not any(each.has_login for each in relays):
        return skipped("SMTP_USERNAME is not set: mails are sent without a login.")
    if all(each.fault is not None for each in relays):
        return skipped("No mail server could be asked: see `mail-server`.")
    return ok("Accepted.")


@examination(
    "mails",
    Subject.MAIL,
    "Is no mail waiting for long?",
    "A certificate that is issued and not mailed is no use to its applicant.",
)
def check_mails(deferred: Deferred) -> Finding:
    findings = []
    remedy = "See `servicecert mail list --state deferred`, and the answers of the mail server there."
    if deferred.refused:
        findings.append(critical(f"The mail server refuses us: {deferred.refused} mails wait.", remedy))
    waiting = f"{deferred.number} are tried again (most had the answer {deferred.answer})"
    if deferred.number and deferred.oldest >= WARN_SECONDS:
        text = f"{waiting}, the oldest for {period(deferred.oldest)}."
        findings.append(critical(text, remedy) if deferred.oldest >= CRITICAL_SECONDS else warning(text, remedy))
    return worst(findings, f"{waiting}, none is old." if deferred.number else "None waits.")
