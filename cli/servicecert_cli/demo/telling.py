"""How the demonstration speaks: quiet, 80 columns, times on the left, colour on a terminal only."""

from __future__ import annotations

import textwrap
import time
from collections.abc import Iterable, Sequence
from datetime import datetime
from email import message_from_bytes, policy
from pathlib import Path
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text
from servicecert_deploy.mail_catcher import CaughtMail
from servicecert_schemas.case import CaseChanged, CaseState, Deficiency
from servicecert_schemas.certificate import CertificateIssued

from servicecert_cli.openssl import Answer

HELSINKI = ZoneInfo("Europe/Helsinki")
LABEL = 12

STYLES = {
    CaseState.ACCEPTED: "green",
    CaseState.ISSUED: "green",
    CaseState.DELIVERED: "bold green",
    CaseState.RETURNED: "yellow",
    CaseState.REVOCATION_REQUESTED: "yellow",
    CaseState.REVOKED: "bold red",
    CaseState.REFUSED: "red",
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
        self.console.print(Text(head, style="bold cyan") + Text("─" * max(0, 79 - len(head)), style="cyan dim"))

    def say(self, text: str, style: str = "") -> None:
        """A sentence, indented and wrapped."""
        self._columns("", Text(text, style=style), indent=3)

    def fact(self, label: str, value: str, style: str = "") -> None:
        """A labelled value; its further lines stand below its first."""
        self._columns(label, Text(value, style=style), indent=4)

    def blank(self) -> None:
        self.console.print()

    def _columns(self, label: str, value: Text, indent: int) -> None:
        grid = Table.grid(padding=0)
        grid.add_column(width=indent)
        if label:
            grid.add_column(width=LABEL, style="dim")
            grid.add_column(width=79 - indent - LABEL, overflow="fold")
            grid.add_row("", label, value)
        else:
            grid.add_column(width=79 - indent, overflow="fold")
            grid.add_row("", value)
        self.console.print(grid)

    def state(self, case: CaseChanged) -> None:
        """The state that a case came to, and when."""
        at = case.history[-1].at
        self.moment(at, case.state.replace("-", " "), STYLES.get(case.state, ""), _remark(case))

    def moment(self, at: datetime, what: str, style: str = "", remark: str = "") -> None:
        """Something that happened at a time of day."""
        line = Text(f"    {at.astimezone(HELSINKI):%H:%M:%S.%f}"[:-3], style="dim")
        line.append(f"  {what:<22}", style=style)
        line.append(remark)
        self.console.print(line)

    def certificate(self, issued: CertificateIssued, file: str) -> None:
        self.fact("subject", issued.subject.replace(",", ", "))
        self.fact(
            "issued by",
            f"{issued.issuer} (the {issued.issuer.replace('-', ' ').replace('rsa', 'RSA').replace('ec', 'EC')} CA)",
        )
        self.fact("serial", issued.serial)
        self.fact("valid", f"{issued.not_before:%Y-%m-%d %H:%M:%S} to {issued.not_after:%Y-%m-%d %H:%M:%S} UTC")
        self.fact("SHA-256", fingerprint(issued.fingerprint))
        self.fact("file", file)

    def mails(self, mails: Sequence[CaughtMail]) -> None:
        """To whom mails went, and what was in each of them, which is the same."""
        messages = [message_from_bytes(mail.content, policy=policy.default) for mail in mails]
        self.fact("mails", f"{messages[0]['Subject']}")
        self.fact("to", "\n".join(str(message["To"]) for message in messages))
        if files := [str(part.get_filename()) for part in messages[0].iter_attachments()]:
            self.fact("with", "\n".join(files))

    def command(self, answer: Answer, *, whole: bool) -> None:
        """A command and what it said; the whole command once, then what differs."""
        words = answer.command.split()
        shown = _folded(words) if whole else f"$ {words[0]} {words[1]} … {words[-1]}"
        self.console.print(Text(textwrap.indent(shown, "    "), style="dim"))
        for line in answer.said.splitlines():
            self.console.print(Text(f"    {line}", style="green" if answer.content else "red"))

    def farewell(self, folder: Path, events: int) -> None:
        """What is left when everything is stopped."""
        self.blank()
        self.console.print(Text("─" * 79, style="cyan dim"))
        self.say(f"Everything is stopped. To look at, in {folder}:")
        self.blank()
        count = sum(1 for _ in (folder / "certificates").glob("*.pem"))
        self.fact("certificates/", f"{count} certificates, each as .pem and .der")
        self.fact("ca/", "the certificates of 4 roots and 4 issuing CAs")
        self.fact("crls/", "the CRL of each issuing CA")
        self.fact("mail/", f"{sum(1 for _ in (folder / 'mail').glob('*.eml'))} mails as they went over the wire")
        self.fact("events.jsonl", f"all {events} events of all topics, in order of time")
        self.fact("logs/", "what the services said")
        self.blank()
        self.say("Next: `servicecert up` keeps everything running, to be used.")
        self.blank()

    def deficiencies(self, lacks: Iterable[Deficiency]) -> None:
        for lack in lacks:
            self.blank()
            self.fact("lacks", f"{lack.code}  ({lack.field})", "yellow")
            for language, text in (("svenska", lack.texts.sv), ("suomi", lack.texts.fi), ("English", lack.texts.en)):
                self.fact(language, text)


def fingerprint(sha256: str) -> str:
    """Octets in capitals between colons, in two lines, as OpenSSL groups them."""
    octets = bytes.fromhex(sha256)
    return f"{octets[:16].hex(':').upper()}:\n{octets[16:].hex(':').upper()}"


def _folded(words: Sequence[str]) -> str:
    """A long command in lines that end in a backslash."""
    head, options, last = words[:4], words[4:-1], words[-1]
    pairs = [f"{name} {value}" for name, value in zip(options[::2], options[1::2], strict=True)]
    return " \\\n    ".join([f"$ {' '.join(head)}", *pairs, last])


def _remark(case: CaseChanged) -> str:
    match case.state:
        case CaseState.ACCEPTED if case.due is not None:
            return f"delivery due {case.due.astimezone(HELSINKI):%A %-d %B}"
        case CaseState.RETURNED:
            return f"{len(case.deficiencies)} things to mend"
        case CaseState.DELIVERED:
            roles = sorted({each.recipient.replace("-", " ") for each in case.deliveries if each.delivered})
            return "to " + ", ".join(roles)
    return ""


class Steps:
    """The steps that prepare the stage, at once: on a terminal each with a spinner, elsewhere a line when it is done."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._steps: dict[str, tuple[str, str, float, float | None]] = {}
        self._spinner = Spinner("dots", style="cyan")
        self._live = Live(console=console, get_renderable=self._table, refresh_per_second=12, transient=True)

    def __enter__(self) -> Steps:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()
        if self._console.is_terminal:
            self._console.print(self._table())

    def began(self, step: str, text: str) -> None:
        name, _, since, _ = self._steps.get(step, (text, "", time.monotonic(), None))
        self._steps[step] = (name, "" if name == text else text, since, None)

    def done(self, step: str, note: str) -> None:
        name, _, since, _ = self._steps[step]
        self._steps[step] = (name, note, since, time.monotonic() - since)
        if not self._console.is_terminal:
            table = self._grid()
            self._add(table, *self._steps[step])
            self._console.print(table)

    def _table(self) -> Table:
        table = self._grid()
        for step in tuple(self._steps.values()):
            self._add(table, *step)
        return table

    def _grid(self) -> Table:
        table = Table.grid(padding=(0, 1))
        table.add_column(width=1)
        table.add_column(width=1)
        table.add_column(width=23)
        table.add_column(width=43, style="dim", overflow="ellipsis", no_wrap=True)
        table.add_column(width=6, justify="right", style="dim")
        return table

    def _add(self, table: Table, name: str, note: str, since: float, took: float | None) -> None:
        mark = self._spinner if took is None else Text("✓", style="green")
        table.add_row("", mark, name, note, f"{time.monotonic() - since if took is None else took:.1f} s")
