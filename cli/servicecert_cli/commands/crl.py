"""`servicecert crl`: the published CRLs over HTTP, and publishing them at once."""

import asyncio
import os
from pathlib import Path
from typing import Any

import click
from servicecert_revoker.operator.crl_requests import publish_now, published_cas
from servicecert_revoker.serving import crl_server
from servicecert_worker.process.connections import Proxies

from ..connections.schema import in_schema
from ..faults import UserError, unknown
from ..terminal import interruption
from ..terminal.output import as_json, say

_PORT = click.IntRange(0, 65_535)


@click.group()
def command() -> None:
    """Serve the published CRLs over HTTP, and publish them again."""


@command.command()
@click.argument(
    "folder", metavar="DIR", envvar="SERVICECERT_CRL_DIR", type=click.Path(path_type=Path, file_okay=False, exists=True)
)
@click.option("--host", envvar="SERVICECERT_CRL_HOST", default="", help="Where it listens; the default is everywhere.")
@click.option(
    "--port", envvar="SERVICECERT_CRL_PORT", type=_PORT, default=8080, show_default=True, help="Port; 0: a free one."
)
@click.option(
    "--proxies",
    "proxy_networks",
    envvar="SERVICECERT_PROXY_NETWORKS",
    default="",
    metavar="NETWORKS",
    help="Networks of the proxies in front, such as 10.0.0.0/8: only they may hold more than an eighth of the places.",
)
def serve(folder: Path, host: str, port: int, proxy_networks: str) -> None:
    """Serve the CRLs and CA certificates of a folder until stopped.

    DIR is the folder that the revoker publishes to. No other file in it is served.
    SERVICECERT_CRL_DIR, SERVICECERT_CRL_HOST, SERVICECERT_CRL_PORT and
    SERVICECERT_PROXY_NETWORKS do the same as DIR and the options.

    Example:
      servicecert crl serve crls --host 127.0.0.1 --port 8080
    """

    try:
        proxies = Proxies.of(proxy_networks)
    except ValueError:
        raise UserError("Give --proxies networks, separated by commas, such as 10.0.0.0/8.") from None

    async def serving() -> None:
        try:
            async with crl_server.serve(folder, host, port, proxies=proxies) as address:
                click.echo(f"CRLs are served at {address}/<CA>.crl")
                await asyncio.Event().wait()
        except OSError:
            raise UserError(
                f"Cannot listen on port {port}: it is in use, or {host or 'an address'} is not this machine's."
                " Choose another with --port or --host.",
                os.EX_UNAVAILABLE,
            ) from None

    interruption.run(serving(), is_end=True)


@command.command()
@click.argument("cas", metavar="[CA]...", nargs=-1)
@as_json
def publish(cas: tuple[str, ...], as_json: bool) -> None:
    """Publish all CRLs of CAs anew at once; without a CA, those of all.

    The revoker makes and publishes them, so it must run. It does so by itself within half
    a minute where a file is missing, older or another one. DATABASE_URL names an operator.

    Examples:
      servicecert crl publish
      servicecert crl publish production-ec
    """

    async def work(connection: Any) -> tuple[list[str], int]:
        known = await published_cas(connection)
        if strange := sorted({*cas} - {*known}):
            raise unknown("CA", strange, known)
        if not known:
            raise UserError("No CRLs are published yet: start a revoker.")
        wanted = sorted({*cas} or known)
        return wanted, await publish_now(connection, wanted)

    wanted, ordered = in_schema("revoker", work)
    under_way = f" Those of {len(wanted) - ordered} CAs were under way already." if ordered < len(wanted) else ""
    sentence = f"The revoker publishes the CRLs of {', '.join(wanted)} at once, if it runs.{under_way}"
    sentence += " See `servicecert doctor --only Crl,CrlAges`."
    say(as_json, {"cas": wanted, "ordered": ordered}, sentence)
