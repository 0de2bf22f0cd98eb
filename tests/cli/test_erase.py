import importlib
import json
import os
import sys
from contextlib import aclosing
from datetime import UTC, datetime
from functools import partial

import asyncpg
import psycopg
import pytest
from commandline import do, one_sentence
from servicecert_cli.connections import kafka
from servicecert_cli.operations import erasing
from servicecert_deploy import Child
from servicecert_schemas.topics import CASES, SERVICES
from servicecert_worker.audit.verification import verify
from servicecert_worker.service_keys import make_keys, read_public_keys
from servicecert_worker.storage import database

EXPIRED, VALID, WITHDRAWN = (f"{n}1111111-1111-4111-8111-111111111111" for n in (1, 2, 3))
PEOPLE = """[{"role": "orderer", "email": "saga.pahittad@customer.example", "name": "Saga Påhittad"}]"""


def certificate(case, serial, not_after):
    return f"""
        insert into issuer.certificates (key, version, state, issuer, serial, tbs, profile, profile_version, partition,
                                         not_before, not_after, key_sha256, "grant", begun_at)
        values ('{case}', 1, 'intended', 'ca', '{serial}', 'tbs', 'server', 1, 0, '2018-01-01', '{not_after}',
                repeat('{serial}', 32), '{{"recipients": {PEOPLE}, "account_id": "a"}}', '2018-01-01');
        update issuer.certificates set state = 'issued', certificate = 'der', version = 2 where key = '{case}';
        insert into revoker.statuses (key, version, standing, issuer, serial, certificate)
        values ('{case}', 1, 'valid', 'ca', '{serial}', '{{"recipients": {PEOPLE}}}');
        insert into intake.cases (case_id, version, state, account_id, body) values ('{case}', 3, 'delivered', 'a',
            '{{"case_id": "{case}", "certificate": {{"serial": "{serial}"}}, "form": {{"orderer": "Saga Påhittad"}}}}');
    """


ROWS = f"""
    {certificate(EXPIRED, "0a", "2020-01-01")}
    {certificate(VALID, "0b", "2999-01-01")}
    insert into intake.cases (case_id, version, state, account_id, body) values ('{WITHDRAWN}', 1, 'withdrawn', 'a',
        '{{"case_id": "{WITHDRAWN}", "entered": [{{"at": "2019-01-01T00:00:00Z"}}],
           "form": {{"orderer": "Saga Påhittad"}}}}');
    insert into issuer.certificates (key, version, state, issuer, application, findings)
        values ('{WITHDRAWN}', 1, 'stopped', 'ca', '{PEOPLE}', '["a"]');
    insert into notifier.parked (event_id, key, topic, partition, "offset", headers, value, culprit, reason, error,
                                 first_at, last_at)
        values (gen_random_uuid(), '{WITHDRAWN}', 'cases', 0, 0, '[]', 'Saga Påhittad'::bytea, true, 'raised', '-',
                now(), now());
"""


async def run(url, statement):
    connection = await asyncpg.connect(url)
    try:
        return (
            await connection.fetch(statement) if statement.startswith("select") else await connection.execute(statement)
        )
    finally:
        await connection.close()


async def everything(url):
    """Every row of every table, as text."""
    connection = await asyncpg.connect(url)
    tables = await connection.fetch(
        "select format('%I.%I', schemaname, tablename) from pg_tables"
        " where schemaname not in ('pg_catalog', 'information_schema')"
    )
    rows = []
    for (table,) in tables:
        found = await connection.fetch(f"select * from {table}")
        rows += [(table, b" ".join(v if isinstance(v, bytes) else str(v).encode() for v in row)) for row in found]
    await connection.close()
    return rows


async def gone(cluster):
    """The keys of the records without a value."""
    async with aclosing(kafka.records(cluster, CASES)) as records:
        return {record.key.decode() async for record in records if record.value is None}


async def audited(url, folder):
    connection = await asyncpg.connect(url, server_settings={"search_path": "intake"})
    make_keys(folder, ["intake"])
    found = await verify(connection, "intake", read_public_keys(folder), [])
    await connection.close()
    return found


@pytest.fixture
def admin_url(migrated, monkeypatch):
    """The environment names an administrator of all services' tables."""
    each = {name: [importlib.import_module(f"servicecert_{name}.service").MIGRATIONS] for name in SERVICES}
    url = migrated(**each).admin_url
    monkeypatch.setenv("DATABASE_URL", url)
    return url


