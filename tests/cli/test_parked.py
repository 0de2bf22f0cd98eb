import json
from datetime import UTC, datetime
from functools import partial
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import asyncpg
import pytest
from commandline import do, one_sentence, read_json
from servicecert_revoker.service import MIGRATIONS as REVOKER_MIGRATIONS
from servicecert_worker.runtime import parking
from servicecert_worker.storage import database

CASE, OTHER = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
FIRST, BEHIND, SECOND, LAST = UUID(int=1), UUID(int=2), UUID(int=3), UUID(int=4)

INTAKE = ("--service", "intake")


async def ask(url, statement, *arguments):
    connection = await asyncpg.connect(url, server_settings={"search_path": "intake"})
    try:
        return await connection.fetch(statement, *arguments)
    finally:
        await connection.close()


TABLES = {"intake": [], "revoker": [REVOKER_MIGRATIONS]}
"""What `place` has."""


@pytest.fixture
def admin_url(place):
    return place.admin_url


@pytest.fixture
def prepared(place, monkeypatch):
    """The environment names intake's role on its own schema."""
    url = place.urls["intake"]
    monkeypatch.setenv("DATABASE_URL", url)
    return url


@pytest.fixture
def parked(prepared, admin_url, as_operator):
    """Two culprits, one with a record behind it; the environment names an operator."""
    insert = """insert into parked
        (event_id, key, topic, partition, "offset", headers, value, culprit, reason, error, first_at, last_at)
        values ($1, $2, 'applications', 4, 7, '[]', $3, $4, $5, 'It raised.', $6, $6)"""
    rows = (
        (FIRST, CASE, b'{"name": "Saga"}', True, "decide-raised", datetime(2026, 11, 1, tzinfo=UTC)),
        (BEHIND, CASE, b"", False, "waits", datetime(2026, 11, 2, tzinfo=UTC)),
        (SECOND, OTHER, b"\xff", True, "wrong-schema", datetime(2026, 11, 3, tzinfo=UTC)),
    )
    for row in rows:
        do(partial(ask, prepared, insert, *row))
    as_operator()
    return admin_url


def ids(result):
    return [each["event_id"] for each in json.loads(result.stdout)]


def database_login(url):
    (row,) = do(lambda: ask(url, "select session_user::text as login"))
    return row["login"]


def released(url):
    return {row["event_id"] for row in do(lambda: ask(url, "select event_id from parked where released"))}


def test_I6_culprits_are_listed_with_what_waits_behind_them(servicecert, parked):
    shown = servicecert("parked", "list", *INTAKE).stdout
    assert str(FIRST) in shown
    assert str(BEHIND) not in shown
    assert "applications/4/7" in shown
    assert shown.endswith("2 records are parked.\n")
    assert [each["waiting"] for each in read_json(servicecert("parked", "list", *INTAKE, "--json"))] == [1, 0]


@pytest.mark.parametrize(
    ("options", "found"),
    [
        (("--id", FIRST), [FIRST]),
        (("--case", OTHER), [SECOND]),
        (("--reason", "decide-raised"), [FIRST]),
        (("--before", "2026-11-02"), [FIRST]),
        (("--before", "2026-11-02T00:00:00+0000"), [FIRST]),
        (("--before", "2026-11-01"), []),
        (("--reason", "unsigned"), []),
    ],
)
def test_records_are_found_by_id_case_reason_and_time(servicecert, parked, options, found):
    assert ids(servicecert("parked", "list", *INTAKE, *options, "--json")) == [str(event_id) for event_id in found]


@pytest.mark.parametrize(
    ("command", "options"),
    [
        ("list", ("--reason", "decide-raised", "--case", OTHER)),
        ("replay", ("--reason", "decide-raisd", "--yes")),
        ("replay", ("--before", "2026-11-01", "--yes")),
        ("discard", ("--reason", "decide-raisd", "--yes")),
    ],
)
def test_a_selection_of_none_is_refused_with_the_reasons_that_there_are(servicecert, parked, command, options):
    done = servicecert("parked", command, *INTAKE, *options, "--json")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "there are reason decide-raised, reason wrong-schema." in one_sentence(done.stderr)
    assert not released(parked)


