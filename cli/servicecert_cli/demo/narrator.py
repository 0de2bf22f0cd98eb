"""How the demonstration tells its story: in chapters, with certificates, letters and commands shown as their readers see them."""

import re
from collections.abc import Sequence
from email import message_from_bytes, policy
from itertools import pairwise
from pathlib import Path

from rich.text import Text
from servicecert_deploy.mail_catcher import CaughtMail
from servicecert_schemas.case import CaseChanged
from servicecert_schemas.certificate import CertificateIssued

from ..terminal.telling import WIDTH, Teller, fingerprint, relative_names
from .openssl import Answer

_SERIAL = re.compile(r"(_[0-9a-f]{8})[0-9a-f]{12,}")
_AUTHORITIES = {
    "production-rsa": "production-rsa, the RSA 4096 CA for production",
    "production-ec": "production-ec, the EC P-384 CA for production",
    "test-rsa": "test-rsa, the RSA 4096 CA for tests",
    "test-ec": "test-ec, the EC P-384 CA for tests",
}


class Narrator(Teller):
    """Prints the story."""

    def chapter(self, number: int, text: str) -> None:
        head = f" {number}  {text} "
        self.blank()
        self.line("", Text.assemble((head, "bold cyan"), ("─" * max(0, WIDTH - len(head)), "cyan dim")))
        self._apart = True

    def certificate(self, issued: CertificateIssued, file: str) -> None:
        self.fact("subject", relative_names(issued.subject))
        self.fact("issued by", _AUTHORITIES[issued.issuer])
        self.fact("serial", issued.serial)
        self.fact("valid", f"{issued.not_before:%Y-%m-%d %H:%M:%S} to {issued.not_after:%Y-%m-%d %H:%M:%S} UTC")
        self.fact("SHA-256", fingerprint(issued.fingerprint))
        self.fact("file", file)

    def mails(self, mails: Sequence[CaughtMail]) -> None:
        """To whom mails went, and what was in each of them, which is the same."""
        messages = [message_from_bytes(mail.content, policy=policy.default) for mail in mails]
        self.fact("mail", str(messages[0]["Subject"]))
        self.fact("to", "\n".join(str(message["To"]) for message in messages))
        if names := [str(part.get_filename()) for part in messages[0].iter_attachments()]:
            self.fact("with", "\n".join(_SERIAL.sub(r"\1…", name) for name in names))

    def letter(self, mail: CaughtMail) -> None:
        """A mail as its reader sees it, in the form for who reads no HTML."""
        message = message_from_bytes(mail.content, policy=policy.default)
        body = message.get_body(("plain",))
        assert body is not None
        for line in (f"To: {message['To']}", f"Subject: {message['Subject']}", "", *body.get_content().splitlines()):
            for part in Text(line).wrap(self.console, WIDTH - 6) or [Text()]:
                self.line("    │ ", part)

    def command(self, answer: Answer, *, whole: bool) -> None:
        """A command and what it said; the whole command once, then what differs."""
        words = answer.command.split()
        shown = _folded(words) if whole else f"$ {words[0]} {words[1]} … {words[-1]}"
        for line in shown.splitlines():
            self.line("    ", Text(line, style="dim"))
        for line in answer.said.splitlines():
            for part in Text(line, style="green" if answer.content else "red").wrap(self.console, WIDTH - 4):
                self.line("    ", part)

    def answer(self, case: CaseChanged) -> None:
        """What was answered to an event that did not fit, in the three languages."""
        if case.answer is not None:
            self.texts(case.answer.texts)

    def farewell(self, folder: Path, events: int) -> None:
        """What is left when everything is stopped."""
        self.blank()
        self.line("", Text("─" * WIDTH, style="cyan dim"))
        self._apart = True
        self.say(f"Everything is stopped. To look at, in {folder}:")
        mails = sum(1 for _ in (folder / "mail").glob("*.eml"))
        for name, what in (
            ("certificates/", "each certificate as .pem and .der"),
            ("ca/", "the certificates of 4 roots and 4 issuing CAs"),
            ("crls/", "the CRLs of 4 roots and 4 issuing CAs"),
            ("mail/", f"{mails} mails as they went over the wire"),
            ("preview/", "index.html: every kind of mail, in three languages"),
            ("events.jsonl", f"all {events} events of all topics, in order of time"),
            ("logs/", "what the services said"),
        ):
            self.fact(name, what, width=16)
        self.say("Next: `servicecert up` keeps everything running, to be used.")


def _folded(words: Sequence[str]) -> str:
    """A long command in lines that end in a backslash."""
    lines = [f"$ {' '.join(words[:2])}"]
    for before, word in pairwise(words[1:]):
        is_value = before.startswith("-") and before not in _FLAGS and not word.startswith("-")
        lines[-1:] = [f"{lines[-1]} {word}"] if is_value or word in _FLAGS else [lines[-1], word]
    return " \\\n    ".join(lines)


_FLAGS = ("-x509_strict", "-crl_check")
"""The options of OpenSSL that have no value."""
