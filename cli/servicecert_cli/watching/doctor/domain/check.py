"""What a look found, and the result of a check: a condition with what was found of it."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from ....faults import listed
from ...conditions import Condition, Severity, Subject

_RANKS = {severity: rank for rank, severity in enumerate(Severity)}
FAULTS = (Severity.WARNING, Severity.CRITICAL)

EXIT_CODES = {Severity.OK: 0, Severity.SKIPPED: 0, Severity.WARNING: 1, Severity.CRITICAL: 2, Severity.UNKNOWN: 3}
"""As monitoring plugins have them."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found, in a sentence, and, unless all is well, what to do.

    A fault without a severity or a remedy of its own has those of the condition.
    """

    severity: Severity | None
    text: str
    remedy: str = ""


ok = partial(Finding, Severity.OK)
skipped = partial(Finding, Severity.SKIPPED)
"""There is nothing to check."""
unknown = partial(Finding, Severity.UNKNOWN)
"""Nobody could look."""
warning = partial(Finding, Severity.WARNING)
"""It will become a fault, or is one that harms nobody yet."""
critical = partial(Finding, Severity.CRITICAL)
"""It is a fault that stops or endangers the service now."""
fault = partial(Finding, None)
"""The condition holds, which is as bad as it says."""


@dataclass(frozen=True, slots=True)
class Check:
    """The result of one check."""

    name: str
    subject: Subject
    severity: Severity
    finding: str
    why: str
    remedy: str = ""


def result(condition: Condition, finding: Finding) -> Check:
    severity = finding.severity or condition.severity
    assert severity is not None, f"{condition.name} has no severity, and the look gave none"
    remedy = finding.remedy or (condition.remedy if severity in FAULTS else "")
    return Check(condition.name, condition.subject, severity, finding.text, condition.why, remedy)


def naming(says: str, well: str, wrong: Sequence[str], separator: str = ", ") -> Finding:
    """Return a fault that says what is wrong in place of {}, or that all is well."""
    return fault(says.format(listed(wrong, separator))) if wrong else ok(well)


def counted(facts: tuple[int, Sequence[str]], well: str, none: str) -> Finding:
    """Judge how many things were looked at, with {} in `well` for their number, and what is wrong with them."""
    number, wrong = facts
    return naming("{}.", well.format(number), wrong, "; ") if number else skipped(none)


def graded(value: float, warn_at: float, critical_at: float, text: str) -> Finding:
    """Return how bad a value is that is the worse the larger it is."""
    if value < warn_at:
        return ok(text)
    return critical(text) if value >= critical_at else warning(text)


def worst(findings: Iterable[Finding], well: str) -> Finding:
    """Return the worst of several findings with all texts and remedies as bad as it; `well` where none is a fault."""
    found = [each for each in findings if each.severity in (None, *FAULTS)]
    if not found:
        return ok(well)
    severity = max((each.severity or Severity.CRITICAL for each in found), key=_RANKS.__getitem__)
    bad = [each for each in found if (each.severity or Severity.CRITICAL) is severity]
    remedies = dict.fromkeys(each.remedy for each in bad)
    return Finding(bad[0].severity, " ".join(each.text for each in bad), " ".join(remedies))


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


def period(seconds: float) -> str:
    """Return a time in the unit that reads best: 40 s, 12 min, 5 h, 30 days."""
    for unit, length, most in (("s", 1, 120), ("min", 60, 7_200), ("h", 3_600, 172_800)):
        if abs(seconds) < most:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds / 86_400:.0f} days"
