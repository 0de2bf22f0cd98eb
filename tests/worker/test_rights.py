"""F4: each role of the database may do what the files rights.sql list, and nothing else."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from databases import new_database
from identities import Identities
from psycopg import sql
from servicecert_schemas.topics import SERVICES
from servicecert_worker.core.faults import OperatorError
from servicecert_worker.runtime.settings import WorkerSettings
from servicecert_worker.storage import admission, database, rights, schema
from servicecert_worker.storage.database import is_private

STATEMENTS = ("select", "insert", "update", "delete", "truncate", "references", "trigger")
GRANT = re.compile(
    r"^grant (?P<rights>.+?) on (?P<kind>function |sequence |schema )?(?P<names>[^;]+?) to (?P<roles>[^;]+);",
    re.M | re.S,
)
_REFUSED = (
    psycopg.errors.InsufficientPrivilege,
    psycopg.errors.WrongObjectType,
    psycopg.errors.ObjectNotInPrerequisiteState,
)
_OPERATORS_OWN = {
    "operators",
    "login_verifiers",
    "operators_certificates",
    "left_undone",
    "stopped_since",
    "acts_to_sign",
}
"""Who the operators are, and what they look at: no service reads or writes it."""
OTHERS = (database.ERASER, database.MONITORING, database.OPERATORS, database.READERS)


def migrations(service: str) -> Path:
    folder: Path = importlib.import_module(f"servicecert_{service}.service").MIGRATIONS
    return folder


@pytest.fixture(scope="module")
def installed(parts) -> Iterator[tuple[str, dict[str, str]]]:
    """A database with all four schemas: its administrator's URL, and the URLs of all logins."""
    name = "test_rights"
    with new_database(parts, name) as admin_url:
        logins = (*SERVICES, *database.LOGINS)
        urls = schema.prepare(admin_url, {each: database.new_password() for each in logins})
        for service in SERVICES:
            schema.migrate(urls[database.MIGRATOR], service, [migrations(service)])
        with psycopg.connect(admin_url, autocommit=True) as admin:
            for group in (database.OPERATORS, database.READERS):
                login, password = f"{name}_a_member_of_{group}", database.new_password()
                admin.execute(f"create role {login} login password '{password}' in role {name}_{group}")
                urls[group] = database.url_of(admin_url, login, password)
        yield admin_url, urls


def one(connection: psycopg.Connection, query: str, arguments: tuple[object, ...]) -> object:
    """Return the only value of a query."""
    row = connection.execute(query.encode(), arguments).fetchone()
    assert row is not None
    return row[0]


def granted(service: str) -> dict[str, set[tuple[str, str]]]:
    """Return what the files grant on tables and views: (statement, name) by role."""
    found: dict[str, set[tuple[str, str]]] = {}
    for grant in GRANT.finditer(rights.read((admission.MIGRATIONS, migrations(service)))):
        if grant["kind"] is not None:
            continue
        statements = re.sub(r"\([^)]*\)", "", grant["rights"])
        for role in re.findall(r"{(\w+)}", grant["roles"]):
            found.setdefault(service if role == "service" else role, set()).update(
                (statement.strip(), table.strip())
                for statement in statements.split(",")
                for table in grant["names"].split(",")
            )
    return found


def tables(connection: psycopg.Connection, service: str) -> list[str]:
    rows = connection.execute(
        "select relname from pg_class where relnamespace = %s::regnamespace and relkind in ('r', 'v') order by 1",
        (service,),
    ).fetchall()
    return [row[0] for row in rows]


@pytest.mark.parametrize("service", SERVICES)
def test_f4_every_role_has_the_listed_rights_on_every_table_and_no_other(installed, service):
    admin_url, urls = installed
    listed = granted(service)
    with psycopg.connect(admin_url) as admin:
        for role, url in urls.items():
            login = urlsplit(url).username
            for table in tables(admin, service):
                for statement in STATEMENTS:
                    whole = statement in ("delete", "truncate", "trigger")
                    asked = "has_table_privilege" if whole else "has_any_column_privilege"
                    may = one(admin, f"select {asked}(%s, %s, %s)", (login, f"{service}.{table}", statement))
                    assert may == ((statement, table) in listed.get(role, set())), (role, statement, table)


