"""`python -m portal`: the e-service, on the address of its settings."""

import asyncio
import logging
import os
from urllib.parse import urlsplit

import uvicorn

from .app import opened
from .settings import Settings


async def _serve(settings: Settings) -> None:
    async with opened(settings) as app:
        address = urlsplit(settings.base_url)
        config = uvicorn.Config(
            app,
            host=address.hostname or "",
            port=address.port or 8700,
            server_header=False,
            proxy_headers=False,
            access_log=False,
            timeout_graceful_shutdown=2,
        )
        await uvicorn.Server(config).serve()


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    logging.getLogger("httpx2").setLevel(logging.WARNING)
    asyncio.run(_serve(Settings.of(os.environ)))
