"""What relying parties get, asked as they ask: by the addresses in the newest certificate of each CA."""

import asyncio
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.x509.oid import AuthorityInformationAccessOID
from servicecert_pki.crl_reading import Unreadable, crl_fields, is_signed, load, number_of
from servicecert_pki.issuer import IssuerInfo
from servicecert_pki.manifest import kind_of
from servicecert_pki.ocsp_client import OcspQuery, OcspUnsound
from servicecert_pki.partitions import FULL, certificate_url, crl_url, partition_in
from servicecert_pki.root_crl import root_crl_file

from ..domain import revocation
from ..domain.revocation import FetchedCrl, OcspAnswer, ServedCa
from ..sources import Away, Look, Skip, Sources, shared
from . import QUERIES
from .authority import authority
from .database import MayNotRead, in_schema

_LARGEST = 64 * 1024
_OCSP = {"Content-Type": "application/ocsp-request", "Accept": "application/ocsp-response"}
_NO_ADDRESS = "No certificate is issued yet."
_SET = "Set SERVICECERT_CRL_BASE_URL and SERVICECERT_CA_DIR to check without one."


@dataclass(frozen=True, slots=True)
class Named:
    """What certificates of a CA name: CRLs, the CA's certificate, OCSP. `certificate` is the newest one, if any."""

    ca: str
    crls: tuple[str, ...]
    ca_url: str | None = None
    ocsp_url: str | None = None
    serial: str = ""
    certificate: x509.Certificate | None = None


@shared
async def named(sources: Sources) -> list[Named]:
    """Return the addresses of each CA: by its newest certificate, or by the settings. Raises Skip."""
    try:
        rows = await in_schema(sources, "issuer", QUERIES["newest_certificates"])
    except (Away, MayNotRead):
        if not os.environ.get("SERVICECERT_CRL_BASE_URL"):
            raise
        rows = []
    found = {row["issuer"]: _named(row["issuer"], row["serial"], row["certificate"]) for row in rows}
    if base := os.environ.get("SERVICECERT_CRL_BASE_URL"):
        try:
            for id in (await authority(sources)).issuers:
                found.setdefault(id, Named(id, (crl_url(base, id, FULL),), certificate_url(base, id)))
        except (Skip, Away):
            pass
    if not found:
        raise Skip(_NO_ADDRESS, _SET)
    return list(found.values())


def _named(ca: str, serial: str, encoded: bytes) -> Named:
    certificate = x509.load_der_x509_certificate(encoded)
    points = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    own = [str(name.value) for point in points for name in point.full_name or ()]
    full = [crl_url(url.rpartition("/")[0], ca, FULL) for url in own]
    access = certificate.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    urls = {each.access_method: str(each.access_location.value) for each in access}
    return Named(
        ca,
        tuple(dict.fromkeys((*own, *full))),
        urls.get(AuthorityInformationAccessOID.CA_ISSUERS),
        urls.get(AuthorityInformationAccessOID.OCSP),
        serial,
        certificate,
    )


@shared
async def _served_cas(sources: Sources) -> dict[str, bytes | str]:
    """Return each CA's certificate from its address, or why there is none."""
    session = await sources.web()
    urls = [each.ca_url for each in await named(sources) if each.ca_url]
    return dict(zip(urls, await asyncio.gather(*(_get(session, url) for url in urls)), strict=True))


async def aia(sources: Sources) -> list[ServedCa]:
    """Return the CAs' certificates as they are served."""
    served = await _served_cas(sources)
    found = []
    for each in await named(sources):
        if each.ca_url is None:
            continue
        content = served[each.ca_url]
        if isinstance(content, str):
            found.append(ServedCa(each.ca_url, content))
        else:
            expected = await _from_folder(sources, each.ca)
            is_right = content == expected.certificate_der if expected else _signed(content, each.certificate)
            found.append(ServedCa(each.ca_url, is_right=is_right))
    return found


async def crls(sources: Sources) -> tuple[datetime, list[FetchedCrl]]:
    """Return the CRLs as they are served, and their newest numbers in the tables, where they may be read.

    Without the tables these are those that the newest certificate of each CA names. Those of roots are beside them.
    """
    session = await sources.web()
    found = await _root_crls(sources, session)
    for each in await named(sources):
        issuer = await _issuer(sources, each)
        booked = await _booked(sources, each)
        folder = each.crls[0].rpartition("/")[0]
        urls = sorted({*each.crls, *(crl_url(folder, each.ca, it) for it in booked)})
        contents = await asyncio.gather(*(_get(session, url) for url in urls))
        for url, content in zip(urls, contents, strict=True):
            number, at = booked.get(partition_in(url, each.ca) or FULL, (None, None))
            found.append(
                FetchedCrl(url, content) if isinstance(content, str) else _read(url, content, issuer, number, at)
            )
    return datetime.now(UTC), found


