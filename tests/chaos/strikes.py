"""Doing harm: to workers, to the broker, to the database, and to the mail server. What dies is started again."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, defaultdict
from contextlib import suppress

import psutil
import psycopg
from servicecert_cli.stand.system import System
from servicecert_deploy import Kafka, Postgres

from chaos.plan import Blow, Strike
from chaos.witnesses import Ailment, MailServer

LOOK_SECONDS = 0.1
LOST_ANSWERS = 5

_AILMENTS = {Blow.KILL_MAIL: Ailment.DEAD, Blow.STALL_MAIL: Ailment.STALLED, Blow.REFUSE_MAIL: Ailment.REFUSING}

UNAVAILABLE = 69
"""The exit status of a worker that found no broker or no database, as in sysexits.h."""

AFTERMATH_SECONDS = 60.0
"""How long after such a blow a worker may end with it: its patience, and the time that a busy machine needs to be whole again."""


class Harm:
    """Strikes a system's parts. Two blows on the same part come one after the other, on different ones they may overlap."""

    def __init__(self, system: System, mail_server: MailServer) -> None:
        kafka, postgres = system.parts.kafka, system.parts.postgres
        assert kafka is not None, "the broker to be killed must be our own: unset KAFKA_BOOTSTRAP_SERVERS"
        assert postgres is not None, "the database to be killed must be our own: unset DATABASE_URL"
        self.done: Counter[Blow] = Counter()
        self.unasked: list[str] = []
        self._system = system
        self._kafka = kafka
        self._postgres = postgres
        self._mail_server = mail_server
        self._alone: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._ours: set[int] = set()
        self._away_until = 0.0

    async def strike(self, strike: Strike) -> None:
        await asyncio.sleep(strike.wait)
        part = strike.target or strike.blow.split()[0]
        async with self._alone[part]:
            if part in ("broker", "database"):
                self._away_until = time.monotonic() + strike.seconds + AFTERMATH_SECONDS
            await asyncio.to_thread(self._strike, strike)
        self.done[strike.blow] += 1

    def _strike(self, strike: Strike) -> None:
        match strike.blow:
            case Blow.KILL | Blow.STOP | Blow.FREEZE:
                self._strike_worker(strike)
            case Blow.KILL_BROKER:
                _dead_for(strike.seconds, self._kafka)
            case Blow.FREEZE_BROKER:
                self._kafka.freeze()
                time.sleep(strike.seconds)
                self._kafka.thaw()
            case Blow.KILL_DATABASE:
                _dead_for(strike.seconds, self._postgres)
            case Blow.STOP_DATABASE:
                self._postgres.stop_immediate()
                self._postgres.restart()
            case Blow.FREEZE_DATABASE:
                _freeze_all(self._postgres.pid, strike.seconds)
            case Blow.CUT_CONNECTIONS:
                self._cut_connections()
            case Blow.LOSE_ANSWERS:
                self._mail_server.lose += LOST_ANSWERS
            case Blow.KILL_MAIL | Blow.STALL_MAIL | Blow.REFUSE_MAIL:
                self._mail_server.ails(_AILMENTS[strike.blow], strike.seconds)
                time.sleep(strike.seconds)

    def _strike_worker(self, strike: Strike) -> None:
        child = self._system.children[strike.target]
        if strike.blow is Blow.FREEZE:
            child.freeze()
            time.sleep(strike.seconds)
            child.thaw()
            return
        self._ours.add(child.pid)
        if strike.blow is Blow.KILL:
            child.kill()
        else:
            child.stop()

    def _cut_connections(self) -> None:
        with psycopg.connect(self._system.place.admin_url, autocommit=True) as connection:
            connection.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
            )

    async def supervise(self) -> None:
        """Starts what has ended, for ever. Who ended without being struck is remembered with its last words.

        A worker that starts while a blow keeps broker or database away for longer than its patience ends with 69, and rightly so.
        """
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            for name, child in tuple(self._system.children.items()):
                if child.alive:
                    continue
                away = child.returncode == UNAVAILABLE and time.monotonic() < self._away_until
                if child.pid not in self._ours and not away:
                    self.unasked.append(f"{name} ended with status {child.returncode}: {child.said(1)}")
                await asyncio.to_thread(self._system.start, name)


def _dead_for(seconds: float, part: Kafka | Postgres) -> None:
    part.kill()
    time.sleep(seconds / 4)
    part.restart()


def _freeze_all(pid: int, seconds: float) -> None:
    """Stops the database server and all its backends, each of which is a process group of its own."""
    server = psutil.Process(pid)
    family = [server, *server.children(recursive=True)]
    for process in family:
        with suppress(psutil.NoSuchProcess):
            process.suspend()
    time.sleep(seconds)
    for process in family:
        with suppress(psutil.NoSuchProcess):
            process.resume()
