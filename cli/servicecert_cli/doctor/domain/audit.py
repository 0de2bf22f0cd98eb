"""The audit: whether signed checkpoints cover its rows, and follow each other."""

from collections.abc import Sequence
from dataclasses import dataclass

from .check import Finding, Subject, critical, examination, graded, period, skipped, worst

WARN_SECONDS, CRITICAL_SECONDS = 600.0, 3_600.0
"""Checkpoints are 60 s apart (SERVICECERT_AUDIT_SECONDS)."""


@dataclass(frozen=True, slots=True)
class Attested:
    """How long a service's oldest row is not covered by a checkpoint, in seconds."""

    service: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Link:
    """One of a service's newest checkpoints: its number, its fingerprint, and that of the one before by its text.

    `is_signed` is None where no public key is given.
    """

    number: int
    fingerprint: str
    previous: str
    is_signed: bool | None = None


@dataclass(frozen=True, slots=True)
class Checkpoints:
    """A service's newest checkpoints in order, and chains whose rows are not as the last of them says."""

    service: str
    links: tuple[Link, ...]
    changed: tuple[str, ...] = ()


@examination(
    "audit-attested",
    Subject.AUDIT,
    "Do signed checkpoints cover the audit?",
    "Rows that no checkpoint covers can be changed by who administers the database.",
)
def check_audit_attested(attested: Sequence[Attested]) -> Finding:
    findings = []
    for each in attested:
        text = f"{each.service}: the oldest row without a checkpoint is {period(each.seconds)} old."
        remedy = f"No leader of {each.service} makes checkpoints: look at its workers' logs."
        findings.append(graded(each.seconds, WARN_SECONDS, CRITICAL_SECONDS, text, remedy))
    return worst(findings, "All rows are covered, but for the newest.")


@examination(
    "audit-checkpoints",
    Subject.AUDIT,
    "Do the newest checkpoints follow each other, and do the rows match them?",
    "A gap or a difference is an audit that somebody changed.",
)
def check_audit_checkpoints(services: Sequence[Checkpoints]) -> Finding:
    if not any(each.links for each in services):
        return skipped("There is no checkpoint yet.")
    verify = "Run `servicecert audit verify`, and find out who changed it: docs/audit.md."
    findings = [critical(f"{each.service}: {fault}.", verify) for each in services for fault in _faults(each)]
    return worst(findings, f"The newest {sum(len(each.links) for each in services)} do.")


def _faults(of: Checkpoints) -> list[str]:
    faults = []
    for before, link in zip(of.links, of.links[1:], strict=False):
        if link.number != before.number + 1:
            faults.append(f"checkpoint {before.number + 1} is missing")
        elif link.previous != before.fingerprint:
            faults.append(f"checkpoint {link.number} does not follow {before.number}")
    faults += [f"checkpoint {link.number} is not signed by its service" for link in of.links if link.is_signed is False]
    if of.changed:
        faults.append(f"rows of {len(of.changed)} chains differ from checkpoint {of.links[-1].number}")
    return faults
