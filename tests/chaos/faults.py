"""Injects faults into workers, broker, database and mail server, and restarts workers that ended."""

from __future__ import annotations

import asyncio
import signal
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psutil
import psycopg
from databases import stop_immediate
from servicecert_cli.stand.system import System
from servicecert_launcher import Kafka, Postgres
from servicecert_notifier.service import NAME as NOTIFIER

from chaos.observers import Failure, MailServer
from chaos.plan import Fault, FaultKind

POLL_SECONDS = 0.1
LOST_ANSWERS = 5

_FAILURES = {
    FaultKind.KILL_MAIL: Failure.DEAD,
    FaultKind.STALL_MAIL: Failure.STALLED,
    FaultKind.REFUSE_MAIL: Failure.REFUSING,
}

UNAVAILABLE = 69
"""The exit status of a worker that found no broker or no database, as in sysexits.h."""

STOPPED = (0, UNAVAILABLE, 128 + signal.SIGKILL)
"""How a process may end that somebody else stopped, or whose broker or database is away for long."""

RECOVERY_SECONDS = 60.0
"""How long after a fault of broker or database a worker may end with UNAVAILABLE: its timeout, and recovery time."""


class FaultInjector:
    """Injects faults into a system. Faults of one component never overlap, those of different ones may."""

    def __init__(self, system: System, mail_server: MailServer) -> None:
        kafka, postgres = system.parts.kafka, system.parts.postgres
        assert kafka is not None, "the broker to be killed must be our own: unset KAFKA_BOOTSTRAP_SERVERS"
        assert postgres is not None, "the database to be killed must be our own: unset DATABASE_URL"
        self.done: Counter[FaultKind] = Counter()
        self.unexpected_exits: list[str] = []
        self.notifier_losses = 0
        self._system = system
        self._kafka = kafka
        self._postgres = postgres
        self._mail_server = mail_server
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._killed: set[int] = set()
        self._left_alone: set[str] = set()
        self._unavailable_until = 0.0

    @contextmanager
    def left_alone(self, *names: str) -> Iterator[None]:
        """Restart none of these processes until the context ends: somebody else stops them, and may start them."""
        self._left_alone.update(names)
        try:
            yield
        finally:
            ended = [child for name in names if not (child := self._system.children[name]).alive]
            self._killed.update(child.pid for child in ended if child.returncode in STOPPED)
            self._left_alone.difference_update(names)

    async def inject(self, fault: Fault) -> None:
        await asyncio.sleep(fault.wait)
        part = fault.target or fault.kind.split()[0]
        async with self._locks[part]:
            if part in ("broker", "database"):
                self._unavailable_until = time.monotonic() + fault.seconds + RECOVERY_SECONDS
            await asyncio.to_thread(self._inject, fault)
        self.done[fault.kind] += 1
        if part == "database":
            self.notifiers_cut_off()
        elif fault.kind is FaultKind.FREEZE and fault.target in self._notifiers:
            # It takes answers for late ones when it continues.
            self.notifier_losses += 1

    def notifiers_cut_off(self) -> None:
        """Note that each notifier loses the connection that owns its intents: it leaves them to others."""
        self.notifier_losses += len(self._notifiers)

    @property
    def _notifiers(self) -> list[str]:
        return [name for name in self._system.children if name.startswith(NOTIFIER)]

    def _inject(self, fault: Fault) -> None:
        match fault.kind:
            case FaultKind.KILL | FaultKind.STOP | FaultKind.FREEZE:
                self._inject_into_worker(fault)
            case FaultKind.KILL_BROKER:
                _dead_for(fault.seconds, self._kafka)
            case FaultKind.FREEZE_BROKER:
                self._kafka.freeze()
                time.sleep(fault.seconds)
                self._kafka.thaw()
            case FaultKind.KILL_DATABASE:
                _dead_for(fault.seconds, self._postgres)
            case FaultKind.STOP_DATABASE:
                stop_immediate(self._postgres)
                self._postgres.restart()
            case FaultKind.FREEZE_DATABASE:
                _freeze_all(self._postgres.pid, fault.seconds)
            case FaultKind.CUT_CONNECTIONS:
                self._cut_connections()
            case FaultKind.LOSE_ANSWERS:
                self._mail_server.lose += LOST_ANSWERS
            case FaultKind.KILL_MAIL | FaultKind.STALL_MAIL | FaultKind.REFUSE_MAIL:
                self._mail_server.fail(_FAILURES[fault.kind], fault.seconds)
                time.sleep(fault.seconds)

    def _inject_into_worker(self, fault: Fault) -> None:
        child = self._system.children[fault.target]
        if fault.kind is FaultKind.FREEZE:
            child.freeze()
            time.sleep(fault.seconds)
            child.thaw()
            return
        self._killed.add(child.pid)
        if fault.kind is FaultKind.KILL:
            child.kill()
        else:
            child.stop()

    def _cut_connections(self) -> None:
        with psycopg.connect(self._system.backends.admin_url, autocommit=True) as connection:
            connection.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where datname = current_database() and pid <> pg_backend_pid()"
            )

    async def supervise(self) -> None:
        """Restart workers that ended, for ever. Records unexpected exits with the last log line, and lost notifiers.

        Status 69 is expected of a worker that starts while broker or database are away for longer than its timeout.
        """
        while True:
            await asyncio.sleep(POLL_SECONDS)
            for name, child in tuple(self._system.children.items()):
                if child.alive or name in self._left_alone:
                    continue
                self.notifier_losses += name in self._notifiers
                expected = child.returncode == UNAVAILABLE and time.monotonic() < self._unavailable_until
                if child.pid not in self._killed and not expected:
                    self.unexpected_exits.append(f"{name} ended with status {child.returncode}: {child.tail(1)}")
                await asyncio.to_thread(self._system.start, name)


def _dead_for(seconds: float, part: Kafka | Postgres) -> None:
    part.kill()
    time.sleep(seconds / 4)
    part.restart()


def _freeze_all(pid: int, seconds: float) -> None:
    """Suspend the database server and all its backends, each of which is a process group of its own."""
    server = psutil.Process(pid)
    processes = [server, *server.children(recursive=True)]
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.suspend()
    time.sleep(seconds)
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.resume()
