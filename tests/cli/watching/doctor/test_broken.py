"""Breaks one thing of a healthy installation after another: the doctor says exactly that, and nothing else."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Collection, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from cli.watching.doctor import broken_database, broken_kafka, broken_outside  # noqa: F401  -- they fill BREAKS
from cli.watching.doctor.breaking import BREAKS, CRITICAL, SKIPPED, UNKNOWN, WARNING
from cli.watching.doctor.installation import Installation
from databases import new_database
from servicecert_cli.connections import kafka
from servicecert_cli.watching.conditions import Severity
from servicecert_cli.watching.doctor.domain import kafka as kafka_judgements
from servicecert_cli.watching.doctor.domain.check import Check
from servicecert_cli.watching.doctor.examine import CATALOGUE, examine
from servicecert_cli.watching.doctor.facts import figures
from servicecert_launcher import Parts
from servicecert_worker.kafka.cluster import Cluster

FAULTS = (UNKNOWN, WARNING, CRITICAL)

NOT_BROKEN_HERE = frozenset(
    {
        "Brokers",
        "BrokerRights",
        "MinInSync",
        "DatabaseVersion",
        "Locks",
        "TrialCa",
    }
)
"""One broker, one PostgreSQL and one CA for trials cannot show these: their own tests do, from both sides."""


@pytest.fixture(scope="module")
def installation(parts: Parts, authority: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    cluster = Cluster(parts.bootstrap, f"doctor-{uuid4().hex[:8]}.")
    with new_database(parts, f"doctor_{uuid4().hex[:8]}") as url:
        made = Installation(tmp_path_factory.mktemp("installation"), cluster, url, authority)
        with made.running():
            yield made
        asyncio.run(_delete_topics(cluster))


async def _delete_topics(cluster: Cluster) -> None:
    async with kafka.admin(cluster) as admin:
        await admin.delete_topics([name for name in await admin.list_topics() if name.startswith(cluster.prefix)])


@pytest.fixture(autouse=True)
def _given(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    give(installation, monkeypatch)


def give(installation: Installation, patch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("SERVICECERT_", "SMTP_")):
            patch.delenv(name)
    for name, value in installation.environment.items():
        patch.setenv(name, value)
    # That a machine which runs many tests is slow is no fault of the installation.
    patch.setattr(kafka_judgements, "SLOW_SECONDS", 30.0)


@pytest.fixture(scope="module")
def health(installation: Installation) -> dict[str, Check]:
    """All checks before anything is broken."""
    with pytest.MonkeyPatch.context() as patch:
        give(installation, patch)
        return look()


def look(names: Collection[str] = ()) -> dict[str, Check]:
    return {check.name: check for check in asyncio.run(examine(names))}


def faults(found: dict[str, Check]) -> dict[str, tuple[Severity, str]]:
    return {name: (check.severity, check.finding) for name, check in found.items() if check.severity in FAULTS}


def test_an_installation_of_tests_has_these_faults_and_no_other(health):
    assert {name: severity for name, (severity, _) in faults(health).items()} == {
        "BrokerRights": WARNING,
        "Replication": WARNING,
        "Durability": CRITICAL,
        "TrialCa": WARNING,
        "Insecure": WARNING,
    }
    skipped = {name for name, check in health.items() if check.severity is SKIPPED}
    assert skipped == {"MinInSync", "CrlPasses"}
    assert list(health) == list(CATALOGUE)


def test_each_check_is_seen_to_find_its_fault():
    broken = {name for each in BREAKS.values() for name in each.checks}
    # Of figures one is judged as the other.
    assert broken | NOT_BROKEN_HERE | figures.LOOKS.keys() == set(CATALOGUE)
    assert not broken & NOT_BROKEN_HERE


@pytest.mark.parametrize("names", [{"Fence", "ServiceDown"}, {"ServiceDown"}])
def test_a_restored_database_has_one_remedy(names, installation, monkeypatch, tmp_path):
    """Who is told to start a worker must not do so: it would decide again what was decided."""
    restored, stopped = BREAKS["the_database_was_restored"], BREAKS["a_service_has_no_worker"]
    with restored.context(installation, monkeypatch, tmp_path), stopped.context(installation, monkeypatch, tmp_path):
        found = look(names)
    assert {name: check.severity for name, check in found.items()} == {"Fence": CRITICAL, "ServiceDown": CRITICAL}
    assert "Stop all workers" in found["Fence"].remedy
    assert found["ServiceDown"].remedy == "First mend `Fence`."
    with stopped.context(installation, monkeypatch, tmp_path):
        assert look({"ServiceDown"})["ServiceDown"].remedy == "Start one: its unit, or `servicecert run notifier`."


def test_a_lock_on_a_table_is_named_and_what_needs_the_table_is_not_guessed_at(installation, monkeypatch, tmp_path):
    with BREAKS["an_operator_leaves_a_table_locked"].context(installation, monkeypatch, tmp_path):
        found = look({"OutboxStuck", "LagHigh"})
        (pid,) = installation.fetch("select pid from pg_stat_activity where application_name = 'psql'")
    assert found["OutboxStuck"].finding == "Not possible: see `TableLocked`."
    locks = found["TableLocked"]
    assert f"(psql, pid {pid}) since " in locks.finding
    assert f"pg_terminate_backend({pid})" in locks.remedy


@pytest.mark.parametrize("what", list(BREAKS))
def test_what_is_broken_is_said_by_its_check_and_by_no_other(what, installation, health, monkeypatch, tmp_path):
    broken = BREAKS[what]
    # Opening keys takes a second: only what is about them waits for that.
    monkeypatch.delenv("SERVICECERT_CA_PASSPHRASE_FILE")
    with broken.context(installation, monkeypatch, tmp_path):
        found = look()
    new = {name: fault for name, fault in faults(found).items() if faults(health).get(name) != fault}
    assert {name: severity for name, (severity, _) in new.items()} == broken.checks, new
    first = found[next(iter(broken.checks))]
    # Topics and groups have their names in Kafka.
    assert broken.words in first.finding.replace(installation.cluster.prefix, "")
    assert first.remedy
