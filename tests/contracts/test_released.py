"""What this version may do to the last released one, which runs beside it in an upgrade and on the way back.

`tests/journeys/test_rolling_upgrade.py` lets both work. Here is what only some data, or some faults, would show.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import released
from docs.pages import CHECKOUT
from released import Code
from servicecert_schemas.codec import EVENTS, stored, written
from servicecert_schemas.export import stored_examples
from servicecert_schemas.topics import SERVICES, unversioned
from servicecert_schemas.upcasting import UPCASTERS
from servicecert_worker.storage.admission import AFTER
from servicecert_worker.storage.database import ERASER

MIGRATIONS = sorted(CHECKOUT.glob("worker/**/storage/migrations/*.sql")) + sorted(
    CHECKOUT.glob("services/**/storage/migrations/*.sql")
)
SUPERSEDED = {unversioned(old.TYPE) for old in UPCASTERS}

TAKES = {
    "drops": r"\bdrop (?!constraint\b|index\b)\w+",
    "renames": r"\brename (to|column|constraint|value)\b",
    "changes the type of a column": r"\balter( column)? \w+ (set data )?type\b",
    "requires a column that was optional": r"\bset not null\b",
    "adds a required column without a default": (
        r"\badd column (?:(?!\bdefault\b)[^,;])*\bnot null\b(?![^,;]*\bdefault\b)"
    ),
    "allows fewer rows": r"\badd constraint \w+|\bcreate (unique index|(constraint )?trigger)\b",
    "takes a right": r"\brevoke\b",
    "deletes rows": r"\b(delete from|truncate)\b",
}
"""What the version before may need, by a pattern of what takes it away from tables that it knows."""


def taken(text: str) -> set[str]:
    """Return how a migration takes something away, in words. Tables that it creates, and wider constraints, do not."""
    text = re.sub(r"--[^\n]*|/\*.*?\*/", " ", text, flags=re.DOTALL)
    text = re.sub(r"\$(\w*)\$.*?\$\1\$|'[^']*'", "''", text, flags=re.DOTALL)
    text = " ".join(text.lower().split())
    own = re.findall(r"\bcreate table (?:if not exists )?(\w+)", text)
    others = [each for each in text.split(";") if not re.search(rf"\b(on|table) ({'|'.join(own) or '-'})\b", each)]
    replaced = re.findall(r"\bdrop constraint (?:if exists )?(\w+)", text)
    kept = re.sub(rf"\badd constraint ({'|'.join(replaced) or '-'})\b", "", ";".join(others))
    return {words for words, pattern in TAKES.items() if re.search(pattern, kept)}


def too_early(last: Path) -> list[str]:
    """Return the types that are written in a version whose schema is not in the folder of the last release."""
    examples = stored_examples()
    types = [
        written(stored(event_type, json.dumps(examples[event_type][0]["value"])))[0]
        for event_type in EVENTS
        if unversioned(event_type) in SUPERSEDED
    ]
    return [each for each in types if not (last / f"{each}.json").exists()]


def test_a_type_is_written_in_a_version_that_the_last_release_reads() -> None:
    last = CHECKOUT / released.SCHEMAS / released.version()
    assert not too_early(last), "let WRITTEN_AS write the version before until the next release"


def test_a_released_migration_never_changes() -> None:
    before = [name for name in released.files() if re.search(r"/storage/migrations/.*\.sql$", name)]
    assert before
    for name in before:
        assert (CHECKOUT / name).read_text() == released.read(name), f"{name}: write another migration instead"


@pytest.mark.parametrize("path", MIGRATIONS, ids=lambda path: f"{path.parts[-4]}-{path.stem}")
def test_a_migration_since_the_last_release_expands_or_is_named_after_one_that_the_release_has(path: Path) -> None:
    name = str(path.relative_to(CHECKOUT))
    if name in released.files():
        return
    before = {Path(each).stem for each in released.files()}
    after = path.stem.partition(AFTER)[2]
    if after:
        assert after in before, f"{after} is not released yet: take away what it replaced in the next release"
    else:
        assert taken(path.read_text()) == set(), f"contract in the release after next, as {path.stem}{AFTER}…"


UNUSED = {
    r"\w+\.outbox": "it is a view, into which only 1.1.0 wrote",
    r"\w+\.written(\.next_offset)?": "1.1.0 compared topics with it",
    r"issuer\.intents\.data": "readers of 1.1.0 read it: now `acts_to_sign`",
}
"""On what, by a pattern, the last release has rights that only the release before it used."""


EXPANDS = (
    "create table t (id int not null, constraint c check (id > 0)); create unique index i on t (id);",
    "alter table cases add column note text;",
    "alter table cases add column tries int not null default 0, add column note text;",
    "alter table mails drop constraint c, add constraint c check (kind in ('a', 'b'));",
    "create index i on cases (at); -- drop table cases",
    "update cases set note = 'drop table';",
    "create or replace function f() returns trigger language plpgsql as $$ begin delete from t; end $$;",
)
TAKE = {
    "drop table cases;": "drops",
    "alter table cases drop column note;": "drops",
    "alter table cases rename column note to notes;": "renames",
    "alter table cases alter column note type varchar;": "changes the type of a column",
    "ALTER TABLE cases ALTER note SET NOT NULL;": "requires a column that was optional",
    "alter table cases add column note text not null;": "adds a required column without a default",
    "alter table cases add column a int default 1, add column note text not null;": (
        "adds a required column without a default"
    ),
    "alter table cases add constraint c check (tries < 5);": "allows fewer rows",
    "create unique index i on cases (account_id);": "allows fewer rows",
    "revoke update on cases from public;": "takes a right",
    "delete from cases;": "deletes rows",
}


@pytest.mark.parametrize("text", EXPANDS)
def test_an_expansion_is_none_that_takes(text: str) -> None:
    assert taken(text) == set()


@pytest.mark.parametrize("text", TAKE)
def test_what_takes_something_away_is_found(text: str) -> None:
    assert taken(text) == {TAKE[text]}


def _servicecert(path: str, url: str, *arguments: str) -> str:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("SERVICECERT_")}
    done = subprocess.run(
        [sys.executable, "-m", "servicecert_cli", *arguments],
        env={**environment, "PYTHONPATH": path, "DATABASE_URL": url},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _rights(connection: psycopg.Connection) -> Iterator[tuple[str, str, str, str]]:
    """Yield the rights of every login and group in the services' schemas: on what, who, which."""
    for schema in SERVICES:
        yield from connection.execute(
            """
            select 'table', c.oid::regclass::text, g.grantee::regrole::text, g.privilege_type
            from pg_class as c, aclexplode(relacl) as g where relnamespace = %(schema)s::regnamespace
            union
            select 'column', attrelid::regclass::text || '.' || attname, g.grantee::regrole::text, g.privilege_type
            from pg_attribute join pg_class as c on attrelid = c.oid, aclexplode(attacl) as g
            where relnamespace = %(schema)s::regnamespace
            union
            select 'function', p.oid::regprocedure::text, g.grantee::regrole::text, g.privilege_type
            from pg_proc as p, aclexplode(proacl) as g where pronamespace = %(schema)s::regnamespace
            """,
            {"schema": schema},
        )


