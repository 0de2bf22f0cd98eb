"""No statement reads a table whole that grows for ten years: the plans for unknown values, over large tables.

A new statement is explained without being listed anywhere; one that cannot be explained fails. So does a new table
whose rows `plans.filling` cannot make.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module

import asyncpg
import psycopg
import pytest
from plans.filling import Large, fill
from plans.functions import plans_of_functions, plans_of_triggers
from plans.reads import Node, explained, read_whole
from plans.statements import Statement, statements
from recycling import Recycler, schemas
from servicecert_schemas.topics import SERVICES
from servicecert_worker.storage.journal import Looks, tables

_RECONCILES = "`ca reconcile` and `ca status` compare all rows, without a time limit"
_VERIFIES = "`audit verify` reads all rows, without a time limit"
_SELECTS = "an operator's command that selects by anything, without a time limit"
_CHAINS = "looks at the end of each chain, after a restore or a loss"
_COUNTS = "counts what is parked, while an alarm is on"
_VERIFICATION = "worker/servicecert_worker/audit/verification.py"
_RESTORING = "worker/servicecert_worker/storage/restoring.py"
_RUNTIME = "worker/servicecert_worker/runtime"
_OPERATIONS = "cli/servicecert_cli/operations"

READ_WHOLE: Mapping[tuple[str, str], str] = {
    ("worker/find_parked", "parked"): "lists what is parked, while an alarm is on",
    ("doctor/newest_certificates", "certificates"): "reads back from the newest until it has 500 issued ones",
    ("notifier/find_mails", "mails"): "reads back from the newest until it has as many as asked for",
    ("intake/rsa_keys", "keys"): "each key is compared with all others",
    ("intake/cases_of_keys", "cases"): "`keys shared-primes` has found keys that are broken, which is rare",
    ("issuer/count_refused", "certificates"): _RECONCILES,
    ("issuer/count_serials", "certificates"): _RECONCILES,
    ("issuer/reconcile", "certificates"): _RECONCILES,
    ("issuer/reconcile_accepted", "audit"): _RECONCILES,
    ("issuer/reconcile_accepted", "certificates"): _RECONCILES,
    ("issuer/reconcile_audit", "certificates"): _RECONCILES,
    ("issuer/reconcile_audit", "audit"): _RECONCILES,
    ("issuer/voids", "certificates"): _RECONCILES,
    ("revoker/count_signatures", "crls"): _RECONCILES,
    ("revoker/reconcile", "statuses"): _RECONCILES,
    ("revoker/reconcile", "proposal_items"): _RECONCILES,
    ("revoker/reconcile_audit", "audit"): _RECONCILES,
    (f"{_VERIFICATION}: select chain, attested, whole, last from", "audit"): _VERIFIES,
    (f"{_VERIFICATION}: select distinct chain from audit_chains", "audit"): _VERIFIES,
    (f"{_VERIFICATION}: select distinct chain from audit_chains", "audit_chains"): _VERIFIES,
    (f"{_VERIFICATION}: select number, body, key_id, signature f", "audit_checkpoints"): _VERIFIES,
    (f"{_OPERATIONS}/selection.py: select key, serial from operators_certif", "statuses"): _SELECTS,
    (f'{_OPERATIONS}/selection.py: select array_agg(distinct issuer) as "CA', "statuses"): _SELECTS,
    (f"{_OPERATIONS}/proposing.py: select k.key_sha256, k.since, k.source,", "statuses"): _SELECTS,
    (f"{_OPERATIONS}/proposing.py: select k.key_sha256, k.since, k.source,", "compromised_keys"): _SELECTS,
    (f"{_OPERATIONS}/republishing.py: with begun as ( insert into changes (nam", "audit_chains"): _CHAINS,
    (f"{_RUNTIME}/restoring.py: select chain, coalesce((select seq from", "audit_chains"): _CHAINS,
}
"""What reads which table whole, and why it may. A row that is needed no more fails."""

READ_WHOLE_BY_FUNCTIONS: Mapping[tuple[str, str, str], str] = {
    **{(schema, "worker_figures", "parked"): _COUNTS for schema in SERVICES},
    **{(schema, "keys_to_erase", "parked"): "each night, what is parked" for schema in SERVICES},
    **{(schema, "erased_keys", "audit"): "`erase --again`, after a restore" for schema in SERVICES},
    **{(schema, "figures", "parked"): _COUNTS for schema in ("intake", "revoker")},
}

NOT_EXPLAINED: Mapping[str, str] = {
    "notifier/lock_paces": "it locks a table and reads nothing",
    "worker/servicecert_worker/runtime/turn.py: select pg_advisory_xact_lock(lock) from": "it reads numbers of locks",
    _RESTORING: "it stores looks from temporary tables, while no worker runs",
}
"""The statements, or files of them, that PostgreSQL cannot explain, and why that does no harm."""


@pytest.fixture(scope="module")
def large(recycler: Recycler) -> Iterator[Large]:
    """All services' tables in one database, each with many rows."""
    kind = schemas(**{name: [import_module(f"servicecert_{name}.service").MIGRATIONS] for name in SERVICES})
    migrated = recycler.take(kind)
    with psycopg.connect(migrated.admin_url, autocommit=True) as connection:
        yield fill(connection, SERVICES)
    recycler.give_back(kind, migrated)


