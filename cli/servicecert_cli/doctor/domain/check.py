"""A check: its name, what it asks, why that matters; and its result."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Generic, TypeVar

F = TypeVar("F")
_MOST_NAMED = 3


class Severity(StrEnum):
    """How bad a finding is. UNKNOWN: the check could not be made; SKIPPED: nothing here to check, which is no fault."""

    OK = "ok"
    SKIPPED = "skipped"
    UNKNOWN = "unknown"
    WARNING = "warning"
    CRITICAL = "critical"


_RANKS = {severity: rank for rank, severity in enumerate(Severity)}

EXIT_CODES = {
    Severity.OK: 0,
    Severity.SKIPPED: 0,
    Severity.WARNING: 1,
    Severity.CRITICAL: 2,
    Severity.UNKNOWN: 3,
}
"""As monitoring plugins have them."""


class Subject(StrEnum):
    """What checks are grouped by."""

    KAFKA = "Kafka"
    TOPICS = "topics"
    GROUPS = "groups"
    DATABASE = "database"
    AUTHORITY = "certificate authority"
    REVOCATION = "CRL and OCSP"
    MAIL = "mail"
    REGISTERS = "registers"
    BACKLOG = "parked and late"
    AUDIT = "audit"
    CONFIGURATION = "configuration"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found, in a sentence, and, unless all is well, what to do."""

    severity: Severity
    text: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """The result of one check."""

    name: str
    subject: Subject
    severity: Severity
    finding: str
    why: str
    remedy: str = ""


@dataclass(frozen=True)
class Examination(Generic[F]):
    """One check: call it with the facts, and it returns the result. `asks` is the question that it answers."""

    name: str
    subject: Subject
    asks: str
    why: str
    judge: Callable[[F], Finding]

    def __call__(self, facts: F) -> Check:
        return self.result(self.judge(facts))

    def result(self, finding: Finding) -> Check:
        """Return the check with this finding."""
        return Check(self.name, self.subject, finding.severity, finding.text, self.why, finding.remedy)


def examination(name: str, subject: Subject, asks: str, why: str) -> Callable[[Callable[[F], Finding]], Examination[F]]:
    """Make a function from facts to a finding one of the checks."""
    return lambda judge: Examination(name, subject, asks, why, judge)


def ok(text: str) -> Finding:
    """Return that all is well."""
    return Finding(Severity.OK, text)


def warning(text: str, remedy: str) -> Finding:
    """Return what will become a fault, or is one that harms nobody yet."""
    return Finding(Severity.WARNING, text, remedy)


def critical(text: str, remedy: str) -> Finding:
    """Return a fault that stops or endangers the service now."""
    return Finding(Severity.CRITICAL, text, remedy)


def skipped(text: str, remedy: str = "") -> Finding:
    """Return that there is nothing to check."""
    return Finding(Severity.SKIPPED, text, remedy)


def graded(value: float, warn_at: float, critical_at: float, text: str, remedy: str) -> Finding:
    """Return how bad a value is that is the worse the larger it is."""
    if value < warn_at:
        return ok(text)
    return critical(text, remedy) if value >= critical_at else warning(text, remedy)


def worst(findings: Iterable[Finding], well: str) -> Finding:
    """Return the worst of several findings with all texts and remedies as bad as it; `well` where none is a fault."""
    found = [each for each in findings if each.severity in (Severity.WARNING, Severity.CRITICAL)]
    if not found:
        return ok(well)
    severity = max((each.severity for each in found), key=_RANKS.__getitem__)
    bad = [each for each in found if each.severity is severity]
    remedies = dict.fromkeys(each.remedy for each in bad)
    return Finding(severity, " ".join(each.text for each in bad), " ".join(remedies))


def first_things_first(checks: Sequence[Check], causes: Mapping[str, Collection[str]]) -> list[Check]:
    """Return the checks; where one of `causes` is critical, its remedy takes the place of those that follow from it.

    `causes` are names, each with the checks whose own remedies do not help, or harm, as long as it is not mended.
    """
    found = [check.name for check in checks if check.severity is Severity.CRITICAL]
    first = {name: cause for cause, names in causes.items() if cause in found for name in names}
    return [
        replace(check, remedy=f"First mend `{first[check.name]}`.") if check.remedy and check.name in first else check
        for check in checks
    ]


def exit_code(severities: Iterable[Severity]) -> int:
    """Return the code of the worst severity; a known fault counts more than what could not be checked."""
    return EXIT_CODES[max(severities, key=_RANKS.__getitem__, default=Severity.OK)]


def listed(names: Sequence[str], separator: str = ", ") -> str:
    """Return the first three names, and how many more there are."""
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return separator.join(names[:_MOST_NAMED]) + more


def period(seconds: float) -> str:
    """Return a time in the unit that reads best: 40 s, 12 min, 5 h, 30 days."""
    for unit, length, most in (("s", 1, 120), ("min", 60, 7_200), ("h", 3_600, 172_800)):
        if abs(seconds) < most:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds / 86_400:.0f} days"
