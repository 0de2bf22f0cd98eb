"""The customer's page, from the topic `cases` alone (E4): an account's list, and one case opened as a decision."""

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text
from servicecert_schemas.case import CaseCertificate, CaseChanged, CaseState, NextActor
from servicecert_schemas.mail import MailKind
from servicecert_schemas.open_list import UnknownMember, value_of
from servicecert_schemas.values import Language, Texts

from ..terminal.printing import STYLES, Printer, fingerprint, relative_names
from . import page_words as words

LABEL = 24

_CLOSED = frozenset({CaseState.LAPSED, CaseState.WITHDRAWN, CaseState.REFUSED})


class Page(Printer):
    """Draws in one language, 80 columns wide; colour on a terminal only."""

    def __init__(self, console: Console, language: Language) -> None:
        super().__init__(console)
        self._language = language

    def listed(self, account_id: str, cases: Sequence[CaseChanged]) -> None:
        """Print granted permits, unfinished matters, and matters closed without a permit."""
        title, gap = self._in(words.TITLE), self.width - len(self._in(words.TITLE)) - len(account_id) - 1
        self.line("", Text.assemble(" ", (title, "bold"), " " * max(2, gap), (account_id, "dim")))
        granted = [case for case in cases if is_granted(case)]
        unfinished = [case for case in cases if not is_granted(case) and case.state not in _CLOSED]
        closed = [case for case in cases if not is_granted(case) and case.state in _CLOSED]
        self._section(words.GRANTED, granted)
        self._section(words.UNFINISHED, unfinished)
        if closed:
            self._section(words.CLOSED, closed)
        if cases:
            self.blank()
            self.line(
                "", Text(f" {self._in(words.OPEN)}: servicecert cases open {(granted or cases)[0].case_id}", "dim")
            )

    def opened(self, case: CaseChanged) -> None:
        """Print one case: the decision, its certificate, and what the customer can do."""
        self._head(case)
        self._fact(words.APPLICANT, f"{case.applied_for.business_id}, {case.applied_for.unit_long_name}")
        self._fact(words.APPLIED_FOR, "\n".join(_names(case)))
        if case.applied_for.customer_reference:
            self._fact(words.REFERENCE, case.applied_for.customer_reference)
        self._fact(words.STATE, self._in(words.named(words.STATES, case.state)), value_of(STYLES, case.state, ""))
        if case.acts_next is not NextActor.NOBODY:
            self._fact(words.WAITS_FOR, self._in(words.named(words.ACTORS, case.acts_next)))
        self._fact(words.NEXT, self._in(case.next_step))
        if case.due is not None and case.certificate is None:
            self._fact(words.DUE, words.day(case.due, self._language))
        if case.lapses is not None:
            self._fact(words.LAPSES, words.day(case.lapses, self._language))
        if case.answer is not None:
            self._fact(words.ANSWER, self._in(case.answer.texts), "yellow")
        self._lacks(case)
        if case.certificate is not None:
            self._certificate(case, case.certificate)
        self._history(case)
        if case.certificate is not None and case.revocation is None:
            self._revocation(case, case.certificate)

    def _section(self, title: Texts, cases: Sequence[CaseChanged]) -> None:
        self._rule(title)
        for number, case in enumerate(cases):
            if number:
                self.blank()
            self._entry(case)
        if not cases:
            self.line("", Text(f"   {self._in(words.NONE)}", "dim"))

    def _entry(self, case: CaseChanged) -> None:
        """Print a case in three lines: certificate type, state, and id."""
        self.wrapped("   ", Text.assemble((self._in(words.TYPES[case.type]), "bold"), "  ", _names(case)[0]))
        state = Text.assemble((self._in(words.named(words.STATES, case.state)), value_of(STYLES, case.state, "")))
        if case.certificate is not None and case.revocation is None:
            until = words.day(case.certificate.not_after, self._language)
            state.append(f", {self._in(words.VALID_UNTIL)} {until}{' asti' if self._language == 'fi' else ''}")
        elif case.due is not None and case.certificate is None:
            state.append(f", {self._in(words.DUE).lower()} {words.day(case.due, self._language)}")
        self.wrapped("     ", state)
        if case.certificate is None or isinstance(case.state, UnknownMember):
            self.wrapped("     ", Text(self._in(case.next_step)))
        self.wrapped("     ", Text(f"{case.case_id}  {words.day(case.history[0].at, self._language)}", "dim"))

    def _head(self, case: CaseChanged) -> None:
        title = words.DECISION if is_granted(case) else words.MATTER
        when = case.decision.date if is_granted(case) and case.decision else case.history[0].at.date()
        left = (
            f"{self._in(title)} {when:%-d.%-m.%Y}" if self._language != "en" else f"{self._in(title)} {when:%-d %b %Y}"
        )
        right = self._in(words.TYPES[case.type])
        self.line(
            "",
            Text.assemble((f" {left}", "bold"), " " * max(2, self.width - len(left) - len(right) - 1), (right, "bold")),
        )
        self.line("", Text(f" {case.case_id}", "dim"))
        self.line("", Text("─" * self.width, "dim"))

    def _lacks(self, case: CaseChanged) -> None:
        if case.deficiencies:
            self._rule(words.DEFICIENCIES)
        for lack in case.deficiencies:
            self.wrapped("    ", Text.assemble((f"{lack.field}: {lack.code}", "yellow")))
            self.wrapped("      ", Text(self._in(lack.texts)))
        if case.renewal is not None and (case.renewal.differences or case.renewal.key_reused):
            self._rule(words.RENEWAL)
            for each in case.renewal.differences:
                self.wrapped("    ", Text(self._in(each.texts)))
                listed = [f"- {value}" for value in each.removed] + [f"+ {value}" for value in each.added]
                for line in listed or [f"- {each.before}", f"+ {each.now}"]:
                    self.wrapped("      ", Text(line, "dim"))
            if case.renewal.key_reused:
                self.wrapped("    ", Text(self._in(case.renewal.key_reused)))

    def _certificate(self, case: CaseChanged, certificate: CaseCertificate) -> None:
        self._rule(words.CERTIFICATE)
        self._fact(words.SUBJECT, relative_names(certificate.subject).replace("2.5.4.5=", "serialNumber="))
        self._fact(words.SERIAL, certificate.serial)
        self._fact(words.DECIMAL, certificate.serial_decimal)
        first, last = (words.moment(at, self._language) for at in (certificate.not_before, certificate.not_after))
        self._fact(words.VALID, f"{first} – {last}")
        self._fact(words.FINGERPRINT, fingerprint(certificate.fingerprint))
        self._fact(words.ISSUER, certificate.issuer)
        mails = [each for each in case.deliveries if each.kind is MailKind.CERTIFICATE_ISSUED]
        deliveries = [
            f"{self._in(words.named(words.ROLES, each.recipient))}, "
            f"{words.moment(each.at, self._language) if each.delivered else self._in(words.UNDELIVERED)}"
            for each in mails
        ]
        if deliveries:
            self._fact(words.DELIVERY, "\n".join(deliveries))

    def _history(self, case: CaseChanged) -> None:
        self._rule(words.HISTORY)
        for entry in case.history:
            state = Text(self._in(words.named(words.STATES, entry.state)), value_of(STYLES, entry.state, ""))
            self.wrapped(f"    {words.moment(entry.at, self._language):<{LABEL}}", state)

    def _revocation(self, case: CaseChanged, certificate: CaseCertificate) -> None:
        """Print the command that requests the revocation, unwrapped so that it can be copied."""
        self._rule(words.REVOCATION)
        self.wrapped("    ", Text(f"{self._in(words.REQUEST_REVOCATION)}. {self._in(words.FINAL)}"))
        command = (
            f"servicecert revoke {case.case_id} \\\n  --serial {certificate.serial} \\\n  --reason no-longer-needed"
        )
        for line in command.splitlines():
            self.line("", Text(f"    {line}", "cyan"))

    def _rule(self, title: Texts) -> None:
        self.blank()
        self.line("", Text(f"  {self._in(title)}", "bold cyan"))

    def _fact(self, label: Texts, value: str, style: str = "") -> None:
        self.fact(self._in(label), value, style, width=LABEL)

    def _in(self, texts: Texts) -> str:
        return texts.in_language(self._language)


def is_granted(case: CaseChanged) -> bool:
    """Return whether a case is a granted permit: decided, and not ended without a certificate since."""
    return case.decision is not None and case.state not in _CLOSED


def _names(case: CaseChanged) -> tuple[str, ...]:
    """Return what the certificate is for: the server's names, the information system, or the unit."""
    applied = case.applied_for
    return (*applied.dns, *applied.ip) or (applied.information_system or applied.unit_long_name,)
