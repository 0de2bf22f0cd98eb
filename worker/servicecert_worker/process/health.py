"""`/metrics`, `/live` and `/ready` over HTTP."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web

Check = Callable[[], tuple[bool, str]]


async def serve(
    host: str, port: int, metrics: Callable[[], Awaitable[bytes]], live: Check, ready: Check
) -> tuple[web.AppRunner, str]:
    """Serves until the runner is cleaned up; answers the runner and the bound address `host:port`.

    A check answers whether and a sentence that says why. Raises `OSError` where the port is in use.
    """

    async def show(_: web.Request) -> web.Response:
        return web.Response(body=await metrics(), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})

    def answering(check: Check) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def answer(_: web.Request) -> web.Response:
            well, why = check()
            return web.Response(text=why + "\n", status=200 if well else 503)

        return answer

    app = web.Application()
    app.add_routes(
        [
            web.get("/metrics", show),
            web.get("/live", answering(live)),
            web.get("/ready", answering(ready)),
        ]
    )
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, host, port)
    try:
        await site.start()
    except OSError:
        await runner.cleanup()
        raise
    bound = runner.addresses[0]
    return runner, f"{bound[0]}:{bound[1]}"
