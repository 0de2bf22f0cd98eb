"""The story on a terminal or in a text file: in brief, a screen for each chapter, or in full."""

from collections.abc import Sequence
from itertools import pairwise

from rich.console import Console
from rich.text import Text

from ..terminal.printing import WIDTH, Printer
from .elements import (
    CaseList,
    Chapter,
    Checked,
    Deficiencies,
    Element,
    Ending,
    Fact,
    Facts,
    IssuedCertificate,
    Mail,
    Paragraph,
    Progress,
    Reply,
    Title,
)

QUOTED_LINES = 3
"""How many lines of a mail the brief story quotes, empty ones left out."""

_FLAGS = ("-x509_strict", "-crl_check")
"""The options of OpenSSL that have no value."""


class Screen:
    """Prints the story."""

    def __init__(self, console: Console, *, full: bool) -> None:
        self._printer = Printer(console)
        self._console = console
        self._full = full
        self._last: type[Element] = Title

    def show(self, element: Element) -> None:
        if not self._full and isinstance(element, Facts) and all(fact.detail for fact in element.facts):
            return
        if self._is_apart(type(element)):
            self._printer.gap()
        self._last = type(element)
        match element:
            case Title():
                self._printer.title(element.text)
                self._printer.line("   ", Text(element.note))
            case Chapter():
                self._printer.heading(f"{element.number}  {element.title}")
            case Paragraph():
                self._printer.say(element.text, blank_after=self._full)
            case Facts():
                self._facts(element.facts)
            case Progress():
                self._printer.states(element.case, element.shown)
            case Deficiencies():
                self._deficiencies(element)
            case Reply():
                self._reply(element)
            case IssuedCertificate():
                self._certificate(element)
            case Mail():
                self._mail(element)
            case Checked():
                self._checked(element)
            case CaseList():
                self._cases(element)
            case Ending():
                self._ending(element)

    def _is_apart(self, kind: type[Element]) -> bool:
        """Return whether a blank line comes before an element of this kind."""
        if self._last in (Title, Chapter) or kind is self._last:
            return False
        return self._full or kind is Paragraph or (self._last, kind) == (Facts, Progress)

    def _facts(self, facts: Sequence[Fact], width: int = 12) -> None:
        for fact in facts:
            style = "red" if fact.bad else ""
            if self._full:
                self._printer.fact(fact.label, fact.value, style, width=width)
            elif not fact.detail:
                self._printer.fact(fact.label, fact.value.replace("\n", ", "), style, width=width)

    def _deficiencies(self, element: Deficiencies) -> None:
        if self._full:
            self._printer.deficiencies(element.deficiencies)
            return
        for each in element.deficiencies:
            self._printer.fact("to mend", each.texts.en, "yellow")

    def _reply(self, element: Reply) -> None:
        if self._full:
            self._printer.texts(element.texts)
        else:
            self._printer.fact("answer", element.texts.en)

    def _certificate(self, element: IssuedCertificate) -> None:
        if self._full:
            self._facts(element.facts)
            return
        self._printer.fact("certificate", f"{element.path}.pem, issued by {element.issued.issuer}")

    def _mail(self, mail: Mail) -> None:
        self._printer.fact("mail", mail.subject)
        if self._full:
            self._printer.fact("to", "\n".join(mail.recipients))
            if mail.attachments:
                self._printer.fact("with", "\n".join(mail.attachments))
        if mail.quoted:
            self._quote(mail)

    def _quote(self, mail: Mail) -> None:
        """Print a mail as its reader sees it, in the form for readers without HTML. In brief: its first lines."""
        lines = [part for line in mail.text.splitlines() for part in self._wrapped(line)]
        if self._full:
            self._printer.say("This is what the technical contact reads:")
            head = (f"To: {mail.recipients[-1]}", f"Subject: {mail.subject}")
            lines = [*(part for line in head for part in self._wrapped(line)), Text(), *lines]
        else:
            lines = [line for line in lines if line.plain and line.plain != mail.subject]
            rest = Text(f"… {len(lines) - QUOTED_LINES} more lines in {mail.path.partition('-')[0]}-*.eml", "dim")
            lines = [*lines[:QUOTED_LINES], rest]
        for each in lines:
            self._printer.line("    │ ", each)

    def _wrapped(self, line: str) -> list[Text]:
        return list(Text(line).wrap(self._console, WIDTH - 6)) or [Text()]

    def _checked(self, checked: Checked) -> None:
        """Print a command and its output: the command once, then only what differs. In brief: its verdict."""
        answer = checked.answer
        style = "green" if answer.content else "red"
        words = answer.command.split()
        if not self._full:
            self._printer.line(
                "    ", Text.assemble(f"{words[1]:<12}{answer.certificate:<40}", (answer.verdict, style))
            )
            return
        shown = _folded(words) if checked.whole else f"$ {words[0]} {words[1]} … {words[-1]}"
        for line in shown.splitlines():
            self._printer.line("    ", Text(line, style="dim"))
        for line in answer.output.splitlines():
            for part in Text(line, style=style).wrap(self._console, WIDTH - 4):
                self._printer.line("    ", part)

    def _cases(self, cases: CaseList) -> None:
        if self._full:
            cases.draw(self._console)
            return
        for state, name in cases.rows:
            self._printer.fact(state, name)

    def _ending(self, ending: Ending) -> None:
        self._printer.heading("Everything is stopped")
        self._printer.line("   ", Text(f"To look at, in {ending.folder}:"))
        self._facts(ending.files, width=16)
        self._printer.say("Next:", blank_after=False)
        self._facts(ending.next, width=16)


def _folded(words: Sequence[str]) -> str:
    """Return a long command in lines that end in a backslash."""
    lines = [f"$ {' '.join(words[:2])}"]
    for before, word in pairwise(words[1:]):
        is_value = before.startswith("-") and before not in _FLAGS and not word.startswith("-")
        lines[-1:] = [f"{lines[-1]} {word}"] if is_value or word in _FLAGS else [lines[-1], word]
    return " \\\n    ".join(lines)
