"""The CAs: their certificates and keys, and whether they can issue what the profiles promise."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from .check import Finding, critical, fault, listed, ok, warning, worst

WARN, CRITICAL = timedelta(days=180), timedelta(days=30)
"""Of a certificate's validity that is left: a new generation is planned for months."""


@dataclass(frozen=True, slots=True)
class CaCertificate:
    """A root or an issuing CA, until when its certificate is valid, and whether it is one for trials."""

    id: str
    not_after: datetime
    is_for_trials: bool = False


@dataclass(frozen=True, slots=True)
class Cas:
    """The issuing CAs and roots of the folder, at a moment; `fault` says why the folder cannot be used."""

    now: datetime
    issuing: tuple[CaCertificate, ...] = ()
    roots: tuple[CaCertificate, ...] = ()
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class Promise:
    """A certificate type whose longest certificate, made now, would end then; and the CA that signs it now."""

    type_id: str
    ends: datetime
    ca: CaCertificate


@dataclass(frozen=True, slots=True)
class Promises:
    """All types, and the names of CAs that no generation is active of."""

    now: datetime
    made: tuple[Promise, ...]
    inactive: tuple[str, ...] = ()


def check_ca(cas: Cas) -> Finding:
    if cas.fault is not None:
        return fault(cas.fault)
    return ok(f"{len(cas.issuing)} issuing CAs under {len(cas.roots)} roots; all chains verify.")


def check_ca_validity(cas: Cas) -> Finding:
    findings = []
    for ca in (*cas.issuing, *cas.roots):
        left = ca.not_after - cas.now
        text = f"{ca.id} {'expired' if left < timedelta() else 'expires'} on {ca.not_after:%Y-%m-%d}."
        if left < CRITICAL:
            findings.append(critical(text, "Hold a ceremony: docs/ceremony.md."))
        elif left < WARN:
            findings.append(warning(text, "Plan a ceremony: docs/ceremony.md."))
    first = min((ca.not_after for ca in (*cas.issuing, *cas.roots)), default=cas.now)
    return worst(findings, f"The first expires on {first:%Y-%m-%d}.")


def check_ca_profiles(promises: Promises) -> Finding:
    if promises.inactive:
        text = f"No CA is active: {listed(promises.inactive)}."
        return critical(text, "Activate one with `servicecert ca activate`.")
    remedy = "Hold a ceremony for a new generation of the CA: docs/ceremony.md."
    findings = []
    for each in promises.made:
        text = f"{each.type_id} of {each.ca.id} would end {(each.ends - each.ca.not_after).days} days after its CA."
        if each.ends > each.ca.not_after:
            findings.append(critical(text, remedy))
        elif each.ends + WARN > each.ca.not_after:
            room = (each.ca.not_after - each.ends).days
            findings.append(warning(f"{each.type_id} of {each.ca.id} will outlive its CA in {room} days.", remedy))
    return worst(findings, f"All {len(promises.made)} types of certificates end before their CA.")


def check_ca_keys(facts: tuple[int, str | None]) -> Finding:
    """Judge how many keys were opened, and why one was not."""
    opened, refused = facts
    return ok(f"{opened} keys belong to their certificates.") if refused is None else fault(refused)


def check_trial_ca(cas: Cas) -> Finding:
    if trials := [ca.id for ca in cas.issuing if ca.is_for_trials and ca.id.startswith("production")]:
        return fault(f"For trials: {listed(trials)}.")
    return ok("None is for trials.")
