"""PostgreSQL: whether it answers, its settings, its room, and what may keep it from its work."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from servicecert_schemas.topics import SERVICES

from .check import Finding, Subject, critical, examination, graded, listed, ok, period, skipped, warning
from .clocks import Reading, judged
from .kafka import SLOW_SECONDS, Reached

OLDEST, NEWEST = 16, 18
CONNECTIONS_PER_WORKER = 8
ROOM_FOR_WORKERS = len(SERVICES)
LOCKS = 256
WRAPAROUND_WARN, WRAPAROUND_CRITICAL = 500_000_000, 1_500_000_000
"""Transactions since the oldest one that is not frozen; PostgreSQL stops at some 2.1 thousand millions."""
LONG_SECONDS, TOO_LONG_SECONDS = 300.0, 3_600.0
LITTLE, TOO_LITTLE = 0.20, 0.05
"""Parts of a file system that are free."""


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


@dataclass(frozen=True, slots=True)
class Link:
    """Whether DATABASE_URL demands TLS, and whether nobody on the network can read or change it."""

    is_encrypted: bool
    is_private: bool


@dataclass(frozen=True, slots=True)
class Vacuum:
    """Whether autovacuum runs, tables for which it is off, and the age of the oldest transaction not frozen."""

    is_on: bool
    without: tuple[str, ...]
    oldest: int


@dataclass(frozen=True, slots=True)
class Space:
    """The octets of a file system, and where it is."""

    place: str
    total: int
    free: int


@dataclass(frozen=True, slots=True)
class Migrations:
    """A schema: whether it is there, how many migrations it lacks, and how many this version does not know.

    `unusable`: one of those took away what this version uses.
    """

    service: str
    exists: bool
    missing: int = 0
    unknown: int = 0
    unusable: bool = False


@dataclass(frozen=True, slots=True)
class Role:
    """A service's database role, and in which ways it has more rights than it needs."""

    name: str
    wider: tuple[str, ...] = ()


@examination(
    "database",
    Subject.DATABASE,
    "Does PostgreSQL answer?",
    "Without it no turn is committed: all services stand still.",
)
def check_database(reached: Reached) -> Finding:
    if reached.fault is not None:
        return critical(reached.fault, "Start PostgreSQL, raise max_connections, or correct DATABASE_URL.")
    text = f"Answers at {reached.place} after {reached.seconds * 1000:.0f} ms."
    if reached.seconds >= SLOW_SECONDS:
        return warning(text, "Look at the load of PostgreSQL, and the network to it.")
    return ok(text)


@examination(
    "database-version",
    Subject.DATABASE,
    "Is it a PostgreSQL that we support?",
    "Older releases lack what the tables use; newer ones are not tested.",
)
def check_database_version(version: int) -> Finding:
    if version < OLDEST:
        return critical(f"PostgreSQL {version}.", f"Upgrade to {OLDEST} to {NEWEST}.")
    if version > NEWEST:
        return warning(f"PostgreSQL {version}; the tests use {NEWEST}.", f"Use {OLDEST} to {NEWEST}.")
    return ok(f"PostgreSQL {version}.")


@examination(
    "database-link",
    Subject.DATABASE,
    "Is the connection to PostgreSQL private?",
    "Who can change it on its way can order certificates.",
)
def check_database_link(link: Link) -> Finding:
    if not link.is_private:
        how = "TLS that does not verify it" if link.is_encrypted else "no TLS"
        return critical(f"Another machine is reached with {how}.", "Add ?sslmode=verify-full&sslrootcert=FILE.")
    return ok("TLS verifies the server." if link.is_encrypted else "PostgreSQL is on this machine.")


@examination(
    "locks",
    Subject.DATABASE,
    "Do the locks of large turns fit into PostgreSQL's table of locks?",
    "A turn locks each case; where they do not fit it fails, and is tried again in smaller parts.",
)
def check_locks(locks: int) -> Finding:
    text = f"max_locks_per_transaction is {locks}."
    if locks >= LOCKS:
        return ok(text)
    return warning(text, f"Set max_locks_per_transaction = {LOCKS}, restart PostgreSQL.")


@examination(
    "connections",
    Subject.DATABASE,
    "Does PostgreSQL have connections for all workers?",
    "A worker that finds none does not start, and commands fail.",
)
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


@examination(
    "durability",
    Subject.DATABASE,
    "Is what PostgreSQL has committed on the disk?",
    "A serial number or a revocation that a power failure takes back exists in Kafka and not in the tables.",
)
def check_durability(settings: Mapping[str, str]) -> Finding:
    """Judge `fsync`, `full_page_writes` and `synchronous_commit`, the latter also by role, as `name (role)`."""
    if off := [name for name, value in settings.items() if value == "off"]:
        names = dict.fromkeys(name.partition(" ")[0] for name in off)
        return critical(f"Off: {listed(off)}.", f"Set {', '.join(f'{name} = on' for name in names)}; reload.")
    return ok("fsync, full_page_writes and synchronous_commit are on.")