async def _root_crls(sources: Sources, session: aiohttp.ClientSession) -> list[FetchedCrl]:
    """Return the CRLs of the roots that have one in the authority's folder, as they are served."""
    folder = (await named(sources))[0].crls[0].rpartition("/")[0]
    found = []
    try:
        known = await authority(sources)
    except (Skip, Away):
        return []
    for root in known.roots.values():
        made = root_crl_file(known.directory, root.id)
        if made.exists():
            url, at = crl_url(folder, root.id, FULL), datetime.fromtimestamp(made.stat().st_mtime, UTC)
            content = await _get(session, url)
            if isinstance(content, str):
                found.append(FetchedCrl(url, content))
            else:
                found.append(_read(url, content, root, _number(made), at))
    return found


def _number(made: Path) -> int | None:
    """Return the number of a CRL in a file, None if it cannot be read: `RootCrlExpires` says so."""
    try:
        return number_of(made.read_bytes())
    except (OSError, Unreadable):
        return None


def _read(url: str, content: bytes, issuer: IssuerInfo, booked: int | None, at: datetime | None) -> FetchedCrl:
    try:
        crl = load(content)
        fields = crl_fields(crl)
    except Unreadable as fault:
        return FetchedCrl(url, str(fault))
    signed = is_signed(content, crl, issuer)
    return FetchedCrl(url, None, signed, fields.number, fields.this_update, fields.next_update, booked, at)


async def _booked(sources: Sources, of: Named) -> dict[int, tuple[int, datetime]]:
    try:
        rows = await in_schema(sources, "revoker", QUERIES["booked_crls"], of.ca)
    except (Away, MayNotRead):
        return {}
    return {row["partition"]: (row["number"], row["published_at"]) for row in rows}


async def ocsp(sources: Sources) -> list[OcspAnswer]:
    """Return what OCSP says about the newest certificate of each CA, and what it should say."""
    session = await sources.web()
    return list(
        await asyncio.gather(
            *(_ask(sources, session, each, each.ocsp_url) for each in await named(sources) if each.ocsp_url)
        )
    )


async def _ask(sources: Sources, session: aiohttp.ClientSession, about: Named, url: str) -> OcspAnswer:
    issuer = await _issuer(sources, about)
    rows = await in_schema(sources, "revoker", QUERIES["standing"], about.ca, about.serial)
    should_be = bool(rows) and rows[0]["standing"] == "revoked"
    query = OcspQuery(issuer, int(about.serial, 16), os.urandom(32))
    try:
        async with session.post(url, data=query.request(), headers=_OCSP) as response:
            response.raise_for_status()
            answer = await response.content.readexactly(min(response.content_length or 0, _LARGEST))
        return OcspAnswer(url, about.serial, query.is_revoked(answer, datetime.now(UTC)), should_be)
    except aiohttp.ClientResponseError as error:
        fault = f"answers {error.status}."
    except (aiohttp.ClientError, OSError, EOFError) as error:
        fault = f"does not answer ({type(error).__name__})."
    except OcspUnsound as unsound:
        fault = str(unsound)
    return OcspAnswer(url, about.serial, fault=fault)


async def _issuer(sources: Sources, of: Named) -> IssuerInfo:
    """Return a CA: from its folder, or from its address, if it signed the newest certificate. Raises Away."""
    if (issuer := await _from_folder(sources, of.ca)) is not None:
        return issuer
    content = (await _served_cas(sources)).get(of.ca_url or "", "")
    if isinstance(content, str) or not _signed(content, of.certificate):
        raise Away("Aia")
    certificate = x509.load_der_x509_certificate(content)
    # Nothing here needs the root.
    return IssuerInfo.of(of.ca, kind_of(of.ca)[0], certificate, certificate)


async def _from_folder(sources: Sources, ca: str) -> IssuerInfo | None:
    try:
        return (await authority(sources)).issuers.get(ca)
    except (Skip, Away):
        return None


def _signed(ca: bytes, certificate: x509.Certificate | None) -> bool:
    try:
        if certificate is not None:
            certificate.verify_directly_issued_by(x509.load_der_x509_certificate(ca))
    except (ValueError, TypeError, InvalidSignature):
        return False
    return certificate is not None


async def _get(session: aiohttp.ClientSession, url: str) -> bytes | str:
    """Return what is at an address, or why nothing is."""
    try:
        async with session.get(url) as response:
            return await response.read() if response.status == 200 else f"answers {response.status}"
    except TimeoutError:
        return "does not answer in time"
    except (aiohttp.ClientError, OSError) as error:
        return f"does not answer ({type(error).__name__})"


async def passes(sources: Sources) -> list[tuple[str, int, float]]:
    """Return the last published pass of each CA."""
    return [tuple(row) for row in await in_schema(sources, "revoker", QUERIES["crl_passes"])]


LOOKS = {
    "Crl": Look(crls, revocation.check_crl),
    "Aia": Look(aia, revocation.check_aia),
    "CrlPasses": Look(passes, revocation.check_crl_passes),
    "Ocsp": Look(ocsp, revocation.check_ocsp),
}
