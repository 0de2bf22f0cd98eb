"""What the folder of the CA holds."""

import asyncio
import os
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from cryptography import x509
from servicecert_pki.authority import Authority, AuthorityRefused
from servicecert_pki.ca_certificate import is_trial
from servicecert_pki.crl_reading import Unreadable, crl_fields, load
from servicecert_pki.keyring import access, open_keys
from servicecert_pki.keys import KeyUnavailable
from servicecert_pki.manifest import active
from servicecert_pki.profiles import load_profiles
from servicecert_pki.root_crl import root_crl_file
from servicecert_pki.validity import start_of_validity, validity

from ...conditions import CONDITIONS
from ..domain import authority as judged
from ..domain.check import fault, ok
from ..domain.figures import Sample, check_figure
from ..sources import Away, Look, Skip, Sources, Wrong, setting, shared


@shared
async def loaded(_: Sources) -> Authority:
    """Return the CAs. Raises Skip, and Wrong where their folder cannot be used."""
    folder = Path(setting("SERVICECERT_CA_DIR"))
    try:
        return await asyncio.to_thread(Authority.load, folder)
    except AuthorityRefused as refused:
        raise Wrong(fault(str(refused))) from None


async def authority(sources: Sources) -> Authority:
    """Return the CAs. Raises Skip, and Away where their folder cannot be used."""
    try:
        return await loaded(sources)
    except Wrong:
        raise Away("Ca") from None


async def ends(sources: Sources) -> tuple[datetime, dict[str, datetime]]:
    """Return until when the CAs' certificates are valid."""
    found = await authority(sources)
    return datetime.now(UTC), {each.id: each.not_after for each in (*found.issuers.values(), *found.roots.values())}


async def trials(sources: Sources) -> list[str]:
    """Return the production CAs that are for trials."""
    issuers = (await authority(sources)).issuers.items()
    return [
        id
        for id, each in issuers
        if id.startswith("production") and is_trial(x509.load_der_x509_certificate(each.certificate_der))
    ]


async def promises(sources: Sources) -> tuple[dict[str, timedelta], list[str]]:
    """Return how long before its CA the longest certificate of each type would end, and CAs of which none is active."""
    found, now = await authority(sources), datetime.now(UTC)
    rooms, inactive = {}, set()
    for profile in load_profiles().by_type.values():
        ends = validity(profile, start_of_validity(profile, now)).not_after
        for rules in profile.keys.values():
            generations = {id: found.active_from[id] for id, each in found.issuers.items() if each.is_of(rules.ca)}
            id = active(generations, now)
            if id is None:
                inactive.add(rules.ca)
            else:
                rooms[f"{profile.type_id} of {id}"] = found.issuers[id].not_after - ends
    return rooms, sorted(inactive)


async def keys(sources: Sources) -> int:
    """Return how many CA keys could be opened. Raises Skip, and Wrong where one could not."""
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
        return await asyncio.to_thread(opened)
    except KeyUnavailable as away:
        raise Wrong(fault(str(away))) from None


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
    "Ca": Look(loaded, lambda it: ok(f"{len(it.issuers)} issuing CAs under {len(it.roots)} roots; all chains verify.")),
    "CaValidity": Look(ends, judged.check_ca_validity),
    "CaProfiles": Look(promises, judged.check_ca_profiles),
    "CaKeyAway": Look(keys, lambda opened: ok(f"{opened} keys belong to their certificates.")),
    "TrialCa": Look(trials, judged.check_trial_ca),
    "RootCrlExpires": Look(root_crls, partial(check_figure, CONDITIONS["RootCrlExpires"])),
}
