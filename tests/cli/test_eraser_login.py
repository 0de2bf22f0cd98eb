"""E3, F4: what the eraser's login can do by itself: erase what is due, as each schema sees it, and nothing else."""

import json
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from urllib.parse import urlsplit

import psycopg
import pytest
from cli.test_erase import EXPIRED, REFUSED, ROWS, UNKNOWN, VALID, everything, run
from commandline import do
from servicecert_schemas.topics import SERVICES
from servicecert_worker.storage import database


@pytest.fixture
def admin_url(migrated):
    return migrated(**{name: [import_module(f"servicecert_{name}.service").MIGRATIONS] for name in SERVICES}).admin_url


@pytest.fixture
def database_with_cases(admin_url):
    do(partial(run, admin_url, ROWS))
    return admin_url


@contextmanager
def as_eraser(url):
    with psycopg.connect(url, autocommit=True) as connection:
        name = urlsplit(url).path[1:]
        connection.execute(f'set session authorization "{name}_{database.ERASER}"')
        yield connection


@pytest.mark.parametrize(
    "statement",
    [
        "update issuer.certificates set application = '[]' where state = 'stopped'",
        "update issuer.certificates set state = 'refused', refusal = 'erased', application = null, findings = null",
        "update issuer.certificates set \"grant\" = jsonb_set(\"grant\", '{recipients}', '[]')",
        "update revoker.statuses set certificate = jsonb_set(certificate, '{recipients}', '[]')",
        "update notifier.ledgers set standing = null",
        "update intake.audit set salt = null",
        "delete from intake.cases",
        "delete from notifier.parked",
        "delete from revoker.deadlines",
        "insert into intake.inbox (event_id) values (gen_random_uuid())",
        "select key from issuer.certificates",
        "select salt from issuer.lock_salt",
        "select issuer.lock_of('key/a')",
        "select intake.record_operation('erase', array['a'], array['{}'::jsonb])",
        "select intake.erase_case('a')",
        "select pg_advisory_xact_lock(1)",
    ],
)
def test_f4_the_eraser_s_login_swaps_changes_reads_and_locks_nothing(database_with_cases, statement):
    with as_eraser(database_with_cases) as eraser, pytest.raises(psycopg.errors.InsufficientPrivilege):
        eraser.execute(statement)


def test_f4_the_eraser_s_login_erases_at_most_what_is_due(database_with_cases):
    do(partial(run, database_with_cases, KNOWN_TO_NOTIFIER))
    before = do(partial(everything, database_with_cases))
    with as_eraser(database_with_cases) as eraser:
        for service in SERVICES:
            assert eraser.execute(f"select {service}.erase(%s)", (VALID,)).fetchone() == (False,)
        for key in (UNKNOWN, "crl/ca/0", "nothing"):
            assert eraser.execute("select revoker.erase(%s)", (key,)).fetchone() == (True,)
        assert eraser.execute("select count(*) from pg_locks where locktype = 'advisory'").fetchone() == (0,)
        assert do(partial(everything, database_with_cases)) == before
        assert eraser.execute("select issuer.erase(%s)", (EXPIRED,)).fetchone() == (True,)
    rows = do(partial(run, database_with_cases, "select entry from issuer.audit where key <> ''"))
    assert f"_{database.ERASER}" in rows[0]["entry"]
    with psycopg.connect(database_with_cases) as connection:
        chains = connection.execute("select count(*) from issuer.audit").fetchone()
        connection.execute("select issuer.erase(%s)", (EXPIRED,))
        assert connection.execute("select count(*) from issuer.audit").fetchone() == chains, "once"


KNOWN_TO_NOTIFIER = f"""
    insert into notifier.ledgers (case_id, version, standing)
        values ('{VALID}', 1, '{{"certificate": {{"not_after": "2999-01-01T00:00:00Z"}}}}');
"""
LONG_AGO, LATELY = "now() - interval '5 years 1 day'", "now() - interval '4 years 360 days'"


def ended(state, at, **more):
    body = {"case_id": REFUSED, "entered": [{"at": "{at}"}], **more}
    return f"""insert into intake.cases (case_id, version, state, account_id, body)
               values ('{REFUSED}', 1, '{state}', 'a', replace('{json.dumps(body)}', '{{at}}', ({at})::text)::jsonb)"""


