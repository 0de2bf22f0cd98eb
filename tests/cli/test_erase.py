import importlib
import json
import os
import sys
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from functools import partial
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import psycopg
import pytest
from cli.by_hand import move
from commandline import do, one_sentence, read_json
from servicecert_cli.connections import kafka
from servicecert_cli.operations import erasing
from servicecert_launcher import Child
from servicecert_schemas.topics import CASES, SERVICES
from servicecert_worker.audit.verification import verify
from servicecert_worker.core.service_keys import make_keys, read_public_keys
from servicecert_worker.storage import database

EXPIRED, VALID, WITHDRAWN, REFUSED, UNKNOWN = (f"{n}1111111-1111-4111-8111-111111111111" for n in (1, 2, 3, 4, 5))
PEOPLE = """[{"role": "orderer", "email": "saga.pahittad@customer.example", "name": "Saga Påhittad"}]"""


def certificate(case, serial, not_after):
    return f"""
        insert into issuer.certificates (key, version, state, issuer, serial, tbs, profile, profile_version, partition,
                                         not_before, not_after, key_sha256, "grant", begun_at)
        values ('{case}', 1, 'intended', 'ca', '{serial}', 'tbs', 'server', 1, 0, '2018-01-01', '{not_after}',
                repeat('{serial}', 32), '{{"recipients": {PEOPLE}, "account_id": "a"}}', '2018-01-01');
        update issuer.certificates set state = 'issued', certificate = 'der', version = 2 where key = '{case}';
        insert into revoker.statuses (key, version, standing, issuer, serial, certificate)
        values ('{case}', 1, 'valid', 'ca', '{serial}',
            '{{"recipients": {PEOPLE}, "account_id": "a", "not_after": "{not_after}T00:00:00Z"}}');
        insert into intake.cases (case_id, version, state, account_id, body) values ('{case}', 3, 'delivered', 'a',
            '{{"case_id": "{case}", "certificate": {{"serial": "{serial}", "not_after": "{not_after}T00:00:00Z"}},
               "form": {{"orderer": "Saga Påhittad"}}}}');
    """


def parked(service, key, at):
    return f"""
        insert into {service}.parked (event_id, key, topic, partition, "offset", headers, value, culprit, reason, error,
                                      first_at, last_at)
            values (gen_random_uuid(), '{key}', 'cases', 0, 0, '[]', 'Saga Påhittad'::bytea, true, 'raised', '-',
                    {at}, now());
    """


def published(case):
    return f"""
        insert into intake.events (topic, key, event_id, type, at, payload)
            values ('cases', '{case}', gen_random_uuid(), 'servicecert.case.changed.v1', now(), 'Saga Påhittad'::bytea);
        delete from intake.changes where name = 'events';
    """


