"""D2, F4: two operators are two persons. Nobody gets a second login, or a colleague's, without a second person."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from databases import administer
from servicecert_cli.faults import UserError
from servicecert_cli.operations import proposing
from servicecert_cli.operations.operators import Credential, add_login, add_operator, fingerprint
from servicecert_schemas.certificate import CertificateIssued
from servicecert_worker.audit.verification import verify
from servicecert_worker.core.faults import OperatorError
from servicecert_worker.storage import database
from services.revoker.conftest import Login
from services.revoker.stand import Stand, another

REFUSED = (asyncpg.CheckViolationError, asyncpg.InsufficientPrivilegeError, asyncpg.InvalidParameterValueError)
VERIFIER = Credential.new().verifier


@pytest.fixture
def stand(pool, known) -> Stand:
    return Stand(pool, known, most=3)


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


async def changed(login: Login, change: str, name: str, verifier: str | None = None, by: str = "anna") -> UUID:
    async with login(by) as connection:
        made = await proposing.propose_operator(connection, f"operator-{change}", name, verifier, "ticket 12")
    assert made.verifier_sha256 == (None if verifier is None else fingerprint(verifier))
    return made.id


async def confirmed(login: Login, id: UUID, by: str = "bertil") -> bool:
    async with login(by) as connection:
        return await proposing.confirm(connection, id)


async def test_D2_F4_one_operator_cannot_take_the_colleague_s_login(
    stand: Stand, issued: CertificateIssued, login: Login, admin_url: str
) -> None:
    """By no command and no statement: the proposal is of no use without the colleague, and all else is refused."""
    await stand.happen(first := another(issued, 1))
    async with login("anna") as anna:
        case = str(first.case_id)
        made = await proposing.propose(anna, "withdrawal", "privilege-withdrawn", "x", [case], rate=1)
        name = await anna.fetchval("select current_database()")
        reset = await changed(login, "reset", "bertil", VERIFIER)
        bertil = f'"{name}_operator_bertil"'
        for statement in (
            f"alter role {bertil} password 'mine'",
            f"select operator_logins.change('operator-reset', '{name}_operator_bertil', '{VERIFIER}')",
            f"set role {bertil}",
            f"set session authorization {bertil}",
            f"grant {bertil} to session_user",
            "create role anna2 login",
            f"select confirm('{reset}')",
            f"select confirm('{made.id}')",
            f"update revoker.proposals set confirmed_by = '{name}_operator_bertil', confirmed_at = now()",
            "update revoker.proposals set proposed_by = 'somebody'",
            "delete from revoker.proposals",
            "insert into revoker.operators (login) values ('anna2')",
            "update revoker.operators set forgotten = true, removed_at = now()",
            "select revoker.forget_operators('mine')",
            f"select revoker.change_operator(p) from revoker.proposals as p where id = '{reset}'",
            "select verifier from revoker.login_verifiers",
            f"insert into revoker.login_verifiers values ('{made.id}', '{VERIFIER}')",
        ):
            with pytest.raises((*REFUSED, asyncpg.InvalidAuthorizationSpecificationError)):
                await anna.execute(statement)
    assert {it.state for it in await everything(login)} == {"unconfirmed"}
    with pytest.raises(UserError, match="operators themselves decide"):
        add_operator(admin_url, "bertil")


async def everything(login: Login) -> list[proposing.Proposal]:
    async with login("bertil") as connection:
        return await proposing.proposals(connection, everything=True)


async def test_D2_F4_a_second_login_of_one_person_decides_nothing_unless_another_operator_confirmed_it(
    stand: Stand, issued: CertificateIssued, login: Login, admin_url: str
) -> None:
    """Also where an administrator, who may make roles, made it and put it into the group by hand."""
    await stand.happen(first := another(issued, 1))
    async with login("anna") as anna:
        made = await proposing.propose(anna, "withdrawal", "privilege-withdrawn", "x", [str(first.case_id)], rate=1)
        name = await anna.fetchval("select current_database()")
    password, second = database.new_password(), f"{name}_operator_anna2"
    async with connected(admin_url) as administrator:
        await administrator.execute(f"""create role "{second}" login password '{password}'""")
        await administrator.execute(f'grant "{name}_operators" to "{second}"')
    with pytest.raises(UserError, match="There are two operators already"):
        add_operator(admin_url, "anna3")
    with pytest.raises(UserError, match="There are two operators already"):
        add_login(admin_url, "anna3", None)
    async with connected(database.url_of(admin_url, second, password)) as again:
        await again.execute("set search_path = revoker")
        for attempt in (
            proposing.confirm(again, made.id),
            proposing.propose(again, "incident", "key-exposed", "x", [], rate=1),
            proposing.propose_operator(again, "operator-added", "anna4", VERIFIER, "x"),
            proposing.drop(again, made.id),
        ):
            with pytest.raises(OperatorError, match="use an operator's own"):
                await attempt
    with pytest.raises(UserError, match="ask another operator"):
        await confirmed(login, await changed(login, "added", "anna3", VERIFIER), by="anna")
    assert not [it for it in await everything(login) if it.confirmed_by]


async def test_D2_F4_the_database_lets_nobody_in_behind_the_operators_backs(
    stand: Stand, login: Login, admin_url: str
) -> None:
    """Not even who owns the tables, as long as their triggers stand."""
    id = await changed(login, "added", "carla", VERIFIER)
    async with stand.pool.acquire() as owner:
        for statement in (
            "insert into operators (login) values ('third')",
            f"insert into operators (login, proposal) values ('third', '{id}')",
            f"insert into operators (login, proposal) select login, id from proposals where id = '{id}'",
            "delete from operators",
            "update operators set login = 'third'",
            "update operators set removed_at = now()",
            "update proposals set verifier_sha256 = repeat('0', 64)",
            "update proposals set login = 'third'",
            "insert into proposals (id, kind, why, rate, total, login, proposed_by)"
            " values (gen_random_uuid(), 'operator-added', 'x', 1, 0, 'third', session_user)",
        ):
            with pytest.raises(REFUSED):
                await owner.execute(statement)


async def test_D2_B6_a_login_that_another_operator_confirms_works_and_is_in_the_audit(
    stand: Stand, login: Login, admin_url: str
) -> None:
    credential, other = Credential.new(), Credential.new()
    id = await changed(login, "added", "carla", credential.verifier)
    async with login("anna") as anna:
        assert (await proposing.proposal(anna, id)).verifier_sha256 == fingerprint(credential.verifier)
        role = (await proposing.proposal(anna, id)).login
        assert role is not None
        url = database.url_of(admin_url, role, credential.password)
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(url)
        assert await confirmed(login, id)
        assert (await proposing.proposal(anna, id)).state == "done"
        assert not await confirmed(login, id, by="anna"), "once"
    async with connected(url) as carla:
        reset = await proposing.propose_operator(carla, "operator-reset", "anna", other.verifier, "lost")
    assert await confirmed(login, reset.id)
    with pytest.raises(asyncpg.InvalidPasswordError):
        async with login("anna"):
            pass
    async with connected(database.url_of(admin_url, str(reset.login), other.password)) as anna:
        assert [it["login"] for it in await proposing.operators(anna)][-1] == role
        removed = await proposing.propose_operator(anna, "operator-removed", "carla", None, "has left")
    assert await confirmed(login, removed.id)
    with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError):
        await asyncpg.connect(url)
    async with connected(admin_url) as administrator:
        assert await administrator.fetchval("select count(*) from revoker.login_verifiers") == 0
    async with stand.pool.acquire() as connection:
        assert await connection.fetchval("select count(*) from deadlines where key like 'proposal/%'") == 0
        assert (await verify(connection, "revoker", {}, None)).findings == []
        rows = await connection.fetch("select entry from audit where entry like '%\"login\"%' order by at")
        first = await connection.fetch("select key from audit where entry like '%db operator%' and key <> ''")
    acts = [json.loads(row["entry"])["happened"] for row in rows]
    assert [(it["command"], it["facts"]["operator"][-6:]) for it in acts] == [
        ("proposals propose", "r_anna"),
        ("proposals confirm", "bertil"),
        ("proposals propose", "_carla"),
        ("proposals confirm", "bertil"),
        ("proposals propose", "r_anna"),
        ("proposals confirm", "bertil"),
    ]
    assert acts[0]["facts"]["verifier_sha256"] == fingerprint(credential.verifier)
    assert sorted(row["key"][-6:] for row in first) == ["bertil", "r_anna"]


async def test_D2_two_operators_stay(stand: Stand, login: Login) -> None:
    with pytest.raises(UserError, match="two operators are needed"):
        await confirmed(login, await changed(login, "removed", "bertil"))


async def test_D2_a_dropped_login_leaves_nothing_to_log_in_with(login: Login, admin_url: str) -> None:
    id = await changed(login, "added", "carla", VERIFIER)
    async with login("bertil") as bertil:
        assert await proposing.drop(bertil, id)
    assert not await confirmed(login, id)
    async with connected(admin_url) as administrator:
        assert await administrator.fetchval("select count(*) from revoker.login_verifiers") == 0


@pytest.mark.parametrize(
    ("change", "name", "verifier", "says"),
    [
        ("added", "anna", VERIFIER, "a name that was never used"),
        ("reset", "nobody", VERIFIER, "a name that was never used"),
        ("removed", "nobody", None, "a name that was never used"),
        ("added", 'x" superuser', VERIFIER, "a name that was never used"),
        ("added", "carla", "a password in the clear", "no verifier"),
        ("added", "carla", "md5" + "0" * 32, "no verifier"),
        ("withdrawn", "carla", VERIFIER, "a name that was never used"),
    ],
)
async def test_D2_what_is_no_login_is_not_proposed(
    stand: Stand, login: Login, change: str, name: str, verifier: str | None, says: str
) -> None:
    with pytest.raises(UserError, match=says):
        await changed(login, change, name, verifier)
    assert await everything(login) == []


async def test_D2_B6_when_all_have_lost_their_logins_the_administrator_begins_anew_and_the_audit_says_so(
    stand: Stand, login: Login, admin_url: str
) -> None:
    id = await changed(login, "added", "carla", VERIFIER)
    await administer(stand.pool, "select forget_operators('both lost')")
    with pytest.raises(OperatorError, match="use an operator's own"):
        await confirmed(login, id)
    dora, elsa = [add_operator(admin_url, name) for name in ("dora", "elsa")]
    with pytest.raises(UserError, match="There are two operators already"):
        add_operator(admin_url, "fanny")
    async with connected(dora) as proposer, connected(elsa) as confirmer:
        assert await proposer.fetchval("show idle_in_transaction_session_timeout") == "1min"
        made = await proposing.propose_operator(proposer, "operator-added", "carla", VERIFIER, "x")
        assert await proposing.confirm(confirmer, made.id)
    entry = await stand.pool.fetchval("select entry from audit where key = 'operators'")
    assert json.loads(entry)["happened"]["facts"]["why"] == "both lost"


async def test_D2_a_login_by_certificate_has_no_password(stand: Stand, login: Login, admin_url: str) -> None:
    assert await confirmed(login, await changed(login, "added", "carla"))
    async with connected(admin_url) as administrator:
        name = await administrator.fetchval("select current_database()")
        role = f"{name}_operator_carla"
        assert await administrator.fetchval("select rolpassword is null from pg_authid where rolname = $1", role)
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(database.url_of(admin_url, role, "anything"))


async def test_D2_F7_a_login_whose_password_a_restore_has_lost_is_not_made_without_one(
    stand: Stand, login: Login
) -> None:
    made = await changed(login, "added", "carita", VERIFIER)
    await administer(stand.pool, "delete from login_verifiers")
    with pytest.raises(UserError, match="is lost since a restore: drop the proposal, and propose it again"):
        await confirmed(login, made)
    async with login("bertil") as connection:
        assert await proposing.drop(connection, made)
    await changed(login, "added", "carita", VERIFIER)
