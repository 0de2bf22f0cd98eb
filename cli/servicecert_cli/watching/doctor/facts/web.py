"""What relying parties get, asked as they ask: by the addresses in the newest certificate of each CA."""

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import aiohttp
from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID
from servicecert_pki.authority import Authority
from servicecert_pki.crl_reading import Unreadable, crl_fields, is_signed, load
from servicecert_pki.issued import CertificateUntrusted, read_certificate, read_issued
from servicecert_pki.issuer import IssuerInfo
from servicecert_pki.manifest import kind_of
from servicecert_pki.ocsp_client import OcspQuery, OcspUnsound
from servicecert_pki.partitions import FULL, certificate_url, crl_url, partition_in

from ...network import Unanswered, fetch, session
from ..domain import authority as judged
from ..domain.authority import FetchedCrl, OcspAnswer
from ..sources import ANSWER_SECONDS, Look, Sources, Stopped, elsewhere, shared, skip
from . import QUERIES
from .authority import authority, identity, root_crls
from .database import in_schema

_NO_ADDRESS = "No certificate is issued yet."
_SET = "Set SERVICECERT_CA_DIR to check without one."


@dataclass(frozen=True, slots=True)
class Named:
    """Where a CA's CRLs and certificate are; the partition, OCSP, serial number and bytes of its newest certificate."""

    ca: str
    base: str
    ca_url: str
    partition: int = FULL
    ocsp_url: str | None = None
    serial: str = ""
    certificate: bytes = b""


@shared
async def _web(sources: Sources) -> aiohttp.ClientSession:
    return await sources.stack.enter_async_context(session(ANSWER_SECONDS))


async def _folder(sources: Sources) -> Authority | None:
    try:
        return await authority(sources)
    except Stopped:
        return None


@shared
async def named(sources: Sources) -> list[Named]:
    """Return the addresses of each CA: by its newest certificate, or the authority's file. Raises Stopped."""
    folder = await _folder(sources)
    repository = (await identity(sources)).repository if folder else None
    try:
        rows = await in_schema(sources, "issuer", QUERIES["newest_certificates"])
    except Stopped:
        if not repository:
            raise
        rows = []
    found = {row["issuer"]: _named(row["issuer"], row["serial"], row["certificate"]) for row in rows}
    if folder and repository:
        for id in folder.issuers:
            found.setdefault(id, Named(id, repository.crls, certificate_url(repository.crls, id)))
    if not found:
        raise skip(_NO_ADDRESS, _SET)
    return list(found.values())


def _named(ca: str, serial: str, encoded: bytes) -> Named:
    certificate, issued = read_certificate(encoded)
    url = issued.crl_url or ""
    access = certificate.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    urls = {each.access_method: str(each.access_location.value) for each in access}
    return Named(
        ca,
        url.rpartition("/")[0],
        urls[AuthorityInformationAccessOID.CA_ISSUERS],
        partition_in(url, ca) or FULL,
        urls.get(AuthorityInformationAccessOID.OCSP),
        serial,
        encoded,
    )


@shared
async def _served_cas(sources: Sources) -> Mapping[str, bytes | str]:
    """Return by address each CA's certificate as it is served, or why there is none."""
    web = await _web(sources)

    async def get(url: str) -> bytes | str:
        try:
            return await fetch(web, url)
        except Unanswered as fault:
            return str(fault)

    urls = [each.ca_url for each in await named(sources)]
    return dict(zip(urls, await asyncio.gather(*map(get, urls)), strict=True))


async def aia(sources: Sources) -> dict[str, bool | str]:
    """Return by address whether the right certificate of a CA is served, or why there is none."""
    found: dict[str, bool | str] = {}
    for each in await named(sources):
        content = (await _served_cas(sources))[each.ca_url]
        try:
            is_right = (await _issuer(sources, each)).certificate_der == content
        except Stopped:
            is_right = False
        found[each.ca_url] = content if isinstance(content, str) else is_right
    return found


