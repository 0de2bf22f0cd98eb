"""Runs whose database comes back from an earlier moment, while Kafka is ahead.

`run_with_restores` restores it again and again. Each round takes a copy at a random moment of the load, goes on for a
random time, in which an operator proposes to block a key, a mail comes back and a case is erased, kills everything,
puts the copy back, and brings it forward by `servicecert restore apply`: to exactly what was lost, as far as that was
sent. By turns the copy is a physical one of the whole server, and a logical one of all services or of each alone.

`run_with_failover` kills nothing but the database, and a replica that lags takes over before running workers.
"""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import asyncpg
import psycopg
from alarms.stand import until
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from docs.pages import CHECKOUT, blocks
from journaled import Journaled
from journeys.people import bounce
from journeys.retention import let_pass
from psycopg import sql
from servicecert_cli.connections.schema import opened
from servicecert_cli.operations import erasing
from servicecert_cli.stand.system import System
from servicecert_launcher import Child, Postgres
from servicecert_launcher.ports import free_port
from servicecert_launcher.postgres import SUPERUSER
from servicecert_schemas.topics import SERVICES
from servicecert_worker.storage import database

from chaos.idle import IdleCheck
from chaos.plan import Burst, Case, Plan, Scenario
from chaos.testbed import Testbed
from chaos.topics import CaseEvents, read_topics
from chaos.verdict import Evidence, Verdict, judge

COPIES: Sequence[Sequence[str]] = ((), SERVICES, *((service,) for service in SERVICES))
"""By rounds, the services whose tables come back from a logical copy, while the others' stay; for none, a physical one.
"""
PATH = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"


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
    others = await Others.beside(testbed, plan.cases)
    for number in range(rounds):
        sending = asyncio.create_task(_send(testbed, list(islice(bursts, each))))
        await asyncio.sleep(random_.uniform(0.0, 1.5))
        postgres, services = system.parts.postgres, COPIES[number % len(COPIES)]
        assert postgres is not None
        if services:
            await asyncio.to_thread(dump, postgres, system.backends.admin_url, services)
        else:
            await asyncio.to_thread(back_up, postgres, str(number))
        acting = asyncio.create_task(others.act())
        await asyncio.sleep(random_.uniform(0.1, 3.0))
        await acting
        await kill_workers(system)
        await restored.note(testbed)
        lost = await journaled(system)
        if services:
            await asyncio.to_thread(load, postgres, system.backends.admin_url, services)
        else:
            await asyncio.to_thread(put_back, postgres, str(number))
        await sending
        restored.words.append(await apply(system))
        after = await journaled(system)
        restored.differences += filter(None, (lost[service].differences(after[service]) for service in SERVICES))
        for name in system.workers:
            system.start(name)
        await system.ready(*system.workers)
    await _send(testbed, list(bursts))
    await IdleCheck(system, testbed.traffic).wait()
    await others.finish()
    await IdleCheck(system, testbed.traffic).wait()
    # How many mails were sent again is not bounded by the notifiers' conversations: see `mailed_again`.
    evidence = others.seen(await testbed.evidence(len(plan.cases)))
    return judge([case for case in plan.cases if case.case_id not in others.erased], evidence), restored


async def run_with_failover(testbed: Testbed, plan: Plan, behind: float) -> tuple[Verdict, Restored, dict[str, float]]:
    """Play a plan in whose midst a replica takes over that is so many seconds behind.

    Return the verdict, and by worker after how many seconds it had ended by itself. All of them must.
    """
    system, restored = testbed.system, Restored()
    postgres = system.parts.postgres
    assert postgres is not None
    sending = asyncio.create_task(_send(testbed, plan.bursts))
    replica = await asyncio.to_thread(Replica, postgres)
    await replica.cut_off()
    await asyncio.sleep(behind)
    postgres.kill()
    await restored.note(testbed)
    await replica.promote()
    await asyncio.to_thread(replica.take_over)
    began = asyncio.get_running_loop().time()

    async def ended(name: str) -> float:
        status = await asyncio.to_thread(system.children[name].wait, 60)
        assert status == os.EX_DATAERR, f"{name} ended with {status}: {system.children[name].tail()}"
        return asyncio.get_running_loop().time() - began

    seconds = await asyncio.gather(*map(ended, system.workers))
    await asyncio.gather(*(follow_page(system, service) for service in SERVICES))
    for name in system.workers:
        system.start(name)
    await system.ready(*system.workers)
    await sending
    await IdleCheck(system, testbed.traffic).wait()
    verdict = judge(plan.cases, await testbed.evidence(len(plan.cases)))
    return verdict, restored, dict(zip(system.workers, seconds, strict=True))


