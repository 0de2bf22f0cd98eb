"""What the folder of the CA holds."""

import asyncio
import os
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from cryptography import x509
from servicecert_pki.authority import Authority, AuthorityRefused
from servicecert_pki.ca_certificate import is_trial
from servicecert_pki.crl_reading import Unreadable, crl_fields, load
from servicecert_pki.issuer import IssuerInfo
from servicecert_pki.keyring import access, open_keys
from servicecert_pki.keys import KeyUnavailable
from servicecert_pki.manifest import active
from servicecert_pki.profiles import load_profiles
from servicecert_pki.root_crl import root_crl_file
from servicecert_pki.validity import start_of_validity, validity

from ...conditions import CONDITIONS
from ..domain import authority as judged
from ..domain.authority import CaCertificate, Cas, Promise, Promises
from ..domain.figures import Sample, check_figure
from ..sources import Away, Look, Skip, Sources, setting, shared


@shared
async def loaded(_: Sources) -> tuple[Authority | None, str | None]:
    """Return the CAs, or why they cannot be used. Raises Skip."""
    folder = Path(setting("SERVICECERT_CA_DIR"))
    try:
        return await asyncio.to_thread(Authority.load, folder), None
    except AuthorityRefused as fault:
        return None, str(fault)


async def authority(sources: Sources) -> Authority:
    """Return the CAs. Raises Skip, and Away where their folder cannot be used."""
    found, _ = await loaded(sources)
    if found is None:
        raise Away("Ca")
    return found


async def cas(sources: Sources) -> Cas:
    """Return the CAs' certificates, or why there are none. Raises Skip."""
    found, fault = await loaded(sources)
    now = datetime.now(UTC)
    if found is None:
        return Cas(now, fault=fault)
    issuing = tuple(map(_certificate, found.issuers.values()))
    return Cas(now, issuing, tuple(map(_certificate, found.roots.values())))


async def usable_cas(sources: Sources) -> Cas:
    """Return the same. Raises Skip, and Away where their folder cannot be used."""
    await authority(sources)
    return await cas(sources)


def _certificate(issuer: IssuerInfo) -> CaCertificate:
    is_for_trials = is_trial(x509.load_der_x509_certificate(issuer.certificate_der))
    return CaCertificate(issuer.id, issuer.not_after, is_for_trials)


async def promises(sources: Sources) -> Promises:
    """Return when the longest certificate of each type would end, if it were made now."""
    found, now = await authority(sources), datetime.now(UTC)
    made, inactive = [], set()
    for profile in load_profiles().by_type.values():
        ends = validity(profile, start_of_validity(profile, now)).not_after
        for rules in profile.keys.values():
            generations = {id: found.active_from[id] for id, each in found.issuers.items() if each.is_of(rules.ca)}
            id = active(generations, now)
            if id is None:
                inactive.add(rules.ca)
            else:
                made.append(Promise(profile.type_id, ends, _certificate(found.issuers[id])))
    return Promises(now, tuple(made), tuple(sorted(inactive)))


async def keys(sources: Sources) -> tuple[int, str | None]:
    """Return how many CA keys could be opened, and why one could not. Raises Skip."""
    found = await authority(sources)
    names = ("SERVICECERT_CA_PASSPHRASE_FILE", "SERVICECERT_PKCS11_MODULE", "SERVICECERT_PKCS11_PIN_FILE")
    passphrases, module, pins = (os.environ.get(name) for name in names)
    if not passphrases and not (module and pins):
        raise Skip(f"{names[0]} is not set.", f"Set {names[0]}, or {names[1]} and {names[2]}, as the issuer has them.")

    def opened() -> int:
        paths = (Path(each) if each else None for each in (passphrases, module, pins))
        return len(open_keys(found, *access(*paths)))

    # Decrypting holds the interpreter for most of a second, in which the servers' answers would seem late.
    await sources.timed()
    try:
        return await asyncio.to_thread(opened), None
    except KeyUnavailable as fault:
        return 0, str(fault)


async def root_crls(sources: Sources) -> list[Sample]:
    """Return how long the roots' CRLs in the folder are valid. Raises Skip where it has none."""
    found, now = await authority(sources), datetime.now(UTC)
    known = [
        (path.name, until) for id in found.roots if (until := _next_update(path := root_crl_file(found.directory, id)))
    ]
    if not known:
        raise Skip("The folder has no CRL of a root.")
    return [
        Sample("servicecert_root_crl_valid_seconds", {"crl": name}, (until - now).total_seconds())
        for name, until in known
    ]


def _next_update(path: Path) -> datetime | None:
    try:
        return crl_fields(load(path.read_bytes())).next_update
    except (OSError, Unreadable):
        return None


LOOKS = {
    "Ca": Look(cas, judged.check_ca),
    "CaValidity": Look(usable_cas, judged.check_ca_validity),
    "CaProfiles": Look(promises, judged.check_ca_profiles),
    "CaKeyAway": Look(keys, judged.check_ca_keys),
    "TrialCa": Look(usable_cas, judged.check_trial_ca),
    "RootCrlExpires": Look(root_crls, partial(check_figure, CONDITIONS["RootCrlExpires"])),
}
