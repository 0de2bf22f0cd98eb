"""A customer applies, and what is stored is sent; at a step the process kills itself: `killed.py FOLDER [STEP]`."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from hashlib import sha256
from pathlib import Path

from browsers import PORTAL, PROVIDER, make_people, opened_site
from portal import outbox
from servicecert_schemas import Record

_FIRST = "application.submitted"


async def main(folder: Path, step: str = "") -> None:
    put = outbox.put

    def passing(place: str, kind: str) -> None:
        if (place, kind) == (step, _FIRST):
            os.kill(os.getpid(), signal.SIGKILL)

    async def putting(tx, data):
        passing("before it is stored", data.TYPE.split(".", 1)[1].rpartition(".")[0])
        return await put(tx, data)

    async def publish(record: Record) -> None:
        """Keep what a broker has: of a record that was cut off, nothing."""
        headers = dict(record.headers)
        kind = headers["ce_type"].decode().split(".", 1)[1].rpartition(".")[0]
        passing("before it is sent", kind)
        with (folder / "sent").open("a") as file:
            file.write(f"{kind} {headers['ce_id'].decode()} {sha256(record.value).hexdigest()}\n")
            passing("while it is sent", kind)
        passing("before it is marked", kind)

    outbox.put = putting
    async with opened_site(folder, make_people(PORTAL, PROVIDER)) as site:
        saga = site.browser()
        await saga.login("saga")
        row = await site.portal.database.row("SELECT id FROM accounts")
        await saga.apply(row["id"] if row else await saga.open_account("9900001-8"))
        await site.portal.outbox.send_all(publish)


asyncio.run(main(Path(sys.argv[1]), *sys.argv[2:]))
