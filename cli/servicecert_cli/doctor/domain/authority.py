"""The CAs: their certificates and keys, and whether they can issue what the profiles promise."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from .check import Finding, Subject, critical, examination, listed, ok, skipped, warning, worst

WARN, CRITICAL = timedelta(days=180), timedelta(days=30)
"""Of a certificate's validity that is left: a new generation is planned for months."""
ROOT_CRL_WARN, ROOT_CRL_CRITICAL = timedelta(days=30), timedelta(days=7)


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


@dataclass(frozen=True, slots=True)
class RootCrl:
    """The CRL of a root in the folder; `next_update` is None if there is none."""

    root: str
    next_update: datetime | None


@examination(
    "ca",
    Subject.AUTHORITY,
    "Are the CAs' files whole, and does each chain verify up to its root?",
    "An issuer or a revoker with a damaged CA does not start.",
)
def check_ca(cas: Cas) -> Finding:
    if cas.fault is not None:
        return critical(cas.fault, "Restore the folder from the ceremony's copy.")
    return ok(f"{len(cas.issuing)} issuing CAs under {len(cas.roots)} roots; all chains verify.")


@examination(
    "ca-validity",
    Subject.AUTHORITY,
    "Are the certificates of the CAs valid for long enough?",
    "When a CA expires, so do all certificates that it signed.",
)
def check_ca_validity(cas: Cas) -> Finding:
    findings = []
    for ca in (*cas.issuing, *cas.roots):
        left, until = ca.not_after - cas.now, f"{ca.not_after:%Y-%m-%d}"
        if left < timedelta():
            findings.append(critical(f"{ca.id} expired on {until}.", "Hold a ceremony: docs/ceremony.md."))
        elif left < CRITICAL:
            findings.append(critical(f"{ca.id} expires on {until}.", "Hold a ceremony: docs/ceremony.md."))
        elif left < WARN:
            findings.append(warning(f"{ca.id} expires on {until}.", "Plan a ceremony: docs/ceremony.md."))
    first = min((ca.not_after for ca in (*cas.issuing, *cas.roots)), default=cas.now)
    return worst(findings, f"The first expires on {first:%Y-%m-%d}.")


@examination(
    "ca-profiles",
    Subject.AUTHORITY,
    "Would certificates of each type, made now, end before their CA?",
    "A certificate that would outlive its CA is refused: applicants get nothing, or less than they asked for.",
)
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


@examination(
    "ca-keys",
    Subject.AUTHORITY,
    "Can the keys of all CAs be opened?",
    "Nothing is issued, and no CRL is signed, by a key that is away.",
)
def check_ca_keys(facts: tuple[int, str | None]) -> Finding:
    """Judge how many keys were opened, and why one was not."""
    opened, fault = facts
    if fault is not None:
        return critical(fault, "See docs/ceremony.md, when a token goes away.")
    return ok(f"{opened} keys belong to their certificates.")


@examination(
    "trial-ca",
    Subject.AUTHORITY,
    "Are the production CAs real ones?",
    "The keys of a CA for trials protect nobody, and what is for trials is tolerated beside it.",
)
def check_trial_ca(cas: Cas) -> Finding:
    if trials := [ca.id for ca in cas.issuing if ca.is_for_trials and ca.id.startswith("production")]:
        return warning(f"For trials: {listed(trials)}.", "Make the CAs in a key ceremony: docs/ceremony.md.")
    return ok("None is for trials.")


@examination(
    "root-crl",
    Subject.AUTHORITY,
    "Is the CRL of each root valid for long enough?",
    "Relying parties that check a CA refuse all its certificates when the root's CRL has expired.",
)
def check_root_crl(facts: tuple[datetime, Sequence[RootCrl]]) -> Finding:
    """Judge the roots' CRLs at a moment."""
    now, crls = facts
    known = [(each.root, each.next_update) for each in crls if each.next_update is not None]
    if not known:
        return skipped("The folder has no CRL of a root.")
    findings, remedy = [], "Make new ones in a ceremony: `servicecert ca root crl`, see docs/ceremony.md."
    for root, until in known:
        if until - now < ROOT_CRL_CRITICAL:
            findings.append(critical(f"That of {root} ends on {until:%Y-%m-%d}.", remedy))
        elif until - now < ROOT_CRL_WARN:
            findings.append(warning(f"That of {root} ends on {until:%Y-%m-%d}.", remedy))
    return worst(findings, f"The first ends on {min(until for _, until in known):%Y-%m-%d}.")
