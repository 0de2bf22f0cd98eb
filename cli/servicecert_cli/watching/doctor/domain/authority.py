"""The CAs, and what relying parties get of them: CRLs, OCSP answers and CA certificates, as they are served."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ...conditions import CONDITIONS
from .check import Finding, critical, fault, graded, ok, period, skipped, warning, worst

WARN, CRITICAL = timedelta(days=180), timedelta(days=30)
"""Of a certificate's validity that is left: a new generation is planned for months."""


def check_ca_validity(facts: tuple[datetime, Mapping[str, datetime]]) -> Finding:
    now, ends = facts
    findings = []
    for ca, end in ends.items():
        text = f"{ca} {'expired' if end < now else 'expires'} on {end:%Y-%m-%d}."
        if end - now < CRITICAL:
            findings.append(critical(text, "Hold a ceremony: docs/ceremony.md."))
        elif end - now < WARN:
            findings.append(warning(text, "Plan a ceremony: docs/ceremony.md."))
    return worst(findings, f"The first expires on {min(ends.values(), default=now):%Y-%m-%d}.")


LIMIT_SECONDS = 60.0
"""A revocation is to be on a CRL within this time (D4)."""
STALE = timedelta(minutes=5)
CACHED = timedelta(minutes=1)
"""Caches may keep a CRL for half of it."""
_SERVER = "Start the web server of the CRL folder, or correct the proxy."


@dataclass(frozen=True, slots=True)
class FetchedCrl:
    """A CRL from its public address. `fault` says why there is none; `booked` is the newest number in the tables."""

    address: str
    fault: str | None = None
    is_signed: bool = False
    number: int = 0
    this_update: datetime | None = None
    next_update: datetime | None = None
    booked: int | None = None
    booked_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class OcspAnswer:
    """What OCSP says about a certificate, and what the tables say; `fault` says why there is no valid answer."""

    address: str
    serial: str
    is_revoked: bool = False
    should_be_revoked: bool = False
    fault: str | None = None


def check_crl(facts: tuple[datetime, Sequence[FetchedCrl]]) -> Finding:
    now, crls = facts
    first = min((each.next_update for each in crls if each.next_update is not None), default=now)
    return worst(
        [_crl(each, now) for each in crls],
        f"Each of {len(crls)} is served; the first is valid until {first:%F %H:%M} UTC.",
    )


def _crl(crl: FetchedCrl, now: datetime) -> Finding:
    expiring = CONDITIONS["CrlAges"]
    if crl.fault is not None:
        return fault(f"{crl.address}: {crl.fault}.", f"{_SERVER} Lost files: `servicecert crl publish`.")
    if not crl.is_signed:
        remedy = "Find out who wrote it; a running revoker replaces it within half a minute."
        return fault(f"{crl.address} is not signed by its CA.", remedy)
    if crl.next_update is None or crl.next_update <= now:
        return fault(f"{crl.address} has expired.", expiring.remedy)
    if crl.this_update is not None and crl.this_update > now + STALE:
        return fault(f"{crl.address} is from the future.", "Correct the clocks of the revokers.")
    if crl.booked is not None and crl.booked > crl.number and (crl.booked_at or now) < now - CACHED:
        text = f"{crl.address} is number {crl.number}; number {crl.booked} is published: later revocations are missing."
        cache = "If it stays, a cache or a copy in front of the CRL folder is old: shorten its time."
        return fault(text, f"Publish it again: `servicecert crl publish`. {cache}")
    left = (crl.next_update - now).total_seconds()
    if expiring.is_wrong(left):
        return fault(f"{crl.address} is valid for {period(left)} only.", expiring.remedy)
    return ok(crl.address)


def check_ocsp(answers: Sequence[OcspAnswer]) -> Finding:
    if not answers:
        return skipped("No certificate that names an OCSP responder is issued yet.")
    findings = []
    for each in answers:
        if each.fault is not None:
            findings.append(fault(f"{each.address}: {each.fault}", "Start `servicecert ocsp`; see its log."))
        elif each.is_revoked != each.should_be_revoked:
            says, books = ("revoked" if it else "good" for it in (each.is_revoked, each.should_be_revoked))
            text = f"{each.address} says {says} of {each.serial}, which is {books}."
            findings.append(fault(text, "Run `servicecert republish revoker`."))
    return worst(findings, f"Each of {len(answers)} answers as the tables say.")


def check_aia(served: Mapping[str, bool | str]) -> Finding:
    findings = [
        fault(f"{address}: {answer}.", _SERVER)
        if isinstance(answer, str)
        else fault(f"{address} is another certificate.", "Restart the revoker: it publishes the right one.")
        for address, answer in served.items()
        if answer is not True
    ]
    return worst(findings, f"Each of {len(served)} is served.")


def check_crl_passes(passes: Sequence[tuple[str, int, float]]) -> Finding:
    """Judge the last published pass over each CA's CRLs: the entries of the full one, and the seconds it took."""
    if not passes:
        return skipped("None is published yet.")
    issuer, entries, seconds = max(passes, key=lambda each: each[2])
    waits = 2 * seconds
    text = (
        f"The last pass of {issuer}, {entries} entries, took {seconds:.1f} s: a revocation waits {waits:.1f} s at most."
    )
    return graded(waits, LIMIT_SECONDS / 2, LIMIT_SECONDS, text)
