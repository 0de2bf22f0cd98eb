"""`python -m portal`: the e-service, on the address of its settings.

`python -m portal 2026-11-29T10:00:00+02:00` sends again, after Kafka was lost, all accounts and what was sent since.
"""

import asyncio
import logging
import os
import sys
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import uvicorn

from .app import opened
from .settings import Settings


async def _serve(settings: Settings, since: str | None = None) -> None:
    async with opened(settings) as app:
        if since:
            count = await app.state.portal.outbox.send_again(datetime.fromisoformat(since).astimezone())
            logging.info("records to send again: %s", count)
        address = urlsplit(settings.base_url)
        place: dict[str, Any] = {
            "host": address.hostname or "",
            "port": address.port or 8700,
            "timeout_graceful_shutdown": 2,
        }
        config = uvicorn.Config(app, server_header=False, proxy_headers=False, access_log=False, **place)
        await uvicorn.Server(config).serve()


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    logging.getLogger("httpx2").setLevel(logging.WARNING)
    asyncio.run(_serve(Settings.of(os.environ), *sys.argv[1:]))
