"""CRLs in a bucket of S3-compatible storage. A put is atomic there: who reads sees the old object or the new one.

Each put is conditional on what was read before it (RFC 9110, 13.1), so that of two revokers the second cannot undo what the first put between.
"""

import asyncio
import re
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import obstore
from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    NotFoundError,
    NotModifiedError,
    PermissionDeniedError,
    PreconditionError,
    UnauthenticatedError,
)
from obstore.store import S3Store

from ..domain.plan import Placing, Shown, placing
from .publishers import PublisherFailed
from .server import CACHE, MEDIA_TYPES

if TYPE_CHECKING:
    from obstore import PutMode

S3 = "s3"
"""What metrics call the bucket."""

# No Expires beside max-age: a cache that knows only Expires would have to be told a time that was right when the object was put (RFC 9111, 5.3).
_ATTRIBUTES = {"Content-Type": MEDIA_TYPES[".crl"], "Cache-Control": CACHE}
_STATUS = re.compile(r"status code: ([1-5][0-9][0-9])")
_CODE = re.compile(r"<Code>([A-Za-z]{1,40})</Code>")


@dataclass(frozen=True, slots=True)
class Found:
    """An object in the bucket: the version that a put is conditional on, and the CRL that it is."""

    version: str | None
    crl: Shown


@dataclass(frozen=True, repr=False)
class S3Publisher:
    """Puts CRLs under `prefix` in a bucket; `where` is what sentences call it. Without `conditional` a put asks nothing of the storage.

    What was put is read back and compared, and remembered by its version: what has not changed since is not read again.
    """

    store: S3Store
    where: str
    prefix: str = ""
    conditional: bool = True
    name: str = S3
    _known: dict[str, Found] = field(default_factory=dict, init=False)

    async def put(self, file: str, made: Path, number: int) -> None:
        """Put a CRL unless it is there, and read it back. Raises PublisherFailed, also where one with a higher number is there."""
        content = await asyncio.to_thread(made.read_bytes)
        crl = Shown(number, sha256(content).hexdigest())
        path = f"{self.prefix}{file}"
        try:
            there = await self._found(path)
            match placing(there.crl if there else None, crl):
                case Placing.KEPT:
                    return
                case Placing.LATE:
                    assert there is not None
                    raise PublisherFailed(
                        self.name,
                        f"CRL {number} for {file} comes too late: number {there.crl.number} is in {self.where} already; "
                        "where no other revoker put it there, copy it from there into SERVICECERT_CRL_DIR.",
                    )
            await obstore.put_async(
                self.store, path, content, attributes=_ATTRIBUTES, mode=self._mode(there), use_multipart=False
            )
            put = await self._read(path)
        except (AlreadyExistsError, PreconditionError):
            raise PublisherFailed(
                self.name, f"Another revoker changed {file} in {self.where} meanwhile: what it put stays."
            ) from None
        except (BaseError, FileNotFoundError) as fault:
            raise PublisherFailed(self.name, sentence(fault, self.where)) from None
        if put.crl.sha256 != crl.sha256:
            raise PublisherFailed(self.name, f"Another CRL than the one put is read back from {self.where}, as {file}.")
        self._known[path] = put

    def _mode(self, there: Found | None) -> "PutMode":
        if not self.conditional:
            return "overwrite"
        return "create" if there is None else {"e_tag": there.version}

    async def _found(self, path: str) -> Found | None:
        """What is there now. It is read only where it is not what was read last."""
        known = self._known.get(path)
        try:
            return await self._read(path, known.version if known else None)
        except NotModifiedError:
            return known
        except (NotFoundError, FileNotFoundError):
            return None

    async def _read(self, path: str, unless: str | None = None) -> Found:
        got = await obstore.get_async(self.store, path, options={"if_none_match": unless} if unless else None)
        content = bytes(await got.bytes_async())
        return Found(got.meta["e_tag"], await asyncio.to_thread(Shown.of, content))


def sentence(fault: Exception, where: str) -> str:
    """What to look at. Nothing of what the storage says is passed on but the status and the code: it may quote the request."""
    told = str(fault)
    status, code = _STATUS.search(told), _CODE.search(told)
    answer = " ".join([*(status.groups() if status else ()), *(code.groups() if code else ())])
    match fault:
        case NotFoundError() | FileNotFoundError():
            return f"There is no {where}: make the bucket, or mend SERVICECERT_CRL_S3_BUCKET and SERVICECERT_CRL_S3_ENDPOINT."
        case PermissionDeniedError() | UnauthenticatedError():
            return (
                f"The keys are not accepted for {where} ({answer}): see SERVICECERT_CRL_S3_ACCESS_KEY_ID, "
                "SERVICECERT_CRL_S3_SECRET_ACCESS_KEY_FILE, what that key may do there, and the clock."
            )
    if "InvalidCertificate" in told:
        return f"The certificate of {where} does not verify: set SERVICECERT_CRL_S3_CA_FILE to the CA that signed it."
    if "kind: Timeout" in told:
        return f"No answer comes in time from {where}: see SERVICECERT_CRL_S3_TIMEOUT_SECONDS."
    if "kind: Connect" in told:
        return f"No connection is made to {where}: see SERVICECERT_CRL_S3_ENDPOINT."
    if "redirect" in told:
        return f"The storage sends elsewhere for {where}: see SERVICECERT_CRL_S3_REGION."
    if status and status[1] == "501":
        return f"The storage knows no conditional put for {where}: set SERVICECERT_CRL_S3_CONDITIONAL=false."
    if status:
        return f"The storage answers {answer} for {where}."
    return f"The conversation with the storage broke off for {where}."
