"""`servicecert crl`: the published CRLs over HTTP."""

import asyncio
import os
from pathlib import Path

import click
from servicecert_revoker.crl.effects import server as crl_server
from servicecert_worker.process.clients import Proxies

from ..faults import UserError
from ..terminal import interruption


@click.group()
def command() -> None:
    """Serve the published CRLs over HTTP."""


@command.command()
@click.argument(
    "folder", metavar="DIR", envvar="SERVICECERT_CRL_DIR", type=click.Path(path_type=Path, file_okay=False, exists=True)
)
@click.option("--host", default="", help="Address to listen on; the default is all addresses of this machine.")
@click.option("--port", type=click.IntRange(0, 65_535), default=8080, show_default=True, help="0 takes a free port.")
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

    DIR is the folder that the revoker publishes to; it may also be given as
    SERVICECERT_CRL_DIR. No other file in it is served.

    \b
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
