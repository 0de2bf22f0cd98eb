"""PostgreSQL: its settings, its room, what may keep it from its work, and what the services' tables hold."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from servicecert_schemas.topics import SERVICES
from servicecert_worker.core.table_locks import TableLock

from ....faults import listed
from .check import Finding, critical, fault, graded, ok, period, warning, worst

if TYPE_CHECKING:
    from servicecert_worker.storage.admission import Difference

OLDEST, NEWEST = 16, 18
"""The releases of PostgreSQL that are supported."""
CONNECTIONS_PER_WORKER = 8
ROOM_FOR_WORKERS = len(SERVICES)
LOCKS = 256
WRAPAROUND_WARN, WRAPAROUND_CRITICAL = 500_000_000, 1_500_000_000
"""Transactions since the oldest one that is not frozen; PostgreSQL stops at some 2.1 thousand millions."""
LONG_SECONDS, TOO_LONG_SECONDS = 300.0, 3_600.0
LITTLE, TOO_LITTLE = 0.20, 0.05
"""Parts of a file system that are free."""
CLOCK_WARN_SECONDS, CLOCK_CRITICAL_SECONDS = 5.0, 60.0
"""A worker stops at 60 s (SERVICECERT_CLOCK_LIMIT_SECONDS)."""


@dataclass(frozen=True, slots=True)
class Connections:
    """PostgreSQL's connections: how many there may be, those reserved for administrators, those in use now.

    `workers` is None where Kafka does not say how many there are.
    """

    most: int
    reserved: int
    used: int
    used_by_services: int
    workers: int | None = None


def check_database_version(settings: Mapping[str, Any]) -> Finding:
    text, remedy = f"It is PostgreSQL {settings['version']}.", f"Use PostgreSQL {OLDEST} to {NEWEST}."
    if settings["version"] < OLDEST:
        return critical(text, remedy)
    return warning(text, remedy) if settings["version"] > NEWEST else ok(text)


def check_database_link(link: tuple[bool, bool]) -> Finding:
    is_encrypted, is_private = link
    if is_private:
        return ok("TLS verifies the server." if is_encrypted else "PostgreSQL is on this machine.")
    return fault(f"Another machine is reached with {'TLS that does not verify it' if is_encrypted else 'no TLS'}.")


def check_locks(settings: Mapping[str, Any]) -> Finding:
    text = f"max_locks_per_transaction is {settings['locks']}."
    remedy = f"Set max_locks_per_transaction = {LOCKS}, restart PostgreSQL."
    return ok(text) if settings["locks"] >= LOCKS else fault(text, remedy)


def check_connections(connections: Connections) -> Finding:
    """Judge the room for 8 connections of each worker beside the others; without their number, those in use count."""
    usable = connections.most - connections.reserved
    if connections.workers is None:
        needed, text = connections.used, f"{connections.used} of {usable} in use."
    else:
        others = connections.used - connections.used_by_services
        needed = CONNECTIONS_PER_WORKER * connections.workers + others
        parts = f"{CONNECTIONS_PER_WORKER} for each of {connections.workers} workers, {others} for others"
        text = f"{needed} of {usable} needed: {parts}; {connections.used} in use."
    raised = "Raise max_connections and restart PostgreSQL"
    room = (usable - needed) // CONNECTIONS_PER_WORKER
    if needed > usable or connections.used >= usable:
        return critical(text, f"{raised}, or stop workers: some cannot start again.")
    if room < ROOM_FOR_WORKERS:
        return warning(text, f"Room for {room} more workers. {raised} before you add more.")
    return ok(f"{text} Room for {room} more workers.")


def check_durability(settings: Mapping[str, str]) -> Finding:
    """Judge `fsync`, `full_page_writes` and `synchronous_commit`, the latter also by role, as `name (role)`."""
    if off := [name for name, value in settings.items() if value == "off"]:
        names = dict.fromkeys(name.partition(" ")[0] for name in off)
        return fault(f"Off: {listed(off)}.", f"Set {', '.join(f'{name} = on' for name in names)}; reload.")
    return ok("fsync, full_page_writes and synchronous_commit are on.")


def check_vacuum(facts: tuple[bool, Sequence[str], int]) -> Finding:
    is_on, without, oldest = facts
    old = f"The oldest transaction that is not frozen is {oldest / 1e6:.0f} millions old."
    if oldest >= WRAPAROUND_CRITICAL:
        return critical(old, "Run VACUUM FREEZE now, and look for old transactions and replication slots.")
    if not is_on:
        return critical("autovacuum is off.", "Set autovacuum = on and track_counts = on; reload.")
    if without:
        return warning(f"autovacuum is off for {listed(without)}.", "ALTER TABLE … RESET (autovacuum_enabled).")
    if oldest >= WRAPAROUND_WARN:
        return warning(old, "Look for old transactions and replication slots that hold autovacuum back.")
    return ok("autovacuum is on.")


def check_transactions(oldest: tuple[float, str] | None) -> Finding:
    if oldest is None:
        return ok("No transaction is open.")
    seconds, whose = oldest
    return graded(seconds, LONG_SECONDS, TOO_LONG_SECONDS, f"The oldest is open for {period(seconds)}, by {whose}.")


def check_clock(reading: tuple[datetime, datetime, datetime]) -> Finding:
    """Judge another machine's clock, by this one's before it was read, its own, and this one's after that."""
    before, there, after = reading
    skew = max(there - after, timedelta()) + min(there - before, timedelta())
    seconds = skew.total_seconds()
    if not seconds:
        return ok("PostgreSQL's clock agrees with this machine's.")
    text = f"It is {abs(seconds):.1f} s {'ahead of' if seconds > 0 else 'behind'} this machine's."
    return graded(abs(seconds), CLOCK_WARN_SECONDS, CLOCK_CRITICAL_SECONDS, text)