class Replica:
    """A streaming replica of a running server, which takes over its address and the place of its data."""

    def __init__(self, postgres: Postgres) -> None:
        """Copy the data, and follow the server."""
        self._postgres, self._port = postgres, free_port()
        back_up(postgres, "replica", "--write-recovery-conf")
        self._data = postgres._home() / "backup-replica"
        settings = {**postgres._settings, "port": str(self._port)}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        self._child = Child(
            [postgres._programs / "postgres", "-D", self._data, *options],
            log=postgres._home() / "replica.log",
            folder=postgres._home(),
            account=postgres._account,
        )

    async def _ask(self, statement: str) -> Any:
        url = urlsplit(self._postgres.url)
        there = url._replace(netloc=url.netloc.replace(f":{url.port}", f":{self._port}"))
        connection = await asyncpg.connect(there.geturl())
        try:
            return await connection.fetchval(statement)
        finally:
            await connection.close()

    async def _follows(self) -> bool:
        with suppress(OSError, asyncpg.CannotConnectNowError):
            return bool(await self._ask("select exists (select from pg_stat_wal_receiver where status = 'streaming')"))
        return False

    async def _is_cut_off(self) -> bool:
        return bool(await self._ask("select not exists (select from pg_stat_wal_receiver)"))

    async def cut_off(self) -> None:
        """Once it follows, let nothing reach it any more."""
        async with asyncio.timeout(60):
            await until(self._follows, 0.05)
            await self._ask("alter system set primary_conninfo = ''")
            await self._ask("select pg_reload_conf()")
            await until(self._is_cut_off, 0.05)

    async def promote(self) -> None:
        """Make it a server that can be written to."""
        assert await self._ask("select pg_promote()")

    def take_over(self) -> None:
        """Put it behind the address of the server that was killed."""
        self._child.stop(60, signal.SIGINT)
        shutil.rmtree(self._postgres._data())
        self._data.rename(self._postgres._data())
        self._postgres._spawn()