def awaited(at):
    return f"""insert into revoker.statuses (key, version, standing, asked)
               values ('{REFUSED}', 1, 'awaited', jsonb_build_array(jsonb_build_object('since', {at})))"""


def stopped(at):
    return f"""insert into issuer.certificates (key, version, state, issuer, application, findings, begun_at)
               values ('{REFUSED}', 1, 'stopped', 'ca', '[]', '[]', {at})"""


def void(at):
    return f"""
        insert into revoker.statuses (key, version, standing, issuer, serial, certificate)
        values ('{REFUSED}', 1, 'registered', 'ca', '0c', jsonb_build_object('not_after', now() + interval '1 year'));
        insert into revoker.revocations (issuer, serial, key, request_id, reason, requested_at, due, revoked_at,
                                         not_after, entry)
        values ('ca', '0c', '{REFUSED}', gen_random_uuid(), 'no-longer-needed', {at}, {at}, {at}, now(), '')
    """


def mailed(at, copy=0):
    first = "null" if not copy else "(select mail_id from notifier.mails)"
    return f"""
        insert into notifier.ledgers (case_id, version, standing) values ('{REFUSED}', 1, '{{}}')
        on conflict do nothing;
        insert into notifier.mails (mail_id, case_id, kind, occasion, recipient, place, copy, resends, planned_at,
                                    state, attempts)
        values (gen_random_uuid(), '{REFUSED}', 'application-lapsed', 'a', 'orderer', 1, {copy}, {first}, {at},
                'planned', 0)
    """


LEDGER = f"insert into notifier.ledgers (case_id, version, standing) values ('{REFUSED}', 1, '{{}}')"


def decided(at):
    return f"""{LEDGER}; insert into notifier.audit (chain, seq, at, key, entry, hash)
               values (gen_random_uuid(), 1, {at}, '{REFUSED}', '', sha256(''))"""


@pytest.mark.parametrize(
    ("service", "row", "due"),
    [
        ("intake", ended("withdrawn", LONG_AGO), True),
        ("intake", ended("withdrawn", LATELY), False),
        ("intake", ended("accepted", LONG_AGO, decision={}), False),
        ("intake", ended("lapsed", LONG_AGO, certificate={"serial": "0c"}), False),
        ("issuer", stopped(LONG_AGO), True),
        ("issuer", stopped(LATELY), False),
        ("revoker", awaited(LONG_AGO), True),
        ("revoker", awaited(LATELY), False),
        ("revoker", void(LONG_AGO), True),
        ("revoker", void(LATELY), False),
        ("notifier", mailed(LONG_AGO), True),
        ("notifier", mailed(LATELY), False),
        ("notifier", mailed(LONG_AGO) + ";" + mailed(LATELY, copy=1), True),
        ("notifier", decided(LONG_AGO), True),
        ("notifier", decided(LATELY), False),
        ("notifier", LEDGER, False),
        ("intake", ended("withdrawn", "'1never'"), False),
        ("revoker", awaited("'never'"), False),
        (
            "notifier",
            LEDGER.replace("{}", '{"certificate": {"not_after": "never"}}'),
            False,
        ),
    ],
)
def test_E3_each_service_knows_by_its_own_tables_what_is_due(admin_url, service, row, due):
    do(partial(run, admin_url, row))
    with as_eraser(admin_url) as eraser:
        assert eraser.execute(f"select {service}.may_be_erased(%s)", (REFUSED,)).fetchone() == (due,)
        assert eraser.execute(f"select {service}.erase(%s)", (REFUSED,)).fetchone() == (due,)
        assert eraser.execute(f"select {service}.may_be_erased(%s)", (UNKNOWN,)).fetchone() == (True,)


@pytest.mark.parametrize("service", ["intake", "issuer", "revoker", "notifier"])
def test_f4_f5_a_row_that_is_no_decision_of_a_service_stops_no_erasing(admin_url, service):
    """A service's own login may write into its audit, which nobody can take away again."""
    entry = json.dumps({"happened": {"command": "erase"}, "text": "\0"})
    do(
        partial(
            run,
            admin_url,
            f"""insert into {service}.audit (chain, seq, at, key, entry, hash)
                values (gen_random_uuid(), 1, now(), '{REFUSED}', '{entry}', sha256(''))""",
        )
    )
    with as_eraser(admin_url) as eraser:
        assert eraser.execute(f"select {service}.erased_keys()").fetchall() == []
        assert eraser.execute(f"select {service}.keys_to_erase()").fetchall() == []
