"""From facts to a finding: each limit of PostgreSQL, from both sides."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from cli.doctor.judging import CRITICAL, OK, SKIPPED, WARNING, holds
from servicecert_cli.doctor.domain.check import first_things_first
from servicecert_cli.doctor.domain.database import (
    Connections,
    Link,
    Migrations,
    Role,
    Space,
    Vacuum,
    check_connections,
    check_database_disk,
    check_database_link,
    check_database_rights,
    check_database_version,
    check_durability,
    check_locks,
    check_migrations,
    check_transactions,
    check_vacuum,
)
from servicecert_cli.doctor.domain.fence import check_fence
from servicecert_cli.doctor.domain.table_locks import check_table_locks
from servicecert_worker.core.table_locks import TableLock
from servicecert_worker.core.unknown import Unknown


@pytest.mark.parametrize(("version", "severity"), [(15, CRITICAL), (16, OK), (18, OK), (19, WARNING)])
def test_the_release_of_postgresql(version, severity):
    holds(check_database_version(version), severity, f"PostgreSQL {version}")


def test_the_connection_is_private():
    holds(check_database_link(Link(is_encrypted=True, is_private=True)), OK, "TLS verifies")
    holds(check_database_link(Link(is_encrypted=False, is_private=True)), OK, "on this machine")
    holds(check_database_link(Link(is_encrypted=True, is_private=False)), CRITICAL, "does not verify it")
    holds(check_database_link(Link(is_encrypted=False, is_private=False)), CRITICAL, "no TLS")


def test_the_table_of_locks():
    holds(check_locks(256), OK)
    holds(check_locks(255), WARNING, "255")


@pytest.mark.parametrize(
    ("workers", "severity", "words"),
    [
        # 97 usable, 5 others: 92 for workers.
        (7, OK, "61 of 97 needed: 8 for each of 7 workers, 5 for others; 45 in use. Room for 4 more workers."),
        (8, WARNING, "69 of 97 needed"),
        (11, WARNING, "93 of 97 needed"),
        (12, CRITICAL, "101 of 97 needed"),
    ],
)
def test_each_worker_needs_eight_connections_beside_those_of_others(workers, severity, words):
    holds(check_connections(Connections(100, 3, used=45, used_by_services=40, workers=workers)), severity, words)


@pytest.mark.parametrize(("used", "severity"), [(65, OK), (66, WARNING), (96, WARNING), (97, CRITICAL)])
def test_without_the_number_of_workers_the_connections_in_use_count(used, severity):
    holds(check_connections(Connections(100, 3, used, 0)), severity, f"{used} of 97 in use")


def test_all_connections_in_use_are_a_fault_whatever_is_needed():
    holds(check_connections(Connections(100, 3, used=97, used_by_services=97, workers=4)), CRITICAL)


def test_a_commit_is_on_the_disk():
    on = {"fsync": "on", "full_page_writes": "on", "synchronous_commit": "remote_apply"}
    holds(check_durability(on), OK)
    for name in on:
        check = check_durability({**on, name: "off"})
        holds(check, CRITICAL, f"Off: {name}.")
        assert check.remedy == f"Set {name} = on; reload."
    of_a_role = check_durability({**on, "synchronous_commit (issuer)": "off"})
    holds(of_a_role, CRITICAL, "Off: synchronous_commit (issuer).")
    assert of_a_role.remedy == "Set synchronous_commit = on; reload."


@pytest.mark.parametrize(
    ("vacuum", "severity", "words"),
    [
        (Vacuum(True, (), 499_999_999), OK, "autovacuum is on."),
        (Vacuum(True, (), 500_000_000), WARNING, "500 millions old"),
        (Vacuum(True, ("intake.inbox",), 600_000_000), WARNING, "off for intake.inbox"),
        (Vacuum(False, (), 0), CRITICAL, "autovacuum is off."),
        (Vacuum(True, (), 1_500_000_000), CRITICAL, "1500 millions old"),
    ],
)
def test_postgresql_cleans_up(vacuum, severity, words):
    holds(check_vacuum(vacuum), severity, words)


@pytest.mark.parametrize(
    ("seconds", "severity"), [(299.9, OK), (300.0, WARNING), (3_599.0, WARNING), (3_600.0, CRITICAL)]
)
def test_a_transaction_is_not_open_for_long(seconds, severity):
    holds(check_transactions((seconds, "anna")), severity, "by anna.")


def test_no_transaction_is_well():
    holds(check_transactions(None), OK)


@pytest.mark.parametrize(("free", "severity"), [(21, OK), (19, WARNING), (6, WARNING), (4, CRITICAL), (0, CRITICAL)])
def test_room_on_the_disk(free, severity):
    holds(check_database_disk(Space("/data", 100_000_000_000, free * 1_000_000_000)), severity, f"{free}.0 of 100.0 GB")


def test_a_disk_that_is_unknown_or_of_no_size():
    assert check_database_disk(None).severity is SKIPPED
    holds(check_database_disk(Space("/data", 0, 0)), CRITICAL)


@pytest.mark.parametrize(
    ("schema", "severity", "words"),
    [
        (Migrations("issuer", True), OK, "All are applied."),
        (Migrations("issuer", False, 9), CRITICAL, "No schema: issuer."),
        (Migrations("issuer", True, 2), CRITICAL, "issuer lacks 2."),
        (Migrations("issuer", True, 2, 1), CRITICAL, "issuer lacks 2."),
        (Migrations("issuer", True, 0, 1), WARNING, "Of a newer version: issuer (1)."),
        (Migrations("issuer", True, 0, 1, True), CRITICAL, "A newer version took away what this one uses: issuer."),
    ],
)
def test_migrations(schema, severity, words):
    holds(check_migrations([Migrations("intake", True), schema]), severity, words)


def test_roles():
    holds(check_database_rights([Role("x_intake"), Role("x_issuer")]), OK, "2 roles")
    wide = [Role("x_intake"), Role("x_issuer", ("is a superuser", "owns issuer.audit"))]
    holds(check_database_rights(wide), CRITICAL, "x_issuer is a superuser; x_issuer owns issuer.audit.")
    assert check_database_rights([]).severity is SKIPPED


def test_locks_on_tables():
    holds(check_table_locks([]), OK)
    lock = TableLock("intake", "cases", 7, "3/9", "anna", "psql", datetime(2026, 3, 2, 12, tzinfo=UTC), 4)
    words = "intake.cases is locked by anna (psql, pid 7) since 2026-03-02 12:00:00 UTC, 4 wait."
    holds(check_table_locks([lock]), CRITICAL, words)
    unseen = replace(lock, since=None, application="", pid=8)
    holds(check_table_locks([lock, unseen]), CRITICAL, "intake.cases is locked by anna (no name, pid 8), 4 wait.")
    assert check_table_locks([lock, unseen, lock]).remedy.count("pg_terminate_backend(7)") == 1


def test_what_has_to_be_mended_first_is_the_only_remedy():
    fenced = check_fence([("intake", [Unknown("cases", 2, datetime(2026, 3, 2, 12, tzinfo=UTC), own=True)])])
    restart, well = check_vacuum(Vacuum(False, (), 1)), check_locks(256)
    causes = {"fence": {"vacuum", "locks"}}
    assert first_things_first([fenced, restart, well], causes) == [
        fenced,
        replace(restart, remedy="First mend `fence`."),
        well,
    ]
    known = check_fence([])
    assert first_things_first([known, restart], causes) == [known, restart]
    assert first_things_first([fenced, restart], {"fence": set()}) == [fenced, restart]


def test_what_was_published_is_known():
    holds(check_fence([("intake", []), ("issuer", [])]), OK)
    forgotten = [Unknown("cases", 2, datetime(2026, 3, 2, 12, tzinfo=UTC), own=True)]
    words = "intake does not know 2 of cases since 2026-03-02 12:00:00 UTC."
    holds(check_fence([("intake", forgotten), ("issuer", [])]), CRITICAL, words)