ROWS = f"""
    {published(EXPIRED)}
    {published(VALID)}
    {certificate(EXPIRED, "0a", "2020-01-01")}
    {certificate(VALID, "0b", "2999-01-01")}
    insert into intake.cases (case_id, version, state, account_id, body) values ('{WITHDRAWN}', 1, 'withdrawn', 'a',
        '{{"case_id": "{WITHDRAWN}", "entered": [{{"at": "2019-01-01T00:00:00Z"}}],
           "form": {{"orderer": "Saga Påhittad"}}}}');
    insert into issuer.certificates (key, version, state, issuer, application, findings, record, begun_at)
        values ('{WITHDRAWN}', 1, 'stopped', 'ca', '{PEOPLE}', '["a"]', '{PEOPLE}', '2018-12-31');
    {parked("notifier", WITHDRAWN, "'2018-12-31'")}
    {parked("intake", WITHDRAWN, "now()")}
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
    """The keys whose last record has no value."""
    async with aclosing(kafka.records(cluster, CASES)) as records:
        last = {record.key.decode(): record.value async for record in records}
    return {key for key, value in last.items() if value is None}


async def publish_views(cluster):
    """Views of the erased cases, as a restored copy of the topic has them."""
    async with kafka.producer(cluster) as producer:
        for case in (EXPIRED, WITHDRAWN):
            await producer.send_and_wait(cluster.name(CASES), b"Saga", key=case.encode())


def history(servicecert, key):
    return read_json(servicecert("audit", "show", key, "--json"))


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


def test_f4_another_login_than_the_eraser_s_is_told_whose_it_takes(servicecert, admin_url, as_operator):
    as_operator()
    refused = servicecert("erase", "--due")
    assert refused.exit_code == 77
    assert "Only the eraser's login may do this" in one_sentence(refused.stderr)


def test_E3_after_erasing_what_is_due_a_search_finds_nobody(servicecert, database_with_cases, cluster, tmp_path):
    due = servicecert("erase", "--due", "--dry-run").stdout
    assert due == f"{EXPIRED}\n{WITHDRAWN}\nDue: 2.\n"
    assert servicecert("erase", "--due").stdout == "Erased: 2.\n"
    rows = do(partial(everything, database_with_cases))
    assert {table for table, row in rows if b"Saga" in row or b"saga" in row} == {
        "intake.cases",
        "intake.events",
        "issuer.certificates",
        "revoker.statuses",
    }
    assert all(VALID.encode() in row for _, row in rows if b"Saga" in row or b"saga" in row)
    assert do(partial(gone, cluster)) == {EXPIRED, WITHDRAWN}
    noted = do(partial(run, database_with_cases, "select keys from intake.changes where name = 'events'"))
    assert [len(row["keys"]) for row in noted] == [1], "the journal lets go of them too"
    kept = do(partial(run, database_with_cases, "select certificate from issuer.certificates where serial = '0a'"))
    assert kept[0]["certificate"] == b"der"
    verified = do(partial(audited, database_with_cases, tmp_path / "keys"))
    assert (verified.rows, verified.findings) == (4, [])
    rows = history(servicecert, EXPIRED)
    erased = {"command": "erase", "facts": {"operator": "postgres"}}
    assert [(row["service"], row["entry"]["happened"]) for row in rows] == [
        (service, erased) for service in ("intake", "issuer", "revoker")
    ]
    assert "command erase" in servicecert("audit", "show", EXPIRED).stdout
    assert servicecert("erase", "--due").stdout == "Erased: 0.\n"


def test_f5_a_key_that_somebody_wrote_moves_no_terminal(servicecert, database_with_cases, cluster):
    wild = "\x1b[2J\x07\u202eapplications"
    do(partial(run, database_with_cases, parked("intake", wild, "now() - interval '6 years'")))
    printed = servicecert("erase", "--due", "--dry-run").stdout
    assert "applications" in printed
    assert all(each.isprintable() or each == "\n" for each in printed)


def test_E3_parked_records_of_no_case_are_due_five_years_after_the_last_one_was_parked(
    servicecert, database_with_cases, cluster
):
    long_ago, later = "now() - interval '5 years 1 hour'", "now() - interval '4 years 364 days'"
    position, other = "applications/3/17", "applications/4/1"
    held = [("intake", UNKNOWN, long_ago), ("intake", VALID, long_ago), ("revoker", position, long_ago)]
    held += [("notifier", other, long_ago), ("notifier", other, later)]
    do(partial(run, database_with_cases, "".join(parked(*each) for each in held)))
    due = servicecert("erase", "--due", "--dry-run").stdout.splitlines()
    assert due == [EXPIRED, WITHDRAWN, UNKNOWN, position, "Due: 4."]
    assert servicecert("erase", "--due").stdout == "Erased: 4.\n"
    left = do(
        partial(run, database_with_cases, "select key from intake.parked union all select key from revoker.parked")
    )
    assert [row["key"] for row in left] == [VALID]
    assert do(partial(gone, cluster)) == {EXPIRED, WITHDRAWN, UNKNOWN}
    assert [row["entry"]["happened"]["command"] for row in history(servicecert, position)] == ["erase"]


def test_E3_what_the_issuer_refused_is_due_five_years_after_that(servicecert, database_with_cases):
    for days, due in ((1, 2), (-1, 3)):
        accepted, refused = "2019-01-01T00:00:00Z", datetime.now(UTC) - timedelta(days=5 * 365.25 - days)
        body = {"case_id": REFUSED, "entered": [{"at": accepted}], "unissued_at": refused.isoformat()}
        statement = f"""
            insert into intake.cases (case_id, version, state, account_id, body)
            values ('{REFUSED}', 1, 'refused', 'a', '{json.dumps(body)}')
            on conflict (case_id) do update set body = excluded.body
        """
        do(partial(run, database_with_cases, statement))
        assert f"Due: {due}." in servicecert("erase", "--due", "--dry-run").stdout


def test_E3_D1_a_request_that_waits_for_a_certificate_is_erased_with_its_case(servicecert, database_with_cases):
    asked = json.dumps([{"since": "2018-12-31T00:00:00Z", "request": json.loads(PEOPLE)}])
    insert = f"""insert into revoker.statuses (key, version, standing, asked)
                 values ('{WITHDRAWN}', 1, 'awaited', '{asked}')"""
    do(partial(run, database_with_cases, insert))
    assert servicecert("erase", "--due").exit_code == 0
    rows = do(partial(run, database_with_cases, "select asked from revoker.statuses where standing = 'awaited'"))
    assert [row["asked"] for row in rows] == ["[]"]


def test_E3_after_a_backup_of_the_database_was_restored_the_same_cases_are_due_again(
    servicecert, database_with_cases, cluster, monkeypatch
):
    source = urlsplit(database_with_cases)
    backup = f"{source.path[1:]}_backup"
    with psycopg.connect(database_with_cases, autocommit=True, dbname="postgres") as connection:
        connection.execute(f"create database {backup} template {source.path[1:]}")
        try:
            assert servicecert("erase", "--due").stdout == "Erased: 2.\n"
            do(partial(publish_views, cluster))
            monkeypatch.setenv("DATABASE_URL", urlunsplit(source._replace(path=f"/{backup}")))
            assert servicecert("erase", "--due").stdout == "Erased: 2.\n"
            rows = do(partial(everything, urlunsplit(source._replace(path=f"/{backup}"))))
            assert all(VALID.encode() in row for _, row in rows if b"Saga" in row or b"saga" in row)
            assert do(partial(gone, cluster)) == {EXPIRED, WITHDRAWN}
        finally:
            connection.execute(f"drop database {backup} with (force)")


def test_E3_after_kafka_s_disks_were_restored_all_that_was_erased_is_erased_again(
    servicecert, database_with_cases, cluster
):
    assert servicecert("erase", "--due").exit_code == 0
    do(partial(publish_views, cluster))
    assert do(partial(gone, cluster)) == set()
    assert servicecert("erase", "--due").stdout == "Erased: 0.\n"
    assert servicecert("erase", "--due", "--again", "--dry-run").stdout == f"{EXPIRED}\n{WITHDRAWN}\nDue: 2.\n"
    assert servicecert("erase", "--due", "--again").stdout == "Erased: 2.\n"
    assert do(partial(gone, cluster)) == {EXPIRED, WITHDRAWN}
    assert len(history(servicecert, EXPIRED)) == 3, "nothing more was erased in the tables"
    assert servicecert("erase", "--again", "--case", EXPIRED).exit_code == 2
    assert servicecert("erase", "--due", "--again", "--nightly").exit_code == 2


def test_E3_a_case_is_erased_in_each_partition_that_has_a_view_of_it(servicecert, database_with_cases, cluster):
    """Somebody added partitions by hand since its first view."""
    do(partial(publish, cluster, EXPIRED))
    do(partial(move, cluster, CASES, EXPIRED))
    do(partial(publish, cluster, EXPIRED))
    assert servicecert("erase", "--case", EXPIRED).exit_code == 0
    left = do(partial(last_values, cluster, EXPIRED))
    assert (len(left), set(left.values())) == (2, {None})


async def publish(cluster, case):
    async with kafka.producer(cluster) as producer:
        await producer.send_and_wait(cluster.name(CASES), b"Saga", key=case.encode())


async def last_values(cluster, case):
    """What compaction leaves of a case, by partition."""
    async with aclosing(kafka.records(cluster, CASES)) as records:
        return {record.partition: record.value async for record in records if record.key == case.encode()}


def test_E3_what_is_not_due_or_at_work_stays(servicecert, database_with_cases):
    done = servicecert("erase", "--case", VALID)
    assert (done.exit_code, "unknown or not due" in one_sentence(done.stderr)) == (1, True)
    assert servicecert("erase").exit_code == 2
    owed = f"insert into notifier.intents values (gen_random_uuid(), '{EXPIRED}', 'mail', '{{}}', null, 1, now())"
    do(partial(run, database_with_cases, owed))
    assert read_json(servicecert("erase", "--case", EXPIRED, "--json")) == {
        "cases": [EXPIRED],
        "left": [EXPIRED],
        "erased": 0,
    }
    with pytest.raises(asyncpg.CheckViolationError):
        do(partial(run, database_with_cases, """update issuer.certificates set "grant" = '{}' where serial = '0a'"""))


@pytest.mark.parametrize("ahead", [timedelta(days=-400), timedelta(minutes=3)])
def test_F6_nothing_is_erased_by_a_clock_alone(servicecert, database_with_cases, monkeypatch, ahead):
    monkeypatch.setattr(erasing, "machine_clock", lambda: datetime.now(UTC) - ahead)
    refused = servicecert("erase", "--due")
    assert refused.exit_code == 75
    assert "so nothing is erased: correct the wrong one" in one_sentence(refused.stderr)


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
    job.await_ready(lambda: "Erased: 2." in job.tail(), 60)
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