def check_space(space: tuple[str, int, int]) -> Finding:
    place, total, free = space
    text = f"{free / 1e9:.1f} of {total / 1e9:.1f} GB are free in {place}."
    used = 1 - free / total if total else 1.0
    return graded(used, 1 - LITTLE, 1 - TOO_LITTLE, text)


def check_table_locks(locks: Sequence[TableLock]) -> Finding:
    if not locks:
        return ok("No table is locked.")
    ends = ", ".join(dict.fromkeys(f"pg_terminate_backend({lock.pid})" for lock in locks))
    remedy = f"Ask who it is, or end it as the database's administrator: {ends}."
    return fault(f"{listed([_described(lock) for lock in locks], '; ')}.", remedy)


def _described(lock: TableLock) -> str:
    since = "" if lock.since is None else f" since {lock.since:%Y-%m-%d %H:%M:%S} UTC"
    who = f"{lock.user} ({lock.application or 'no name'}, pid {lock.pid})"
    return f"{lock.service}.{lock.table} is locked by {who}{since}, {lock.waiting} wait"


def check_migrations(schemas: "Mapping[str, Difference | None]") -> Finding:
    if absent := [service for service, each in schemas.items() if each is None]:
        remedy = "Run `servicecert db prepare`, then `servicecert db migrate`."
        return critical(f"No schema: {', '.join(absent)}.", remedy)
    there = {service: each for service, each in schemas.items() if each is not None}
    if newer := [service for service, each in there.items() if each.unusable]:
        text = f"A newer version took away what this one uses: {', '.join(newer)}."
        return critical(text, "Use that version of servicecert.")
    if behind := [f"{service} lacks {len(each.missing)}" for service, each in there.items() if each.missing]:
        return critical(f"{', '.join(behind)}.", "Run `servicecert db migrate` with the migrator's DATABASE_URL.")
    if newer := [f"{service} ({len(each.unknown)})" for service, each in there.items() if each.unknown]:
        return warning(f"Of a newer version: {', '.join(newer)}.", "Use that version of servicecert.")
    return ok("All migrations are applied.")


def check_fence(past: Sequence[tuple[str, str]]) -> Finding:
    """Judge what comes from the past, each in a sentence and with the command that brings it forward."""
    findings = [fault(text, f"Stop all workers, and run `{command}`.") for text, command in past]
    return worst(findings, "The services' tables and topics know all of each other.")
