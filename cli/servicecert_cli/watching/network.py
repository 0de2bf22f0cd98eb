"""CRLs, OCSP and CA certificates as relying parties reach them: by HTTP, at the addresses in certificates.

Unanswered          an address has no answer that can be used
"""

import aiohttp
from servicecert_worker.process.connections import at_most

_OCSP = {"Content-Type": "application/ocsp-request", "Accept": "application/ocsp-response"}
_LARGEST_ANSWER = 64 * 1024
_LARGEST_CRL = 256 * 1024 * 1024
_CONNECT_SECONDS = 10.0


class Unanswered(Exception):
    """The message says what comes from an address, such as `answers 404`."""


def session(seconds: float) -> aiohttp.ClientSession:
    """Return a session in which an answer may take so long."""
    timeout = aiohttp.ClientTimeout(total=seconds, connect=_CONNECT_SECONDS)
    return aiohttp.ClientSession(timeout=timeout, raise_for_status=True)


async def fetch(session: aiohttp.ClientSession, url: str, query: bytes | None = None) -> bytes:
    """Return what is at an address, or what a responder there answers to a query of OCSP. Raises Unanswered."""
    largest = _LARGEST_CRL if query is None else _LARGEST_ANSWER
    try:
        async with session.get(url) if query is None else session.post(url, data=query, headers=_OCSP) as response:
            content = await at_most(largest, response.content.iter_any())
    except TimeoutError:
        raise Unanswered("does not answer in time") from None
    except aiohttp.ClientResponseError as error:
        raise Unanswered(f"answers {error.status}") from None
    except (aiohttp.ClientError, OSError) as error:
        raise Unanswered(f"does not answer ({type(error).__name__})") from None
    if content is None:
        raise Unanswered(f"answers with more than {largest} octets")
    return content
