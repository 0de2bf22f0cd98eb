"""The CAs: their certificates, and whether they can issue what the profiles promise."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from .check import Finding, critical, listed, warning, worst

WARN, CRITICAL = timedelta(days=180), timedelta(days=30)
"""Of a certificate's validity that is left: a new generation is planned for months."""


def check_ca_validity(facts: tuple[datetime, Mapping[str, datetime]]) -> Finding:
    """Judge at a moment until when the certificates of issuing CAs and roots are valid."""
    now, ends = facts
    findings = []
    for ca, end in ends.items():
        text = f"{ca} {'expired' if end < now else 'expires'} on {end:%Y-%m-%d}."
        if end - now < CRITICAL:
            findings.append(critical(text, "Hold a ceremony: docs/ceremony.md."))
        elif end - now < WARN:
            findings.append(warning(text, "Plan a ceremony: docs/ceremony.md."))
    return worst(findings, f"The first expires on {min(ends.values(), default=now):%Y-%m-%d}.")


def check_ca_profiles(facts: tuple[Mapping[str, timedelta], Sequence[str]]) -> Finding:
    """Judge how long before its CA the longest certificate of each type would end, and CAs without a generation."""
    rooms, inactive = facts
    if inactive:
        return critical(f"No CA is active: {listed(inactive)}.", "Activate one with `servicecert ca activate`.")
    remedy = "Hold a ceremony for a new generation of the CA: docs/ceremony.md."
    findings = [
        critical(f"{which} would end {-room.days} days after its CA.", remedy)
        if room < timedelta()
        else warning(f"{which} will outlive its CA in {room.days} days.", remedy)
        for which, room in rooms.items()
        if room < WARN
    ]
    return worst(findings, f"All {len(rooms)} types of certificates end before their CA.")
