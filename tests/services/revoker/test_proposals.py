"""D2, D6: two operators, each with a login, decide the authority's revocations, done once at the chosen rate."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from figures import figure
from servicecert_cli.commands.incident import FASTEST
from servicecert_cli.faults import UserError
from servicecert_cli.operations import proposing
from servicecert_revoker.domain.authority_requests import MOST_AT_ONCE, Item, Proposal, carry_out
from servicecert_revoker.domain.knowledge import Knowledge
from servicecert_schemas.certificate import CertificateIssued
from servicecert_schemas.revocation import (
    CertificateRevoked,
    KeyCompromised,
    RevocationReason,
    RevocationRefused,
    RevocationRequested,
)
from servicecert_worker.audit.verification import verify
from servicecert_worker.core.faults import OperatorError
from services.revoker.conftest import Login
from services.revoker.stand import Stand, another, renewed

NOW = datetime(2026, 11, 24, 10, 2, 3, tzinfo=UTC)
MINUTE, SECOND = timedelta(minutes=1), timedelta(seconds=1)
KEY = "1" * 64


@pytest.fixture
def stand(pool, known: Knowledge) -> Stand:
    return Stand(pool, known, most=3)


async def proposed(login: Login, cases: list[UUID], by: str = "anna", **changes: Any) -> proposing.Proposal:
    about = {"kind": "withdrawal", "reason": "privilege-withdrawn", "why": "decision 2026/117", "rate": 600, **changes}
    async with login(by) as connection:
        return await proposing.propose(connection, cases=[str(case) for case in cases], **about)


async def confirmed(login: Login, id: UUID, by: str = "bertil") -> bool:
    async with login(by) as connection:
        return await proposing.confirm(connection, id)


async def carried_out(stand: Stand) -> list[Any]:
    events: list[Any] = []
    while await stand.wake():
        events += await stand.settled()
        stand.now += SECOND
    return events


async def test_D2_withdrawal_that_another_operator_confirms_is_carried_out_in_both_names(
    stand: Stand, issued: CertificateIssued, login: Login
) -> None:
    first, second = another(issued, 1), another(issued, 2)
    await stand.happen(first, second)
    made = await proposed(login, [first.case_id, UUID(int=77)])
    assert (made.total, made.state) == (1, "unconfirmed")
    assert await stand.wake() == 0, "nothing follows from a proposal alone"
    with pytest.raises(UserError, match="another operator"):
        await confirmed(login, made.id, by="anna")
    assert await confirmed(login, made.id)
    assert not await confirmed(login, made.id, by="cecilia")
    stand.now = datetime.now(UTC) + SECOND
    events = await carried_out(stand)
    (order,) = [each for each in events if isinstance(each, RevocationRequested)]
    assert order.actor.user_id.endswith(
        "_operator_anna/" + (await stand.pool.fetchval("select confirmed_by from proposals"))
    )
    (revoked,) = [each for each in events if isinstance(each, CertificateRevoked)]
    assert (revoked.case_id, revoked.reason) == (first.case_id, RevocationReason.PRIVILEGE_WITHDRAWN)
    assert await stand.standings() == {"revoked": 1, "valid": 1}
    assert await stand.parked() == 0
    async with login("anna") as connection:
        done = await proposing.proposal(connection, made.id)
        assert (done.state, done.ordered) == ("done", 1)
        assert await proposing.status_counts(connection, made.id) == {"revoked": 1}


async def test_D2_request_without_a_confirmed_proposal_is_not_obeyed(
    stand: Stand, issued: CertificateIssued, login: Login, requested: Callable[..., RevocationRequested]
) -> None:
    """An invented one, one of an unconfirmed proposal, a confirmed id with another reason or case."""
    from servicecert_revoker.domain.authority_requests import request_id
    from servicecert_schemas.event import Role

    first, second = another(issued, 1), another(issued, 2)
    await stand.happen(first, second)
    made = await proposed(login, [first.case_id])
    withdrawn = RevocationReason.PRIVILEGE_WITHDRAWN

    def order(id: UUID, case: CertificateIssued, reason: RevocationReason = withdrawn) -> RevocationRequested:
        return requested(
            role=Role.OPERATOR, request_id=id, case_id=case.case_id, serial_as_typed=case.serial, reason=reason
        )

    id = request_id(made.id, first.case_id)
    await stand.happen(order(uuid4(), first), order(id, first))
    await confirmed(login, made.id)
    await stand.happen(order(id, first, RevocationReason.KEY_EXPOSED), order(id, second))
    refused = [each.code for each in await stand.settled() if isinstance(each, RevocationRefused)]
    assert refused == ["not-confirmed"] * 4
    assert await stand.standings() == {"valid": 2}


async def test_D2_database_refuses_what_is_not_two_peoples(
    stand: Stand, issued: CertificateIssued, login: Login
) -> None:
    await stand.happen(first := another(issued, 1))
    made = await proposed(login, [first.case_id])
    for statement, by in (
        ("update proposals set confirmed_by = 'somebody', confirmed_at = now()", None),
        ("update proposals set why = 'x'", None),
        ("delete from proposals", None),
        ("delete from proposal_items", None),
        ("insert into proposal_items select id, 2, '00000000-0000-0000-0000-000000000001' from proposals", None),
        ("update proposals set confirmed_by = session_user, confirmed_at = now()", "bertil"),
        (
            "insert into proposals (id, kind, reason, why, rate, total, proposed_by) "
            "values (gen_random_uuid(), 'incident', 'key-exposed', 'x', 1, 0, session_user)",
            "bertil",
        ),
        ("select certificate from statuses", "bertil"),
        ("select tell_operation('proposals confirm', 'proposal/1', '{}')", "bertil"),
        ("insert into audit_chains (chain) values (gen_random_uuid())", "bertil"),
        ("select propose(gen_random_uuid(), 'cascade', 'key-exposed', 'x', repeat('1', 64), 1, '{}')", "bertil"),
    ):
        async with stand.pool.acquire() if by is None else login(by) as connection:
            with pytest.raises((asyncpg.CheckViolationError, asyncpg.InsufficientPrivilegeError)):
                await connection.execute(statement)
    with pytest.raises(OperatorError, match="use an operator's own"):
        async with stand.pool.acquire() as service:
            await proposing.propose(service, "incident", "key-exposed", "x", [], rate=1)
    async with login("bertil") as connection:
        assert await proposing.drop(connection, made.id)
    assert not await confirmed(login, made.id)


async def test_B6_D2_who_proposed_and_who_confirmed_is_in_the_audit_chain_by_the_database_itself(
    stand: Stand, issued: CertificateIssued, login: Login
) -> None:
    """With any client: operators call these database functions, and their command writes no audit entry itself."""
    first, second = another(issued, 1), another(issued, 2)
    await stand.happen(first, second)
    cases = [second.case_id, first.case_id]
    why = 'beslut "2026/117" ä\n\\'
    made = await proposed(login, cases, kind="key", reason="key-exposed", key_sha256=KEY, why=why)
    other = await proposed(login, [first.case_id])
    with pytest.raises(UserError, match="another operator"):
        await confirmed(login, made.id, by="anna")
    assert await confirmed(login, made.id)
    assert not await confirmed(login, made.id, by="bertil")
    async with login("bertil") as connection:
        assert await proposing.drop(connection, other.id)
    async with stand.pool.acquire() as connection:
        verified = await verify(connection, "revoker", {}, None)
        rows = await connection.fetch("select key, entry from audit where key like 'proposal/%' order by at")
        name = await connection.fetchval("select current_database()")
    assert (verified.findings, verified.chains) == ([], 7), (
        "the revoker's own chain, and one for each act and each operator"
    )

    def by(who: str, command: str, **facts: Any) -> Any:
        return {"happened": {"command": f"proposals {command}", "facts": {"operator": operator(who), **facts}}}

    def operator(who: str) -> str:
        return f"{name}_operator_{who}"

    listed = "".join(f"{case}\n" for case in cases)
    about = {"kind": "key", "reason": "key-exposed", "key_sha256": KEY, "rate": 600, "total": 2}
    withdrawal = {"kind": "withdrawal", "reason": "privilege-withdrawn", "rate": 600, "total": 1}
    digest = sha256(listed.encode()).hexdigest()
    assert [(row["key"], json.loads(row["entry"])) for row in rows] == [
        (f"proposal/{made.id}", by("anna", "propose", why=why, **about)),
        (f"proposal/{other.id}", by("anna", "propose", why="decision 2026/117", **withdrawal)),
        (f"proposal/{made.id}", by("bertil", "confirm", proposed_by=operator("anna"), total=2, cases_sha256=digest)),
        (f"proposal/{other.id}", by("bertil", "drop", proposed_by=operator("anna"))),
    ]


async def test_D6_key_that_was_found_is_blocked_and_its_certificates_are_revoked(
    stand: Stand, issued: CertificateIssued, login: Login
) -> None:
    first, second, free = another(issued, 1), another(issued, 2), another(issued, 3, key_sha256="2" * 64)
    await stand.happen(first, free)
    made = await proposed(login, [first.case_id], kind="key", reason="key-exposed", key_sha256=KEY)
    await stand.happen(second)
    await confirmed(login, made.id)
    stand.now = datetime.now(UTC) + SECOND
    events = await carried_out(stand)
    assert [each.key_sha256 for each in events if isinstance(each, KeyCompromised)] == [KEY]
    assert {each.case_id for each in events if isinstance(each, CertificateRevoked)} == {first.case_id, second.case_id}
    assert await stand.standings() == {"revoked": 2, "valid": 1}


async def test_D6_stopped_cascade_goes_on_once_an_operator_confirms(
    stand: Stand, issued: CertificateIssued, login: Login, requested: Callable[..., RevocationRequested]
) -> None:
    certificates = [another(issued, number) for number in range(1, 7)]
    await stand.happen(*certificates)
    reason = RevocationReason.KEY_EXPOSED
    await stand.happen(requested(case_id=certificates[0].case_id, serial_as_typed="01", reason=reason))
    await stand.settled()
    assert await figure(stand.pool, stand.now, "proposals") == {
        "unconfirmed": 0,
        "stopped": 1,
        "running": 0,
    }
    async with login("anna") as connection:
        (waiting,) = await proposing.proposals(connection)
    assert await confirmed(login, waiting.id)
    assert await figure(stand.pool, stand.now, "proposals") == {
        "unconfirmed": 0,
        "stopped": 0,
        "running": 1,
    }
    stand.now = datetime.now(UTC) + SECOND
    await carried_out(stand)
    assert await stand.standings() == {"revoked": 6}
    assert await figure(stand.pool, stand.now, "proposals") == {
        "unconfirmed": 0,
        "stopped": 0,
        "running": 0,
    }


async def test_incident_is_carried_out_at_its_rate_and_goes_on_where_a_dead_revoker_left_it(
    stand: Stand, issued: CertificateIssued, login: Login
) -> None:
    certificates = [another(issued, number) for number in range(1, 31)]
    await stand.happen(*certificates)
    cases = [each.case_id for each in certificates]
    made = await proposed(login, [*cases, cases[0]], kind="incident", reason="key-exposed", rate=60)
    assert made.total == 30
    await confirmed(login, made.id)
    stand.now = datetime.now(UTC) + SECOND
    events: list[Any] = []
    for second in range(12):
        await stand.wake()
        stand.now += SECOND
        events += await stand.settled()
        assert len([each for each in events if isinstance(each, RevocationRequested)]) <= second + 1
    # One dies with what it has in memory; another takes over, after an hour of downtime, and adopts the acts.
    heir = renewed(stand, now=stand.now + timedelta(hours=1))
    events += await carried_out(heir)
    orders = [each for each in events if isinstance(each, RevocationRequested)]
    assert len(orders) == len({each.request_id for each in orders}) == 30
    assert len([each for each in events if isinstance(each, CertificateRevoked)]) == 30
    assert await heir.standings() == {"revoked": 30}
    assert await heir.parked() == 0


def running(**changes: Any) -> Proposal:
    items = tuple(Item(UUID(int=number), "account-1", f"{number:02x}") for number in range(1, 601))
    about: dict[str, Any] = {
        "id": UUID(int=1),
        "reason": RevocationReason.NO_LONGER_NEEDED,
        "operators": "anna/bertil",
        "key_sha256": None,
        "rate": 60,
        "total": 600,
        "ordered": 0,
        "carried_at": None,
        "proposed_at": NOW,
        "next": items,
    }
    return Proposal(**{**about, **changes})


@pytest.mark.parametrize(
    ("rate", "passed", "count"),
    [
        (60, SECOND, 1),
        (60, SECOND / 2, 0),
        (60, 10 * SECOND, 10),
        (10, timedelta(days=1), 100),
        (60, timedelta(days=1), MOST_AT_ONCE),
        (60_000, MINUTE, MOST_AT_ONCE),
        (1, SECOND, 0),
    ],
)
def test_rate_is_kept_and_a_pause_is_made_good_for_ten_minutes_at_most(
    rate: int, passed: timedelta, count: int
) -> None:
    decision = carry_out(running(rate=rate, carried_at=NOW), NOW + passed)
    assert len(decision.events) == count
    assert decision.state is not None
    assert decision.state.carried_at == NOW + max(timedelta(), passed - timedelta(minutes=10)) + count * MINUTE / rate
    (again,) = decision.deadlines
    assert again.at == NOW + passed + max(SECOND, MINUTE / rate)


@pytest.mark.parametrize("tick", [SECOND, 1.25 * SECOND])
@pytest.mark.parametrize("rate", [60, 70, 90, 100, 119, 600, 7_777, FASTEST])
def test_rate_is_kept_where_a_tick_is_no_whole_number_of_certificates(rate: int, tick: timedelta) -> None:
    proposal, ordered, now = running(rate=rate, total=10**9, carried_at=NOW), 0, NOW
    while now < NOW + 2 * MINUTE:
        now += tick
        decision = carry_out(proposal, now)
        assert decision.state is not None
        ordered += len(decision.events)
        proposal = replace(decision.state, next=proposal.next)
    assert ordered == pytest.approx(2 * rate, abs=1 + rate / 48)


def test_proposal_that_is_done_or_empty_does_nothing_more() -> None:
    done = running(ordered=600, next=(), done_at=NOW)
    assert carry_out(done, NOW).state is done
    empty = carry_out(running(total=0, next=()), NOW)
    assert (empty.events, empty.deadlines, empty.intents) == ((), (), ())
    assert empty.state is not None
    assert empty.state.done_at == NOW