@pytest.mark.parametrize("service", SERVICES)
def test_f4_a_table_without_rights_is_noticed(installed, service):
    """The service reads or writes each of its tables: one that no right names was forgotten."""
    admin_url, _ = installed
    named = {table for _, table in granted(service)[service]}
    with psycopg.connect(admin_url) as admin:
        mine = {table for table in tables(admin, service) if "yoyo" not in table} - _OPERATORS_OWN
    assert mine <= named, "grant the service's rights on it in rights.sql"


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize(
    "statement",
    [
        "drop table inbox",
        "alter table audit disable trigger all",
        "drop trigger audit_stays on audit",
        "create or replace function audit_stays() returns trigger language plpgsql as 'begin return null; end'",
        "create table mine (id int)",
        "create schema mine",
        "update audit set entry = ''",
        "delete from audit",
        "truncate audit",
        "update audit_checkpoints set body = ''",
        "select * from yoyo_lock",
        "set role {owner}",
        "set session_replication_role = replica",
        "create role mine",
        "alter role {login} superuser",
        "copy audit to program 'true'",
    ],
)
def test_f4_a_service_cannot_undo_its_guards(installed, service, statement):
    admin_url, urls = installed
    name = urlsplit(admin_url).path.lstrip("/")
    words = {"owner": database.owner_of(name, service), "login": database.role_of(name, service)}
    with psycopg.connect(urls[service]) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(statement.format(**words).encode())


@pytest.mark.parametrize("login", [*SERVICES, *OTHERS])
@pytest.mark.parametrize("service", SERVICES)
def test_f4_no_login_enters_a_schema_that_is_not_its_own_or_changes_what_it_may_only_read(installed, login, service):
    admin_url, urls = installed
    if login == service:
        return
    with psycopg.connect(admin_url) as admin:
        names = tables(admin, service)
    with psycopg.connect(urls[login], autocommit=True) as connection:
        for table in names:
            place = sql.Identifier(service, table)
            acts = [
                "insert into {} default values",
                "truncate {}",
                "drop table {}",
                "lock table {} in access exclusive mode",
            ]
            if login in (*SERVICES, database.ERASER):
                acts += ["select from {}", "delete from {}"]
            if ("insert", table) in granted(service).get(login, set()):
                del acts[0]
            for act in acts:
                with pytest.raises(_REFUSED), connection.transaction():
                    connection.execute(sql.SQL(act).format(place))


