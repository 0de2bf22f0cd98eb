"""CRLs and OCSP as relying parties reach them: by HTTP, at the addresses in the certificate."""

from contextlib import AbstractAsyncContextManager

import aiohttp

from .domain.stages import NotYet

_OCSP = {"Content-Type": "application/ocsp-request", "Accept": "application/ocsp-response"}
_LARGEST_ANSWER = 64 * 1024
_LARGEST_CRL = 256 * 1024 * 1024
_TIMEOUT = aiohttp.ClientTimeout(total=30, connect=10)


def session() -> aiohttp.ClientSession:
    """Return a session for one run."""
    return aiohttp.ClientSession(timeout=_TIMEOUT, raise_for_status=True)


async def fetch_crl(session: aiohttp.ClientSession, url: str) -> bytes:
    """Return what is at a CRL's address. Raises NotYet."""
    return await _body(session.get(url), f"the CRL at {url}", _LARGEST_CRL)


async def ask_ocsp(session: aiohttp.ClientSession, url: str, request: bytes) -> bytes:
    """Return a responder's answer to a POST. Raises NotYet."""
    return await _body(session.post(url, data=request, headers=_OCSP), f"OCSP at {url}", _LARGEST_ANSWER)


async def _body(request: AbstractAsyncContextManager[aiohttp.ClientResponse], what: str, largest: int) -> bytes:
    try:
        async with request as response:
            content = bytearray()
            async for piece in response.content.iter_any():
                content += piece
                if len(content) > largest:
                    raise NotYet(f"{what} answers with more than {largest} octets: see what serves it")
            return bytes(content)
    except (aiohttp.ClientError, TimeoutError) as fault:
        status = f" with {fault.status}" if isinstance(fault, aiohttp.ClientResponseError) else ""
        raise NotYet(f"{what} does not answer{status} ({type(fault).__name__}): see that it is served") from None