def test_no_statement_reads_a_table_whole_that_grows(large: Large) -> None:
    read: set[tuple[str, str]] = set()
    faults: dict[str, str] = {}
    for statement in statements():
        try:
            read |= {(statement.name, table) for table in _read_whole(large, statement)}
        except psycopg.Error as error:
            faults[statement.name] = str(error)
    assert {_RESTORING if name.startswith(_RESTORING) else name for name in faults} == NOT_EXPLAINED.keys(), faults
    assert read == READ_WHOLE.keys()


def _read_whole(large: Large, statement: Statement) -> set[str]:
    """Return what the statement reads whole, in the first schema that has its tables."""
    fault = psycopg.Error(f"no schema for {statement.name}")
    for schema in statement.schemas:
        try:
            large.connection.execute(f"set search_path = {schema}".encode())
            plan = explained(large.connection, statement.within(schema))
        except psycopg.Error as error:
            fault = error
        else:
            return read_whole(plan, large)
    raise fault


@pytest.mark.parametrize("schema", SERVICES)
async def test_no_look_of_the_relay_reads_a_table_whole_that_grows(large: Large, schema: str) -> None:
    large.connection.execute(f"set search_path = {schema}".encode())
    for statement in await _looks(large, schema):
        assert read_whole(explained(large.connection, statement), large) == set()


async def _looks(large: Large, schema: str) -> tuple[str, ...]:
    info = large.connection.info
    connection = await asyncpg.connect(
        host=info.host,
        port=info.port,
        user=info.user,
        password=info.password,
        database=info.dbname,
        server_settings={"search_path": schema},
    )
    try:
        looks = Looks(await tables(connection))
        return looks.first, looks.every, looks.events
    finally:
        await connection.close()


@pytest.mark.parametrize("schema", SERVICES)
def test_no_function_reads_a_table_whole_that_grows(large: Large, schema: str) -> None:
    read = {(schema, *each) for each in _read_by(large, plans_of_functions(large.connection, schema))}
    assert read == {each for each in READ_WHOLE_BY_FUNCTIONS if each[0] == schema}


@pytest.mark.parametrize("schema", SERVICES)
def test_no_trigger_reads_a_table_whole_that_grows(large: Large, schema: str) -> None:
    assert _read_by(large, plans_of_triggers(large, schema)) == set()


def _read_by(large: Large, plans: Iterable[tuple[str, Node]]) -> set[tuple[str, str]]:
    """Return by what of the database which table is read whole."""
    return {(name, table) for name, plan in plans for table in read_whole(plan, large)}
