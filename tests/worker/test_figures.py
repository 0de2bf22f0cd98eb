"""The figures of the tables, which the monitoring login reads and nothing else."""

import asyncio
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import asyncpg
import pytest
from databases import administer, new_database
from figures import figure, figures_of
from servicecert_cli.operations.migrating import migrate
from servicecert_cli.watching.lag.metrics import figures
from servicecert_intake.service import MIGRATIONS, NAME
from servicecert_revoker.domain.status import TAKES_EFFECT_WITHIN
from servicecert_schemas.topics import SERVICES
from servicecert_schemas.values import MOST_PARTITIONS
from servicecert_worker.core.faults import backoff
from servicecert_worker.storage import database, schema
from servicecert_worker.storage.figures import OF_EVERY_SERVICE, held_locks, read

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def monitoring(parts):
    """The URLs of the administrator and of the monitoring login, in a database with all schemas."""
    with new_database(parts, "test_figures") as admin_url:
        urls = schema.prepare(admin_url, {each: database.new_password() for each in (*SERVICES, *database.LOGINS)})
        migrate(urls[database.MIGRATOR], SERVICES)
        yield admin_url, urls[database.MONITORING]


@pytest.fixture
async def pool(service_pool):
    return await service_pool(NAME, MIGRATIONS)


@pytest.mark.parametrize("service", SERVICES)
async def test_every_sample_has_a_definition_with_as_many_labels(monitoring, service):
    connection = await asyncpg.connect(monitoring[1])
    try:
        samples, _ = await read(connection, service, NOW)
    finally:
        await connection.close()
    labels = {each.name: each.labels for each in figures()}
    assert samples.keys() <= labels.keys()
    for name, of in samples.items():
        assert {len(values) for values in of} == {len(labels[name])}, name
    always = {each.name for each in OF_EVERY_SERVICE} - {"servicecert_intents", "servicecert_parked"}
    assert always <= samples.keys()


_TABLES = """
select c.relname from pg_class as c join pg_namespace as n on n.oid = relnamespace
where nspname = $1 and relkind in ('r', 'p')
"""


@pytest.mark.parametrize("service", SERVICES)
async def test_a_lock_on_any_table_withholds_only_the_figures_that_need_it_and_is_named(monitoring, service):
    admin_url, url = monitoring
    connection = await asyncpg.connect(url, server_settings={"lock_timeout": "30ms"})
    operator = await asyncpg.connect(admin_url, server_settings={"application_name": "psql"})
    try:
        whole, _ = await read(connection, service, NOW)
        partial = set()
        for (table,) in await operator.fetch(_TABLES, service):
            async with operator.transaction():
                await operator.execute(f"lock table {service}.{table}")
                samples, seconds = await read(connection, service, NOW)
                (lock,) = await held_locks(connection)
            assert (lock.service, lock.table, lock.pid) == (service, table, operator.get_server_pid())
            assert (lock.user, lock.application, lock.since) == (urlsplit(admin_url).username, "psql", None)
            assert (seconds is None) == (samples.keys() != whole.keys())
            if seconds is None and samples:
                partial.add(table)
        assert {"events", "changes"} <= partial
        assert partial & OWN_TABLES
    finally:
        operator.terminate()
        await connection.close()
    assert not await asked(url, held_locks)


OWN_TABLES = {"cases", "certificates", "statuses", "mails"}


async def test_who_keeps_up_a_change_of_a_table_is_named_and_not_who_waits_for_it(monitoring):
    """A reader left open keeps up `alter table`, and that everybody else."""
    admin_url, url = monitoring
    open_reader, migrator = await asyncpg.connect(admin_url), await asyncpg.connect(admin_url)
    try:
        async with open_reader.transaction():
            await open_reader.execute("select from intake.cases")
            assert not await asked(url, held_locks), "a reader alone keeps nobody from anything"
            altering = asyncio.create_task(
                migrator.execute("alter table intake.cases alter column body set storage extended")
            )
            locks = []
            async for _ in backoff(longest=0.1):
                if locks := await asked(url, held_locks):
                    break
            assert [(lock.pid, lock.waiting) for lock in locks] == [(open_reader.get_server_pid(), 1)]
        await altering
    finally:
        open_reader.terminate()
        migrator.terminate()


async def asked(url, ask):
    connection = await asyncpg.connect(url)
    try:
        return await ask(connection)
    finally:
        await connection.close()


async def test_f4_the_monitoring_login_reads_no_table(monitoring):
    connection = await asyncpg.connect(monitoring[1])
    try:
        for table in ("intake.cases", "issuer.intents", "notifier.mails", "revoker.statuses", "intake.outbox"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.fetch(f"select from {table}")
    finally:
        await connection.close()


async def test_f4_a_temporary_table_is_not_taken_for_ours(monitoring):
    connection = await asyncpg.connect(monitoring[1])
    try:
        await connection.execute("create temporary table outbox (at timestamptz); insert into outbox values (now())")
        samples, _ = await read(connection, "intake", NOW)
        assert samples["servicecert_outbox_events"] == {("intake",): 0}
    except asyncpg.InsufficientPrivilegeError:
        pass  # A database whose logins may make no temporary tables is as safe.
    finally:
        await connection.close()


async def test_what_is_open_is_counted_and_its_age_is_from_the_moment_asked_for(pool):
    ago = NOW - timedelta(seconds=90)
    assert await figure(pool, NOW, "outbox_oldest_seconds") == {"": 0}
    await administer(
        pool,
        "insert into outbox (topic, key, event_id, type, payload, at, signature) "
        "select 'cases', 'k', gen_random_uuid(), 't', '', $1, '' from generate_series(1, 3)",
        ago,
    )
    await administer(pool, "update changes set at = $1", ago)
    await administer(
        pool,
        "insert into intents (id, key, kind, data, owner, since) values "
        "(gen_random_uuid(), 'k', 'look-up', '', 1, $1), (gen_random_uuid(), 'k', 'search', '', 1, $1 + '1 s')",
        ago,
    )
    await administer(
        pool, "insert into deadlines (id, key, kind, at) values (gen_random_uuid(), 'k', 'lapse', $1)", ago
    )
    await administer(
        pool,
        'insert into parked (event_id, key, topic, partition, "offset", headers, culprit, reason, error, attempts, '
        "first_at, last_at, kept) select gen_random_uuid(), 'k', 'applications', 0, n, '[]', n = 1, "
        "case n when 1 then 'no-such-type' else 'behind' end, '', 1, $1, $1, n < 3 from generate_series(1, 3) as n",
        ago,
    )
    shown = await figures_of(pool, NOW)
    assert {name: shown[f"servicecert_{name}"] for name in EXPECTED} == EXPECTED


EXPECTED = {
    "outbox_events": {"": 3},
    "outbox_oldest_seconds": {"": 90},
    "intents": {"look-up": 1, "search": 1},
    "intents_oldest_seconds": {"": 90},
    "deadlines_overdue": {"": 1},
    "deadlines_overdue_seconds": {"": 90},
    "parked": {"no-such-type": 1},
    "parked_oldest_seconds": {"": 90},
    "parked_behind": {"": 2},
    "parked_unkept": {"": 1},
}


def test_numbers_that_sql_repeats_are_the_rules():
    from servicecert_revoker.service import MIGRATIONS as OF_REVOKER

    text = OF_REVOKER.with_name("figures.sql").read_text()
    assert f"interval '{TAKES_EFFECT_WITHIN // timedelta(hours=1)} hours'" in text
    assert f"partition <= {MOST_PARTITIONS}\n" in text
