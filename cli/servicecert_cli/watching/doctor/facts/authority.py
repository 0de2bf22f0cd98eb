"""What the folder of the CA holds."""

import asyncio
import os
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from servicecert_pki.authority import Authority, AuthorityMissing, AuthorityRefused
from servicecert_pki.crl_reading import CrlFields, Unreadable, crl_fields, load
from servicecert_pki.identity import FILE, Identity, IdentityUnusable, identity_in
from servicecert_pki.issuer import IssuerInfo
from servicecert_pki.keyring import access, open_keys
from servicecert_pki.keys import KeyUnavailable
from servicecert_pki.profile import Environment
from servicecert_pki.profile_safety import rooms_of
from servicecert_pki.profiles import load_profiles
from servicecert_pki.root_crl import root_crl_file

from ...conditions import CONDITIONS
from ..domain import authority as judged
from ..domain.check import critical, fault, naming, ok
from ..domain.figures import check_values
from ..sources import Look, Sources, Stopped, open_database, open_kafka, setting, shared, skip


@shared
async def authority(_: Sources) -> Authority:
    """Return the CAs. Raises Stopped where no folder is given, or it cannot be used."""
    folder = Path(setting("SERVICECERT_CA_DIR"))
    try:
        return await asyncio.to_thread(Authority.load, folder)
    except AuthorityRefused as refused:
        raise Stopped(fault(str(refused)), "Ca") from None


@shared
async def identity(sources: Sources) -> Identity:
    """Return whose CAs these are, as the services have it. Raises Stopped."""
    folder, file = (await authority(sources)).directory, os.environ.get("SERVICECERT_AUTHORITY_FILE")
    try:
        return identity_in(folder, Path(file) if file else None)
    except IdentityUnusable as unusable:
        raise Stopped(fault(str(unusable)), "TrialCa") from None


async def ends(sources: Sources) -> tuple[datetime, dict[str, datetime]]:
    """Return the time, and when roots and issuing CAs end, without those that a later generation has replaced."""
    found, now = await authority(sources), datetime.now(UTC)
    issuing = (each for each in found.issuers.values() if not found.is_replaced(each.id, now))
    return now, {each.id: each.not_after for each in (*issuing, *found.roots.values())}


async def trials(sources: Sources) -> list[str]:
    """Return the production CAs that are for trials, and what their authority says that none says in earnest."""
    issuers = (await authority(sources)).issuers.values()
    cas = [each.id for each in issuers if each.environment is Environment.PRODUCTION and not each.is_for_production]
    return [*cas, *(f"{field} in {FILE}" for field in (await identity(sources)).invented)]


async def rooms(sources: Sources) -> list[tuple[dict[str, str], float]]:
    """Return what each active CA has for certificates, in seconds. Raises Stopped where one is missing."""
    found, profiles = await authority(sources), load_profiles().by_type.values()
    try:
        return [({"issuer": ca}, room) for ca, room in rooms_of(found, profiles, datetime.now(UTC)).items()]
    except AuthorityMissing as missing:
        raise Stopped(critical(str(missing), "Activate one with `servicecert ca activate`.")) from None


async def keys(sources: Sources) -> int:
    """Return how many CA keys could be opened. Raises Stopped where one could not, or no access to them is given."""
    found = await authority(sources)
    names = ("SERVICECERT_CA_PASSPHRASE_FILE", "SERVICECERT_PKCS11_MODULE", "SERVICECERT_PKCS11_PIN_FILE")
    paths = [Path(each) if (each := os.environ.get(name)) else None for name in names]
    if paths[0] is None and None in paths[1:]:
        raise skip(f"{names[0]} is not set.", f"Set {names[0]}, or {names[1]} and {names[2]}, as the issuer has them.")
    # Decrypting holds the interpreter for most of a second, in which the servers' answers would seem late.
    await asyncio.gather(open_kafka(sources), open_database(sources), return_exceptions=True)
    try:
        return len(await asyncio.to_thread(lambda: open_keys(found, *access(*paths))))
    except KeyUnavailable as away:
        raise Stopped(fault(str(away))) from None


@shared
async def root_crls(sources: Sources) -> dict[Path, tuple[IssuerInfo, CrlFields | None]]:
    """Return the files of the roots' CRLs in the folder, each with its root, and its content if that can be read."""
    found = await authority(sources)
    files = {root_crl_file(found.directory, id): root for id, root in found.roots.items()}
    return {file: (root, _read(file)) for file, root in files.items() if file.exists()}


def _read(crl: Path) -> CrlFields | None:
    try:
        return crl_fields(load(crl.read_bytes()))
    except (OSError, Unreadable):
        return None


async def valid_seconds(sources: Sources) -> list[tuple[dict[str, str], float]]:
    """Return for how many seconds the roots' CRLs in the folder are valid. Raises Stopped where it has none."""
    ends = {file.name: crl.next_update for file, (_, crl) in (await root_crls(sources)).items() if crl}
    known = [({"crl": name}, (end - datetime.now(UTC)).total_seconds()) for name, end in ends.items() if end]
    if not known:
        raise skip("The folder has no CRL of a root.")
    return known


LOOKS = {
    "Ca": Look(
        authority, lambda it: ok(f"{len(it.issuers)} issuing CAs under {len(it.roots)} roots; all chains verify.")
    ),
    "CaValidity": Look(ends, judged.check_ca_validity),
    "CaProfiles": Look(rooms, partial(check_values, CONDITIONS["CaProfiles"])),
    "CaKeyAway": Look(keys, lambda opened: ok(f"{opened} keys belong to their certificates.")),
    "TrialCa": Look(trials, partial(naming, "For trials: {}.", "No production CA is for trials, nor its authority.")),
    "RootCrlExpires": Look(valid_seconds, partial(check_values, CONDITIONS["RootCrlExpires"])),
}