@pytest.mark.parametrize("login", [database.MONITORING, database.OPERATORS, database.READERS])
def test_f4_an_operator_or_a_reader_takes_no_advisory_lock(installed, login):
    _, urls = installed
    with psycopg.connect(urls[login], autocommit=True) as connection:
        for act in ("pg_advisory_lock(1)", "pg_try_advisory_lock(1, 2)", "pg_advisory_xact_lock_shared(3)"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(f"select {act}".encode())
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("select salt from issuer.lock_salt")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("select issuer.lock_of('key/x')")


def test_f4_a_function_runs_for_those_who_are_named_only(installed):
    admin_url, urls = installed
    with psycopg.connect(admin_url) as admin:
        for service in SERVICES:
            text = rights.read((admission.MIGRATIONS, migrations(service)))
            listed = {
                (service if role == "service" else role, name.strip())
                for grant in GRANT.finditer(text)
                if grant["kind"] == "function "
                for role in re.findall(r"{(\w+)}", grant["roles"])
                for name in grant["names"].split(",")
            }
            functions = admin.execute(
                "select oid::regprocedure::text, proname from pg_proc where pronamespace = %s::regnamespace", (service,)
            ).fetchall()
            for role, url in urls.items():
                for function, name in functions:
                    may = one(
                        admin, "select has_function_privilege(%s, %s, 'execute')", (urlsplit(url).username, function)
                    )
                    assert may == ((role, name) in listed), (role, function)


def test_f4_triggers_and_functions_with_the_owners_rights_look_for_temporary_tables_last(installed):
    admin_url, _ = installed
    with psycopg.connect(admin_url) as admin:
        found = admin.execute(
            "select pronamespace::regnamespace::text, proconfig from pg_proc"
            " where prosecdef or prorettype = 'trigger'::regtype and pronamespace <> 'pg_catalog'::regnamespace"
        ).fetchall()
    assert {schema for schema, _ in found} == set(SERVICES)
    assert all(f"search_path={schema}, pg_temp" in (config or ()) for schema, config in found)


def test_f4_migrating_takes_back_a_right_that_is_not_listed(installed):
    admin_url, urls = installed
    with psycopg.connect(admin_url, autocommit=True) as admin:
        admin.execute("grant update on intake.audit to test_rights_intake")
        admin.execute("grant all on intake.cases to test_rights_readers")
        admin.execute("grant update (entry) on intake.audit to test_rights_issuer with grant option")
        admin.execute("grant usage on schema intake to test_rights_issuer, public")
        admin.execute("grant execute on function intake.audit_stays to public")
    schema.migrate(urls[database.MIGRATOR], "intake", [migrations("intake")])
    with psycopg.connect(admin_url) as admin:
        for role, right in (("intake", "update"), ("readers", "delete"), ("issuer", "update")):
            table = "intake.cases" if role == "readers" else "intake.audit"
            may = one(
                admin,
                "select has_any_column_privilege(%s, %s, %s)"
                if right == "update"
                else "select has_table_privilege(%s, %s, %s)",
                (f"test_rights_{role}", table, right),
            )
            assert not may, role
        assert admin.execute("select has_schema_privilege('test_rights_issuer', 'intake', 'usage')").fetchone() == (
            False,
        )


def test_f4_an_operators_act_is_audited_whatever_client_does_it(installed):
    _, urls = installed
    with psycopg.connect(urls["intake"], autocommit=True) as service:
        service.execute(
            'insert into parked (event_id, key, topic, partition, "offset", headers, culprit, reason, error, first_at,'
            " last_at) values (gen_random_uuid(), 'somebody', 'accounts', 0, 7, '[]', true, 'x', '', now(), now())"
        )
    with psycopg.connect(urls[database.OPERATORS], autocommit=True) as operator:
        assert operator.execute(
            "select intake.discard_parked(array(select event_id from intake.parked))"
        ).fetchone() == (1,)
        rows = operator.execute("select key, entry from intake.audit where seq = 2").fetchall()
    ((key, entry),) = rows
    assert key == "accounts/0/7"
    assert "test_rights_a_member_of_operators" in entry
    assert "parked discard" in entry


@pytest.mark.parametrize(
    ("wider", "sentence"),
    [
        ("alter role {login} superuser", "is a superuser"),
        ("alter role {login} createrole", "may create roles"),
        ("grant {owner} to {login}", "owns its schema"),
        ("grant create on schema issuer to {login}", "may create tables in its schema"),
        ("grant usage on schema intake to {login}", "reads the schema intake"),
    ],
)
async def test_f4_a_service_refuses_rights_that_are_wider_than_it_needs(installed, wider, sentence):
    admin_url, urls = installed
    login, owner = "test_rights_issuer", "test_rights_issuer_owner"
    await admission.require_least_rights(urls["issuer"], "issuer")
    undo = {
        "alter role {login} superuser": "alter role {login} nosuperuser",
        "alter role {login} createrole": "alter role {login} nocreaterole",
    }.get(wider, wider.replace("grant", "revoke").replace(" to ", " from "))
    with psycopg.connect(admin_url, autocommit=True) as admin:
        admin.execute(wider.format(login=login, owner=owner).encode())
        try:
            with pytest.raises(OperatorError, match=f"{sentence}: set DATABASE_URL"):
                await admission.require_least_rights(urls["issuer"], "issuer")
        finally:
            admin.execute(undo.format(login=login, owner=owner).encode())


@pytest.mark.parametrize(
    ("url", "private"),
    [
        ("postgresql://u:p@127.0.0.1:5432/d", True),
        ("postgresql://u:p@[::1]/d", True),
        ("postgresql://u:p@localhost/d", True),
        ("postgresql:///d?host=/run/postgresql", True),
        ("postgresql:///d", True),
        ("postgresql://u:p@db.example.fi/d", False),
        ("postgresql://u:p@db.example.fi/d?sslmode=require", False),
        ("postgresql://u:p@db.example.fi/d?sslmode=verify-ca", False),
        ("postgresql://u:p@db.example.fi/d?sslmode=verify-full&sslrootcert=ca.pem", True),
        ("postgresql://u:p@127.0.0.1,db.example.fi/d", False),
        ("postgresql://u:p@localhost/d?host=db.example.fi", False),
        ("postgresql://u:p@localhost/d?hostaddr=192.0.2.1", False),
        ("postgresql://u:p@127.0.0.1.example.fi/d", False),
        ("postgresql://u:p@[::1]:5432,%2Frun%2Fpostgresql:5433/d", True),
        ("postgresql://u:p@[2001:db8::1]:5432/d", False),
        ("postgresql://u:p@2001:db8::1/d", False),
        ("postgresql://u:p@127.0.0.1%3A5432/d", False),
        ("postgresql://u:p@localhost/d?host=/run/postgresql,db.example.fi", False),
        ("postgresql://u:p@db.example.fi/d?sslmode=verify-full&sslmode=prefer", False),
    ],
)
def test_f4_a_database_in_the_clear_is_recognised(url, private):
    assert is_private(url) == private


def test_the_password_is_read_from_its_file(tmp_path):
    file = tmp_path / "password"
    file.write_text("p@ss/w\n")
    file.chmod(0o400)
    given = {
        "KAFKA_BOOTSTRAP_SERVERS": "k:1",
        "DATABASE_URL": "postgresql://u@db/d?sslmode=verify-full",
        **Identities(tmp_path / "service-keys", ["intake"]).environment("intake"),
    }
    settings = WorkerSettings(**given, DATABASE_PASSWORD_FILE=file)
    assert settings.dsn == "postgresql://u:p%40ss%2Fw@db/d?sslmode=verify-full"
    file.chmod(0o644)
    with pytest.raises(ValueError, match=r"DATABASE_PASSWORD_FILE: others can read .*password"):
        WorkerSettings(**given, DATABASE_PASSWORD_FILE=file)
