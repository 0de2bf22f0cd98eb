"""From facts to a finding: each limit of PostgreSQL, from both sides."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cli.watching.doctor.judging import CRITICAL, OK, SKIPPED, WARNING, holds, judged
from servicecert_cli.watching.doctor.domain.check import first_things_first
from servicecert_cli.watching.doctor.domain.database import Connections
from servicecert_worker.core.table_locks import TableLock
from servicecert_worker.storage.admission import Difference

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)


@pytest.mark.parametrize(("version", "severity"), [(15, CRITICAL), (16, OK), (18, OK), (19, WARNING)])
def test_the_release_of_postgresql(version, severity):
    holds(judged("DatabaseVersion", {"version": version}), severity, f"PostgreSQL {version}")


def test_the_connection_is_private():
    holds(judged("DatabaseLink", (True, True)), OK, "TLS verifies")
    holds(judged("DatabaseLink", (False, True)), OK, "on this machine")
    holds(judged("DatabaseLink", (True, False)), CRITICAL, "does not verify it")
    holds(judged("DatabaseLink", (False, False)), CRITICAL, "no TLS")


def test_the_table_of_locks():
    holds(judged("Locks", {"locks": 256}), OK)
    holds(judged("Locks", {"locks": 255}), WARNING, "255")


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
    holds(judged("Connections", Connections(100, 3, used=45, used_by_services=40, workers=workers)), severity, words)


@pytest.mark.parametrize(("used", "severity"), [(65, OK), (66, WARNING), (96, WARNING), (97, CRITICAL)])
def test_without_the_number_of_workers_the_connections_in_use_count(used, severity):
    holds(judged("Connections", Connections(100, 3, used, 0)), severity, f"{used} of 97 in use")


def test_all_connections_in_use_are_a_fault_whatever_is_needed():
    holds(judged("Connections", Connections(100, 3, used=97, used_by_services=97, workers=4)), CRITICAL)


def test_a_commit_is_on_the_disk():
    on = {"fsync": "on", "full_page_writes": "on", "synchronous_commit": "remote_apply"}
    holds(judged("Durability", on), OK)
    for name in on:
        check = judged("Durability", {**on, name: "off"})
        holds(check, CRITICAL, f"Off: {name}.")
        assert check.remedy == f"Set {name} = on; reload."
    of_a_role = judged("Durability", {**on, "synchronous_commit (issuer)": "off"})
    holds(of_a_role, CRITICAL, "Off: synchronous_commit (issuer).")
    assert of_a_role.remedy == "Set synchronous_commit = on; reload."


@pytest.mark.parametrize(
    ("vacuum", "severity", "words"),
    [
        ((True, (), 499_999_999), OK, "autovacuum is on."),
        ((True, (), 500_000_000), WARNING, "500 millions old"),
        ((True, ("intake.inbox",), 600_000_000), WARNING, "off for intake.inbox"),
        ((False, (), 0), CRITICAL, "autovacuum is off."),
        ((True, (), 1_500_000_000), CRITICAL, "1500 millions old"),
    ],
)
def test_postgresql_cleans_up(vacuum, severity, words):
    holds(judged("Vacuum", vacuum), severity, words)


@pytest.mark.parametrize(
    ("seconds", "severity"), [(299.9, OK), (300.0, WARNING), (3_599.0, WARNING), (3_600.0, CRITICAL)]
)
def test_a_transaction_is_not_open_for_long(seconds, severity):
    holds(judged("Transactions", (seconds, "anna")), severity, "by anna.")


def test_no_transaction_is_well():
    holds(judged("Transactions", None), OK)


@pytest.mark.parametrize(("free", "severity"), [(21, OK), (19, WARNING), (6, WARNING), (4, CRITICAL), (0, CRITICAL)])
def test_room_on_the_disk(free, severity):
    holds(judged("DatabaseDisk", ("/data", 100_000_000_000, free * 1_000_000_000)), severity, f"{free}.0 of 100.0 GB")


def test_a_disk_of_no_size():
    holds(judged("DatabaseDisk", ("/data", 0, 0)), CRITICAL)


def differs(missing="", unknown="", *, unusable=False):
    return Difference(frozenset(missing), frozenset(unknown), unusable)


@pytest.mark.parametrize(
    ("schema", "severity", "words"),
    [
        (differs(), OK, "All migrations are applied."),
        (None, CRITICAL, "No schema: issuer."),
        (differs("ab"), CRITICAL, "issuer lacks 2."),
        (differs("ab", "c"), CRITICAL, "issuer lacks 2."),
        (differs("", "c"), WARNING, "Of a newer version: issuer (1)."),
        (differs("", "c", unusable=True), CRITICAL, "A newer version took away what this one uses: issuer."),
    ],
)
def test_migrations(schema, severity, words):
    holds(judged("Migrations", {"intake": differs(), "issuer": schema}), severity, words)


def test_roles():
    holds(judged("DatabaseRights", (2, [])), OK, "2 roles")
    wide = (2, ["x_issuer is a superuser", "x_issuer owns issuer.audit"])
    holds(judged("DatabaseRights", wide), CRITICAL, "x_issuer is a superuser; x_issuer owns issuer.audit.")
    assert judged("DatabaseRights", (0, [])).severity is SKIPPED


def test_locks_on_tables():
    holds(judged("TableLocked", []), OK)
    lock = TableLock("intake", "cases", 7, "3/9", "anna", "psql", datetime(2026, 3, 2, 12, tzinfo=UTC), 4)
    words = "intake.cases is locked by anna (psql, pid 7) since 2026-03-02 12:00:00 UTC, 4 wait."
    holds(judged("TableLocked", [lock]), CRITICAL, words)
    unseen = replace(lock, since=None, application="", pid=8)
    holds(judged("TableLocked", [lock, unseen]), CRITICAL, "intake.cases is locked by anna (no name, pid 8), 4 wait.")
    assert judged("TableLocked", [lock, unseen, lock]).remedy.count("pg_terminate_backend(7)") == 1


def test_what_has_to_be_mended_first_is_the_only_remedy():
    fenced = judged("Fence", [("intake comes from the past.", "restore it")])
    restart, well = judged("Vacuum", (False, (), 1)), judged("Locks", {"locks": 256})
    causes = {"Fence": {"Vacuum", "Locks"}}
    assert first_things_first([fenced, restart, well], causes) == [
        fenced,
        replace(restart, remedy="First mend `Fence`."),
        well,
    ]
    known = judged("Fence", [])
    assert first_things_first([known, restart], causes) == [known, restart]
    assert first_things_first([fenced, restart], {"Fence": set()}) == [fenced, restart]


def test_what_comes_from_the_past_is_named_each_with_its_remedy():
    holds(judged("Fence", []), OK)
    found = judged("Fence", [("The database is old.", "restore it"), ("Kafka is old.", "republish it")])
    holds(found, CRITICAL, "The database is old. Kafka is old.")
    assert found.remedy == "Stop all workers, and run `restore it`. Stop all workers, and run `republish it`."


@pytest.mark.parametrize(
    ("seconds", "severity", "words"),
    [
        (0.0, OK, "agrees with"),
        (2.0, OK, "agrees with"),
        (6.9, OK, "4.9 s ahead of this machine's"),
        (7.0, WARNING, "5.0 s ahead"),
        (-5.0, WARNING, "5.0 s behind"),
        (-59.9, WARNING, "behind"),
        (62.0, CRITICAL, "60.0 s ahead"),
        (-60.0, CRITICAL, "60.0 s behind"),
    ],
)
def test_a_clock_is_wrong_by_what_the_time_of_the_answer_cannot_explain(seconds, severity, words):
    # The answer took two seconds.
    reading = NOW, NOW + timedelta(seconds=seconds), NOW + timedelta(seconds=2)
    holds(judged("ClockWrong", reading), severity, words)