async def crls(sources: Sources) -> tuple[datetime, list[FetchedCrl]]:
    """Return the CRLs as they are served, and their newest numbers in the tables, where they may be read.

    Without the tables these are those that the newest certificate of each CA names. Those that the authority's folder
    has of roots are beside them.
    """
    web, places, wanted = await _web(sources), await named(sources), []
    for each in places:
        issuer, booked = await _issuer(sources, each), await _booked(sources, each)
        wanted += [
            (crl_url(each.base, each.ca, partition), issuer, *booked.get(partition, (None, None)))
            for partition in sorted({FULL, each.partition, *booked})
        ]
    if await _folder(sources):
        for file, (root, made) in (await root_crls(sources)).items():
            at = datetime.fromtimestamp(file.stat().st_mtime, UTC)
            wanted.append((crl_url(places[0].base, root.id, FULL), root, made and made.number, at))
    return datetime.now(UTC), await asyncio.gather(*(_fetched(web, *each) for each in wanted))


async def _fetched(
    web: aiohttp.ClientSession, url: str, issuer: IssuerInfo, booked: int | None, at: datetime | None
) -> FetchedCrl:
    try:
        content = await fetch(web, url)
        crl = load(content)
        fields = crl_fields(crl)
    except (Unanswered, Unreadable) as fault:
        return FetchedCrl(url, str(fault))
    signed = is_signed(content, crl, issuer)
    return FetchedCrl(url, None, signed, fields.number, fields.this_update, fields.next_update, booked, at)


async def _booked(sources: Sources, of: Named) -> dict[int, tuple[int, datetime]]:
    try:
        rows = await in_schema(sources, "revoker", QUERIES["booked_crls"], of.ca)
    except Stopped:
        return {}
    return {row["partition"]: (row["number"], row["published_at"]) for row in rows}


async def ocsp(sources: Sources) -> list[OcspAnswer]:
    """Return what OCSP says about the newest certificate of each CA, and what it should say."""
    asked = [(each, each.ocsp_url) for each in await named(sources) if each.ocsp_url]
    return await asyncio.gather(*(_asked(sources, *each) for each in asked))


async def _asked(sources: Sources, about: Named, url: str) -> OcspAnswer:
    issuer, web = await _issuer(sources, about), await _web(sources)
    rows = await in_schema(sources, "revoker", QUERIES["standing"], about.ca, about.serial)
    should_be = bool(rows) and rows[0]["standing"] == "revoked"
    query = OcspQuery(issuer, int(about.serial, 16), os.urandom(32))
    try:
        answer = await fetch(web, url, query.request())
        return OcspAnswer(url, about.serial, query.is_revoked(answer, datetime.now(UTC)), should_be)
    except Unanswered as fault:
        return OcspAnswer(url, about.serial, fault=f"{fault}.")
    except OcspUnsound as unsound:
        return OcspAnswer(url, about.serial, fault=str(unsound))


async def _issuer(sources: Sources, of: Named) -> IssuerInfo:
    """Return a CA: from its folder, or from its address, if it signed the newest certificate. Raises Stopped."""
    if (folder := await _folder(sources)) and (issuer := folder.issuers.get(of.ca)):
        return issuer
    content = (await _served_cas(sources))[of.ca_url]
    try:
        certificate, _ = read_certificate(content if isinstance(content, bytes) else b"")
        # Nothing here needs the root.
        issuer = IssuerInfo.of(of.ca, kind_of(of.ca)[0], certificate, certificate)
        read_issued(of.certificate, [issuer])
    except (ValueError, CertificateUntrusted):
        raise elsewhere("Aia") from None
    return issuer


async def passes(sources: Sources) -> list[tuple[str, int, float]]:
    return [tuple(row) for row in await in_schema(sources, "revoker", QUERIES["crl_passes"])]


LOOKS = {
    "Crl": Look(crls, judged.check_crl),
    "Aia": Look(aia, judged.check_aia),
    "CrlPasses": Look(passes, judged.check_crl_passes),
    "Ocsp": Look(ocsp, judged.check_ocsp),
}
