"""Reports to a service manager such as systemd, by its protocol sd_notify(3); does nothing without one."""

import asyncio
import os
import socket
from contextlib import suppress
from typing import NoReturn

_IDLE_SECONDS = 3600.0


def notify(state: str) -> None:
    """Send a state, such as `READY=1`, to the socket that the manager named."""
    if address := os.environ.get("NOTIFY_SOCKET"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager, suppress(OSError):
            manager.sendto(state.encode(), address.replace("@", "\0", 1) if address.startswith("@") else address)


async def report_alive() -> NoReturn:
    """Report for ever that the event loop runs, twice in the period after which the manager would end the process."""
    period = int(os.environ.get("WATCHDOG_USEC") or 0) / 1_000_000
    while True:
        await asyncio.sleep(period / 2 or _IDLE_SECONDS)
        notify("WATCHDOG=1")