def test_one_is_shown_with_its_value_as_it_came(servicecert, parked):
    shown = servicecert("parked", "show", *INTAKE, FIRST).stdout
    assert "It raised." in shown
    assert '"name": "Saga"' in shown
    assert read_json(servicecert("parked", "show", *INTAKE, SECOND, "--json"))["value"] == "\\xff"


def test_one_that_is_not_parked_is_not_found(servicecert, parked):
    done = servicecert("parked", "show", *INTAKE, uuid4())
    assert done.exit_code == 1
    assert "servicecert parked list" in one_sentence(done.stderr)


@pytest.mark.parametrize("command", ["replay", "discard"])
def test_nothing_is_done_without_yes(servicecert, parked, command):
    shown = servicecert("parked", command, *INTAKE, "--reason", "decide-raised").stdout
    assert str(FIRST) in shown
    assert "add --yes" in shown
    assert not released(parked)
    assert len(do(lambda: ask(parked, "select from parked"))) == 3


@pytest.mark.parametrize("command", ["replay", "discard"])
def test_which_records_must_be_said(servicecert, parked, command):
    assert servicecert("parked", command, *INTAKE, "--yes").exit_code == 2


def test_a_replay_releases_the_chosen_culprits(servicecert, parked):
    assert servicecert("parked", "replay", *INTAKE, "--id", FIRST, "--yes").stdout == "1 records are replayed.\n"
    assert released(parked) == {FIRST, BEHIND}
    assert read_json(servicecert("parked", "replay", *INTAKE, "--all", "--yes", "--json"))["replayed"] == 2
    assert released(parked) == {FIRST, BEHIND, SECOND}
    assert "(released)" in servicecert("parked", "list", *INTAKE).stdout


def test_a_discarded_one_is_gone_and_what_waited_goes_on(servicecert, parked):
    discarded = read_json(servicecert("parked", "discard", *INTAKE, "--id", FIRST, "--yes", "--json"))
    assert discarded == {"selected": [str(FIRST)], "discarded": 1}
    assert ids(servicecert("parked", "list", *INTAKE, "--json")) == [str(SECOND)]
    assert released(parked) == {BEHIND}
    assert do(lambda: ask(parked, "select from inbox where event_id = $1", FIRST))


@pytest.mark.parametrize("command", ["replay", "discard"])
def test_f5_of_many_keys_some_are_locked_at_a_time_and_all_records_of_one_together(
    servicecert, parked, monkeypatch, command
):
    """All at once can be more locks than PostgreSQL has room for. What is done stays done."""
    monkeypatch.setattr(parking, "_KEYS_AT_ONCE", 1)
    do(lambda: ask(parked, "update parked set culprit = true, reason = 'x' where event_id = $1", BEHIND))
    assert read_json(servicecert("parked", command, *INTAKE, "--all", "--yes", "--json"))[f"{command}ed"] == 3
    entries = "select xmin::text as turn, key from audit where seq > 1 and key <> ''"
    turns = [(row["turn"], row["key"]) for row in do(lambda: ask(parked, entries))]
    assert sorted(key for _, key in turns) == [CASE, CASE, OTHER]
    assert len({turn for turn, _ in turns}) == len(set(turns)) == 2


def test_the_oldest_are_listed_and_that_there_may_be_more(servicecert, parked):
    shown = servicecert("parked", "list", *INTAKE, "--limit", "1").stdout
    assert str(FIRST) in shown
    assert shown.endswith("1 records are parked, or more; raise --limit.\n")


