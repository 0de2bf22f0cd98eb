"""A worker that starts while the database goes away waits for it, and does not end."""

from __future__ import annotations

from uuid import uuid4

import psycopg
import pytest
from servicecert_deploy import Parts
from toy.stand import Stand, exact, numbered

pytestmark = pytest.mark.usefixtures("measured_processes")


async def test_I1_a_database_that_goes_away_during_the_migration_is_waited_for(stand: Stand, parts: Parts) -> None:
    waiting = "wait_event_type = 'Lock' and query like 'select pg_advisory_lock%' and datname = current_database()"
    database = stand.url.rpartition("/")[2]
    with psycopg.connect(parts.database_url.rpartition("/")[0] + f"/{database}", autocommit=True) as admin:
        admin.execute("select pg_advisory_lock(7078, hashtext('toy'))")
        worker = stand.work()
        await stand.until(f"select exists (select from pg_stat_activity where {waiting})")
        admin.execute(f"select pg_terminate_backend(pid) from pg_stat_activity where {waiting}")
        await stand.until(f"select exists (select from pg_stat_activity where {waiting})")
    case = uuid4()
    await stand.send(numbered(case, "1"))
    await exact(stand, {case: ["1"]})
    assert worker.alive
