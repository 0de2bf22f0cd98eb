"""A run whose database is restored again and again to an earlier moment, while Kafka is ahead.

Each round takes a backup at a random moment of the load, goes on for a random time, kills everything, restores the
backup, and brings it forward by `servicecert restore apply`: to exactly what was lost, as far as that was sent.
"""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID

from journaled import Journaled
from servicecert_cli.connections.schema import opened
from servicecert_cli.stand.system import System
from servicecert_launcher import Child, Postgres
from servicecert_launcher.postgres import SUPERUSER
from servicecert_schemas.topics import SERVICES
from servicecert_worker.storage import database

from chaos.idle import IdleCheck
from chaos.plan import Burst, Plan
from chaos.testbed import Testbed
from chaos.topics import read_topics
from chaos.verdict import Verdict, judge


@dataclass
class Restored:
    """What the commands said, by round and service, and what the tables had otherwise then than those that were lost.

    By mail, how often it was received when a topic had told of it: the hand-over of no other mail was known to anybody
    but the database that was lost.
    """

    words: list[dict[str, str]] = field(default_factory=list)
    differences: list[object] = field(default_factory=list)
    told: dict[UUID, int] = field(default_factory=dict)

    async def note(self, testbed: Testbed) -> None:
        """Note which mails the topics tell of."""
        topics = await read_topics(testbed.system.cluster)
        for case in topics.cases.values():
            for mail_id in case.handed_over:
                self.told.setdefault(mail_id, testbed.mail_server.mails[mail_id].times)

    def mailed_again(self, testbed: Testbed) -> list[UUID]:
        """Return the mails that were sent again although a topic told of them."""
        return [id for id, times in self.told.items() if testbed.mail_server.mails[id].times > times]


async def run_with_restores(testbed: Testbed, plan: Plan, rounds: int, seed: int) -> tuple[Verdict, Restored]:
    """Play a plan with so many restores in it. Return the verdict."""
    random_ = random.Random(seed)
    system, restored = testbed.system, Restored()
    bursts = iter(plan.bursts)
    each = max(1, len(plan.bursts) // (rounds + 1))
    for number in range(rounds):
        sending = asyncio.create_task(_send(testbed, list(islice(bursts, each))))
        await asyncio.sleep(random_.uniform(0.0, 1.5))
        assert system.parts.postgres is not None
        await asyncio.to_thread(back_up, system.parts.postgres, str(number))
        await asyncio.sleep(random_.uniform(0.1, 3.0))
        await kill_workers(system)
        await restored.note(testbed)
        lost = await journaled(system)
        await asyncio.to_thread(put_back, system.parts.postgres, str(number))
        await sending
        restored.words.append(await apply(system))
        after = await journaled(system)
        restored.differences += filter(None, (lost[service].differences(after[service]) for service in SERVICES))
        for name in system.workers:
            system.start(name)
        await system.ready(*system.workers)
    await _send(testbed, list(bursts))
    await IdleCheck(system, testbed.traffic).wait()
    # How many mails were sent again is not bounded by the notifiers' conversations: see `mailed_again`.
    return judge(plan.cases, await testbed.evidence(len(plan.cases))), restored


def back_up(postgres: Postgres, name: str) -> None:
    """Copy the data of the running server, with the log that belongs to them (pg_basebackup), under a name."""
    folder, url = postgres._home(), urlsplit(postgres.url)
    host = folder if postgres._tls else str(url.hostname)
    words: list[str | Path] = ["-D", folder / f"backup-{name}", "-h", host, "-p", str(url.port), "-U", SUPERUSER]
    copied = Child(
        [postgres._programs / "pg_basebackup", *words, "--checkpoint=fast", "--wal-method=stream", "--no-sync"],
        log=folder / "backup.log",
        folder=folder,
        account=postgres._account,
        environment={**os.environ, "PGPASSWORD": postgres._password},
    )
    assert copied.wait(60) == 0, copied.tail()


def put_back(postgres: Postgres, name: str) -> None:
    """Kill the server, and start it with the data of a backup: what was written since is forgotten."""
    postgres.kill()
    shutil.rmtree(postgres._data())
    (postgres._home() / f"backup-{name}").rename(postgres._data())
    postgres._spawn()


async def _send(testbed: Testbed, bursts: Sequence[Burst]) -> None:
    for burst in bursts:
        await testbed.traffic.send(burst)
        await asyncio.sleep(burst.pause)


async def kill_workers(system: System) -> None:
    """Kill all workers of the four services at once."""
    await asyncio.gather(*(asyncio.to_thread(system.children[name].kill) for name in system.workers))


async def journaled(system: System) -> dict[str, Journaled]:
    """Return what each service's tables hold that is in its journal."""
    found = {}
    for service in SERVICES:
        async with opened(system.backends.admin_url, service) as connection:
            found[service] = await Journaled.of(connection)
    return found


async def apply(system: System) -> dict[str, str]:
    """Run `servicecert restore apply` for all services at once. Return what each said."""
    said = await asyncio.gather(*(command(system, "restore", "apply", service) for service in SERVICES))
    return dict(zip(SERVICES, said, strict=True))


async def command(system: System, *arguments: str) -> str:
    """Run a command as the migrator, in the environment of the service that it names last. Return what it said."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "servicecert_cli", *arguments),
        env=system.environment(arguments[-1]) | {"DATABASE_URL": system.backends.urls[database.MIGRATOR]},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    return output.decode()
