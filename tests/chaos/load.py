"""A constant load: applications, a few at a time, for as long as it is wanted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from chaos.plan import Burst, Case, draw
from chaos.traffic import Traffic

MOST = 100_000


@asynccontextmanager
async def constant_load(traffic: Traffic, seed: int, at_once: int, pause: float) -> AsyncIterator[list[Case]]:
    """Send so many applications after each pause, in seconds, until the context ends. Yields those that are sent."""
    sent: list[Case] = []

    async def send() -> None:
        cases = iter(draw(seed, MOST, [], faults=0).cases)
        while True:
            burst = Burst(tuple(next(cases) for _ in range(at_once)), (), None, 0.0)
            sent.extend(burst.cases)
            await asyncio.shield(traffic.send(burst))
            await asyncio.sleep(pause)

    sending = asyncio.create_task(send())
    try:
        yield sent
        assert not sending.done(), sending.exception()
    finally:
        sending.cancel()
        await asyncio.wait([sending])