@pytest.fixture
def database_with_cases(admin_url, cluster):
    do(partial(run, admin_url, ROWS))
    return admin_url


def test_E3_after_erasing_what_is_due_a_search_finds_nobody(servicecert, database_with_cases, cluster, tmp_path):
    due = servicecert("erase", "--due", "--dry-run").stdout
    assert due == f"{EXPIRED}\n{WITHDRAWN}\n2 cases are due.\n"
    assert servicecert("erase", "--due").stdout == "2 cases are erased.\n"
    rows = do(partial(everything, database_with_cases))
    assert {table for table, row in rows if b"Saga" in row or b"saga" in row} == {
        "intake.cases",
        "issuer.certificates",
        "revoker.statuses",
    }
    assert all(VALID.encode() in row for _, row in rows if b"Saga" in row or b"saga" in row)
    assert do(partial(gone, cluster)) == {EXPIRED, WITHDRAWN}
    kept = do(partial(run, database_with_cases, "select certificate from issuer.certificates where serial = '0a'"))
    assert kept[0]["certificate"] == b"der"
    verified = do(partial(audited, database_with_cases, tmp_path / "keys"))
    assert (verified.rows, verified.findings) == (4, [])
    history = json.loads(servicecert("audit", "show", EXPIRED, "--json").stdout)
    assert [row["entry"]["happened"] for row in history] == [{"command": "erase", "facts": {"operator": "postgres"}}]
    assert "command erase" in servicecert("audit", "show", EXPIRED).stdout
    assert servicecert("erase", "--due").stdout == "0 cases are erased.\n"


def test_E3_what_is_not_due_or_at_work_stays(servicecert, database_with_cases):
    done = servicecert("erase", "--case", VALID)
    assert (done.exit_code, "unknown or not due" in one_sentence(done.stderr)) == (1, True)
    assert servicecert("erase").exit_code == 2
    owed = f"insert into notifier.intents values (gen_random_uuid(), '{EXPIRED}', 'mail', '{{}}', null, 1, now())"
    do(partial(run, database_with_cases, owed))
    assert json.loads(servicecert("erase", "--case", EXPIRED, "--json").stdout) == {
        "cases": [EXPIRED],
        "left": [EXPIRED],
        "erased": 0,
    }
    with pytest.raises(asyncpg.CheckViolationError):
        do(partial(run, database_with_cases, """update issuer.certificates set "grant" = '{}' where serial = '0a'"""))


@pytest.mark.parametrize(
    ("now", "night"),
    [
        (datetime(2026, 11, 24, 0, 59, tzinfo=UTC), datetime(2026, 11, 24, 1, tzinfo=UTC)),
        (datetime(2026, 11, 24, 1, 0, tzinfo=UTC), datetime(2026, 11, 25, 1, tzinfo=UTC)),
        (datetime(2026, 6, 24, 21, 30, tzinfo=UTC), datetime(2026, 6, 25, 0, tzinfo=UTC)),
        (datetime(2026, 10, 24, 12, tzinfo=UTC), datetime(2026, 10, 25, 0, tzinfo=UTC)),
    ],
)
def test_E3_the_job_erases_at_three_in_the_night_in_helsinki(now, night):
    assert erasing.next_night(now) == night


def test_E3_the_job_erases_at_once_and_goes_on(servicecert, database_with_cases, tmp_path):
    command = [sys.executable, "-m", "servicecert_cli", "erase", "--due", "--nightly"]
    job = Child(command, log=tmp_path / "job.log", environment=dict(os.environ))
    job.await_ready(lambda: "2 cases are erased." in job.tail(), 60)
    assert (job.alive, job.stop(60)) == (True, 0)
    assert servicecert("erase", "--due", "--nightly", "--dry-run").exit_code == 2


def test_a_database_in_which_something_is_locked_is_told_as_such_and_not_as_kafka(
    servicecert, database_with_cases, monkeypatch
):
    patient = database.connection_options

    def hasty(service):
        options = patient(service)
        return {**options, "server_settings": {**options["server_settings"], "lock_timeout": "100ms"}}

    monkeypatch.setattr(database, "connection_options", hasty)
    with psycopg.connect(database_with_cases) as holding:
        holding.execute("lock table intake.cases")
        done = servicecert("erase", "--case", EXPIRED)
    assert (done.exit_code, "is locked: try again later" in one_sentence(done.stderr)) == (75, True)
