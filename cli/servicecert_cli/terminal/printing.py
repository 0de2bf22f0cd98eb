"""What commands print about cases: paragraphs, labelled values, states and deficiencies, in at most 79 columns.

Control and invisible characters are printed escaped, as in `output`.
"""

import os
import re
import sys
from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from rich.console import Console
from rich.status import Status
from rich.text import Text
from servicecert_pki.validity import HELSINKI
from servicecert_schemas.case import CaseChanged, CaseState, Deficiency
from servicecert_schemas.open_list import value_of
from servicecert_schemas.values import Language, Texts

from .output import escaped

WIDTH = 79
_RDN = re.compile(r"(?:\\.|[^,\\])+")

LANGUAGES = {Language.SWEDISH: "svenska", Language.FINNISH: "suomi", Language.ENGLISH: "English"}

STYLES = {
    CaseState.WAITING_FOR_CSR: "yellow",
    CaseState.ACCEPTED: "green",
    CaseState.ISSUED: "green",
    CaseState.DELIVERED: "bold green",
    CaseState.RETURNED: "yellow",
    CaseState.REVOCATION_REQUESTED: "yellow",
    CaseState.REVOKED: "bold red",
    CaseState.REFUSED: "red",
    CaseState.LAPSED: "red",
}


def console() -> Console:
    """Return standard output: colours on a terminal only, 80 columns unless COLUMNS is set."""
    if sys.stdout.isatty():
        return Console(highlight=False)
    return Console(highlight=False, width=int(os.environ.get("COLUMNS", WIDTH + 1)))


class Transition(NamedTuple):
    """One state of a case in words. `moment` is Helsinki's time of day; `remark` is empty but for the newest state."""

    at: datetime
    moment: str
    words: str
    remark: str
    style: str


def transitions(case: CaseChanged, shown: int = 0) -> list[Transition]:
    """Return the states of a case that follow the first `shown` ones, in order."""
    return [
        Transition(
            entry.at,
            f"{entry.at.astimezone(HELSINKI):%H:%M:%S.%f}"[:-3],
            entry.state.replace("-", " ").replace("csr", "CSR"),
            _remark(case) if entry is case.history[-1] else "",
            value_of(STYLES, entry.state, ""),
        )
        for entry in case.history[shown:]
    ]


class Printer:
    """Prints paragraphs, labelled values and the states of cases. On a terminal it also shows what is waited for."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.width = min(WIDTH, console.width - 1)
        self._after_blank = False

    def title(self, text: str) -> None:
        self.gap()
        self.line(" ", Text(text, style="bold"))
        self.blank()

    def heading(self, text: str) -> None:
        """Print a heading followed by a rule, after a blank line; what follows needs no blank line."""
        head = f" {text} "
        self.gap()
        self.line("", Text.assemble((head, "bold cyan"), ("─" * max(0, self.width - len(head)), "cyan dim")))
        self._after_blank = True

    def say(self, text: str, *, blank_after: bool = True) -> None:
        self.gap()
        self.wrapped("   ", Text(text))
        if blank_after:
            self.blank()

    def fact(self, label: str, value: str, style: str = "", *, width: int = 12) -> None:
        """Print a labelled value, its further lines below its first."""
        self.wrapped(f"    {label:<{width - 1}} ", Text(value, style))

    def wrapped(self, margin: str, text: Text) -> None:
        """Print a text behind a margin, which is empty from the second line on."""
        for number, line in enumerate(text.wrap(self.console, max(10, self.width - len(margin)))):
            self.line(" " * len(margin) if number else margin, line)

    def waiting(self, text: str) -> Status:
        return self.console.status(Text(text, style="dim"), spinner_style="cyan")

    def blank(self) -> None:
        self.console.print()
        self._after_blank = True

    def gap(self) -> None:
        if not self._after_blank:
            self.blank()

    def line(self, margin: str, line: Text) -> None:
        line.rstrip()
        self._after_blank = False
        self.console.print(Text.assemble((margin, "dim"), harmless(line)), soft_wrap=True)

    def states(self, case: CaseChanged, shown: int) -> None:
        for each in transitions(case, shown):
            self.line(f"    {each.moment}  ", Text.assemble((f"{each.words:<22}", each.style), each.remark))

    def deficiencies(self, deficiencies: Iterable[Deficiency]) -> None:
        for each in deficiencies:
            self.blank()
            self.fact("to mend", f"{each.field}: {each.code}", "yellow")
            self.texts(each.texts)

    def texts(self, texts: Texts) -> None:
        for language, name in LANGUAGES.items():
            self.fact(name, texts.in_language(language))


def harmless(line: Text) -> Text:
    """Return a line as it is, or without its colours and with control and invisible characters escaped."""
    text = escaped(line.plain)
    return line if text == line.plain else Text(text)


def fingerprint(sha256: str) -> str:
    """Return a hash in capitals between colons, as OpenSSL writes it, in two lines."""
    octets = bytes.fromhex(sha256)
    return f"{octets[:16].hex(':').upper()}:\n{octets[16:].hex(':').upper()}"


def relative_names(subject: str) -> str:
    return "\n".join(_RDN.findall(subject))


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