def back_up(postgres: Postgres, name: str, *more: str) -> None:
    """Copy the data of the running server, with the log that belongs to them (pg_basebackup), under a name."""
    folder, url = postgres._home(), urlsplit(postgres.url)
    host = folder if postgres._tls else str(url.hostname)
    words: list[str | Path] = ["-D", folder / f"backup-{name}", "-h", host, "-p", str(url.port), "-U", SUPERUSER]
    copied = Child(
        [postgres._programs / "pg_basebackup", *words, "--checkpoint=fast", "--wal-method=stream", "--no-sync", *more],
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


def dump(postgres: Postgres, url: str, services: Sequence[str]) -> None:
    """Copy the tables of services (pg_dump), in one snapshot."""
    chosen = [word for service in services for word in ("--schema", service)]
    _with_copy(postgres, url, "pg_dump", "--format=custom", *chosen, "--file")


def load(postgres: Postgres, url: str, services: Sequence[str]) -> None:
    """Put the copy into the place of the services' tables."""
    with psycopg.connect(url) as connection:
        for service in services:
            connection.execute(sql.SQL("drop schema {} cascade").format(sql.Identifier(service)))
    _with_copy(postgres, url, "pg_restore", "--exit-on-error", "--single-transaction")


def _with_copy(postgres: Postgres, url: str, program: str, *words: str) -> None:
    place = urlsplit(url)
    server = ["-h", str(place.hostname), "-p", str(place.port), "-U", str(place.username), "-d", place.path[1:]]
    done = Child(
        [postgres._programs / program, *server, *words, postgres._home() / "dump"],
        log=postgres._home() / "dump.log",
        folder=postgres._home(),
        account=postgres._account,
        environment={**os.environ, "PGPASSWORD": place.password or ""},
    )
    assert done.wait(60) == 0, done.tail()


@dataclass
class Others:
    """Who acts beside the customers: an operator, the eraser, and mail servers that send mails back.

    `erased` are the cases that the eraser has erased at least once, `bounced` the mails that came back.
    """

    testbed: Testbed
    operator: Mapping[str, str]
    refused: Sequence[UUID]
    erased: set[UUID] = field(default_factory=set)
    bounced: set[UUID] = field(default_factory=set)

    @classmethod
    async def beside(cls, testbed: Testbed, cases: Sequence[Case]) -> Others:
        """Let refused cases be due at once."""
        await let_pass(testbed.system, datetime.now(UTC) + timedelta(days=30))
        once = (case for case in cases if not (case.duplicated or case.resubmitted))
        refused = [case.case_id for case in once if case.scenario is Scenario.REFUSED]
        return cls(testbed, await _operator(testbed.system), refused)

    async def act(self) -> None:
        await asyncio.gather(_propose(self.testbed.system, self.operator), self._send_back(), self._erase())

    async def finish(self) -> None:
        """Do again what was lost: what its database had, and its journal had not."""
        assert self.erased
        assert self.bounced
        folder = reports(self.testbed)
        for report in (folder / "cur").glob("*"):
            report.rename(folder / "new" / report.name)
        async with asyncio.timeout(60):
            await until(self._is_done, 0.5)

    def seen(self, evidence: Evidence) -> Evidence:
        """Return the evidence without the erased cases, and with the mails that came back."""
        left = {id: events for id, events in evidence.topics.cases.items() if id not in self.erased}
        topics = replace(evidence.topics, cases=defaultdict(CaseEvents, left))
        return replace(evidence, topics=topics, bounced=frozenset(self.bounced))

    async def _send_back(self) -> None:
        """Send back one of the mails that were handed over last, each of another case."""
        settled = """
            select mail_id from notifier.mails as m where kind = 'certificate-issued' and state = 'handed-over'
                and not exists (select from notifier.mails where case_id = m.case_id and mail_id = any($1::uuid[]))
            order by settled_at desc limit 1
        """
        for mail_id in await self._ask(settled, [*self.bounced]):
            self.bounced.add(mail_id)
            (reports(self.testbed) / "new" / f"{mail_id}").write_bytes(bounce(mail_id))

    async def _erase(self) -> None:
        """Erase a case that is due."""
        system = self.testbed.system
        due = [id for id in map(UUID, await self._due()) if id not in self.erased][:1]
        skipped = await erasing.erase(system.urls[database.ERASER], system.cluster, list(map(str, due)))
        self.erased.update(set(due) - set(map(UUID, skipped)))

    async def _due(self) -> list[str]:
        refused = set(map(str, self.refused))
        return [key for key in await erasing.due(self.testbed.system.urls[database.ERASER]) if key in refused]

    async def _is_done(self) -> bool:
        system = self.testbed.system
        again = [key for key in await self._due() if UUID(key) in self.erased]
        await erasing.erase(system.urls[database.ERASER], system.cluster, again)
        back = "select mail_id from notifier.mails where state = 'bounced'"
        return not again and set(await self._ask(back)) == self.bounced

    async def _ask(self, query: str, *arguments: object) -> list[UUID]:
        connection = await asyncpg.connect(self.testbed.system.backends.admin_url)
        try:
            return [row["mail_id"] for row in await connection.fetch(query, *arguments)]
        finally:
            connection.terminate()


def reports(testbed: Testbed) -> Path:
    """Return the Maildir of the mails that come back."""
    return testbed.system.folder / "bounces"


async def _operator(system: System) -> dict[str, str]:
    """Make an operator's login. Return the variable that names it."""
    file = system.folder / "anna-url"
    words = (sys.executable, "-m", "servicecert_cli", "db", "operator", "anna", "--out", str(file))
    await _done(words, system.environment("revoker") | {"DATABASE_URL": system.backends.admin_url})
    return {"DATABASE_URL": file.read_text().strip().partition("=")[2]}


async def _propose(system: System, operator: Mapping[str, str]) -> None:
    """Propose to block a key that no certificate has."""
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    file = system.folder / "leaked.pem"
    file.write_bytes(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    words = (sys.executable, "-m", "servicecert_cli", "keys", "block", str(file), "--why", "found", "--yes")
    await _done(words, {**system.environment("revoker"), **operator})


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


async def follow_page(system: System, service: str) -> None:
    """Do what docs/tasks/restored-database.md says, which has the commands for the issuer."""
    (block,) = blocks(CHECKOUT / "docs/tasks/restored-database.md")
    migrator = {"MIGRATOR_DATABASE_URL": system.backends.urls[database.MIGRATOR], "PATH": PATH}
    await _done(("bash", "-c", block.text.replace("issuer", service)), system.environment(service) | migrator)


async def command(system: System, *arguments: str) -> str:
    """Run a command as the migrator, in the environment of the service that it names last. Return what it said."""
    migrator = {"DATABASE_URL": system.backends.urls[database.MIGRATOR]}
    words = (sys.executable, "-m", "servicecert_cli", *arguments)
    return await _done(words, system.environment(arguments[-1]) | migrator)


async def _done(words: Sequence[str], environment: Mapping[str, str]) -> str:
    process = await asyncio.create_subprocess_exec(
        *words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    return output.decode()