@pytest.mark.parametrize("command", ["replay", "discard"])
def test_B6_what_an_operator_does_to_a_record_is_in_the_audit_with_who_did_it(
    servicecert, parked, admin_url, monkeypatch, command
):
    servicecert("parked", command, *INTAKE, "--id", FIRST)
    assert not do(lambda: ask(parked, "select from audit"))
    # Neither by their ids nor by where PostgreSQL has their rows are they in the order in which they were parked.
    do(lambda: ask(parked, "update parked set event_id = $2 where event_id = $1", FIRST, LAST))
    monkeypatch.setenv("DATABASE_URL", admin_url)
    assert servicecert("parked", command, *INTAKE, "--all", "--yes").exit_code == 0
    rows = do(lambda: ask(parked, "select key, entry from audit order by seq"))
    first, *entries = [json.loads(row["entry"]) for row in rows]
    login = database_login(admin_url)
    assert (first["begun"]["command"], first["begun"]["operator"]) == (f"parked {command}", login)
    assert [row["key"] for row in rows[1:]] == [CASE, OTHER]
    assert entries[0]["happened"] == {
        "command": f"parked {command}",
        "facts": {"operator": login, "event": str(LAST), "reason": "decide-raised"},
    }
    shown = servicecert("audit", "show", CASE).stdout
    assert f"command parked {command}" in shown
    assert login in shown


def test_B6_a_record_that_is_no_event_is_told_by_its_place(servicecert, parked):
    do(lambda: ask(parked, "update parked set key = 'Maija Meikäläinen', type = null where event_id = $1", FIRST))
    servicecert("parked", "discard", *INTAKE, "--id", FIRST, "--yes")
    (row,) = do(lambda: ask(parked, "select key, entry from audit where seq = 2"))
    assert row["key"] == "applications/4/7"
    assert "Maija" not in row["entry"]


@pytest.mark.parametrize("command", ["replay", "discard"])
def test_B6_nothing_is_done_where_the_audit_cannot_be_written(servicecert, parked, admin_url, command):
    owner = database.owner_of(urlsplit(admin_url).path[1:], "intake")
    do(lambda: ask(admin_url, f'revoke insert on intake.audit from "{owner}"'))
    done = servicecert("parked", command, *INTAKE, "--all", "--yes")
    assert done.exit_code == 77
    assert "may not do this" in one_sentence(done.stderr)
    assert not released(parked)
    assert len(do(lambda: ask(parked, "select from parked"))) == 3


def test_f4_a_schema_that_a_login_may_not_see_is_not_called_missing(servicecert, place, monkeypatch):
    url = place.urls["revoker"]
    monkeypatch.setenv("DATABASE_URL", url)
    done = servicecert("parked", "list", *INTAKE)
    assert done.exit_code == 77
    login = repr(urlsplit(url).username)
    assert f"The login {login} may not do this (permission denied for schema intake)" in one_sentence(done.stderr)


def test_an_administrator_says_which_service(servicecert, parked, admin_url, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", admin_url)
    done = servicecert("parked", "list")
    assert done.exit_code == 2
    assert "--service" in one_sentence(done.stderr)
    assert len(ids(servicecert("parked", "list", *INTAKE, "--json"))) == 2


def test_a_schema_that_is_not_prepared_is_told(servicecert, database_url, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", database_url)
    done = servicecert("parked", "list", *INTAKE)
    assert done.exit_code == 78
    assert "servicecert db prepare" in one_sentence(done.stderr)


def test_a_database_that_does_not_answer_is_told(servicecert, monkeypatch, free_port):
    monkeypatch.setenv("DATABASE_URL", f"postgresql://a_intake:secret@127.0.0.1:{free_port}/a")
    done = servicecert("parked", "list")
    assert done.exit_code == 69
    assert "does not answer" in one_sentence(done.stderr)


def test_I10_a_wrong_password_is_told_and_not_shown(servicecert, prepared, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", database.url_of(prepared, "postgres", "mistyped"))
    done = servicecert("parked", "list", *INTAKE)
    assert done.exit_code == 77
    assert "mistyped" not in one_sentence(done.stderr)


def test_f5_a_stored_record_moves_no_terminal(servicecert, parked):
    """What somebody wrote into a topic is printed, but not obeyed."""
    wild = b"\x1b]0;owned\x07\x1b[2J\xe2\x80\xae\xc2\x9b1m"
    update = "update parked set value = $2, error = $3, type = $3 where event_id = $1"
    do(partial(ask, parked, update, SECOND, wild, "\x1b[31mred\r\u202e"))
    for arguments in ((), ("--json",)):
        printed = servicecert("parked", "show", SECOND, *INTAKE, *arguments).stdout
        assert "owned" in printed
        assert "red" in printed
        assert all(each.isprintable() or each == "\n" for each in printed)
