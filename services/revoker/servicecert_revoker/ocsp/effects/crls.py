"""The CAs' full CRLs, fetched and verified: what they list is revoked, whatever Kafka says (D8).

CrlRefused      what was fetched is not a newer full CRL of the CA
"""

import asyncio
import logging
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from time import monotonic

import aiohttp
from cryptography import x509
from servicecert_pki.crl import revoked_certificate
from servicecert_pki.crl_reading import Unreadable, crl_fields, is_signed, load
from servicecert_pki.issuer import IssuerInfo
from servicecert_pki.partitions import FULL, crl_url
from servicecert_worker.core.faults import Outage
from servicecert_worker.process.connections import at_most

from ..domain.standings import FullCrl, Lack, Revoked, Standings

log = logging.getLogger(__name__)

LARGEST_CRL = 64 << 20
"""In octets: some 1.3 million entries. A larger one is not read (F5)."""

_EACH_SECONDS = 30.0
_AGAIN_SECONDS = 2.0
_TIMEOUT = aiohttp.ClientTimeout(total=60, sock_connect=5)


class CrlRefused(Exception):
    """The message is one sentence."""


@dataclass(slots=True)
class _Fetched:
    """The CRL of a CA that is in use, and how long after the last look it is fetched again."""

    issuer: IssuerInfo
    outage: Outage
    number: int = 0
    etag: str = ""
    sha256: bytes = b""
    looked_at: float = 0.0
    pause: float = 0.0


@dataclass(eq=False, slots=True)
class CrlFeed:
    """Fetches the CRLs of `watch`ed CAs, and gives the standings their new entries."""

    base_url: str
    standings: Standings
    largest: int = LARGEST_CRL
    _of: dict[str, _Fetched] = field(default_factory=dict, init=False)

    def watch(self, issuer: IssuerInfo) -> None:
        self._of.setdefault(issuer.id, _Fetched(issuer, Outage(f"The CRL of {issuer.id} at {self.base_url}")))

    @property
    def has_looked(self) -> bool:
        return all(fetched.looked_at for fetched in self._of.values())

    async def look(self, session: aiohttp.ClientSession) -> None:
        """Fetch the CRLs that are due, one after the other."""
        for fetched in tuple(self._of.values()):
            is_old = Lack.OLD_CRL in self.standings.cas[fetched.issuer.id].lacks
            if monotonic() < fetched.looked_at + (_AGAIN_SECONDS if is_old else fetched.pause):
                continue
            try:
                await self._renew(session, fetched)
                fetched.outage.ended()
                fetched.pause = _EACH_SECONDS
            except (aiohttp.ClientError, OSError, TimeoutError) as error:
                fetched.outage.began(error)
                fetched.pause = _AGAIN_SECONDS
            except CrlRefused as refused:
                log.error("alarm: what is served as the CRL of %s is not used: %s", fetched.issuer.id, refused)
                fetched.pause = _EACH_SECONDS
            fetched.looked_at = monotonic()

    async def _renew(self, session: aiohttp.ClientSession, fetched: _Fetched) -> None:
        """Fetch a CRL, and take it unless it is the one in use."""
        headers = {"Cache-Control": "no-cache", **({"If-None-Match": fetched.etag} if fetched.etag else {})}
        url = crl_url(self.base_url, fetched.issuer.id, FULL)
        async with session.get(url, headers=headers, timeout=_TIMEOUT) as response:
            if response.status == 304:
                return
            response.raise_for_status()
            content = await at_most(self.largest, response.content.iter_any())
        if content is None:
            raise CrlRefused(f"It has more than {self.largest} octets.")
        digest = sha256(content).digest()
        if digest != fetched.sha256:
            crl, entries = await asyncio.to_thread(self._read, fetched.issuer, content, fetched.number)
            self.standings.take_crl(fetched.issuer.id, crl, entries)
            fetched.number, fetched.sha256 = crl.number, digest
        fetched.etag = response.headers.get("ETag", "")

    def _read(self, issuer: IssuerInfo, content: bytes, number: int) -> tuple[FullCrl, list[tuple[int, Revoked]]]:
        """Return a CRL that this CA signed, with its new entries. Raises CrlRefused."""
        try:
            crl = load(content)
            fields = crl_fields(crl)
        except Unreadable as fault:
            raise CrlRefused(f"It cannot be read: {fault}.") from None
        if (fields.issuer, fields.key_id) != (issuer.subject_der, issuer.key_id) or not is_signed(content, crl, issuer):
            raise CrlRefused("The CA has not signed it.")
        if fields.scope is not None or fields.others or fields.next_update is None:
            raise CrlRefused("It is not a full one.")
        if fields.number <= number:
            raise CrlRefused(f"Its number {fields.number} is not greater than {number}, which was served before.")
        status = partial(self.standings.of, issuer.id)
        entries = [_entry(entry) for entry in crl if not isinstance(status(entry.serial_number), Revoked)]
        return FullCrl(fields.number, fields.next_update), entries


def _entry(entry: x509.RevokedCertificate) -> tuple[int, Revoked]:
    """Return an entry's serial number and status. Whatever it gives as a reason, it is revoked."""
    try:
        read = revoked_certificate(entry)
    except (ValueError, x509.ExtensionNotFound):
        return entry.serial_number, Revoked(None, entry.revocation_date_utc, None)
    return read.serial, Revoked(read.reason, read.revoked_at, read.invalidity_date)
