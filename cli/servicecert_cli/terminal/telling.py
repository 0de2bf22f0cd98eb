"""How the demonstration speaks: quiet, 80 columns, times on the left, colour on a terminal only."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from email import message_from_bytes, policy
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.status import Status
from rich.text import Text
from servicecert_deploy.mail_catcher import CaughtMail
from servicecert_schemas.case import CaseChanged, CaseState, Deficiency
from servicecert_schemas.certificate import CertificateIssued
from servicecert_schemas.values import Texts

from ..demo.openssl import Answer

HELSINKI = ZoneInfo("Europe/Helsinki")
WIDTH = 79

_RDN = re.compile(r"(?:\\.|[^,\\])+")
_SERIAL = re.compile(r"(_[0-9a-f]{8})[0-9a-f]{12,}")
_AUTHORITIES = {
    "production-rsa": "production-rsa, the RSA 4096 CA for production",
    "production-ec": "production-ec, the EC P-384 CA for production",
    "test-rsa": "test-rsa, the RSA 4096 CA for tests",
    "test-ec": "test-ec, the EC P-384 CA for tests",
}

STYLES = {
    CaseState.ACCEPTED: "green",
    CaseState.ISSUED: "green",
    CaseState.DELIVERED: "bold green",
    CaseState.RETURNED: "yellow",
    CaseState.REVOCATION_REQUESTED: "yellow",
    CaseState.REVOKED: "bold red",
    CaseState.REFUSED: "red",
    CaseState.LAPSED: "red",
}


class Teller:
    """Prints the story. While something is waited for, a terminal shows what."""

    def __init__(self, console: Console) -> None:
        self.console = console

    def title(self, text: str) -> None:
        self.console.print()
        self.console.print(f" {text}", style="bold")
        self.console.print()

    def chapter(self, number: int, text: str) -> None:
        head = f" {number}  {text} "
        self.console.print()
        self.console.print(Text.assemble((head, "bold cyan"), ("─" * max(0, WIDTH - len(head)), "cyan dim")))

    def say(self, text: str) -> None:
        """Sentences, indented and wrapped."""
        for line in Text(text).wrap(self.console, WIDTH - 3):
            self._line("   ", line)

    def fact(self, label: str, value: str, style: str = "", *, width: int = 12) -> None:
        """A labelled value; its further lines stand below its first."""
        for number, line in enumerate(Text(value, style=style).wrap(self.console, WIDTH - 4 - width)):
            self._line(f"    {'' if number else label:<{width}}", line)

    def waiting(self, text: str) -> Status:
        """What a terminal shows once it is started, and while it is entered."""
        return self.console.status(Text(text, style="dim"), spinner_style="cyan")

    def blank(self) -> None:
        self.console.print()

    def _line(self, margin: str, line: Text) -> None:
        line.rstrip()
        self.console.print(Text.assemble((margin, "dim"), line), soft_wrap=True)

    def states(self, case: CaseChanged, told: int) -> None:
        """The states that a case came to after those that were told, and when."""
        for entry in case.history[told:]:
            remark = _remark(case) if entry is case.history[-1] else ""
            moment = f"{entry.at.astimezone(HELSINKI):%H:%M:%S.%f}"[:-3]
            state = f"{entry.state.replace('-', ' ').replace('csr', 'CSR'):<22}"
            self._line(f"    {moment}  ", Text.assemble((state, STYLES.get(entry.state, "")), remark))

    def certificate(self, issued: CertificateIssued, file: str) -> None:
        self.fact("subject", "\n".join(_RDN.findall(issued.subject)))
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
                self._line("    │ ", part)

    def command(self, answer: Answer, *, whole: bool) -> None:
        """A command and what it said; the whole command once, then what differs."""
        words = answer.command.split()
        shown = _folded(words) if whole else f"$ {words[0]} {words[1]} … {words[-1]}"
        for line in shown.splitlines():
            self._line("    ", Text(line, style="dim"))
        for line in answer.said.splitlines():
            for part in Text(line, style="green" if answer.content else "red").wrap(self.console, WIDTH - 4):
                self._line("    ", part)

    def farewell(self, folder: Path, events: int) -> None:
        """What is left when everything is stopped."""
        self.blank()
        self.console.print(Text("─" * WIDTH, style="cyan dim"))
        self.say(f"Everything is stopped. To look at, in {folder}:")
        self.blank()
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
        self.blank()
        self.say("Next: `servicecert up` keeps everything running, to be used.")
        self.blank()

    def answer(self, case: CaseChanged) -> None:
        """What was answered to an event that did not fit, in the three languages."""
        if case.answer is not None:
            self._texts(case.answer.texts)

    def deficiencies(self, lacks: Iterable[Deficiency]) -> None:
        for lack in lacks:
            self.blank()
            self.fact("to mend", f"{lack.field}: {lack.code}", "yellow")
            self._texts(lack.texts)

    def _texts(self, texts: Texts) -> None:
        for language, text in (("svenska", texts.sv), ("suomi", texts.fi), ("English", texts.en)):
            self.fact(language, text)


def fingerprint(sha256: str) -> str:
    """Octets in capitals between colons, as OpenSSL writes them, in two lines."""
    octets = bytes.fromhex(sha256)
    return f"{octets[:16].hex(':').upper()}:\n{octets[16:].hex(':').upper()}"


def _folded(words: Sequence[str]) -> str:
    """A long command in lines that end in a backslash."""
    lines = [f"$ {' '.join(words[:2])}"]
    for before, word in pairwise(words[1:]):
        is_value = before.startswith("-") and before not in _FLAGS and not word.startswith("-")
        lines[-1:] = [f"{lines[-1]} {word}"] if is_value or word in _FLAGS else [lines[-1], word]
    return " \\\n    ".join(lines)


_FLAGS = ("-x509_strict", "-crl_check")
"""The options of OpenSSL that have no value."""


def _remark(case: CaseChanged) -> str:
    match case.state:
        case CaseState.ACCEPTED if case.due is not None:
            return f"delivery due {case.due.astimezone(HELSINKI):%A %-d %B}"
        case CaseState.RETURNED:
            number = len(case.deficiencies)
            return "one thing is to be mended" if number == 1 else f"{number} things are to be mended"
        case CaseState.LAPSED:
            return f"on {case.history[-1].at.astimezone(HELSINKI):%-d %B %Y}, by intake's clock"
        case CaseState.DELIVERED:
            return f"by mail to {len({each.recipient for each in case.deliveries if each.delivered})} recipients"
    return ""
