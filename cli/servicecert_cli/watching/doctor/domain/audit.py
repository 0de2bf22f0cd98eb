"""The audit: whether signed checkpoints cover its rows, and follow each other."""

from collections.abc import Sequence
from dataclasses import dataclass

from .check import Finding, fault, skipped, worst


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


def check_audit_checkpoints(services: Sequence[Checkpoints]) -> Finding:
    if not any(each.links for each in services):
        return skipped("There is no checkpoint yet.")
    findings = [fault(f"{each.service}: {found}.") for each in services for found in _faults(each)]
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
