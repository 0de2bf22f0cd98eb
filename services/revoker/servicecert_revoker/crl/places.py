"""Copies CRLs from the folder to S3-compatible storage or by a command, and fetches them from their address as a proof.

NotPublished    a CRL does not arrive at one of its places
"""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Protocol, runtime_checkable

import aiohttp
from servicecert_pki.issuer import IssuerInfo
from servicecert_pki.partitions import crl_name, crl_url
from servicecert_worker.core.faults import with_timeout
from servicecert_worker.process.connections import at_most

from ..domain.crl_orders import CrlVersion

_COMMAND_SECONDS = 60.0
_FETCH_SECONDS = 10.0


_NOT_THERE = (403, 404, 410)
"""What web servers and storage say of a file that they do not have."""
MOST_BYTES = 256 * 1024 * 1024
"""No CRL of ours is as long: some 40 octets for each of six million certificates."""
NOT_OURS = CrlVersion(0, "")
"""What is longer: it is not read."""

FOLDER, ADDRESS = "folder", "address"
"""The metrics' names of the folder and of the address that CRLs are fetched from."""


class NotPublished(Exception):
    """The message is one sentence that tells what to check; `publisher` is the metrics' name of the one that failed.

    The CRL is not in the folder or the storage, or the command failed; or it is not fetched from its address in time.
    """

    def __init__(self, publisher: str, text: str) -> None:
        super().__init__(text)
        self.publisher = publisher


class Publisher(Protocol):
    """Another place for CRLs. Metrics call it `name`."""

    @property
    def name(self) -> str: ...

    async def put(self, file: str, made: Path, number: int, issuer: IssuerInfo) -> None:
        """Publish a CA's CRL as `file`, so that relying parties see it or the one before. Raises NotPublished."""
        ...


@runtime_checkable
class Bucket(Publisher, Protocol):
    """A publisher that says what it has."""

    async def current(self, file: str, issuer: IssuerInfo) -> CrlVersion | None:
        """Return a CA's file in the bucket, None if there is none. Raises NotPublished."""
        ...


@dataclass(frozen=True, slots=True)
class CommandPublisher:
    """A command that gets the path of each file as its last argument, without a shell. Only its exit code counts.

    It gets SERVICECERT_CRL_NAME and SERVICECERT_CRL_NUMBER, 0 for a CA's certificate, and none of the revoker's own
    settings and secrets.
    """

    command: tuple[str, ...]
    seconds: float = _COMMAND_SECONDS
    name: str = "command"

    async def put(self, file: str, made: Path, number: int, _: IssuerInfo) -> None:
        crl = {"SERVICECERT_CRL_NAME": file, "SERVICECERT_CRL_NUMBER": str(number)}
        try:
            process = await asyncio.create_subprocess_exec(
                *self.command,
                str(made),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
                env={**_without_secrets(os.environ), **crl},
            )
        except OSError as fault:
            raise self._failed(f"cannot be started ({fault.strerror})") from None
        try:
            code = await with_timeout(self.seconds, process.wait())
        except TimeoutError:
            raise self._failed(f"takes longer than {self.seconds:.0f} s") from None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if code:
            raise self._failed(f"ends with exit code {code}")

    def _failed(self, how: str) -> NotPublished:
        return NotPublished(self.name, f"The command {self.command[0]} {how}: see SERVICECERT_CRL_PUBLISH_COMMAND.")


def _without_secrets(environment: Mapping[str, str]) -> dict[str, str]:
    ours = ("SERVICECERT_", "DATABASE_URL", "KAFKA_")
    return {name: value for name, value in environment.items() if not name.startswith(ours)}


@dataclass(frozen=True, repr=False)
class Address:
    """Where files are fetched from, each within `seconds`. One that has the same ETag as before is not read again.

    `url` is best the server behind the proxy of the public address: nobody outside can keep the revoker from that.
    """

    url: str
    session: aiohttp.ClientSession
    seconds: float = _FETCH_SECONDS
    name: str = ADDRESS
    _cache: dict[str, tuple[str, CrlVersion]] = field(default_factory=dict, init=False)

    async def current(self, file: str, issuer: IssuerInfo) -> CrlVersion | None:
        """Return a CA's file as it is fetched, None if there is none. Raises NotPublished where nothing answers."""
        etag, version = self._cache.get(file, ("", None))
        async with self._get(file, {"If-None-Match": etag} if etag else {}) as response:
            if response.status == 304:
                return version
            if response.status in _NOT_THERE:
                return None
            response.raise_for_status()
            content = await at_most(MOST_BYTES, response.content.iter_any())
        if content is None:
            return NOT_OURS
        version = await asyncio.to_thread(CrlVersion.of, content, issuer)
        self._cache[file] = response.headers.get("ETag", ""), version
        return version

    async def fetch_back(self, file: str, digest: str) -> None:
        """Raise NotPublished unless the bytes have exactly this SHA-256: published is fetchable (I7)."""
        hashed = sha256()
        async with self._get(file, {}) as response:
            response.raise_for_status()
            async for piece in response.content.iter_any():
                hashed.update(piece)
        if hashed.hexdigest() != digest:
            raise NotPublished(
                self.name,
                f"Another CRL than the published one is fetched from {self.url}/{file}: "
                "serve SERVICECERT_CRL_DIR there, without a cache between.",
            )

    @asynccontextmanager
    async def _get(self, file: str, headers: Mapping[str, str]) -> AsyncIterator[aiohttp.ClientResponse]:
        url, limit = f"{self.url}/{file}", aiohttp.ClientTimeout(total=self.seconds)
        try:
            async with self.session.get(
                url, headers={"Cache-Control": "no-cache", **headers}, timeout=limit
            ) as response:
                yield response
        except (aiohttp.ClientError, TimeoutError) as fault:
            raise NotPublished(
                self.name,
                f"The CRL cannot be fetched from {url} ({type(fault).__name__}): "
                "serve SERVICECERT_CRL_DIR at `crls` of authority.toml and, if set, at SERVICECERT_CRL_INTERNAL_URL.",
            ) from None


@dataclass(frozen=True, repr=False)
class Distribution:
    """The places of a CRL besides the folder: the `publishers`, and the `address` that it is fetched back from.

    Relying parties fetch it at `base_url`.
    """

    base_url: str
    publishers: Sequence[Publisher]
    address: Address

    def url(self, issuer: str, partition: int) -> str:
        """Return a CRL's address, which is its certificates' distribution point."""
        return crl_url(self.base_url, issuer, partition)

    async def deliver(self, folder: Path, issuer: IssuerInfo, partition: int, crl: CrlVersion) -> None:
        """Copy a CRL from the folder to all publishers, and fetch it back. Raises NotPublished."""
        await self.copy(folder, issuer, partition, crl)
        await self.address.fetch_back(crl_name(issuer.id, partition), crl.sha256)

    async def copy(self, folder: Path, issuer: IssuerInfo, partition: int, crl: CrlVersion) -> None:
        """Copy a CRL from the folder to all publishers. Raises NotPublished."""
        name = crl_name(issuer.id, partition)
        for publisher in self.publishers:
            await publisher.put(name, folder / name, crl.number, issuer)
