"""The order of issuing holds, whatever fails in between (B2, B4, I3, I4, A15)."""

from __future__ import annotations

import asyncio
import json
from base64 import b64decode
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias
from uuid import UUID, uuid4

import asyncpg
import pytest
from servicecert_issuer.domain.examine import IssuingContext, public_key_of
from servicecert_issuer.domain.issuance import Intended, Recorded, Refused, Stopped, Unsigned, Voided
from servicecert_launcher.softhsm import SoftHsm
from servicecert_pki.keyring import TokenAccess
from servicecert_pki.keys import KeyUnavailable, SigningKey
from servicecert_pki.profile import Environment
from servicecert_pki.spki import KeyFamily, spki_sha256
from servicecert_pki.token_key import generate_in_token
from servicecert_schemas.certificate import AcceptedWithdrawn, ApplicationAccepted
from servicecert_schemas.revocation import KeyCompromised
from servicecert_worker.core.clock import ClockWrong
from servicecert_worker.core.decider import Due, Event, Result
from services.issuer.harness import IssuerHarness

Accepted = Callable[..., ApplicationAccepted]
Pool: TypeAlias = "asyncpg.Pool[Any]"

WEEK = timedelta(days=7)
REFUSING = """
create function refuse() returns trigger language plpgsql as $$
begin raise exception 'no' using errcode = 'check_violation'; end $$;
create trigger refuse before update on certificates for each row execute function refuse();
"""


class Token:
    """A key that can become unavailable."""

    def __init__(self, key: SigningKey) -> None:
        self._key = key
        self.family = key.family
        self.public_key = key.public_key
        self.signed: list[bytes] = []
        self.away = False

    def sign(self, *parts: bytes) -> bytes:
        if self.away:
            raise KeyUnavailable("The token is away; put it back.")
        self.signed.append(b"".join(parts))
        return self._key.sign(*parts)


@pytest.fixture(scope="session")
def soft_token(hsm: SoftHsm, tmp_path_factory: pytest.TempPathFactory) -> SigningKey:
    """A key in SoftHSM2."""
    hsm.add_token("servicecert-order", "123456", "officer")
    pins = tmp_path_factory.mktemp("pins") / "pins"
    pins.touch(mode=0o600)
    pins.write_text("production=123456\ntest=123456\n")
    opened = TokenAccess(hsm.module, pins).token("servicecert-order", Environment.PRODUCTION)
    return generate_in_token(opened, "production-ec", KeyFamily.EC)


@pytest.fixture(params=["pem", "softhsm"])
def back_end(request: pytest.FixtureRequest) -> str:
    """Used by the tests that run with both kinds of keys."""
    return str(request.param)


@pytest.fixture
def token(request: pytest.FixtureRequest, ca_keys: Mapping[str, SigningKey]) -> Token:
    is_soft = "back_end" in request.fixturenames and request.getfixturevalue("back_end") == "softhsm"
    return Token(request.getfixturevalue("soft_token") if is_soft else ca_keys["production-ec"])


@pytest.fixture
def make_issuer(pool: Pool, context: IssuingContext, token: Token) -> Callable[..., IssuerHarness]:
    """Return a factory of issuers on one database: a second one is another worker, or a restarted one."""
    ca = replace(context.authority.issuer("production-ec"), public_key=token.public_key())
    authority = replace(context.authority, issuers={**context.authority.issuers, ca.id: ca})

    def make(**changes: Any) -> IssuerHarness:
        own = replace(changes.pop("context", context), authority=authority)
        return IssuerHarness(pool, own, {"production-ec": token}, **changes)

    return make


@pytest.fixture
def case() -> UUID:
    return uuid4()


async def _as_administrator(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url, server_settings={"search_path": "issuer"})
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


