"""A small HTTP server for CRLs and CA certificates: these files of one folder, and nothing else."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType

from aiohttp import web

MEDIA_TYPES = MappingProxyType({".crl": "application/pkix-crl", ".cer": "application/pkix-cert"})
"""RFC 2585, 4."""

# Long enough to spare a busy server, short enough for "revoked within a minute" (D4).
CACHE = "public, max-age=30"
_RESOLUTION = timedelta(seconds=1)
_NAME = r"[a-z0-9][a-z0-9-]*(?:(?:\.[1-9][0-9]{0,3})?\.crl|\.cer)"


@asynccontextmanager
async def serve(folder: Path, host: str, port: int) -> AsyncIterator[str]:
    """Serve the folder until the context ends, and give the address, `http://host:port`, without a slash at its end.

    Port 0 takes a free one. Raises OSError where the address is in use or not this machine's.
    """
    runner = web.AppRunner(application(folder), access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        await site.start()
        bound, taken, *_ = runner.addresses[0]
        yield address(bound, taken)
    finally:
        await runner.cleanup()


def address(host: str, port: int) -> str:
    """The URL of a host, an IPv6 one in brackets (RFC 3986, 3.2.2)."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def application(folder: Path) -> web.Application:
    """GET and HEAD of `/<issuer>.crl`, `/<issuer>.<partition>.crl` and `/<issuer>.cer`, with ETag and, once that is sure, Last-Modified; 404 for all else."""

    async def file(request: web.Request) -> web.StreamResponse:
        path = folder / request.match_info["name"]
        if not path.is_file():
            raise web.HTTPNotFound
        return web.FileResponse(path, headers={"Content-Type": MEDIA_TYPES[path.suffix], "Cache-Control": CACHE})

    served = web.Application()
    served.on_response_prepare.append(_only_if_strong)
    served.router.add_get(f"/{{name:{_NAME}}}", file)
    return served


async def _only_if_strong(_: web.Request, response: web.StreamResponse) -> None:
    """Leaves out Last-Modified within the second of a change: another CRL may follow in it, and the tag alone tells them apart (RFC 9110, 8.8.2.2).

    Whoever got no date asks with none, so that nobody is told that an older CRL is the present one.
    """
    if response.last_modified is not None and datetime.now(UTC) < response.last_modified + _RESOLUTION:
        response.last_modified = None
