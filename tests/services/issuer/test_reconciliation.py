"""Reconciliation (B2): healthy tables have no differences, and each kind of damage is found."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias
from uuid import uuid4

import asyncpg
import pytest
from databases import administer
from servicecert_issuer.domain.examine import IssuingContext
from servicecert_issuer.domain.issuance import Intended, Recorded, SigningOrder, Unsigned
from servicecert_issuer.operator.reconciliation import PublishedOutcomes, count_refused, count_serials, differences
from servicecert_issuer.storage.store import CertificateStore
from servicecert_pki.keys import SigningKey
from servicecert_schemas.certificate import ApplicationAccepted, CertificateIssued, CertificateVoided
from servicecert_schemas.revocation import Standing, StandingChanged
from servicecert_worker.core.decider import Result, Stored
from services.issuer.harness import IssuerHarness, kept

Accepted = Callable[..., ApplicationAccepted]
Pool: TypeAlias = "asyncpg.Pool[Any]"


# Other tests' audit entries have no certificates any more.
EMPTY_AUDIT = """
alter table audit disable trigger user;
truncate audit, audit_chains;
alter table audit enable trigger user;
"""


@pytest.fixture
async def issuer(pool: Pool, context: IssuingContext, ca_keys: Mapping[str, SigningKey]) -> IssuerHarness:
    await administer(pool, EMPTY_AUDIT)
    return IssuerHarness(pool, context, ca_keys)


async def found(pool: Pool) -> set[str]:
    async with pool.acquire() as connection:
        return {each.what for each in await differences(connection)}


async def test_B2_tables_with_every_outcome_have_no_differences(
    issuer: IssuerHarness, context: IssuingContext, accepted: Accepted
) -> None:
    await issuer.issue(*(accepted(case_id=uuid4(), key=key) for key in ("ec", "ec", "rsa")))
    await issuer.happen(accepted(case_id=uuid4()))
    (task,) = issuer.tasks
    await issuer.happen(Result(task.id, task.key, task.kind, Unsigned(code="deadline")))
    issuer.tasks.clear()
    await issuer.happen(accepted(case_id=uuid4()), accepted(case_id=uuid4(), validity_days=9_999))
    strict = IssuerHarness(issuer.pool, replace(context, lint=lambda *_: ("x",)), {})
    await strict.happen(accepted(case_id=uuid4()))
    assert await found(issuer.pool) == set()
    async with issuer.pool.acquire() as connection:
        ec, rsa = await count_serials(connection)
        assert await count_refused(connection) == {"validity": 1}
    assert (ec.issuer, ec.allocated, ec.issued, ec.void, ec.open, ec.stopped) == ("production-ec", 4, 2, 1, 1, 1)
    assert (rsa.issuer, rsa.allocated, rsa.issued, rsa.void, rsa.open, rsa.stopped) == ("production-rsa", 1, 1, 0, 0, 0)
    assert ec.last_issued is not None
    assert ec.open_since is not None
    assert rsa.open_since is None


BREACHES = {
    "delete from intents": {"never-finished"},
    "update certificates set state = 'voided', refusal = 'x' where state = 'intended'": {"nothing-intended"},
    "update certificates set sign_by = now() - interval '1 second' where state = 'intended'": {"late"},
    "update certificates set certificate = set_byte(certificate, 40, 0) where state = 'issued'": {
        "other-bytes",
        "end-not-audited",
    },
    "update certificates set serial = '4b' || substr(serial, 3) where state = 'issued'": {"other-serial"},
    """update intents set data = convert_to(replace(convert_from(data, 'utf8'), '"tbs":"M', '"tbs":"N'), 'utf8')""": {
        "other-act"
    },
    "update certificates set certificate = certificate || '\\x00' where state = 'issued'": {"end-not-audited"},
    "delete from certificates where state = 'issued'": {"gone"},
    "update certificates set tbs = tbs || '\\x00' where state = 'issued'": {"not-audited", "gone", "other-bytes"},
    "insert into certificates select (jsonb_populate_record(c, jsonb_build_object("
    "'key', gen_random_uuid(), 'serial', '4c' || substr(serial, 3)))).*"
    " from certificates as c where state = 'issued'": {
        "not-audited",
        "end-not-audited",
        "other-serial",
    },
}


@pytest.mark.parametrize("statement", BREACHES)
async def test_B2_B6_each_kind_of_damage_is_found(issuer: IssuerHarness, accepted: Accepted, statement: str) -> None:
    await issuer.issue(accepted(case_id=uuid4()))
    await issuer.happen(accepted(case_id=uuid4()))
    assert await found(issuer.pool) == set()
    await administer(issuer.pool, "alter table certificates disable trigger user")
    try:
        await administer(issuer.pool, statement)
        assert await found(issuer.pool) == BREACHES[statement]
    finally:
        await administer(issuer.pool, "alter table certificates enable trigger user")


@pytest.fixture
def plant(issuer: IssuerHarness, intend: Callable[..., Intended]) -> Callable[..., Awaitable[Intended]]:
    """Write a signing intent into the tables by hand, with its certificate or without."""

    async def put(application: ApplicationAccepted, *, with_certificate: bool) -> Intended:
        intended = replace(intend(application, sign_by=datetime.now(UTC) + timedelta(days=1)), record=kept(application))
        async with issuer.pool.acquire() as connection:
            if with_certificate:
                await CertificateStore().save(connection, [Stored(application.key(), 0, intended)])
            await connection.execute(
                "insert into intents (id, key, kind, data, owner, since) values ($1, $2, 'sign', $3, 0, now())",
                uuid4(),
                application.key(),
                SigningOrder.of(intended).model_dump_json().encode(),
            )
        await issuer.adopt()
        return intended

    return put


async def test_I4_a_planted_act_signs_nothing(issuer: IssuerHarness, accepted: Accepted, plant: Any) -> None:
    planted = accepted(case_id=uuid4())
    await plant(planted, with_certificate=False)
    assert await found(issuer.pool) == {"nothing-intended"}
    await issuer.finish()
    assert (await issuer.state(planted.case_id), len(issuer.tasks)) == (None, 0)
    assert await found(issuer.pool) == set()


async def test_B6_a_planted_certificate_is_found(issuer: IssuerHarness, accepted: Accepted, plant: Any) -> None:
    """Of an application that intake has signed: its result is in the audit, its intent is not."""
    planted = accepted(case_id=uuid4())
    await plant(planted, with_certificate=True)
    await issuer.finish()
    assert isinstance(await issuer.state(planted.case_id), Recorded)
    assert await found(issuer.pool) == {"not-audited", "not-decided"}


async def test_B2_published_outcomes_are_compared_with_the_tables(
    issuer: IssuerHarness, accepted: Accepted, intend: Any, ca_keys: Mapping[str, SigningKey]
) -> None:
    await issuer.issue(accepted(case_id=uuid4()))
    (row,) = await issuer.pool.fetch("select payload from outbox where type like '%.issued.%'")
    issued = CertificateIssued.model_validate_json(row["payload"])
    state = await issuer.state(issued.case_id)
    assert isinstance(state, Recorded)
    published = PublishedOutcomes()
    for _ in range(2):
        published.add_outcome(issued)
    async with issuer.pool.acquire() as connection:
        assert (published.count, await published.differences(connection)) == (1, [])
        void = CertificateVoided(
            case_id=issued.case_id, issuer=issued.issuer, serial=issued.serial, serial_decimal="1", code="x"
        )
        published.add_outcome(void)
        published.add_outcome(issued.model_copy(update={"case_id": uuid4()}))
        differing = await published.differences(connection)
    assert {each.what for each in differing} == {"told-twice", "told-otherwise"}
    assert all(each.words.startswith("is ") for each in differing)


async def test_B2_D4_what_is_void_for_a_day_and_not_revoked_is_found(issuer: IssuerHarness, accepted: Accepted) -> None:
    await issuer.happen(accepted(case_id=uuid4()))
    (task,) = issuer.tasks
    await issuer.happen(Result(task.id, task.key, task.kind, Unsigned(code="deadline")))
    (row,) = await issuer.pool.fetch("select payload from outbox where type like '%.voided.%'")
    void = CertificateVoided.model_validate_json(row["payload"])
    assert void.not_after is not None
    valid = StandingChanged(issuer=void.issuer, serial=void.serial, standing=Standing.VALID, not_after=void.not_after)
    listed = valid.model_copy(update={"standing": Standing.REVOKED})

    async def found(*events: StandingChanged) -> set[str]:
        published = PublishedOutcomes()
        published.add_outcome(void)
        for each in events:
            published.add_standing(each)
        async with issuer.pool.acquire() as connection:
            return {each.what for each in await published.differences(connection)}

    assert await found() == set(), "it may be under way"
    await administer(
        issuer.pool,
        "alter table certificates disable trigger user;"
        " update certificates set ended_at = now() - interval '25 hours';"
        " alter table certificates enable trigger user",
    )
    assert (await found(), await found(valid), await found(valid, listed)) == ({"void-valid"}, {"void-valid"}, set())