@pytest.mark.usefixtures("back_end")
async def test_B2_final_write_that_fails_is_repeated_with_the_same_bytes_and_serial(
    make_issuer: Callable[..., IssuerHarness], issuer_admin: str, accepted: Accepted, case: UUID, token: Token
) -> None:
    before = make_issuer()
    await before.happen(accepted(case_id=case))
    intended = await before.state(case)
    await _as_administrator(issuer_admin, REFUSING)
    try:
        await before.finish()
        assert await before.state(case) == intended
        assert (await before.published(), await before.intents(), await before.parked()) == ([], 1, 0)
    finally:
        await _as_administrator(issuer_admin, "drop trigger refuse on certificates; drop function refuse")
    after = make_issuer(random=lambda octets: b"\xff" * octets)
    await after.adopt()
    await after.finish()
    recorded = await after.state(case)
    assert isinstance(recorded, Recorded)
    assert recorded.intended == intended
    assert (await after.published(), await after.intents()) == (["issued"], 0)
    assert token.signed == [recorded.intended.linted.tbs] * 2


@pytest.mark.usefixtures("back_end")
async def test_B2_token_that_fails_between_leaves_the_intent_to_be_finished_later(
    make_issuer: Callable[..., IssuerHarness], accepted: Accepted, case: UUID, token: Token
) -> None:
    token.away = True
    before = make_issuer()
    await before.issue(accepted(case_id=case))
    intended = await before.state(case)
    assert isinstance(intended, Intended)
    await before.finish()
    assert len(before.tasks) == 1
    token.away = False
    after = make_issuer()
    await after.adopt()
    await after.finish()
    recorded = await after.state(case)
    assert isinstance(recorded, Recorded)
    assert recorded.intended == intended
    assert await after.published() == ["issued"]


@pytest.mark.parametrize("same_event", [True, False])
async def test_I3_two_issuers_on_one_application_make_one_certificate(
    make_issuer: Callable[..., IssuerHarness], accepted: Accepted, case: UUID, token: Token, same_event: bool
) -> None:
    application = accepted(case_id=case)
    first, second = (Event(uuid4(), str(case), application, make_issuer().now) for _ in range(2))
    one, other = make_issuer(), make_issuer(random=lambda octets: b"\xff" * octets)
    await asyncio.gather(one.happen(first), other.happen(first if same_event else second))
    await asyncio.gather(one.finish(), other.finish())
    assert isinstance(await one.state(case), Recorded)
    assert await one.published() == ["issued"]
    assert len(token.signed) == 1


@pytest.mark.usefixtures("back_end")
async def test_I3_act_that_two_do_counts_once(
    make_issuer: Callable[..., IssuerHarness], accepted: Accepted, case: UUID, token: Token
) -> None:
    one, other = make_issuer(), make_issuer()
    await one.happen(accepted(case_id=case))
    other.tasks = list(one.tasks)
    ones, others = await asyncio.gather(one.act(), other.act())
    await asyncio.gather(one.happen(*ones), other.happen(*others))
    assert await one.published() == ["issued"]
    assert token.signed == [token.signed[0]] * 2


async def test_serial_that_is_taken_is_drawn_again(
    make_issuer: Callable[..., IssuerHarness], accepted: Accepted, case: UUID, caplog: pytest.LogCaptureFixture
) -> None:
    drawn = iter([b"\x01" * 16, b"\x01" * 16, b"\x01" * 16, b"\x02" * 16, b"\x03" * 16])
    repeating = make_issuer(random=lambda _: next(drawn))
    await repeating.issue(accepted(case_id=case))
    others = [uuid4(), uuid4()]
    await repeating.issue(*(accepted(case_id=other) for other in others))
    states = [await repeating.state(each) for each in (case, *others)]
    serials = [state.intended.linted.serial for state in states if isinstance(state, Recorded)]
    assert serials == ["41" + "01" * 15, "42" + "02" * 15, "43" + "03" * 15]
    assert await repeating.parked() == 0
    assert any("randomness" in record.message for record in caplog.records)


