"""Puts files into a bucket of S3-compatible storage. A put is atomic: a reader sees the old object or the new one.

Each put is conditional on what was read before it (RFC 9110, 13.1), so that two revokers cannot undo each other's put.
"""

import asyncio
import re
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import obstore
from obstore import exceptions
from obstore.store import S3Store
from servicecert_pki.issuer import IssuerInfo

from ..domain.crl_orders import CrlVersion, is_late
from ..serving.crl_server import CACHE, MEDIA_TYPES
from .places import MOST_BYTES, NOT_OURS, NotPublished

if TYPE_CHECKING:
    from obstore import PutMode

S3 = "s3"
"""The metrics' name of the bucket."""

_STATUS = re.compile(r"status code: ([1-5][0-9][0-9])")
_CODE = re.compile(r"<Code>([A-Za-z]{1,40})</Code>")


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object in the bucket: the version that a put is conditional on, and its CRL."""

    version: str | None
    crl: CrlVersion


@dataclass(frozen=True, repr=False)
class S3Publisher:
    """Puts CRLs under `prefix` in a bucket, which messages call `where`. Without `conditional` a put is unconditional.

    A file is read back and compared after the put. Its version is cached: an unchanged object is not read again.
    """

    store: S3Store
    where: str
    prefix: str = ""
    conditional: bool = True
    name: str = S3
    _cache: dict[str, StoredObject] = field(default_factory=dict, init=False)

    async def current(self, file: str, issuer: IssuerInfo) -> CrlVersion | None:
        """Return a CA's file in the bucket, None if there is none. Raises NotPublished."""
        try:
            current = await self._current(f"{self.prefix}{file}", issuer)
        except exceptions.BaseError as fault:
            raise NotPublished(self.name, explain(fault, self.where)) from None
        return current.crl if current else None

    async def put(self, file: str, made: Path, number: int, issuer: IssuerInfo) -> None:
        """Put a file unless it is there, and read it back. Raises NotPublished, also if a higher number is there."""
        content = await asyncio.to_thread(made.read_bytes)
        crl = CrlVersion(number, sha256(content).hexdigest())
        path = f"{self.prefix}{file}"
        try:
            current = await self._current(path, issuer)
            if current is not None and current.crl == crl:
                return
            if current is not None and is_late(crl, current.crl):
                raise NotPublished(
                    self.name,
                    f"CRL {number} for {file} is outdated: {self.where} has {current.crl.number} already; "
                    "if no other revoker put it there, copy it from there into SERVICECERT_CRL_DIR.",
                )
            # No Expires beside max-age: its fixed time would be wrong soon after the put (RFC 9111, 5.3).
            attributes = {"Content-Type": MEDIA_TYPES[Path(file).suffix], "Cache-Control": CACHE}
            await obstore.put_async(
                self.store, path, content, attributes=attributes, mode=self._mode(current), use_multipart=False
            )
            put = await self._read(path, issuer)
        except (exceptions.AlreadyExistsError, exceptions.PreconditionError):
            raise NotPublished(
                self.name, f"Another revoker changed {file} in {self.where} meanwhile: its CRL stays."
            ) from None
        except (exceptions.BaseError, FileNotFoundError) as fault:
            raise NotPublished(self.name, explain(fault, self.where)) from None
        if put.crl.sha256 != crl.sha256:
            raise NotPublished(self.name, f"Another CRL than the one put is read back from {self.where} as {file}.")
        self._cache[path] = put

    def _mode(self, current: StoredObject | None) -> "PutMode":
        if not self.conditional:
            return "overwrite"
        return "create" if current is None else {"e_tag": current.version}

    async def _current(self, path: str, issuer: IssuerInfo) -> StoredObject | None:
        """Return the present object, None if there is none. An unchanged one comes from the cache."""
        cached = self._cache.get(path)
        try:
            found = await self._read(path, issuer, cached.version if cached else None)
        except exceptions.NotModifiedError:
            return cached
        except (exceptions.NotFoundError, FileNotFoundError):
            return None
        self._cache[path] = found
        return found

    async def _read(self, path: str, issuer: IssuerInfo, unless: str | None = None) -> StoredObject:
        got = await obstore.get_async(self.store, path, options={"if_none_match": unless} if unless else None)
        if got.meta["size"] > MOST_BYTES:
            return StoredObject(got.meta["e_tag"], NOT_OURS)
        content = bytes(await got.bytes_async())
        return StoredObject(got.meta["e_tag"], await asyncio.to_thread(CrlVersion.of, content, issuer))


def explain(fault: Exception, where: str) -> str:
    """Return what to check. Of the storage's answer only status and code are used: the rest may quote the request."""
    text = str(fault)
    status, code = _STATUS.search(text), _CODE.search(text)
    answer = " ".join([*(status.groups() if status else ()), *(code.groups() if code else ())])
    match fault:
        case exceptions.NotFoundError() | FileNotFoundError():
            return (
                f"There is no {where}: create the bucket, "
                "or correct SERVICECERT_CRL_S3_BUCKET and SERVICECERT_CRL_S3_ENDPOINT."
            )
        case exceptions.PermissionDeniedError() | exceptions.UnauthenticatedError():
            return (
                f"The keys are not accepted for {where} ({answer}): check SERVICECERT_CRL_S3_ACCESS_KEY_ID, "
                "SERVICECERT_CRL_S3_SECRET_ACCESS_KEY_FILE, the rights of that key, and the clock."
            )
    if "InvalidCertificate" in text:
        return f"The certificate of {where} does not verify: set SERVICECERT_CRL_S3_CA_FILE to the CA that signed it."
    if "kind: Timeout" in text:
        return f"No answer in time from {where}: check the storage, or raise SERVICECERT_CRL_S3_TIMEOUT_SECONDS."
    if "kind: Connect" in text:
        return f"No connection to {where}: check SERVICECERT_CRL_S3_ENDPOINT."
    if "redirect" in text:
        return f"The storage redirects for {where}: check SERVICECERT_CRL_S3_REGION."
    if status and status[1] == "501":
        return f"The storage supports no conditional put for {where}: set SERVICECERT_CRL_S3_CONDITIONAL=false."
    if status:
        return f"The storage answers {answer} for {where}."
    return f"The connection to the storage broke for {where}."
