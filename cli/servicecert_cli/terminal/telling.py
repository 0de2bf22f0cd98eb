"""How commands speak to people: quiet, 80 columns, times on the left, colour on a terminal only."""

import re
from collections.abc import Iterable

from rich.console import Console
from rich.status import Status
from rich.text import Text
from servicecert_pki.validity import HELSINKI
from servicecert_schemas.case import CaseChanged, CaseState, Deficiency
from servicecert_schemas.values import Texts

WIDTH = 79
_RDN = re.compile(r"(?:\\.|[^,\\])+")

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
    """Prints sentences, facts and the states of cases. While something is waited for, a terminal shows what."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._apart = False

    def title(self, text: str) -> None:
        self.blank()
        self.line(" ", Text(text, style="bold"))
        self.blank()

    def say(self, text: str) -> None:
        """A paragraph, indented and wrapped, between blank lines."""
        if not self._apart:
            self.blank()
        for line in Text(text).wrap(self.console, WIDTH - 3):
            self.line("   ", line)
        self.blank()

    def fact(self, label: str, value: str, style: str = "", *, width: int = 12) -> None:
        """A labelled value; its further lines stand below its first."""
        for number, line in enumerate(Text(value, style=style).wrap(self.console, WIDTH - 4 - width)):
            self.line(f"    {'' if number else label:<{width}}", line)

    def waiting(self, text: str) -> Status:
        """What a terminal shows once it is started, and while it is entered."""
        return self.console.status(Text(text, style="dim"), spinner_style="cyan")

    def blank(self) -> None:
        self.console.print()
        self._apart = True

    def line(self, margin: str, line: Text) -> None:
        """A line behind a margin, not wrapped."""
        line.rstrip()
        self._apart = False
        self.console.print(Text.assemble((margin, "dim"), line), soft_wrap=True)

    def states(self, case: CaseChanged, told: int) -> None:
        """The states that a case came to after those that were told, and when."""
        for entry in case.history[told:]:
            remark = _remark(case) if entry is case.history[-1] else ""
            moment = f"{entry.at.astimezone(HELSINKI):%H:%M:%S.%f}"[:-3]
            state = f"{entry.state.replace('-', ' ').replace('csr', 'CSR'):<22}"
            self.line(f"    {moment}  ", Text.assemble((state, STYLES.get(entry.state, "")), remark))

    def deficiencies(self, lacks: Iterable[Deficiency]) -> None:
        for lack in lacks:
            self.blank()
            self.fact("to mend", f"{lack.field}: {lack.code}", "yellow")
            self.texts(lack.texts)

    def texts(self, texts: Texts) -> None:
        """A text in the three languages."""
        for language, text in (("svenska", texts.sv), ("suomi", texts.fi), ("English", texts.en)):
            self.fact(language, text)


def fingerprint(sha256: str) -> str:
    """Octets in capitals between colons, as OpenSSL writes them, in two lines."""
    octets = bytes.fromhex(sha256)
    return f"{octets[:16].hex(':').upper()}:\n{octets[16:].hex(':').upper()}"


def relative_names(subject: str) -> str:
    """The parts of a distinguished name (RFC 4514), one a line."""
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