@pytest.mark.parametrize("at_once", [True, False])
async def test_A4_key_of_another_organisation_is_refused_also_in_a_race(
    make_issuer: Callable[..., IssuerHarness], accepted: Accepted, at_once: bool
) -> None:
    subject = accepted().subject
    one, other = make_issuer(), make_issuer(random=lambda octets: b"\xff" * octets)
    mine = accepted(case_id=uuid4())
    theirs = accepted(case_id=uuid4(), subject=subject.model_copy(update={"business_id": "0116297-6"}))
    again = accepted(case_id=uuid4())
    if at_once:
        await asyncio.gather(one.issue(mine), other.issue(theirs))
    else:
        await one.issue(mine, theirs)
    ends = [await one.state(each.case_id) for each in (mine, theirs)]
    assert sorted(type(end).__name__ for end in ends) == ["Recorded", "Refused"]
    assert {end.code for end in ends if isinstance(end, Refused)} == {"key-of-another-organisation"}
    assert sorted(await one.published()) == ["issued", "refused"]
    assert await one.parked() == 0
    if not at_once:
        await one.issue(again)
        assert isinstance(await one.state(again.case_id), Recorded), "an organisation may renew with its key"


@pytest.mark.parametrize("at_once", [False, True])
async def test_D6_compromised_key_is_never_certified_also_in_a_race(
    make_issuer: Callable[..., IssuerHarness], issuer_admin: str, accepted: Accepted, case: UUID, at_once: bool
) -> None:
    """An earlier intent is voided unless it is signed already; the revoker revokes signed certificates."""
    one, other = make_issuer(), make_issuer(random=lambda octets: b"\xff" * octets)
    application, later = accepted(case_id=case), accepted(case_id=uuid4())
    lost = KeyCompromised(key_sha256=spki_sha256(public_key_of(b64decode(application.csr))), known_at=datetime.now(UTC))
    if at_once:
        await asyncio.gather(one.happen(application), other.happen(lost))
    else:
        await one.happen(lost, application)
    await one.happen(later)
    await one.finish()
    for end in (await one.state(case), await one.state(later.case_id)):
        assert isinstance(end, Refused | Voided)
    assert await one.state(later.case_id) == Refused("key-compromised", later.application_sha256)
    assert "issued" not in await one.published()
    assert await one.parked() == 0
    for statement in ("delete from blocked_keys", "update blocked_keys set key_sha256 = repeat('0', 64)"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await one.pool.execute(statement)
        with pytest.raises(asyncpg.CheckViolationError):
            await _as_administrator(issuer_admin, statement)


@pytest.mark.usefixtures("back_end")
async def test_B2_intent_whose_time_is_over_ends_void_and_is_never_signed(
    make_issuer: Callable[..., IssuerHarness], accepted: Accepted, case: UUID, token: Token
) -> None:
    token.away = True
    before = make_issuer()
    await before.issue(accepted(case_id=case))
    token.away = False
    after = make_issuer(now=before.now + WEEK + timedelta(seconds=1))
    await after.adopt()
    await after.finish()
    voided = await after.state(case)
    assert isinstance(voided, Voided)
    assert voided.code == "deadline"
    assert (await after.published(), await after.intents(), token.signed) == (["voided", "refused"], 0, [])
    await after.issue(accepted(case_id=case))
    assert await after.state(case) == voided


async def test_B2_B6_a_signature_that_comes_after_the_void_is_not_released_and_does_not_vanish(
    make_issuer: Callable[..., IssuerHarness], accepted: Accepted, case: UUID, pool: Pool
) -> None:
    one, other = make_issuer(), make_issuer()
    await one.happen(accepted(case_id=case))
    (task,) = one.tasks
    (signed,) = await one.act()
    await other.happen(Result(task.id, task.key, task.kind, Unsigned(code="deadline")))
    await one.happen(signed)
    assert isinstance(await one.state(case), Voided)
    assert await one.published() == ["voided", "refused"]
    ((late,),) = (outcome.late_results for outcome in one.outcomes if outcome.late_results)
    assert (late.code, late.result.key) == ("signed-after-void", str(case))
    row = await pool.fetchrow("select key, entry from audit where entry like '%belated%'")
    assert row is not None
    entry = json.loads(row["entry"])
    assert (row["key"], entry["belated"]) == (str(case), "signed-after-void")
    assert entry["happened"]["facts"] == {"fingerprint": signed.data.fingerprint}


async def test_I3_a_second_signature_of_what_is_recorded_leaves_no_trace(
    make_issuer: Callable[..., IssuerHarness], accepted: Accepted, case: UUID, pool: Pool, token: Token
) -> None:
    one, other, late = make_issuer(), make_issuer(), make_issuer()
    await one.happen(accepted(case_id=case))
    other.tasks, late.tasks = list(one.tasks), list(one.tasks)
    second = await other.act()
    await one.finish()
    rows = await pool.fetchval("select count(*) from audit where key = $1", str(case))
    await other.happen(*second)
    await late.finish()
    assert len(token.signed) == 2, "who comes when it is recorded signs nothing"
    assert not any(outcome.late_results for outcome in other.outcomes)
    assert await pool.fetchval("select count(*) from audit where key = $1", str(case)) == rows


async def test_B2_void_and_signed_at_once_is_one_of_them(
    make_issuer: Callable[..., IssuerHarness], accepted: Accepted, case: UUID
) -> None:
    one, other = make_issuer(), make_issuer()
    await one.happen(accepted(case_id=case))
    (task,) = one.tasks
    (signed,) = await one.act()
    await asyncio.gather(
        one.happen(signed), other.happen(Result(task.id, task.key, task.kind, Unsigned(code="deadline")))
    )
    end = await one.state(case)
    events = await one.published()
    assert events == (["issued"] if isinstance(end, Recorded) else ["voided", "refused"])


async def test_B3_stopped_application_signs_nothing_and_continues_when_retried(
    make_issuer: Callable[..., IssuerHarness], context: IssuingContext, accepted: Accepted, case: UUID, token: Token
) -> None:
    findings = ["pkix.a", 'with "quotes", {braces} and \\']
    strict = make_issuer(context=replace(context, lint=lambda *_: tuple(findings)))
    await strict.issue(accepted(case_id=case))
    stopped = await strict.state(case)
    assert stopped == Stopped(accepted(case_id=case), "production-ec", tuple(findings))
    assert (await strict.published(), await strict.intents(), token.signed) == (["stopped"], 0, [])
    retry = "insert into deadlines (key, kind, id, at) values ($1, 'retry', $2, now())"
    for round_ in range(2):
        if round_:
            findings.clear()
        due = Due(uuid4(), str(case), "retry", strict.now)
        await strict.pool.execute(retry, str(case), due.id)
        await strict.happen(due)
        await strict.finish()
        if not round_:
            assert await strict.state(case) == stopped
            assert (await strict.published(), await strict.intents()) == (["stopped"], 0)
    await strict.finish()
    assert isinstance(await strict.state(case), Recorded)
    assert await strict.published() == ["stopped", "issued"]


async def test_A15_stopped_application_can_be_withdrawn(
    make_issuer: Callable[..., IssuerHarness], context: IssuingContext, accepted: Accepted, case: UUID
) -> None:
    strict = make_issuer(context=replace(context, lint=lambda *_: ("pkix.a",)))
    await strict.issue(accepted(case_id=case))
    await strict.happen(AcceptedWithdrawn(case_id=case))
    assert await strict.state(case) == Refused("withdrawn", accepted(case_id=case).application_sha256)
    assert await strict.published() == ["stopped", "refused"]


async def test_A15_withdrawal_in_the_same_turn_as_the_acceptance_is_too_late(
    make_issuer: Callable[..., IssuerHarness], accepted: Accepted, case: UUID
) -> None:
    one = make_issuer()
    await one.happen(accepted(case_id=case), AcceptedWithdrawn(case_id=case))
    await one.finish()
    assert await one.published() == ["issued"]


async def test_F6_nothing_is_intended_under_a_wrong_clock_and_all_of_it_once_it_is_right(
    make_issuer: Callable[..., IssuerHarness], accepted: Accepted, case: UUID
) -> None:
    one = make_issuer()
    right, asked = one.now, asyncio.Event()
    one.now += timedelta(days=1)

    def require() -> None:
        asked.set()
        if one.now != right:
            raise ClockWrong("The clock jumped.")

    one.loop.require_clock = require
    issuing = asyncio.create_task(one.issue(accepted(case_id=case)))
    async with asyncio.timeout(120):
        await asked.wait()
    assert await one.state(case) is None
    one.now = right
    await issuing
    state = await one.state(case)
    assert isinstance(state, Recorded)
    assert state.intended.linted.not_before <= right, "it was examined again"
    assert (await one.published(), await one.parked()) == (["issued"], 0)