def test_f4_the_last_release_has_its_rights_after_this_version_s_migration_and_leaves_them(
    database_url: str, tmp_path: Path
) -> None:
    old, new = Code.released(tmp_path / "released").path(), Code(CHECKOUT).path()
    place = "import servicecert_worker; print(servicecert_worker.__file__)"
    found = subprocess.check_output([sys.executable, "-c", place], env={"PYTHONPATH": old}, text=True)
    assert found.startswith(str(tmp_path)), "the code of the last release is what runs"
    _servicecert(old, database_url, "db", "prepare")
    _servicecert(old, database_url, "db", "migrate")
    with psycopg.connect(database_url, autocommit=True) as connection:
        kept = (right for right in _rights(connection) if not re.fullmatch("|".join(UNUSED), right[1]))
        # The eraser is no worker, and no worker is an owner.
        before = {right for right in kept if not right[2].endswith((f"_{ERASER}", "_owner"))}
        _servicecert(new, database_url, "db", "migrate")
        after = set(_rights(connection))
        assert before <= after, f"expand first: {sorted(before - after)}"
        connection.execute(
            "insert into intake._yoyo_migration (migration_hash, migration_id, applied_at_utc)"
            " values ('newer', '9999.newer', now())"
        )
        told = _servicecert(old, database_url, "db", "migrate")
        assert re.search(r"\bintake\b.* stay as a newer version made them", told)
        assert set(_rights(connection)) >= before
    assert len(before) > 100