@examination(
    "vacuum",
    Subject.DATABASE,
    "Does PostgreSQL clean up?",
    "Without autovacuum tables grow, queries slow down, and in the end PostgreSQL refuses to write.",
)
def check_vacuum(vacuum: Vacuum) -> Finding:
    if vacuum.oldest >= WRAPAROUND_CRITICAL:
        text = f"The oldest transaction that is not frozen is {vacuum.oldest / 1e6:.0f} millions old."
        return critical(text, "Run VACUUM FREEZE now, and look for old transactions and replication slots.")
    if not vacuum.is_on:
        return critical("autovacuum is off.", "Set autovacuum = on and track_counts = on; reload.")
    if vacuum.without:
        text = f"autovacuum is off for {listed(vacuum.without)}."
        return warning(text, "ALTER TABLE … RESET (autovacuum_enabled).")
    if vacuum.oldest >= WRAPAROUND_WARN:
        text = f"The oldest transaction that is not frozen is {vacuum.oldest / 1e6:.0f} millions old."
        return warning(text, "Look for old transactions and replication slots that hold autovacuum back.")
    return ok("autovacuum is on.")


@examination(
    "transactions",
    Subject.DATABASE,
    "Is no transaction open for long?",
    "A long transaction keeps locks, and keeps autovacuum from removing dead rows: outboxes become slow.",
)
def check_transactions(oldest: tuple[float, str] | None) -> Finding:
    """Judge the age in seconds of the oldest transaction in this database, and whose it is; None for none."""
    if oldest is None:
        return ok("None is open.")
    seconds, whose = oldest
    text = f"The oldest is open for {period(seconds)}, by {whose}."
    return graded(seconds, LONG_SECONDS, TOO_LONG_SECONDS, text, "End it: pg_terminate_backend, see pg_stat_activity.")


@examination(
    "database-clock",
    Subject.DATABASE,
    "Does PostgreSQL's clock agree with this machine's?",
    "A worker stops where they differ by a minute: it decides and signs nothing.",
)
def check_database_clock(reading: Reading) -> Finding:
    return judged("PostgreSQL's", reading)


@examination(
    "database-disk",
    Subject.DATABASE,
    "Is there room on PostgreSQL's disk?",
    "PostgreSQL stops when its disk is full.",
)
def check_database_disk(space: Space | None) -> Finding:
    if space is None:
        return skipped("PostgreSQL is on another machine, or does not tell this role where its files are.")
    return judged_space(space, "Enlarge the disk, or move other files away.")


def judged_space(space: Space, remedy: str) -> Finding:
    """Return whether a file system has room."""
    text = f"{space.free / 1e9:.1f} of {space.total / 1e9:.1f} GB are free in {space.place}."
    used = 1 - space.free / space.total if space.total else 1.0
    return graded(used, 1 - LITTLE, 1 - TOO_LITTLE, text, remedy)


@examination(
    "migrations",
    Subject.DATABASE,
    "Has each schema the migrations of this version?",
    "A service starts only with tables that it can use.",
)
def check_migrations(schemas: Sequence[Migrations]) -> Finding:
    if absent := [each.service for each in schemas if not each.exists]:
        return critical(
            f"No schema: {', '.join(absent)}.", "Run `servicecert db prepare`, then `servicecert db migrate`."
        )
    if newer := [each.service for each in schemas if each.unusable]:
        return critical(
            f"A newer version took away what this one uses: {', '.join(newer)}.", "Use that version of servicecert."
        )
    if behind := [f"{each.service} lacks {each.missing}" for each in schemas if each.missing]:
        return critical(f"{', '.join(behind)}.", "Run `servicecert db migrate` with the migrator's DATABASE_URL.")
    if newer := [f"{each.service} ({each.unknown})" for each in schemas if each.unknown]:
        return warning(f"Of a newer version: {', '.join(newer)}.", "Use that version of servicecert.")
    return ok("All are applied.")


@examination(
    "database-rights",
    Subject.DATABASE,
    "Have the services' roles no more rights than they need, and own nothing?",
    "A role that owns its tables can change the audit, and one that reads other schemas sees personal data.",
)
def check_database_rights(roles: Sequence[Role]) -> Finding:
    if not roles:
        return skipped("There are no roles of services: see `migrations`.")
    if wide := [f"{role.name} {reason}" for role in roles for reason in role.wider]:
        return critical(f"{listed(wide, '; ')}.", "Run `servicecert db migrate`, and revoke what stays.")
    return ok(f"{len(roles)} roles, each with its own schema.")
